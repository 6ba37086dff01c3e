#include "node/process/backends.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/io/tls.h"

struct backends {
	struct backend *backend;
	const struct server_options *options;
	struct handover *handover;
	struct backend_addresses own; /* of a server without a place */
	size_t edge_len;
	char edge[BACKEND_EDGE_MAX];
	void (*on_upstream)(void *arg, const char *url, bool there);
	void *upstream_arg;
};

/* The texts are those of the server's options, whose certificate backends are shown unless there is one for them. */
static struct tls_options
tls_options(const struct server_options *o)
{
	return (struct tls_options){
		.cert_file = o->front.tls_cert,
		.key_file = o->front.tls_key,
		.ciphers = o->front.tls_ciphers,
		.min_version = o->front.tls_min_version == 1 ? "1.3" : "1.2",
	};
}

static int
pass(void *arg, struct conn *c, unsigned worker, struct text hello)
{
	struct backends *b = arg;

	if (b->handover == NULL)
		return ENOTCONN;
	return handover_conn(b->handover, c, worker, HANDOVER_BACKEND, hello);
}

static void
write_list(struct buffer *out, const char *list)
{
	struct text rest = text_from(list), item;
	char before = '[';

	while (text_cut(&rest, ',', &item)) {
		buffer_add_byte(out, (uint8_t)before);
		json_write_string(out, item);
		before = ',';
	}
	buffer_add_byte(out, ']');
}

/* What an application asks its server for, by Socket.IO's names. */
static void
write_options(void *arg, struct buffer *out)
{
	const struct server_options *o = ((struct backends *)arg)->options;

	buffer_printf(out,
		"{\"pingInterval\":%llu,\"pingTimeout\":%llu,\"maxHttpBufferSize\":%llu,\"connectTimeout\":%llu",
		(unsigned long long)o->eio.ping_interval, (unsigned long long)o->eio.ping_timeout,
		(unsigned long long)o->eio.max_http_buffer_size, (unsigned long long)o->sio.connect_timeout);
	buffer_add_text(out, TEXT(",\"path\":"));
	json_write_string(out, text_from(o->eio.path));
	buffer_add_text(out, TEXT(",\"transports\":"));
	write_list(out, o->eio.transports);
	buffer_printf(out, ",\"cors\":%s,\"fanout\":\"%s\"}", o->eio.cors_origin ? "true" : "false",
		o->backend.fanout == BACKEND_FANOUT_BUS ? "bus" : "direct");
}

static void
on_upstream(void *arg, struct text url, bool there)
{
	struct backends *b = arg;
	char *copy;

	if (b->on_upstream == NULL)
		return;
	copy = mem_text(url.at, url.n);
	b->on_upstream(b->upstream_arg, copy, there);
	mem_free(copy);
}

int
backends_open(struct backends **out, struct loop *l, const struct server_options *options, const struct place *place,
	char error[BACKEND_ERROR_MAX])
{
	struct tls_options tls = tls_options(options);
	struct backends *b = mem_zalloc(sizeof *b);
	struct backend_setup setup = {
		.options = &options->backend,
		.addresses = place ? place->backends : &b->own,
		.tls = &tls,
		.worker = place ? place->slot : 0,
		.workers = place ? place->doors->count : 1,
		.max_message = options->eio.max_http_buffer_size,
		.away = options->node.drain_time,
		.pass = pass,
		.write_options = write_options,
		.on_upstream = on_upstream,
		.arg = b,
	};
	int result = 0;

	*out = NULL;
	b->options = options;
	if (place == NULL)
		result = backend_addresses_open(&b->own, options->backend.urls, error);
	if (result < 0 || setup.addresses->count == 0)
		goto out;
	if (place != NULL) {
		setup.edge = text_from(place->edge);
	} else {
		b->edge_len = backend_edge_name(b->edge);
		setup.edge = text_of(b->edge, b->edge_len);
	}
	result = backend_open(&b->backend, l, &setup, error);
	if (result < 0)
		goto out;
	*out = b;
	return 0;
out:
	backends_free(b);
	return result;
}

void
backends_serve(struct backends *b, sio_server *io)
{
	if (b != NULL)
		backend_serve(b->backend, io);
}

void
backends_set_handover(struct backends *b, struct handover *h)
{
	if (b != NULL)
		b->handover = h;
}

void
backends_on_upstream(struct backends *b, void (*fn)(void *arg, const char *url, bool there), void *arg)
{
	if (b == NULL)
		return;
	b->on_upstream = fn;
	b->upstream_arg = arg;
}

void
backends_take(struct backends *b, const struct handover_guest *g)
{
	const struct sockaddr *peer = g->peer_len > 0 ? (const struct sockaddr *)&g->peer : NULL;

	backend_adopt(b != NULL ? b->backend : NULL, g->fd, peer, g->peer_len, g->bytes);
}

bool
backends_have_tls(const struct backends *b)
{
	return b != NULL && backend_has_tls(b->backend);
}

int
backends_reload_tls(struct backends *b, char error[BACKEND_ERROR_MAX])
{
	struct tls_options tls;

	if (!backends_have_tls(b))
		return 0;
	tls = tls_options(b->options);
	return backend_reload_tls(b->backend, &tls, error);
}

void
backends_drain(struct backends *b)
{
	if (b == NULL)
		return;
	backend_drain(b->backend);
	backend_addresses_remove(&b->own);
}

void
backends_leave(struct backends *b)
{
	if (b != NULL)
		backend_leave(b->backend);
}

bool
backends_are_gone(const struct backends *b)
{
	return b == NULL || backend_is_gone(b->backend);
}

void
backends_free(struct backends *b)
{
	if (b == NULL)
		return;
	backend_free(b->backend);
	backend_addresses_remove(&b->own);
	mem_free(b);
}

const struct backend_links_stats *
backends_stats(const struct backends *b)
{
	return b != NULL ? backend_stats(b->backend) : NULL;
}

void
backends_client_stats(const struct backends *b, struct backend_clients_stats *out)
{
	backend_client_stats(b != NULL ? b->backend : NULL, out);
}
