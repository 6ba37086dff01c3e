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
#include "node/http/http_client.h"
#include "node/http/http_cors.h"
#include "node/ws/ws_deflater.h"

#define ERROR_BODY_MAX                                                                                               \
	4096 /* limit for the body of a refusal; see eio_refuse_request() for messages that do not fit */

#define BAD_ID_LINES_PER_SECOND 1

struct eio_server {
	struct eio_sessions sessions;
	struct eio_pendings pendings;
	const struct eio_options *options;
	const struct eio_ops *ops;
	void *arg;
	uint64_t refused[EIO_CONTEXT_COUNT];
	struct ws_options ws_options;
	struct ws_deflate_pool *deflate_pool; /* NULL without perMessageDeflate */
	struct eio_gate gate;
	struct http_cors cors;
	char *path; /* the prefix of all requests */
	size_t path_len;
	uint32_t ticket; /* for the session that is being opened */
	struct log_limit bad_ids;
};

static const char *
set_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

static void
server_configure(struct eio_server *server)
{
	const struct eio_options *options = server->options;
	char error[HTTP_ORIGIN_ERROR_MAX];

	must(http_origins_new(&server->gate.origins, options->cors_origin, error) ==
		0); /* eio_options_check() has accepted it */
	server->cors = (struct http_cors){
		.origins = server->gate.origins,
		.methods = set_or_null(options->cors_methods),
		.allowed_headers = set_or_null(options->cors_allowed_headers),
		.exposed_headers = set_or_null(options->cors_exposed_headers),
		.credentials = options->cors_credentials,
		.max_age = set_or_null(options->cors_max_age),
		.options_success_status = (int)options->cors_options_success_status,
		.preflight_continue = options->cors_preflight_continue,
	};
	if (options->per_message_deflate)
		server->deflate_pool =
			ws_deflate_pool_new((int)options->deflate_level, (int)options->deflate_mem_level);
	eio_websocket_options(options, server->deflate_pool, &server->ws_options);
	/* A slash at the end is not part of the name; addTrailingSlash adds it. */
	server->path_len = strlen(options->path);
	server->path = mem_alloc(server->path_len + 1);
	memcpy(server->path, options->path, server->path_len);
	if (server->path[server->path_len - 1] == '/')
		server->path_len--;
	if (options->add_trailing_slash)
		server->path[server->path_len++] = '/';
}

/* Returns the part of an open packet that is the same for all sessions (Engine.IO protocol v4, "Handshake"). */
static char *
open_tail(const struct eio_options *options, bool upgrades)
{
	struct buffer out;
	size_t n;

	buffer_init(&out, 256);
	buffer_printf(&out, "\",\"upgrades\":[%s],\"pingInterval\":%llu,\"pingTimeout\":%llu,\"maxPayload\":%llu}",
		upgrades ? "\"websocket\"" : "", (unsigned long long)options->ping_interval,
		(unsigned long long)options->ping_timeout, (unsigned long long)options->max_http_buffer_size);
	buffer_add_byte(&out, 0);
	must(buffer_error(&out) == 0);
	return (char *)buffer_steal(&out, &n);
}

static void eio_on_decided(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival arrival,
	const struct eio_decision *decision);

struct eio_server *
eio_server_new(struct loop *l, const struct eio_options *options, const struct eio_ops *ops, void *arg)
{
	struct eio_server *server = mem_zalloc(sizeof(*server));
	char error[OPTION_ERROR_MAX];
	bool websocket = eio_options_transport(options, "websocket");

	must(eio_options_check(options, error) == 0);
	server->options = options;
	server->ops = ops;
	server->arg = arg;
	server_configure(server);
	server->gate.sessions = &server->sessions;
	eio_sessions_init(&server->sessions, l, options, ops, arg);
	server->sessions.allowed[EIO_POLLING] = eio_options_transport(options, "polling");
	server->sessions.allowed[EIO_WEBSOCKET] = websocket;
	server->sessions.open_tail[false] = open_tail(options, false);
	server->sessions.open_tail[true] = open_tail(options, websocket && options->allow_upgrades);
	server->pendings = (struct eio_pendings){.loop = l, .ops = ops, .arg = arg, .decided = eio_on_decided};
	list_init(&server->pendings.list);
	return server;
}

void
eio_server_free(struct eio_server *server)
{
	if (server == NULL)
		return;
	eio_pendings_stop(&server->pendings);
	eio_sessions_fini(&server->sessions);
	ws_deflate_pool_free(server->deflate_pool);
	http_origins_free(server->gate.origins);
	mem_free(server->path);
	mem_free(server);
}

const struct http_cors *
eio_cors(const struct eio_server *server)
{
	return &server->cors;
}

void
eio_server_set_place(struct eio_server *server, unsigned node, unsigned worker)
{
	must(node <= EIO_SID_PLACE_MAX && worker <= EIO_SID_PLACE_MAX);
	server->sessions.node = node;
	server->sessions.worker = worker;
}

bool
eio_matches(const struct eio_server *server, struct text path)
{
	return text_starts(path, text_of(server->path, server->path_len));
}

/* --------------------------------------------------------------- requests */

/* Lets the application add its fields to the coming reply, before the engine changes any state. */
static void
eio_ask_headers(struct eio_server *server, struct http_request *r, struct eio_session *s, bool initial)
{
	if (server->ops->on_headers != NULL)
		server->ops->on_headers(server->arg, r, s, initial);
}

/*
 * Answers with the error of `context` and reports the refusal. The request is freed. If `message` is NULL or too
 * long, the message in EIO_ERROR_TABLE is used.
 */
static void
eio_refuse_request(struct eio_server *server, struct http_request *r, const struct eio_arrival *arrival,
	enum eio_context context, const char *message)
{
	enum eio_error_code code = eio_context_code(context);
	int status = eio_context_status(context);
	struct buffer body;

	if (message == NULL || strlen(message) > ERROR_BODY_MAX / 8) /* escaping may make it six times as long */
		message = eio_error_message(code);
	counter_add(&server->sessions.loop->counters, COUNT_EIO_REFUSED, 1);
	server->refused[context]++;
	if (log_debug())
		eio_trace_refused(r, eio_context_word(context), message);
	if (status == 503)
		must(http_add_header(r, "Retry-After", TEXT("1")) == 0);
	if (context == EIO_CONTEXT_SERVER_CLOSED)
		http_close_after(r); /* a new connection may reach another server */
	if (server->ops->on_refused != NULL)
		server->ops->on_refused(server->arg, r, code, message, eio_context_word(context));
	if (arrival->upgrade) {
		/* as in Engine.IO, 400 with the message alone as the body; 503 does not exist there and is kept */
		http_close_after(r);
		http_reply(r, status == 503 ? status : 400, "text/html", text_from(message), false);
		return;
	}
	if (!arrival->asked)
		eio_ask_headers(server, r, NULL, false);
	buffer_init(&body, ERROR_BODY_MAX);
	eio_error_body(&body, code, message);
	must(buffer_error(&body) == 0);
	http_reply(r, status, "application/json", buffer_text(&body), false);
	buffer_fini(&body);
}

/* Returns true if the opening handshake of RFC 6455 is correct. Otherwise answers it, before any 101. */
static bool
check_websocket(struct eio_server *server, struct http_request *r, const struct eio_arrival *arrival)
{
	int error = ws_check(r);

	if (error == 0)
		return true;
	if (error == ERROR_UNSUPPORTED)
		http_add_header(r, "Sec-WebSocket-Version", TEXT("13, 8"));
	eio_refuse_request(server, r, arrival, EIO_CONTEXT_TRANSPORT_HANDSHAKE, NULL);
	return false;
}

/*
 * Returns EIO_CONTEXT_COUNT if another session may be opened. `waiting` is the number of pending handshakes, which
 * count, too.
 */
static enum eio_context
eio_room_for(const struct eio_server *server, unsigned waiting)
{
	if (server->sessions.stopping)
		return EIO_CONTEXT_SERVER_CLOSED;
	if (server->options->max_sessions > 0 &&
		(uint64_t)server->sessions.open + waiting >= server->options->max_sessions)
		return EIO_CONTEXT_TOO_MANY_SESSIONS;
	return EIO_CONTEXT_COUNT;
}

/* Returns EIO_CONTEXT_COUNT if the application's sid will do, or if the server has made one. */
static enum eio_context
eio_make_sid(struct eio_server *server, const struct http_request *r, char *sid)
{
	int error = eio_sessions_make_sid(&server->sessions, r, sid);
	char room[CONN_ADDRESS_MAX];

	if (error == 0)
		return EIO_CONTEXT_COUNT;
	if (log_allow(&server->bad_ids, BAD_ID_LINES_PER_SECOND, server->sessions.loop->now))
		log_event(LOG_WARN, "id_refused", "address", LOG_TEXT(http_client_address(r, room)), "reason",
			LOG_STR(error == ERROR_EXISTS ? "another session has the application's id"
						      : "the application's id is not 16 characters of base64url"),
			NULL);
	return EIO_CONTEXT_ID_GENERATION;
}

/* Opens a session for a request that was allowed. */
static void
eio_open_session(struct eio_server *server, struct http_request *r, struct eio_arrival arrival)
{
	char sid[EIO_SID_LENGTH];
	enum eio_context fault = eio_verify_revision(&server->gate, r, &arrival);
	struct eio_session *s;

	if (fault == EIO_CONTEXT_COUNT)
		fault = eio_room_for(server, 0);
	if (fault != EIO_CONTEXT_COUNT) {
		eio_refuse_request(server, r, &arrival, fault, NULL);
		return;
	}
	if (arrival.upgrade && !check_websocket(server, r, &arrival))
		return;
	fault = eio_make_sid(server, r, sid);
	if (fault != EIO_CONTEXT_COUNT) {
		eio_refuse_request(server, r, &arrival, fault, NULL);
		return;
	}
	eio_ask_headers(server, r, NULL, true);
	arrival.asked = true;
	fault = eio_room_for(server, 0); /* again, because on_id and on_headers may call any function */
	if (fault != EIO_CONTEXT_COUNT) {
		eio_refuse_request(server, r, &arrival, fault, NULL);
		return;
	}
	s = eio_session_new(&server->sessions, r, arrival.revision, sid);
	if (s == NULL) {
		loop_count_no_memory(server->sessions.loop);
		eio_refuse_request(server, r, &arrival, EIO_CONTEXT_NO_MEMORY, NULL);
		return;
	}
	if (arrival.upgrade)
		eio_websocket_open(s, r, &server->ws_options, arrival.b64);
	else
		eio_polling_open(s, r, arrival.b64, arrival.jsonp);
	server->ticket = arrival.ticket;
	eio_session_greet(s);
	server->ticket = 0;
}

/* Answers a handshake with the application's own reply. */
static void
eio_reply_decision(struct eio_server *server, struct http_request *r, const struct eio_arrival *arrival,
	const struct eio_decision *decision)
{
	counter_add(&server->sessions.loop->counters, COUNT_EIO_REFUSED, 1);
	server->refused[EIO_CONTEXT_FORBIDDEN]++;
	if (arrival->upgrade)
		http_close_after(r);
	http_reply(r, decision->status, decision->type, text_of(decision->body, decision->body_len), true);
}

static void
eio_on_decided(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival arrival,
	const struct eio_decision *decision)
{
	struct eio_server *server = container_of(pendings, struct eio_server, pendings);

	if (decision->allowed)
		eio_open_session(server, r, arrival);
	else if (decision->status != 0)
		eio_reply_decision(server, r, &arrival, decision);
	else
		eio_refuse_request(server, r, &arrival, EIO_CONTEXT_FORBIDDEN, decision->message);
}

uint32_t
eio_ticket(const struct eio_server *server)
{
	return server->ticket;
}

/* Handles a request of an open session. */
static void
eio_session_request(struct eio_server *server, struct http_request *r, struct eio_arrival arrival)
{
	eio_ask_headers(server, r, arrival.session, false);
	arrival.asked = true;
	if (arrival.session->state == EIO_STATE_CLOSED) /* closed by the application just now */
		eio_refuse_request(server, r, &arrival, EIO_CONTEXT_SID, NULL);
	else if (arrival.upgrade)
		eio_upgrade_request(arrival.session, r, &server->ws_options, arrival.b64);
	else
		eio_polling_request(arrival.session, r);
}

/* Answers a POST whose session the server closed while the POST was under way. */
static void
eio_late_request(struct eio_server *server, struct http_request *r)
{
	eio_ask_headers(server, r, NULL, false);
	eio_polling_late(r);
}

void
eio_handle(struct eio_server *server, struct http_request *r)
{
	struct eio_arrival arrival;
	enum eio_context fault;

	if (http_cors_apply(&server->cors, r))
		return;
	if (server->ops->on_request != NULL && server->ops->on_request(server->arg, r) < 0) {
		arrival = (struct eio_arrival){.upgrade = eio_is_upgrade(r)};
		eio_refuse_request(server, r, &arrival, EIO_CONTEXT_MIDDLEWARE, NULL);
		return;
	}
	fault = eio_verify(&server->gate, r, &arrival);
	if (fault == EIO_CONTEXT_COUNT && arrival.session == NULL)
		fault = eio_room_for(server, server->pendings.count);
	if (arrival.late)
		eio_late_request(server, r);
	else if (fault != EIO_CONTEXT_COUNT)
		eio_refuse_request(server, r, &arrival, fault, NULL);
	else if (arrival.session == NULL)
		eio_pending_ask(&server->pendings, r, arrival);
	else if (!arrival.upgrade || check_websocket(server, r, &arrival))
		eio_session_request(server, r, arrival);
}

void
eio_handle_unclaimed_upgrade(struct eio_server *server, struct http_request *r)
{
	counter_add(&server->sessions.loop->counters, COUNT_EIO_UNCLAIMED, 1);
	if (server->options->destroy_upgrade)
		http_close_after(r);
	http_reply(r, 404, NULL, TEXT(""), false);
}

/* --------------------------------------------------------------- sessions */

unsigned
eio_count(const struct eio_server *server)
{
	return server->sessions.open;
}

struct eio_session *
eio_find(const struct eio_server *server, struct text sid)
{
	return eio_sessions_find(&server->sessions, sid);
}

struct eio_session *
eio_next(const struct eio_server *server, struct table_cursor *cursor)
{
	return eio_sessions_next(&server->sessions, cursor);
}

bool
eio_awaits_posts(const struct eio_server *server)
{
	return server->sessions.loop->now < server->sessions.departed.until;
}

void
eio_server_drain(struct eio_server *server)
{
	server->sessions.stopping = true;
}

void
eio_server_close(struct eio_server *server)
{
	struct table_cursor cursor = {0};
	struct eio_session *s;

	eio_server_drain(server);
	while ((s = eio_next(server, &cursor)) != NULL)
		eio_close(s, true);
}

void
eio_stats(const struct eio_server *server, struct eio_stats *out)
{
	memcpy(out->refused, server->refused, sizeof out->refused);
	memcpy(out->ended, server->sessions.ended, sizeof out->ended);
	out->queued = server->sessions.queued;
	out->sessions = server->sessions.open;
	out->websockets = server->sessions.carried[EIO_WEBSOCKET];
}
