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

/* Limit on a request body that no handler reads: such a request gets its answer instead of an error. */
#define UNREAD_BODY_MAX (64 * 1024)
#define QUEUE_LEAST (16u << 20) /* least default: files and other replies are queued too */

struct front {
	struct loop *loop;
	struct listener *listener;
	struct tls_context *tls; /* NULL: no TLS */
	struct http_files *files;
	struct conn_limits conn_limits;
	struct http_limits http_limits;
	struct http_server http;
	struct http_trust *trust;
	struct proxy_accept proxied;		/* accepts connections that begin with a PROXY header */
	char *tls_cert, *tls_key, *tls_ciphers; /* kept for reloading */
	bool tls_13_only;
	bool draining;
	const uint8_t *ticket_keys;
	struct vitals *vitals;
};

static void
front_note_client(const struct front *front)
{
	if (front->vitals)
		vitals_set_served(front->vitals);
}

static void
front_on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct front *front = arg;
	struct conn *conn = conn_new(front->loop, fd, peer, peer_len, front->tls, &front->conn_limits, NULL, NULL);

	front_note_client(front);
	http_conn_start(conn, &front->http);
}

static void
front_on_proxied_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct front *front = arg;

	front_note_client(front);
	proxy_accept_add(&front->proxied, fd, peer, peer_len);
}

static size_t
front_queue_limit(const struct front_setup *setup)
{
	if (setup->options->max_queue)
		return setup->options->max_queue;
	return setup->max_queue > QUEUE_LEAST ? setup->max_queue : QUEUE_LEAST;
}

static void
front_set_limits(struct front *front, const struct front_setup *setup)
{
	const struct front_options *options = setup->options;

	front->conn_limits = (struct conn_limits){
		.max_queue = front_queue_limit(setup),
		.max_kept = LOOP_SCRATCH_SIZE / 2,
		.stall_ms = options->send_timeout,
		.tls_ms = options->tls_timeout,
		.linger_ms = options->linger_timeout,
	};
	front->http_limits = (struct http_limits){
		.max_head = options->max_head_size,
		.max_headers = (unsigned)options->max_headers,
		.max_body = UNREAD_BODY_MAX,
		.head_ms = options->head_timeout,
		.body_ms = options->body_timeout,
		.idle_ms = options->keep_alive_timeout,
		.gzip_threshold = setup->gzip_threshold,
	};
	front->http = (struct http_server){
		.limits = &front->http_limits,
		.on_request = setup->on_request,
		.arg = setup->arg,
		.trust = front->trust,
	};
	front->proxied = (struct proxy_accept){
		.loop = front->loop, .timeout_ms = options->head_timeout, .on_accept = front_on_accept, .arg = front};
	proxy_accept_init(&front->proxied);
}

static char *
front_copy_text(const char *text)
{
	return text ? mem_text(text, strlen(text)) : NULL;
}

static int
front_read_tls(const struct front *front, struct tls_context **out, char error[FRONT_ERROR_MAX])
{
	struct tls_options options = {
		.cert_file = front->tls_cert,
		.key_file = front->tls_key,
		.ciphers = front->tls_ciphers,
		.min_version = front->tls_13_only ? "1.3" : "1.2",
		.ticket_keys = front->ticket_keys,
	};

	_Static_assert(FRONT_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	return tls_context_new(out, &options, error);
}

static int
front_listen(struct front *front, const struct front_setup *setup, char error[FRONT_ERROR_MAX])
{
	const struct front_options *options = setup->options;
	struct listener_options lo = {
		.host = options->host,
		.port = (uint16_t)options->port,
		.max_connections = (uint32_t)options->max_connections,
	};

	void (*accept)(void *, int, const struct sockaddr *, socklen_t) =
		options->proxy_protocol ? front_on_proxied_accept : front_on_accept;

	if (setup->listeners) {
		front->listener = listener_start(front->loop, setup->listeners, lo.max_connections, accept, front);
		return 0;
	}
	return listener_open(&front->listener, front->loop, &lo, accept, front, error);
}

int
front_open(struct front **out, struct loop *l, const struct front_setup *setup, char error[FRONT_ERROR_MAX])
{
	const struct front_options *options = setup->options;
	struct front *front;
	int result = front_options_check(options, error);

	*out = NULL;
	if (result < 0)
		return result;
	front = mem_zalloc(sizeof *front);
	front->loop = l;
	must(http_trust_new(&front->trust, options->trust_proxy, error) == 0); /* checked by front_options_check() */
	front_set_limits(front, setup);
	budget_set_max(&l->budget, memory_budget(options->max_memory, setup->workers));
	front->tls_cert = front_copy_text(options->tls_cert);
	front->tls_key = front_copy_text(options->tls_key);
	front->tls_ciphers = front_copy_text(options->tls_ciphers);
	front->tls_13_only = options->tls_min_version == 1;
	front->ticket_keys = setup->ticket_keys;
	front->vitals = setup->vitals;

	if (front_public(options) && (result = http_files_open(&front->files, front_public(options), error)) < 0)
		goto out;
	if (front->tls_cert && (result = front_read_tls(front, &front->tls, error)) < 0)
		goto out;
	if ((result = front_listen(front, setup, error)) < 0)
		goto out;
	*out = front;
	front = NULL;
out:
	front_free(front);
	return result;
}

static void
front_refuse_upgrade(struct http_request *request)
{
	must(http_add_header(request, "Retry-After", TEXT("1")) == 0);
	http_reply(request, 503, NULL, TEXT(""), false);
}

void
front_rest(struct front *front, struct http_request *request, struct upstream *upstream)
{
	if (front->draining) /* the client must send its next request to another server */
		http_close_after(request);
	if (text_is(request->target, TEXT("*"))) /* OPTIONS * is a ping of the server: RFC 9110 section 9.3.7 */
		http_reply(request, 204, NULL, TEXT(""), false);
	else if (upstream) {
		if (request->upgrade && front->draining) /* a WebSocket would be cut at the end of the drain */
			front_refuse_upgrade(request);
		else if (request->upgrade || !front->files || !http_files_offer(front->files, request))
			upstream_handle(upstream, request);
	} else if (front->files)
		http_files_handle(front->files, request);
	else
		http_reply(request, 404, "text/plain; charset=utf-8", TEXT("Not found\n"), false);
}

int
front_reload_tls(struct front *front, char error[FRONT_ERROR_MAX])
{
	struct tls_context *fresh;
	int result;

	if (!front->tls) {
		snprintf(error, FRONT_ERROR_MAX, "cannot reload certificates: TLS is off");
		return ERROR_STATE;
	}
	result = front_read_tls(front, &fresh, error);
	if (result < 0)
		return result;
	tls_context_free(front->tls);
	front->tls = fresh;
	return 0;
}

void
front_take(struct front *front, const struct handover_guest *guest)
{
	const struct sockaddr *peer = guest->peer_len > 0 ? (const struct sockaddr *)&guest->peer : NULL;
	struct conn *conn;

	if (handover_is_fresh(guest)) {
		if (front->listener)
			listener_adopt(front->listener, guest->fd, peer, guest->peer_len);
		else
			close(guest->fd); /* this server no longer accepts */
		return;
	}
	/* the limit also holds for connections of this worker's sessions that siblings accepted */
	if (front->listener && listener_turns_away(front->listener, guest->fd))
		return;
	conn = conn_new(front->loop, guest->fd, peer, guest->peer_len, NULL, &front->conn_limits, NULL, NULL);
	front_note_client(front);
	if (guest->secure)
		conn_set_secure(conn);
	http_conn_start(conn, &front->http);
	conn_put_back(conn, guest->bytes.at, guest->bytes.n);
}

const struct conn_limits *
front_limits(const struct front *front)
{
	return &front->conn_limits;
}

uint16_t
front_port(const struct front *front)
{
	return front->listener ? listener_port(front->listener) : 0;
}

bool
front_is_tls(const struct front *front)
{
	return front->tls != NULL;
}

void
front_drain(struct front *front, bool accepting)
{
	front->draining = true;
	if (front->listener)
		listener_set_accepting(front->listener, accepting);
}

void
front_stop(struct front *front)
{
	front->draining = true;
	listener_free(front->listener);
	front->listener = NULL;
	proxy_accept_stop(&front->proxied);
}

void
front_finish(struct front *front)
{
	conn_finish_all(front->loop, REASON_SHUTDOWN);
}

void
front_free(struct front *front)
{
	if (!front)
		return;
	listener_free(front->listener);
	tls_context_free(front->tls);
	http_files_free(front->files);
	http_trust_free(front->trust);
	mem_free(front->tls_cert);
	mem_free(front->tls_key);
	mem_free(front->tls_ciphers);
	mem_free(front);
}
