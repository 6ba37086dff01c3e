/* The engine's hooks: what an application sees of HTTP requests. */
#ifndef NODE_SOCKETIO_SIO_REQUEST_H
#define NODE_SOCKETIO_SIO_REQUEST_H

#include "node/socketio/sio_server.h"

void sio_request_on_allow(void *arg, struct eio_pending *pending, const struct http_request *r);
void sio_request_on_headers(void *arg, struct http_request *r, struct eio_session *session, bool initial);
void sio_request_on_refused(
	void *arg, const struct http_request *r, enum eio_error_code code, const char *message, const char *context);

#endif
