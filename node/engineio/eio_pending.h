/* Handshakes that wait for the application's decision (on_allow). */
#ifndef NODE_ENGINEIO_EIO_PENDING_H
#define NODE_ENGINEIO_EIO_PENDING_H

#include "node/engineio/eio_verify.h"

/* The application's decision about a handshake. */
struct eio_decision {
	bool allowed;
	int status;    /* of the application's own reply; 0: it has none */
	char *message; /* of a refusal with eio_refuse(); NULL: the default message */
	char *type;    /* Content-Type of the application's own reply; NULL: none */
	char *body;
	size_t body_len;
};

/* All pending handshakes. Lives in the server. */
struct eio_pendings {
	struct list list; /* of struct eio_pending */
	unsigned count;
	struct loop *loop;
	const struct eio_ops *ops;
	void *arg;
	/* Carries the decision out. Called when every structure is in a consistent state. */
	void (*decided)(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival arrival,
		const struct eio_decision *decision);
};

/* Asks the application. Calls `decided` now or later, unless the peer leaves first. */
void eio_pending_ask(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival arrival);

/* Called when the server is freed: closes the connections of waiting requests. A later decision has no effect. */
void eio_pendings_stop(struct eio_pendings *pendings);

#endif
