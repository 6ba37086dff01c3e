#include "node/backend/backend.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/secret_file.h"
#include "common/io/tls.h"
#include "node/backend/backend_listen.h"

#define SECRET_MIN 8
#define FRAME_SLACK                                                                                                  \
	(64 * 1024) /* room beyond a client's message: the head of the frame and the lengths of attachments */
#define CUT_PINGS 2 /* a connection whose network confirms nothing for this many ping intervals is closed */

struct backend {
	const struct backend_options *options;
	struct backend_links *links;
	struct backend_core *clients;
	struct backend_listen *listen;
	struct tls_context *tls; /* NULL: no address needs TLS */
	char *secret;		 /* NULL: backends need no secret */
	bool draining;
};

size_t
backend_edge_name(char out[BACKEND_EDGE_MAX])
{
	char name[BACKEND_EDGE_MAX];
	size_t n = 0;

	if (gethostname(name, sizeof name) == 0) {
		name[sizeof name - 1] = '\0';
		n = strcspn(name, ".");
		n = n < BACKEND_EDGE_MAX / 2 ? n : BACKEND_EDGE_MAX / 2;
		memcpy(out, name, n);
		out[n++] = '-';
	}
	random_id(out + n, 12);
	return n + 12;
}

/* ------------------------------------------------------------------ secret */

static int
read_secret_file(const char *path, char **out, char *error)
{
	char why[SECRET_FILE_ERROR_MAX];
	int result = secret_file_read(out, path, why);

	if (result < 0)
		snprintf(error, BACKEND_ERROR_MAX, "option --backend-secret-file: %s", why);
	return result;
}

static int
read_secret(const struct backend_options *options, char **out, char *error)
{
	bool file = options->secret_file != NULL && options->secret_file[0] != '\0';
	int result = 0;

	if (file)
		result = read_secret_file(options->secret_file, out, error);
	else if (options->secret != NULL && options->secret[0] != '\0')
		*out = mem_text(options->secret, strlen(options->secret));
	if (result == 0 && *out != NULL && strlen(*out) < SECRET_MIN) {
		snprintf(error, BACKEND_ERROR_MAX, "the secret for backends is shorter than %d bytes", SECRET_MIN);
		result = file ? ERROR_SYSTEM : ERROR_ARGUMENT; /* somebody may be writing the file */
	}
	return result;
}

/* --------------------------------------------------------------------- TLS */

static bool
needs_tls(const struct backend_addresses *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (a->list[i].address.kind == BACKEND_ADDRESS_TLS)
			return true;
	}
	return false;
}

static int
read_tls(const struct backend_options *options, const struct tls_options *server, struct tls_context **out,
	char *error)
{
	struct tls_options tls = *server;

	/* Session tickets of the public port must not be valid here, because clients of that port show no
	 * certificate. */
	tls.ticket_keys = NULL;
	if (options->tls_cert != NULL && options->tls_cert[0] != '\0') {
		tls.cert_file = options->tls_cert;
		tls.key_file = options->tls_key;
	}
	if (options->ca != NULL && options->ca[0] != '\0')
		tls.client_ca_file = options->ca;
	return tls_context_new(out, &tls, error);
}

int
backend_reload_tls(struct backend *b, const struct tls_options *tls, char error[BACKEND_ERROR_MAX])
{
	struct tls_context *fresh;
	int result;

	if (b == NULL || b->tls == NULL)
		return 0;
	result = read_tls(b->options, tls, &fresh, error);
	if (result < 0)
		return result;
	backend_listen_set_tls(b->listen, fresh);
	tls_context_free(b->tls);
	b->tls = fresh;
	return 0;
}

/* -------------------------------------------------------------------- life */

/* At least backendMaxFrame. More if a client's largest message needs more: an accepted event must not be dropped. */
static uint64_t
max_frame(const struct backend_setup *setup)
{
	uint64_t needed = setup->max_message + FRAME_SLACK;

	return setup->options->max_frame > needed ? setup->options->max_frame : needed;
}

static struct backend_core *
new_clients(struct loop *l, const struct backend_setup *setup)
{
	const struct backend_options *options = setup->options;
	struct backend_limits limits = {
		.wait = options->wait,
		.orphan_queue = options->orphan_queue,
		.orphan_total = options->orphan_total,
		.reattach_rate = options->reattach_rate,
		.max_frame = max_frame(setup),
		.away = setup->away,
		.bus = setup->bus,
		.history = setup->history,
	};

	return backend_clients_new(l, &limits);
}

static struct backend_links *
new_links(struct backend *b, struct loop *l, const struct backend_setup *setup)
{
	const struct backend_options *options = setup->options;
	struct backend_links_setup links = {
		.edge = setup->edge,
		.worker = setup->worker,
		.workers = setup->workers,
		.window = options->window,
		.max_frame = max_frame(setup),
		.ping = options->ping,
		.stall_timeout = options->stall_timeout,
		.write_options = setup->write_options,
		.on_upstream = setup->on_upstream,
		.arg = setup->arg,
		.ops = &backend_clients_ops,
		.ops_arg = b->clients,
	};

	return backend_links_new(l, &links);
}

int
backend_open(struct backend **out, struct loop *l, const struct backend_setup *setup, char error[BACKEND_ERROR_MAX])
{
	struct backend *b = mem_zalloc(sizeof *b);
	struct backend_listen_setup listen = {
		.edge = setup->edge,
		.cut_ms = CUT_PINGS * setup->options->ping,
		.pass = setup->pass,
		.arg = setup->arg,
	};
	int result;

	_Static_assert(BACKEND_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	b->options = setup->options;
	result = read_secret(setup->options, &b->secret, error);
	if (result == 0 && needs_tls(setup->addresses))
		result = read_tls(setup->options, setup->tls, &b->tls, error);
	if (result < 0) {
		backend_free(b);
		return result;
	}
	listen.secret = b->secret != NULL ? text_from(b->secret) : TEXT_NONE;
	b->clients = new_clients(l, setup);
	b->links = new_links(b, l, setup);
	b->listen = backend_listen_new(l, b->links, setup->addresses, b->tls, &listen);
	*out = b;
	return 0;
}

void
backend_serve(struct backend *b, sio_server *io)
{
	backend_clients_serve(b->clients, io);
}

bool
backend_has_tls(const struct backend *b)
{
	return b->tls != NULL;
}

void
backend_adopt(struct backend *b, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes)
{
	if (b == NULL)
		close(fd);
	else
		backend_listen_adopt(b->listen, fd, peer, peer_len, bytes);
}

void
backend_drain(struct backend *b)
{
	if (b == NULL || b->draining)
		return;
	b->draining = true;
	backend_listen_stop(b->listen);
	backend_links_drain(b->links);
}

void
backend_leave(struct backend *b)
{
	if (b == NULL)
		return;
	backend_listen_stop(b->listen);
	backend_clients_close(b->clients);
	backend_links_close(b->links);
}

bool
backend_is_gone(const struct backend *b)
{
	return b == NULL || (backend_links_count(b->links) == 0 && backend_listen_count(b->listen) == 0);
}

void
backend_free(struct backend *b)
{
	if (b == NULL)
		return;
	backend_listen_free(b->listen);
	backend_links_free(b->links);
	backend_clients_free(b->clients);
	tls_context_free(b->tls);
	mem_free(b->secret);
	mem_free(b);
}

const struct backend_links_stats *
backend_stats(const struct backend *b)
{
	return b != NULL ? backend_links_stats(b->links) : NULL;
}

void
backend_client_stats(const struct backend *b, struct backend_clients_stats *out)
{
	if (b != NULL)
		backend_clients_stats(b->clients, out);
	else
		*out = (struct backend_clients_stats){0};
}
