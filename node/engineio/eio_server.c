#include "node/engineio/eio_server.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_session.h"
#include "node/engineio/eio_sid.h"

#define ERROR_BODY_MAX 4096 /* a refusal's text is the application's; longer ones are replaced by the table's */

/* End of the turn: every session with something to do, also those that get something to do meanwhile. */
static void
server_settle(struct loop_call *call)
{
	struct eio_server *e = container_of(call, struct eio_server, settle);

	while (!list_empty(&e->dirty))
		eio_session_settle(list_entry(e->dirty.next, struct eio_session, dirty));
}

static const char *
set_or_null(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : NULL;
}

static void
server_configure(struct eio_server *e)
{
	const struct eio_options *o = e->options;

	e->ws_options = (struct ws_options){
		.max_message = o->max_http_buffer_size,
		.max_fragments = eio_options_max_fragments(o),
		.close_ms = o->close_timeout,
		.deflate = o->per_message_deflate,
		.deflate_threshold = o->per_message_deflate_threshold,
		.server_no_context_takeover = o->server_no_context_takeover,
		.client_no_context_takeover = o->client_no_context_takeover,
		.server_max_window_bits = (int)o->server_max_window_bits,
		.client_max_window_bits = (int)o->client_max_window_bits,
		.deflate_level = (int)o->deflate_level,
		.deflate_mem_level = (int)o->deflate_mem_level,
	};
	e->cors = (struct http_cors){
		.origin = set_or_null(o->cors_origin),
		.methods = set_or_null(o->cors_methods),
		.allowed_headers = set_or_null(o->cors_allowed_headers),
		.exposed_headers = set_or_null(o->cors_exposed_headers),
		.credentials = o->cors_credentials,
		.max_age = set_or_null(o->cors_max_age),
		.options_success_status = (int)o->cors_options_success_status,
		.preflight_continue = o->cors_preflight_continue,
	};
	e->max_buffered = eio_options_max_buffered(o);
	e->polling = eio_options_transport(o, "polling");
	e->websocket = eio_options_transport(o, "websocket");
	/* one slash at the end is not part of the name; addTrailingSlash puts it back */
	e->path_len = strlen(o->path);
	e->path = mem_alloc(e->path_len + 1);
	memcpy(e->path, o->path, e->path_len);
	if (e->path[e->path_len - 1] == '/')
		e->path_len--;
	if (o->add_trailing_slash)
		e->path[e->path_len++] = '/';
}

/* All of an open packet that is the same for everybody (Engine.IO protocol v4, "Handshake"). */
static char *
open_tail(const struct eio_options *o, bool upgrades)
{
	struct buffer out;
	size_t n;

	buffer_init(&out, 256);
	buffer_printf(&out, "\",\"upgrades\":[%s],\"pingInterval\":%llu,\"pingTimeout\":%llu,\"maxPayload\":%llu}",
		upgrades ? "\"websocket\"" : "", (unsigned long long)o->ping_interval,
		(unsigned long long)o->ping_timeout, (unsigned long long)o->max_http_buffer_size);
	buffer_add_byte(&out, 0);
	must(buffer_error(&out) == 0);
	return (char *)buffer_steal(&out, &n);
}

struct eio_server *
eio_server_new(struct loop *l, const struct eio_options *options, const struct eio_ops *ops, void *arg)
{
	struct eio_server *e = mem_zalloc(sizeof(*e));
	char error[OPTION_ERROR_MAX];

	must(eio_options_check(options, error) == 0);
	e->loop = l;
	e->options = options;
	e->ops = ops;
	e->arg = arg;
	table_init(&e->sessions);
	list_init(&e->dirty);
	list_init(&e->pendings);
	list_init(&e->unclaimed);
	loop_call_init(&e->settle, server_settle);
	server_configure(e);
	e->open_tail[false] = open_tail(options, false);
	e->open_tail[true] = open_tail(options, true);
	e->ping = eio_message_packet(EIO_PACKET_PING, TEXT_NONE);
	e->noop = eio_message_packet(EIO_PACKET_NOOP, TEXT_NONE);
	e->close = eio_message_packet(EIO_PACKET_CLOSE, TEXT_NONE);
	if (options->initial_packet != NULL)
		e->initial = eio_message_text(text_from(options->initial_packet));
	return e;
}

void
eio_server_free(struct eio_server *e)
{
	if (e == NULL)
		return;
	must(e->sessions.count == 0 && list_empty(&e->dirty) && e->queued == 0);
	eio_pending_stop(e);
	eio_unclaimed_stop(e);
	loop_call_cancel(&e->settle);
	eio_message_unref(e->ping);
	eio_message_unref(e->noop);
	eio_message_unref(e->close);
	eio_message_unref(e->initial);
	mem_free(e->open_tail[false]);
	mem_free(e->open_tail[true]);
	table_fini(&e->sessions);
	mem_free(e->path);
	mem_free(e);
}

void
eio_server_set_place(struct eio_server *e, unsigned node, unsigned worker)
{
	must(node <= EIO_SID_PLACE_MAX && worker <= EIO_SID_PLACE_MAX);
	e->node = node;
	e->worker = worker;
}

bool
eio_matches(const struct eio_server *e, struct text path)
{
	return text_starts(path, text_of(e->path, e->path_len));
}

void
eio_headers(struct eio_server *e, struct http_request *r, struct eio_session *s, bool initial)
{
	if (e->ops->on_headers != NULL)
		e->ops->on_headers(e->arg, r, s, initial);
}

void
eio_server_refuse(
	struct eio_server *e, struct http_request *r, bool websocket, enum eio_context context, const char *message)
{
	enum eio_error_code code = eio_context_code(context);
	int status = eio_context_status(context);
	struct buffer body;

	if (message == NULL || strlen(message) > ERROR_BODY_MAX / 8) /* escaped it may grow sixfold */
		message = eio_error_message(code);
	counter_add(&e->loop->counters, COUNT_EIO_REFUSED, 1);
	e->refused[context]++;
	if (status == 503)
		must(http_add_header(r, "Retry-After", TEXT("1")) == 0);
	if (context == EIO_CONTEXT_SERVER_CLOSED)
		http_close_after(r); /* a new connection finds another server */
	if (e->ops->on_refused != NULL)
		e->ops->on_refused(e->arg, r, code, message, eio_context_word(context));
	if (websocket) {
		/* the original's raw reply: always 400, the body is the message alone */
		http_close_after(r);
		http_reply(r, status == 503 ? status : 400, "text/html", text_from(message), false);
		return;
	}
	eio_headers(e, r, NULL, false);
	buffer_init(&body, ERROR_BODY_MAX);
	eio_error_body(&body, code, message);
	must(buffer_error(&body) == 0);
	http_reply(r, status, "application/json", buffer_text(&body), false);
	buffer_fini(&body);
}

/* True if the opening handshake of RFC 6455 is in order; else it is answered, which comes before any 101. */
static bool
check_websocket(struct eio_server *e, struct http_request *r)
{
	int error = ws_check(r);

	if (error == 0)
		return true;
	if (error == ERROR_UNSUPPORTED)
		http_add_header(r, "Sec-WebSocket-Version", TEXT("13, 8"));
	eio_server_refuse(e, r, true, EIO_CONTEXT_TRANSPORT_HANDSHAKE, NULL);
	return false;
}

/* `waiting`: handshakes under way that count too. */
static bool
is_full(const struct eio_server *e, unsigned waiting)
{
	return e->options->max_sessions > 0 && (uint64_t)e->open + waiting >= e->options->max_sessions;
}

void
eio_server_handshake(struct eio_server *e, struct http_request *r, struct eio_arrival how)
{
	enum eio_context fault = EIO_CONTEXT_COUNT;
	struct eio_session *s;

	if (!eio_verify_protocol(r))
		fault = EIO_CONTEXT_PROTOCOL;
	else if (e->closed)
		fault = EIO_CONTEXT_SERVER_CLOSED;
	else if (is_full(e, 0))
		fault = EIO_CONTEXT_TOO_MANY_SESSIONS;
	if (fault != EIO_CONTEXT_COUNT) {
		eio_server_refuse(e, r, how.websocket, fault, NULL);
		return;
	}
	if (how.websocket && !check_websocket(e, r))
		return;
	s = eio_session_new(e, r);
	if (how.websocket)
		eio_websocket_start(s, r, how.b64);
	else
		eio_polling_start(s, r);
	eio_session_greet(s);
}

void
eio_handle(struct eio_server *e, struct http_request *r)
{
	struct eio_arrival how = {.websocket = r->upgrade && http_header_has(r, "Upgrade", "websocket")};
	struct eio_session *s;
	enum eio_context fault;

	if (http_cors_apply(&e->cors, r))
		return;
	if (e->ops->on_request != NULL && e->ops->on_request(e->arg, r) < 0) {
		eio_server_refuse(e, r, how.websocket, EIO_CONTEXT_MIDDLEWARE, NULL);
		return;
	}
	fault = eio_verify(e, r, &how, &s);
	if (fault != EIO_CONTEXT_COUNT)
		eio_server_refuse(e, r, how.websocket, fault, NULL);
	else if (s == NULL && e->closed)
		eio_server_refuse(e, r, how.websocket, EIO_CONTEXT_SERVER_CLOSED, NULL);
	else if (s == NULL && is_full(e, e->pending_count))
		eio_server_refuse(e, r, how.websocket, EIO_CONTEXT_TOO_MANY_SESSIONS, NULL);
	else if (s == NULL)
		eio_pending_ask(e, r, how);
	else if (!how.websocket)
		eio_polling_request(s, r);
	else if (check_websocket(e, r))
		eio_upgrade_request(s, r, how.b64);
}

unsigned
eio_count(const struct eio_server *e)
{
	return e->open;
}

struct eio_session *
eio_find(const struct eio_server *e, struct text sid)
{
	struct table_node *node = table_find(&e->sessions, sid);
	struct eio_session *s = node != NULL ? container_of(node, struct eio_session, node) : NULL;

	return s != NULL && s->state != EIO_STATE_CLOSED ? s : NULL;
}

struct eio_session *
eio_next(const struct eio_server *e, struct table_cursor *cursor)
{
	struct table_node *node;

	while ((node = table_next(&e->sessions, cursor)) != NULL) {
		struct eio_session *s = container_of(node, struct eio_session, node);

		if (s->state != EIO_STATE_CLOSED)
			return s;
	}
	return NULL;
}

void
eio_server_drain(struct eio_server *e)
{
	e->closed = true;
}

void
eio_server_close(struct eio_server *e)
{
	struct table_cursor cursor = {0};
	struct eio_session *s;

	eio_server_drain(e);
	while ((s = eio_next(e, &cursor)) != NULL)
		eio_close(s, true);
}

void
eio_stats(const struct eio_server *e, struct eio_stats *out)
{
	memcpy(out->refused, e->refused, sizeof out->refused);
	memcpy(out->ended, e->ended, sizeof out->ended);
	out->queued = e->queued;
	out->sessions = e->open;
	out->websockets = e->websockets;
}
