/*
 * WebSocket as a transport: one packet per message, text with its type digit, bytes as they are. The carrier is the
 * struct ws itself: an idle session owns nothing more.
 */
#include "node/engineio/eio_websocket.h"

#include "common/base/error.h"

static void
on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct eio_session *s = owner;
	struct eio_packet packet = {.type = EIO_PACKET_MESSAGE, .binary = true, .data = data, .n = n};

	if (s->marked && !conn_continues(ws_conn(ws)))
		eio_session_input(s);
	if (!binary && eio_packet_parse(data, n, &packet) < 0)
		eio_session_end(s, EIO_CAUSE_MALFORMED, error_text(ERROR_SYNTAX));
	else
		eio_session_packet(s, &packet);
}

static void
on_drain(struct ws *ws, void *owner)
{
	(void)ws;
	eio_session_drained(owner);
}

/* The original calls it an error when the WebSocket library or a limit refused something, a close otherwise. */
static enum eio_cause
cause_of(unsigned reason)
{
	switch (reason) {
	case REASON_SLOW_READER:
		return EIO_CAUSE_SLOW_READER;
	case REASON_MEMORY:
		return EIO_CAUSE_MEMORY;
	case REASON_NO_MEMORY:
		return EIO_CAUSE_NO_MEMORY;
	case REASON_WS_PROTOCOL:
	case REASON_WS_UTF8:
	case REASON_WS_TOO_BIG:
	case REASON_STALLED:
	case REASON_TLS:
		return EIO_CAUSE_CONNECTION_ERROR;
	default:
		return EIO_CAUSE_CONNECTION_CLOSED;
	}
}

static void
on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	struct eio_session *s = owner;

	(void)ws, (void)code;
	eio_session_lose_carrier(s);
	eio_session_end(s, cause_of(reason), names_word(&eio_reasons, reason));
}

static const struct ws_ops session_ops = {
	.on_message = on_message,
	.on_drain = on_drain,
	.on_closed = on_closed,
};

/* Where nobody above asks for it. */
static const struct ws_ops undrained_ops = {.on_message = on_message, .on_closed = on_closed};

static const struct ws_ops *
ops_for(const struct eio_session *s)
{
	return s->all->ops->on_drain != NULL ? &session_ops : &undrained_ops;
}

/* A WebSocket that its session has given up, or that never had one: it only waits for its closing handshake. */
static void
abandoned_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	(void)ws, (void)owner, (void)binary, (void)data, (void)n;
}

static void
abandoned_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	(void)ws, (void)owner, (void)reason, (void)code;
}

static const struct ws_ops abandoned_ops = {.on_message = abandoned_message, .on_closed = abandoned_closed};

void
eio_websocket_abandon(struct ws *ws, unsigned reason)
{
	ws_set_owner(ws, &abandoned_ops, NULL);
	ws_close(ws, 0, NULL, reason);
}

/* ---------------------------------------------------------- the transport */

/* Too much waits for the peer: not even a Close frame would reach it. */
static inline void
limit_queue(struct eio_session *s, struct ws *ws)
{
	if (conn_queued(ws_conn(ws)) <= s->all->max_buffered)
		return;
	eio_session_lose_carrier(s);
	ws_set_owner(ws, &abandoned_ops, NULL);
	ws_terminate(ws, REASON_SLOW_READER);
	eio_session_end(s, EIO_CAUSE_SLOW_READER, NULL);
}

static void
websocket_put(struct eio_session *s, struct eio_message *m)
{
	struct ws *ws = s->carrier;

	ws_send(ws, m->block, m->frame_at, m->packet_at);
	limit_queue(s, ws);
}

static void
base64_put(struct eio_session *s, struct eio_message *m)
{
	struct ws *ws = s->carrier;
	struct text packet;

	if (!m->binary) {
		websocket_put(s, m);
		return;
	}
	packet = eio_message_polling(m);
	if (packet.at == NULL)
		conn_no_memory(ws_conn(ws));
	else
		ws_send_bytes(ws, WS_TEXT, packet.at, packet.n);
	limit_queue(s, ws);
}

static bool
websocket_writable(const struct eio_session *s)
{
	return ws_writable(s->carrier);
}

/* What was put leaves in front of the Close frame. */
static bool
websocket_settle(struct eio_session *s)
{
	if (s->state == EIO_STATE_CLOSING)
		eio_session_end(s, EIO_CAUSE_SERVER, NULL);
	return true;
}

static void
websocket_pause(struct eio_session *s)
{
	ws_pause(s->carrier, s->paused);
}

static void
websocket_stop(struct eio_session *s, void *carrier, unsigned reason)
{
	(void)s;
	eio_websocket_abandon(carrier, reason);
}

static const struct eio_transport websocket = {
	.name = "websocket",
	.kind = EIO_WEBSOCKET,
	.put = websocket_put,
	.writable = websocket_writable,
	.sent = websocket_writable,
	.settle = websocket_settle,
	.pause = websocket_pause,
	.stop = websocket_stop,
};

/* For clients that cannot take bytes (query b64): they go as base64 text. */
static const struct eio_transport websocket_base64 = {
	.name = "websocket",
	.kind = EIO_WEBSOCKET,
	.put = base64_put,
	.writable = websocket_writable,
	.sent = websocket_writable,
	.settle = websocket_settle,
	.pause = websocket_pause,
	.stop = websocket_stop,
};

void
eio_websocket_open(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64)
{
	struct ws *ws = ws_accept(r, options, ops_for(s), s);

	eio_session_open(s, b64 ? &websocket_base64 : &websocket, ws);
}

void
eio_websocket_adopt(struct eio_session *s, struct ws *ws, bool b64)
{
	ws_set_owner(ws, ops_for(s), s);
	eio_session_upgrade(s, b64 ? &websocket_base64 : &websocket, ws);
}

void
eio_websocket_options(const struct eio_options *o, struct ws_options *out)
{
	*out = (struct ws_options){
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
}
