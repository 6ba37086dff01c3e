#include "node/process/front.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/conn.h"
#include "common/io/listener.h"
#include "common/io/tls.h"
#include "node/http/http_files.h"
#include "node/http/http_trust.h"
#include "node/process/memory.h"
#include "node/process/proxy_accept.h"
#include "node/upstream/upstream.h"

/* A body for a path where nobody reads bodies: enough to be polite, too little to be a burden. */
#define UNREAD_BODY_MAX (64 * 1024)
#define QUEUE_LEAST (16u << 20) /* by default: files and other replies wait too, however little may for a session */

struct front {
	struct loop *loop;
	struct listener *listener;
	struct tls_context *tls; /* NULL: plain */
	struct http_files *files;
	struct conn_limits conn_limits;
	struct http_limits http_limits;
	struct http_server http;
	struct http_trust *trust;
	struct proxy_accept proxied;		/* of connections with a PROXY header */
	char *tls_cert, *tls_key, *tls_ciphers; /* kept for reading them again */
	bool tls_13_only;
	const uint8_t *ticket_keys;
	struct vitals *vitals;
};

static void
note_client(const struct front *f)
{
	if (f->vitals)
		vitals_set_served(f->vitals);
}

static void
on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct front *f = arg;
	struct conn *c = conn_new(f->loop, fd, peer, peer_len, f->tls, &f->conn_limits, NULL, NULL);

	note_client(f);
	http_conn_start(c, &f->http);
}

static void
on_proxied_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct front *f = arg;

	note_client(f);
	proxy_accept_add(&f->proxied, fd, peer, peer_len);
}

static size_t
queue_limit(const struct front_setup *setup)
{
	if (setup->options->max_queue)
		return setup->options->max_queue;
	return setup->max_queue > QUEUE_LEAST ? setup->max_queue : QUEUE_LEAST;
}

static void
set_limits(struct front *f, const struct front_setup *setup)
{
	const struct front_options *o = setup->options;

	f->conn_limits = (struct conn_limits){
		.max_queue = queue_limit(setup),
		.max_kept = LOOP_SCRATCH_SIZE / 2,
		.stall_ms = o->send_timeout,
		.tls_ms = o->tls_timeout,
		.linger_ms = o->linger_timeout,
	};
	f->http_limits = (struct http_limits){
		.max_head = o->max_head_size,
		.max_headers = (unsigned)o->max_headers,
		.max_body = UNREAD_BODY_MAX,
		.head_ms = o->head_timeout,
		.body_ms = o->body_timeout,
		.idle_ms = o->keep_alive_timeout,
		.gzip_threshold = setup->gzip_threshold,
	};
	f->http = (struct http_server){
		.limits = &f->http_limits,
		.on_request = setup->on_request,
		.arg = setup->arg,
		.trust = f->trust,
	};
	f->proxied = (struct proxy_accept){
		.loop = f->loop, .timeout_ms = o->head_timeout, .on_accept = on_accept, .arg = f};
	proxy_accept_init(&f->proxied);
}

static char *
copy_text(const char *text)
{
	return text ? mem_text(text, strlen(text)) : NULL;
}

static int
read_tls(const struct front *f, struct tls_context **out, char error[FRONT_ERROR_MAX])
{
	struct tls_options o = {
		.cert_file = f->tls_cert,
		.key_file = f->tls_key,
		.ciphers = f->tls_ciphers,
		.min_version = f->tls_13_only ? "1.3" : "1.2",
		.ticket_keys = f->ticket_keys,
	};

	_Static_assert(FRONT_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	return tls_context_new(out, &o, error);
}

static int
listen_on(struct front *f, const struct front_setup *setup, char error[FRONT_ERROR_MAX])
{
	const struct front_options *o = setup->options;
	struct listener_options lo = {
		.host = o->host,
		.port = (uint16_t)o->port,
		.max_connections = (uint32_t)o->max_connections,
	};

	void (*accept)(void *, int, const struct sockaddr *, socklen_t) =
		o->proxy_protocol ? on_proxied_accept : on_accept;

	if (setup->listeners) {
		f->listener = listener_start(f->loop, setup->listeners, lo.max_connections, accept, f);
		return 0;
	}
	return listener_open(&f->listener, f->loop, &lo, accept, f, error);
}

int
front_open(struct front **out, struct loop *l, const struct front_setup *setup, char error[FRONT_ERROR_MAX])
{
	const struct front_options *o = setup->options;
	struct front *f;
	int result = front_options_check(o, error);

	*out = NULL;
	if (result < 0)
		return result;
	f = mem_zalloc(sizeof *f);
	f->loop = l;
	must(http_trust_new(&f->trust, o->trust_proxy, error) == 0); /* front_options_check() has seen it */
	set_limits(f, setup);
	budget_set_max(&l->budget, memory_budget(o->max_memory, setup->workers));
	f->tls_cert = copy_text(o->tls_cert);
	f->tls_key = copy_text(o->tls_key);
	f->tls_ciphers = copy_text(o->tls_ciphers);
	f->tls_13_only = o->tls_min_version == 1;
	f->ticket_keys = setup->ticket_keys;
	f->vitals = setup->vitals;

	if (o->public_dir && (result = http_files_open(&f->files, o->public_dir, error)) < 0)
		goto out;
	if (f->tls_cert && (result = read_tls(f, &f->tls, error)) < 0)
		goto out;
	if ((result = listen_on(f, setup, error)) < 0)
		goto out;
	*out = f;
	f = NULL;
out:
	front_free(f);
	return result;
}

void
front_rest(struct front *f, struct http_request *r, struct upstream *upstream)
{
	if (text_is(r->target, TEXT("*"))) /* OPTIONS: asks whether the server is there, RFC 9110 9.3.7 */
		http_reply(r, 204, NULL, TEXT(""), false);
	else if (upstream) {
		if (!f->listener) /* stopping: the next request is for another server */
			http_close_after(r);
		if (r->upgrade || !f->files || !http_files_offer(f->files, r))
			upstream_handle(upstream, r);
	} else if (f->files)
		http_files_handle(f->files, r);
	else
		http_reply(r, 404, "text/plain; charset=utf-8", TEXT("Not found\n"), false);
}

int
front_reload_tls(struct front *f, char error[FRONT_ERROR_MAX])
{
	struct tls_context *fresh;
	int result;

	if (!f->tls) {
		snprintf(error, FRONT_ERROR_MAX, "there are no certificates to read again: TLS is off");
		return ERROR_STATE;
	}
	result = read_tls(f, &fresh, error);
	if (result < 0)
		return result;
	tls_context_free(f->tls);
	f->tls = fresh;
	return 0;
}

void
front_take(struct front *f, const struct handover_guest *g)
{
	const struct sockaddr *peer = g->peer_len > 0 ? (const struct sockaddr *)&g->peer : NULL;
	struct conn *c;

	if (handover_is_fresh(g)) {
		if (f->listener)
			listener_adopt(f->listener, g->fd, peer, g->peer_len);
		else
			close(g->fd); /* it does not accept any more */
		return;
	}
	/* or a crowd could gather here by the ids of this worker's sessions, however few it may accept itself */
	if (f->listener && listener_turns_away(f->listener, g->fd))
		return;
	c = conn_new(f->loop, g->fd, peer, g->peer_len, NULL, &f->conn_limits, NULL, NULL);
	note_client(f);
	if (g->secure)
		conn_set_secure(c);
	http_conn_start(c, &f->http);
	conn_put_back(c, g->bytes.at, g->bytes.n);
}

const struct conn_limits *
front_limits(const struct front *f)
{
	return &f->conn_limits;
}

uint16_t
front_port(const struct front *f)
{
	return f->listener ? listener_port(f->listener) : 0;
}

bool
front_is_tls(const struct front *f)
{
	return f->tls != NULL;
}

void
front_stop(struct front *f)
{
	listener_free(f->listener);
	f->listener = NULL;
	proxy_accept_stop(&f->proxied);
}

void
front_finish(struct front *f)
{
	conn_finish_all(f->loop, REASON_SHUTDOWN);
}

void
front_free(struct front *f)
{
	if (!f)
		return;
	listener_free(f->listener);
	tls_context_free(f->tls);
	http_files_free(f->files);
	http_trust_free(f->trust);
	mem_free(f->tls_cert);
	mem_free(f->tls_key);
	mem_free(f->tls_ciphers);
	mem_free(f);
}
