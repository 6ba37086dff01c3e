/* Handshakes that wait for the application's yes or no (on_allow). */
#ifndef NODE_ENGINEIO_EIO_PENDING_H
#define NODE_ENGINEIO_EIO_PENDING_H

#include "node/engineio/eio_verify.h"

/* Lives in the server. */
struct eio_pendings {
	struct list list; /* struct eio_pending */
	unsigned count;
	struct loop *loop;
	const struct eio_ops *ops;
	void *arg;
	/* The answer, where every structure is whole. `message`: of a refusal; NULL: the usual one. */
	void (*decided)(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how, bool allowed,
		const char *message);
};

/* Asks the application; `decided` is called at once or later, unless the peer goes away before. */
void eio_pending_ask(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how);

/* At the server's end: requests that wait are dropped, and answers that come later are without effect. */
void eio_pendings_stop(struct eio_pendings *pendings);

#endif
