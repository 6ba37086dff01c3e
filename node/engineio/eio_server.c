#include "node/engineio/eio.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_pending.h"
#include "node/engineio/eio_polling.h"
#include "node/engineio/eio_sid.h"
#include "node/engineio/eio_upgrade.h"
#include "node/engineio/eio_verify.h"
#include "node/engineio/eio_websocket.h"
#include "node/engineio/eio_trace.h"
#include "node/http/http_cors.h"

#define ERROR_BODY_MAX 4096 /* a refusal's text is the application's; longer ones are replaced by the table's */

struct eio_server {
	struct eio_sessions sessions;
	struct eio_pendings pendings;
	const struct eio_options *options;
	const struct eio_ops *ops;
	void *arg;
	uint64_t refused[EIO_CONTEXT_COUNT];
	struct ws_options ws_options;
	struct eio_gate gate;
	struct http_cors cors;
	char *path; /* the prefix that requests must have */
	size_t path_len;
	uint32_t ticket; /* of the session that is being opened */
};

static const char *
set_or_null(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : NULL;
}

static void
server_configure(struct eio_server *e)
{
	const struct eio_options *o = e->options;
	char error[HTTP_ORIGIN_ERROR_MAX];

	must(http_origins_new(&e->gate.origins, o->cors_origin, error) == 0); /* eio_options_check() has seen it */
	e->cors = (struct http_cors){
		.origins = e->gate.origins,
		.methods = set_or_null(o->cors_methods),
		.allowed_headers = set_or_null(o->cors_allowed_headers),
		.exposed_headers = set_or_null(o->cors_exposed_headers),
		.credentials = o->cors_credentials,
		.max_age = set_or_null(o->cors_max_age),
		.options_success_status = (int)o->cors_options_success_status,
		.preflight_continue = o->cors_preflight_continue,
	};
	eio_websocket_options(o, &e->ws_options);
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

static void decided(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how,
	const struct eio_decision *decision);

struct eio_server *
eio_server_new(struct loop *l, const struct eio_options *options, const struct eio_ops *ops, void *arg)
{
	struct eio_server *e = mem_zalloc(sizeof(*e));
	char error[OPTION_ERROR_MAX];
	bool websocket = eio_options_transport(options, "websocket");

	must(eio_options_check(options, error) == 0);
	e->options = options;
	e->ops = ops;
	e->arg = arg;
	server_configure(e);
	e->gate.sessions = &e->sessions;
	eio_sessions_init(&e->sessions, l, options, ops, arg);
	e->sessions.allowed[EIO_POLLING] = eio_options_transport(options, "polling");
	e->sessions.allowed[EIO_WEBSOCKET] = websocket;
	e->sessions.open_tail[false] = open_tail(options, false);
	e->sessions.open_tail[true] = open_tail(options, websocket && options->allow_upgrades);
	e->pendings = (struct eio_pendings){.loop = l, .ops = ops, .arg = arg, .decided = decided};
	list_init(&e->pendings.list);
	return e;
}

void
eio_server_free(struct eio_server *e)
{
	if (e == NULL)
		return;
	eio_pendings_stop(&e->pendings);
	eio_sessions_fini(&e->sessions);
	http_origins_free(e->gate.origins);
	mem_free(e->path);
	mem_free(e);
}

const struct http_cors *
eio_cors(const struct eio_server *e)
{
	return &e->cors;
}

void
eio_server_set_place(struct eio_server *e, unsigned node, unsigned worker)
{
	must(node <= EIO_SID_PLACE_MAX && worker <= EIO_SID_PLACE_MAX);
	e->sessions.node = node;
	e->sessions.worker = worker;
}

bool
eio_matches(const struct eio_server *e, struct text path)
{
	return text_starts(path, text_of(e->path, e->path_len));
}

/* --------------------------------------------------------------- requests */

/* The application adds its fields to the coming reply, before anything of the engine changes. */
static void
ask_headers(struct eio_server *e, struct http_request *r, struct eio_session *s, bool initial)
{
	if (e->ops->on_headers != NULL)
		e->ops->on_headers(e->arg, r, s, initial);
}

/* Answers with the error of `context` and reports it; the request is gone. `message` NULL: the table's. */
static void
refuse(struct eio_server *e, struct http_request *r, const struct eio_arrival *how, enum eio_context context,
	const char *message)
{
	enum eio_error_code code = eio_context_code(context);
	int status = eio_context_status(context);
	struct buffer body;

	if (message == NULL || strlen(message) > ERROR_BODY_MAX / 8) /* escaped it may grow sixfold */
		message = eio_error_message(code);
	counter_add(&e->sessions.loop->counters, COUNT_EIO_REFUSED, 1);
	e->refused[context]++;
	if (log_debug())
		eio_trace_refused(r, eio_context_word(context), message);
	if (status == 503)
		must(http_add_header(r, "Retry-After", TEXT("1")) == 0);
	if (context == EIO_CONTEXT_SERVER_CLOSED)
		http_close_after(r); /* a new connection finds another server */
	if (e->ops->on_refused != NULL)
		e->ops->on_refused(e->arg, r, code, message, eio_context_word(context));
	if (how->upgrade) {
		/* the original's raw reply: always 400, the body is the message alone */
		http_close_after(r);
		http_reply(r, status == 503 ? status : 400, "text/html", text_from(message), false);
		return;
	}
	if (!how->asked)
		ask_headers(e, r, NULL, false);
	buffer_init(&body, ERROR_BODY_MAX);
	eio_error_body(&body, code, message);
	must(buffer_error(&body) == 0);
	http_reply(r, status, "application/json", buffer_text(&body), false);
	buffer_fini(&body);
}

/* True if the opening handshake of RFC 6455 is in order; else it is answered, which comes before any 101. */
static bool
check_websocket(struct eio_server *e, struct http_request *r, const struct eio_arrival *how)
{
	int error = ws_check(r);

	if (error == 0)
		return true;
	if (error == ERROR_UNSUPPORTED)
		http_add_header(r, "Sec-WebSocket-Version", TEXT("13, 8"));
	refuse(e, r, how, EIO_CONTEXT_TRANSPORT_HANDSHAKE, NULL);
	return false;
}

/* EIO_CONTEXT_COUNT: one more session may be opened. `waiting`: handshakes under way that count too. */
static enum eio_context
room_for(const struct eio_server *e, unsigned waiting)
{
	if (e->sessions.stopping)
		return EIO_CONTEXT_SERVER_CLOSED;
	if (e->options->max_sessions > 0 && (uint64_t)e->sessions.open + waiting >= e->options->max_sessions)
		return EIO_CONTEXT_TOO_MANY_SESSIONS;
	return EIO_CONTEXT_COUNT;
}

/* Opens a session for a request that was allowed. */
static void
handshake(struct eio_server *e, struct http_request *r, struct eio_arrival how)
{
	enum eio_context fault = eio_verify_revision(&how);
	struct eio_session *s;

	if (fault == EIO_CONTEXT_COUNT)
		fault = room_for(e, 0);
	if (fault != EIO_CONTEXT_COUNT) {
		refuse(e, r, &how, fault, NULL);
		return;
	}
	if (how.upgrade && !check_websocket(e, r, &how))
		return;
	ask_headers(e, r, NULL, true);
	how.asked = true;
	fault = room_for(e, 0); /* the application may have done anything meanwhile */
	if (fault != EIO_CONTEXT_COUNT) {
		refuse(e, r, &how, fault, NULL);
		return;
	}
	s = eio_session_new(&e->sessions, r, how.revision);
	if (s == NULL) {
		loop_count_no_memory(e->sessions.loop);
		refuse(e, r, &how, EIO_CONTEXT_NO_MEMORY, NULL);
		return;
	}
	if (how.upgrade)
		eio_websocket_open(s, r, &e->ws_options, how.b64);
	else
		eio_polling_open(s, r);
	e->ticket = how.ticket;
	eio_session_greet(s);
	e->ticket = 0;
}

/* The application has answered the handshake itself. */
static void
answer(struct eio_server *e, struct http_request *r, const struct eio_arrival *how, const struct eio_decision *d)
{
	counter_add(&e->sessions.loop->counters, COUNT_EIO_REFUSED, 1);
	e->refused[EIO_CONTEXT_FORBIDDEN]++;
	if (how->upgrade)
		http_close_after(r);
	http_reply(r, d->status, d->type, text_of(d->body, d->body_len), true);
}

static void
decided(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how,
	const struct eio_decision *decision)
{
	struct eio_server *e = container_of(pendings, struct eio_server, pendings);

	if (decision->allowed)
		handshake(e, r, how);
	else if (decision->status != 0)
		answer(e, r, &how, decision);
	else
		refuse(e, r, &how, EIO_CONTEXT_FORBIDDEN, decision->message);
}

uint32_t
eio_ticket(const struct eio_server *e)
{
	return e->ticket;
}

/* A request of a session that is open. */
static void
further(struct eio_server *e, struct http_request *r, struct eio_arrival how)
{
	ask_headers(e, r, how.session, false);
	how.asked = true;
	if (how.session->state == EIO_STATE_CLOSED) /* by the application, just now */
		refuse(e, r, &how, EIO_CONTEXT_SID, NULL);
	else if (how.upgrade)
		eio_upgrade_request(how.session, r, &e->ws_options, how.b64);
	else
		eio_polling_request(how.session, r);
}

void
eio_handle(struct eio_server *e, struct http_request *r)
{
	struct eio_arrival how;
	enum eio_context fault;

	if (http_cors_apply(&e->cors, r))
		return;
	if (e->ops->on_request != NULL && e->ops->on_request(e->arg, r) < 0) {
		how = (struct eio_arrival){.upgrade = eio_is_upgrade(r)};
		refuse(e, r, &how, EIO_CONTEXT_MIDDLEWARE, NULL);
		return;
	}
	fault = eio_verify(&e->gate, r, &how);
	if (fault == EIO_CONTEXT_COUNT && how.session == NULL)
		fault = room_for(e, e->pendings.count);
	if (fault != EIO_CONTEXT_COUNT)
		refuse(e, r, &how, fault, NULL);
	else if (how.session == NULL)
		eio_pending_ask(&e->pendings, r, how);
	else if (!how.upgrade || check_websocket(e, r, &how))
		further(e, r, how);
}

void
eio_handle_unclaimed_upgrade(struct eio_server *e, struct http_request *r)
{
	counter_add(&e->sessions.loop->counters, COUNT_EIO_UNCLAIMED, 1);
	if (e->options->destroy_upgrade)
		http_close_after(r);
	http_reply(r, 404, NULL, TEXT(""), false);
}

/* --------------------------------------------------------------- sessions */

unsigned
eio_count(const struct eio_server *e)
{
	return e->sessions.open;
}

struct eio_session *
eio_find(const struct eio_server *e, struct text sid)
{
	return eio_sessions_find(&e->sessions, sid);
}

struct eio_session *
eio_next(const struct eio_server *e, struct table_cursor *cursor)
{
	return eio_sessions_next(&e->sessions, cursor);
}

void
eio_server_drain(struct eio_server *e)
{
	e->sessions.stopping = true;
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
	memcpy(out->ended, e->sessions.ended, sizeof out->ended);
	out->queued = e->sessions.queued;
	out->sessions = e->sessions.open;
	out->websockets = e->sessions.carried[EIO_WEBSOCKET];
}
