/* Long-polling as a transport. eio_polling.c has the table of requests and replies. */
#ifndef NODE_ENGINEIO_EIO_POLLING_H
#define NODE_ENGINEIO_EIO_POLLING_H

#include "node/engineio/eio_jsonp.h"
#include "node/engineio/eio_session.h"

/*
 * Opens a new session. The request of the handshake is its first poll. With `b64`, a client of protocol revision 3
 * gets binary messages as base64; revision 4 and JSONP always do.
 */
void eio_polling_open(struct eio_session *s, struct http_request *r, bool b64, struct eio_jsonp jsonp);

/* Handles another request of a session on polling. */
void eio_polling_request(struct eio_session *s, struct http_request *r);

/* Answers a POST of a session that is gone, which the server has just closed (eio_departed.h). */
void eio_polling_late(struct http_request *r);

#endif
