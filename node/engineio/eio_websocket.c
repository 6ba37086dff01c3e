/*
 * WebSocket as a transport: one packet per message. A text message begins with the type digit; a binary message is
 * sent as it is, in protocol revision 3 with the byte 4 in front. The carrier is the struct ws itself, so an idle
 * session owns nothing more.
 */
#include "node/engineio/eio_websocket.h"

#include "common/base/error.h"
#include "node/engineio/eio_message_v3.h"
#include "node/engineio/eio_payload_v3.h"

static void
websocket_on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct eio_session *s = owner;
	struct eio_packet packet = {.type = EIO_PACKET_MESSAGE, .binary = true, .data = data, .n = n};
	int error = 0;

	if (s->marked && !conn_continues(ws_conn(ws)))
		eio_session_input(s);
	if (s->revision == 3)
		error = binary ? eio_packet_v3_parse_binary(data, n, &packet) : eio_packet_v3_parse(data, n, &packet);
	else if (!binary)
		error = eio_packet_parse(data, n, &packet);
	if (error < 0)
		eio_session_end(s, EIO_CAUSE_MALFORMED, error_text(error));
	else
		eio_session_packet(s, &packet);
}

static void
websocket_on_drain(struct ws *ws, void *owner)
{
	(void)ws;
	eio_session_drained(owner);
}

/*
 * As in Engine.IO, the cause is an error if the WebSocket layer refused input or a limit was exceeded. In all other
 * cases the connection was closed.
 */
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
websocket_on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	struct eio_session *s = owner;

	(void)ws, (void)code;
	eio_session_lose_carrier(s);
	eio_session_end(s, cause_of(reason), names_word(&eio_reasons, reason));
}

static const struct ws_ops session_ops = {
	.on_message = websocket_on_message,
	.on_drain = websocket_on_drain,
	.on_closed = websocket_on_closed,
};

/* Used if the owner has no on_drain. */
static const struct ws_ops undrained_ops = {.on_message = websocket_on_message, .on_closed = websocket_on_closed};

static const struct ws_ops *
ops_for(const struct eio_session *s)
{
	return s->all->ops->on_drain != NULL ? &session_ops : &undrained_ops;
}

/* A WebSocket without a session only waits for its closing handshake. */
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

/* Ends the session if too much waits for the peer. No Close frame is sent, because it would wait, too. */
static inline void
websocket_limit_queue(struct eio_session *s, struct ws *ws)
{
	eio_session_limit_cork(s, conn_queued(ws_conn(ws)));
	if (conn_queued(ws_conn(ws)) <= s->all->max_buffered)
		return;
	eio_session_lose_carrier(s);
	ws_set_owner(ws, &abandoned_ops, NULL);
	ws_terminate(ws, REASON_SLOW_READER);
	eio_session_end(s, EIO_CAUSE_SLOW_READER, NULL);
}

static void
websocket_put(struct eio_session *s, struct eio_message *message)
{
	struct ws *ws = s->carrier;

	ws_send(ws, &message->frame);
	websocket_limit_queue(s, ws);
}

static void
base64_put(struct eio_session *s, struct eio_message *message)
{
	struct ws *ws = s->carrier;
	struct text packet;

	if (!message->binary) {
		websocket_put(s, message);
		return;
	}
	packet = s->revision == 3 ? eio_message_v3_text(message) : eio_message_polling(message);
	if (packet.at == NULL)
		conn_no_memory(ws_conn(ws));
	else
		ws_send_bytes(ws, WS_TEXT, packet.at, packet.n);
	websocket_limit_queue(s, ws);
}

static void
v3_put(struct eio_session *s, struct eio_message *message)
{
	struct ws_message *frame = eio_message_v3_frame(message);
	struct ws *ws = s->carrier;

	if (frame == NULL)
		conn_no_memory(ws_conn(ws));
	else
		ws_send(ws, frame);
	websocket_limit_queue(s, ws);
}

static bool
websocket_writable(const struct eio_session *s)
{
	return ws_writable(s->carrier);
}

/* Closes a CLOSING session. The Close frame follows all packets that were put before. */
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
websocket_cork(struct eio_session *s)
{
	struct conn *c = ws_conn(s->carrier);

	if (s->corked)
		conn_cork(c);
	else
		conn_uncork(c);
}

static void
websocket_stop(struct eio_session *s, void *carrier, unsigned reason)
{
	(void)s;
	eio_websocket_abandon(carrier, reason);
}

/* The transports differ in how they frame a binary message. */
#define WEBSOCKET_TRANSPORT(put_)                                                                                    \
	{                                                                                                            \
		.name = "websocket", .kind = EIO_WEBSOCKET, .put = put_, .writable = websocket_writable,             \
		.sent = websocket_writable, .settle = websocket_settle, .pause = websocket_pause,                    \
		.cork = websocket_cork, .stop = websocket_stop,                                                      \
	}
static const struct eio_transport websocket_transport = WEBSOCKET_TRANSPORT(websocket_put);
static const struct eio_transport websocket_v3_transport = WEBSOCKET_TRANSPORT(v3_put);
/* For clients that cannot receive binary (query b64): binary messages are sent as base64 text. */
static const struct eio_transport websocket_base64_transport = WEBSOCKET_TRANSPORT(base64_put);
#undef WEBSOCKET_TRANSPORT

static const struct eio_transport *
transport_for(const struct eio_session *s, bool b64)
{
	if (b64)
		return &websocket_base64_transport;
	return s->revision == 3 ? &websocket_v3_transport : &websocket_transport;
}

void
eio_websocket_open(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64)
{
	struct ws *ws = ws_accept(r, options, ops_for(s), s);

	eio_session_open(s, transport_for(s, b64), ws);
}

void
eio_websocket_adopt(struct eio_session *s, struct ws *ws, bool b64)
{
	ws_set_owner(ws, ops_for(s), s);
	eio_session_upgrade(s, transport_for(s, b64), ws);
}

void
eio_websocket_options(const struct eio_options *options, struct ws_deflate_pool *pool, struct ws_options *out)
{
	*out = (struct ws_options){
		.max_message = options->max_http_buffer_size,
		.max_fragments = eio_options_max_fragments(options),
		.close_ms = options->close_timeout,
		.deflate = options->per_message_deflate,
		.deflate_threshold = options->per_message_deflate_threshold,
		.server_no_context_takeover = options->server_no_context_takeover,
		.client_no_context_takeover = options->client_no_context_takeover,
		.server_max_window_bits = (int)options->server_max_window_bits,
		.client_max_window_bits = (int)options->client_max_window_bits,
		.pool = pool,
	};
}
