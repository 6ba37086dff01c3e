/* The engine's callbacks for HTTP requests (struct eio_ops). They call the application's hooks. */
#ifndef NODE_SOCKETIO_SIO_REQUEST_H
#define NODE_SOCKETIO_SIO_REQUEST_H

#include "node/socketio/sio_server.h"

void sio_request_on_allow(void *arg, struct eio_pending *pending, const struct http_request *http);
struct text sio_request_on_id(void *arg, const struct http_request *http);
void sio_request_on_headers(void *arg, struct http_request *http, struct eio_session *session, bool initial);
void sio_request_on_refused(void *arg, const struct http_request *http, enum eio_error_code code, const char *message,
	const char *context);

#endif
