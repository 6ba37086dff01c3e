/* Handshakes that wait for the application's yes or no (on_allow). */
#ifndef NODE_ENGINEIO_EIO_PENDING_H
#define NODE_ENGINEIO_EIO_PENDING_H

#include "node/engineio/eio_verify.h"

/* What the application says to a handshake. */
struct eio_decision {
	bool allowed;
	int status;    /* of an answer of its own; 0: a refusal as the engine makes it, or none */
	char *message; /* of such a refusal; NULL: the usual one */
	char *type;    /* of an answer of its own; NULL: no such field */
	char *body;
	size_t body_len;
};

/* Lives in the server. */
struct eio_pendings {
	struct list list; /* struct eio_pending */
	unsigned count;
	struct loop *loop;
	const struct eio_ops *ops;
	void *arg;
	/* The answer, where every structure is whole. */
	void (*decided)(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how,
		const struct eio_decision *decision);
};

/* Asks the application; `decided` is called at once or later, unless the peer goes away before. */
void eio_pending_ask(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how);

/* At the server's end: requests that wait are dropped, and answers that come later are without effect. */
void eio_pendings_stop(struct eio_pendings *pendings);

#endif
