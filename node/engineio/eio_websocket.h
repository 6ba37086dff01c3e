/* WebSocket as a transport of sessions. */
#ifndef NODE_ENGINEIO_EIO_WEBSOCKET_H
#define NODE_ENGINEIO_EIO_WEBSOCKET_H

#include "node/engineio/eio_session.h"
#include "node/ws/ws.h"

/* `options` is borrowed and outlives the WebSockets; `out` is filled from the engine's. */
void eio_websocket_options(const struct eio_options *o, struct ws_options *out);

/* The handshake's request, which ws_check() accepted, becomes the carrier of a new session. `b64`: bytes are sent as
 * base64 text. */
void eio_websocket_open(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64);

/* An open WebSocket of somebody else's becomes the carrier of a session (eio_session_upgrade()). */
void eio_websocket_adopt(struct eio_session *s, struct ws *ws, bool b64);

/* Closes one that nobody owns any more; without status, as the original closes: the client sees 1005. */
void eio_websocket_abandon(struct ws *ws, unsigned reason);

#endif
