/*
 * WebSocket as a transport: one packet per message, text with its type digit, bytes as they are.
 *
 * A WebSocket without owner has been given up by its session (or never had one) and only waits for its closing
 * handshake.
 */
#include "node/engineio/eio_session.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/must.h"

static void
on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct eio_session *s = owner;
	struct eio_packet packet = {.type = EIO_PACKET_MESSAGE, .binary = true, .data = data, .n = n};

	if (s == NULL)
		return;
	if (ws != s->ws)
		eio_upgrade_message(s, binary, data, n);
	else if (!binary && eio_packet_parse(data, n, &packet) < 0)
		eio_session_end(s, EIO_PARSE_ERROR, error_text(ERROR_SYNTAX));
	else
		eio_session_packet(s, &packet);
}

static void
on_drain(struct ws *ws, void *owner)
{
	struct eio_session *s = owner;

	if (s != NULL && ws == s->ws && s->state == EIO_STATE_OPEN && s->server->ops->on_drain != NULL)
		s->server->ops->on_drain(s, s->owner);
}

/* The original calls it an error when the WebSocket library or a limit refused something, a close otherwise. */
static enum eio_close_reason
close_reason(unsigned reason)
{
	switch (reason) {
	case REASON_WS_PROTOCOL:
	case REASON_WS_UTF8:
	case REASON_WS_TOO_BIG:
	case REASON_SLOW_READER:
	case REASON_STALLED:
	case REASON_TLS:
		return EIO_TRANSPORT_ERROR;
	default:
		return EIO_TRANSPORT_CLOSE;
	}
}

static void
on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	struct eio_session *s = owner;

	(void)code;
	if (s == NULL)
		return;
	if (ws != s->ws) {
		eio_upgrade_lost(s);
		return;
	}
	eio_session_set_ws(s, NULL);
	eio_session_end(s, close_reason(reason), names_word(&eio_reasons, reason));
}

static const struct ws_ops session_ops = {
	.on_message = on_message,
	.on_drain = on_drain,
	.on_closed = on_closed,
};

/* Where nobody above asks for it. */
static const struct ws_ops undrained_ops = {.on_message = on_message, .on_closed = on_closed};

struct ws *
eio_websocket_accept(struct eio_server *e, struct http_request *r, void *owner)
{
	return ws_accept(r, &e->ws_options, e->ops->on_drain ? &session_ops : &undrained_ops, owner);
}

void
eio_websocket_abandon(struct ws *ws, unsigned reason)
{
	ws_set_owner(ws, NULL);
	ws_close(ws, 0, NULL, reason); /* without status, as the original closes: the client sees 1005 */
}

void
eio_websocket_start(struct eio_session *s, struct http_request *r, bool b64)
{
	s->b64 = b64;
	eio_headers(s->server, r, s, true);
	eio_session_set_ws(s, eio_websocket_accept(s->server, r, s));
	eio_session_open(s);
}

void
eio_websocket_put(struct eio_session *s, struct eio_message *m)
{
	struct text packet;

	if (m->binary && s->b64) {
		packet = eio_message_polling(m);
		ws_send_bytes(s->ws, WS_TEXT, packet.at, packet.n);
	} else {
		ws_send(s->ws, m->block, m->frame_at, m->packet_at);
	}
	if (conn_queued(ws_conn(s->ws)) > s->server->max_buffered) {
		struct ws *ws = s->ws;

		eio_session_set_ws(s, NULL);
		ws_set_owner(ws, NULL);
		ws_terminate(ws, REASON_SLOW_READER);
		eio_session_end(s, EIO_TRANSPORT_ERROR, names_word(&eio_reasons, REASON_SLOW_READER));
	}
}

void
eio_websocket_stop(struct eio_session *s, unsigned reason)
{
	struct ws *ws = s->ws;

	eio_session_set_ws(s, NULL);
	eio_websocket_abandon(ws, reason);
}
