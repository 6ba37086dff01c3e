/* WebSocket as a transport. */
#ifndef NODE_ENGINEIO_EIO_WEBSOCKET_H
#define NODE_ENGINEIO_EIO_WEBSOCKET_H

#include "node/engineio/eio_session.h"
#include "node/ws/ws.h"

/*
 * Fills `out` from the options of the engine. The caller keeps `out` and `pool` (NULL without perMessageDeflate)
 * alive longer than its WebSockets.
 */
void eio_websocket_options(const struct eio_options *options, struct ws_deflate_pool *pool, struct ws_options *out);

/*
 * Makes a WebSocket of the handshake's request, which ws_check() accepted, the carrier of a new session. With `b64`,
 * binary messages are sent as base64 text.
 */
void eio_websocket_open(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64);

/* Makes an open WebSocket with another owner the carrier of a session (eio_session_upgrade()). */
void eio_websocket_adopt(struct eio_session *s, struct ws *ws, bool b64);

/* Closes a WebSocket that has no owner. The Close has no status, as in Engine.IO, so the client sees 1005. */
void eio_websocket_abandon(struct ws *ws, unsigned reason);

#endif
