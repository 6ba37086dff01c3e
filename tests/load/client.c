/*
 *   state     leaves by                                   to
 *   idle      client_open()                               opening
 *   opening   the open packet                             joining
 *   joining   CONNECT answered, no upgrade under way      joined
 *   joined    client_leave()                              leaving
 *   leaving   the last packets are written                ended
 *   any       client_cut(), a failure, a time-out         ended
 *   ended     the last connection is gone                 idle, calls `ended`
 */
#include "tests/load/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_payload.h"
#include "node/ws/ws_deflate.h"
#include "tests/load/board.h"
#include "tests/load/client_internal.h"
#include "tests/load/control.h"
#include "tests/load/http_answer.h"
#include "tests/load/load_options.h"

#define LEAVE_MS 2000 /* time limit for a clean disconnect */

static void
client_on_end(struct loop_call *call)
{
	struct client *c = container_of(call, struct client, end);
	const struct client_ops *ops = c->setup->ops;
	bool was_joined = c->was_joined;

	client_polling_free(c);
	http_answer_free(c->answer);
	c->answer = NULL;
	ws_reader_fini(&c->reader);
	ws_deflate_free(c->deflate);
	c->deflate = NULL;
	c->state = CLIENT_IDLE;
	ops->ended(c, (enum load_error)c->error, c->why, was_joined);
}

static void
client_on_timer(struct wheel_entry *entry)
{
	struct client *c = container_of(entry, struct client, timer);
	struct loop *l = c->setup->loop;

	if (c->state == CLIENT_LEAVING) {
		client_fail(c, LOAD_ERROR_COUNT, "");
	} else if (c->state != CLIENT_JOINED) {
		client_fail(c, LOAD_ERROR_HANDSHAKE, "not joined within --timeout");
	} else if (l->now - c->last_seen >= c->ping_ms) {
		client_fail(c, LOAD_ERROR_PING, "no ping within pingInterval + pingTimeout");
	} else {
		loop_arm(l, &c->timer, c->ping_ms - (l->now - c->last_seen));
	}
}

void
client_init(struct client *c)
{
	wheel_entry_init(&c->timer, client_on_timer);
	loop_call_init(&c->end, client_on_end);
}

void
client_fini(struct client *c)
{
	client_forget(c);
}

void
client_forget(struct client *c)
{
	mem_free(c->recovery);
	c->recovery = NULL;
}

void
client_open(struct client *c)
{
	must(c->state == CLIENT_IDLE);
	c->state = CLIENT_OPENING;
	c->why = "";
	c->error = LOAD_ERROR_COUNT;
	c->over_ws = c->opened_ws = c->connected = c->was_joined = c->ack_pending = c->attachment_seen = false;
	c->recovered = false;
	c->attachments = 0;
	c->began = board_now();
	c->max_payload = 0;
	ws_reader_init(&c->reader, &c->setup->ws, NULL);
	c->reader.from_server = true;
	loop_arm(c->setup->loop, &c->timer, c->setup->timeout_ms);
	if (c->setup->transport == LOAD_WEBSOCKET)
		client_ws_open(c, NULL);
	else
		client_polling_open(c);
}

struct conn *
client_connect(struct client *c, const struct conn_ops *ops, void *owner)
{
	int fd = target_connect(c->target, c->source);

	if (fd < 0) {
		client_fail_format(c, LOAD_ERROR_CONNECT, "%s",
			fd == -EADDRNOTAVAIL ? "no free port; more --source-addresses may help"
			: fd == -EMFILE	     ? "no free descriptor; raise ulimit -n"
					     : strerror(-fd));
		return NULL;
	}
	return conn_new(c->setup->loop, fd, NULL, 0, c->target->tls, &c->setup->limits, ops, owner);
}

/* --------------------------------------------------------------------- ends */

void
client_check_ended(struct client *c)
{
	if (c->state == CLIENT_LEAVING && c->ws == NULL && client_polling_gone(c))
		client_fail(c, LOAD_ERROR_COUNT, "");
	else if (c->state == CLIENT_ENDED && c->ws == NULL && client_polling_gone(c))
		loop_defer(c->setup->loop, &c->end);
}

void
client_fail(struct client *c, enum load_error error, const char *why)
{
	if (c->state == CLIENT_IDLE || c->state == CLIENT_ENDED)
		return;
	if (c->state == CLIENT_LEAVING) { /* a client that is leaving does not fail */
		error = LOAD_ERROR_COUNT;
		why = "";
	}
	c->error = (uint8_t)error;
	c->why = why;
	c->state = CLIENT_ENDED;
	loop_disarm(c->setup->loop, &c->timer);
	if (c->ws)
		conn_close(c->ws, REASON_FORCED);
	client_polling_close(c);
	client_check_ended(c);
}

void
client_fail_format(struct client *c, enum load_error error, const char *format, ...)
{
	va_list args;

	if (c->state == CLIENT_IDLE || c->state == CLIENT_ENDED)
		return;
	va_start(args, format);
	vsnprintf(c->why_text, sizeof c->why_text, format, args);
	va_end(args);
	control_replace(c->why_text);
	client_fail(c, error, c->why_text);
}

void
client_cut(struct client *c, enum load_error error, const char *why)
{
	client_fail(c, error, why);
}

void
client_lost(struct client *c, unsigned reason, bool answered)
{
	if (reason == REASON_TLS || reason == REASON_TLS_TIMEOUT)
		client_fail(
			c, LOAD_ERROR_TLS, "the TLS handshake failed, or the server's certificate is not trusted");
	else if (!answered && reason == REASON_RESET)
		client_fail(c, LOAD_ERROR_REFUSED, "the connection was refused");
	else if (!answered)
		client_fail(c, LOAD_ERROR_CLOSED, "the server closed the connection without an answer");
	else if (reason == REASON_RESET)
		client_fail(c, LOAD_ERROR_RESET, "the connection was reset");
	else if (reason == REASON_SLOW_READER || reason == REASON_STALLED)
		client_fail(c, LOAD_ERROR_RESET, "the server does not read what is sent to it");
	else
		client_fail(c, LOAD_ERROR_CLOSED, "the server closed the connection");
}

void
client_leave(struct client *c)
{
	char nsp[TARGET_NSP_MAX + 2];

	if (c->state != CLIENT_JOINED) {
		if (c->state != CLIENT_LEAVING)
			client_fail(c, LOAD_ERROR_COUNT, "");
		return;
	}
	/* DISCONNECT, then Engine.IO's close (Socket.IO protocol v5, "Disconnection from a namespace") */
	snprintf(nsp, sizeof nsp, "%s,", c->target->nsp);
	client_packet(c, TEXT("41"), c->target->nsp[1] ? text_from(nsp) : TEXT_NONE);
	if (c->state != CLIENT_JOINED)
		return;
	c->state = CLIENT_LEAVING;
	loop_arm(c->setup->loop, &c->timer, LEAVE_MS);
	if (c->over_ws)
		client_ws_finish(c);
	else
		client_polling_finish(c);
}

/* --------------------------------------------------------------------- sends */

void
client_packet(struct client *c, struct text head, struct text tail)
{
	if (c->over_ws)
		client_ws_send(c, WS_TEXT, head, tail);
	else
		client_polling_send(c, false, head, tail);
}

void
client_send(struct client *c, struct text head, struct text tail)
{
	client_packet(c, head, tail);
}

void
client_send_binary(struct client *c, const void *bytes, size_t n)
{
	if (c->over_ws)
		client_ws_send(c, WS_BINARY, TEXT_NONE, text_of(bytes, n));
	else
		client_polling_send(c, true, TEXT_NONE, text_of(bytes, n));
}

/* ------------------------------------------------------------------- hears */

void
client_check_joined(struct client *c)
{
	bool upgrading = c->setup->transport == LOAD_UPGRADE && !c->over_ws;

	if (c->state != CLIENT_JOINING || !c->connected || upgrading)
		return;
	c->state = CLIENT_JOINED;
	c->was_joined = true;
	loop_arm(c->setup->loop, &c->timer, c->ping_ms);
	c->setup->ops->joined(c);
}

static bool
sid_is_valid(struct text sid)
{
	if (sid.n == 0 || sid.n > CLIENT_SID_MAX)
		return false;
	for (size_t i = 0; i < sid.n; i++) {
		char b = sid.at[i];

		if (!((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
			    memchr("-_.~", b, 4)))
			return false;
	}
	return true;
}

static bool
read_number_member(struct text object, struct text key, int64_t max, int64_t *out)
{
	struct text value = json_object_get(object, key);

	return value.n > 0 && json_type(value) == JSON_NUMBER && json_number_int(value, out) && *out >= 0 &&
	       *out <= max;
}

/* Engine.IO protocol v4, "Handshake". */
static void
client_on_open_packet(struct client *c, struct text object)
{
	char sid[CLIENT_SID_MAX];
	struct text text;
	int64_t interval, timeout, payload;

	if (c->state != CLIENT_OPENING || json_check(object, 16) < 0 || json_type(object) != JSON_OBJECT) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "an open packet that is not a JSON object or arrives too late");
		return;
	}
	text = json_object_get(object, TEXT("sid"));
	if (text.n == 0 || json_type(text) != JSON_STRING || text.n > sizeof sid ||
		!sid_is_valid(text_of(sid, json_string_decode(text, sid))) ||
		!read_number_member(object, TEXT("pingInterval"), INT32_MAX, &interval) ||
		!read_number_member(object, TEXT("pingTimeout"), INT32_MAX, &timeout)) {
		client_fail(
			c, LOAD_ERROR_PROTOCOL, "an open packet without a valid sid, pingInterval or pingTimeout");
		return;
	}
	if (read_number_member(object, TEXT("maxPayload"), INT32_MAX, &payload))
		c->max_payload = (uint32_t)payload;
	c->ping_ms = (uint32_t)(interval + timeout);
	c->state = CLIENT_JOINING;
	if (c->polling)
		client_polling_begin(c, text_of(sid, json_string_decode(text, sid)));
	client_recovery_connect(c);
	if (c->setup->transport == LOAD_UPGRADE)
		client_upgrade_start(c); /* returns at once if the client has failed meanwhile */
}

void
client_on_text(struct client *c, uint8_t *bytes, size_t n)
{
	c->last_seen = c->setup->loop->now;
	if (c->state == CLIENT_LEAVING) /* packets no longer matter, but the last packets must still be written */
		return;
	if (n == 0) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "an empty Engine.IO packet");
		return;
	}
	switch (bytes[0]) {
	case EIO_PACKET_OPEN:
		client_on_open_packet(c, text_of((const char *)bytes + 1, n - 1));
		return;
	case EIO_PACKET_CLOSE:
		client_fail(c, LOAD_ERROR_CLOSED, "the server closed the session");
		return;
	case EIO_PACKET_PING:
		if (c->state == CLIENT_OPENING)
			break;
		client_packet(c, TEXT("3"), TEXT_NONE);
		return;
	case EIO_PACKET_NOOP:
		if (c->state == CLIENT_OPENING)
			break;
		return;
	case EIO_PACKET_MESSAGE:
		if (c->state == CLIENT_OPENING)
			break;
		client_on_message(c, bytes + 1, n - 1);
		return;
	default:
		break;
	}
	client_fail_format(c, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet of type \"%c\"",
		bytes[0] >= ' ' && bytes[0] < 127 ? bytes[0] : '?');
}

void
client_on_binary(struct client *c, uint8_t *bytes, size_t n)
{
	c->last_seen = c->setup->loop->now;
	if (c->state != CLIENT_LEAVING)
		client_on_attachment(c, bytes, n);
}
