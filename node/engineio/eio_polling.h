/* Long-polling as a transport. eio_polling.c has the table of requests and replies. */
#ifndef NODE_ENGINEIO_EIO_POLLING_H
#define NODE_ENGINEIO_EIO_POLLING_H

#include "node/engineio/eio_session.h"

/* Opens a new session. The request of the handshake is its first poll. */
void eio_polling_open(struct eio_session *s, struct http_request *r);

/* Handles another request of a session on polling. */
void eio_polling_request(struct eio_session *s, struct http_request *r);

#endif
