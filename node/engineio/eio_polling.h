/* Long-polling as a transport of sessions; the table of requests and answers stands in eio_polling.c. */
#ifndef NODE_ENGINEIO_EIO_POLLING_H
#define NODE_ENGINEIO_EIO_POLLING_H

#include "node/engineio/eio_session.h"

/* The handshake's request is the first poll of a new session. */
void eio_polling_open(struct eio_session *s, struct http_request *r);

/* A further request of a session that is on polling. */
void eio_polling_request(struct eio_session *s, struct http_request *r);

#endif
