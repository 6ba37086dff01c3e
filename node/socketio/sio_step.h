/*
 * A step: a question put to the application (a middleware, a namespace function, allowRequest) that it answers now or
 * later, once.
 *
 *   asked inside its function   answered there: the chain goes on when the function returns
 *   waiting                     answered later: goes on at the end of the turn
 *   orphan                      what it was about is gone: `socket` and `client` are NULL, the answer frees it;
 *                               the application is told at the end of the turn, if it wants to be and has not
 * answered
 *
 * The application holds the pointer until it answers, so a step outlives what it is about; that one unlinks itself
 * from the step instead.
 */
#ifndef NODE_SOCKETIO_SIO_STEP_H
#define NODE_SOCKETIO_SIO_STEP_H

#include "node/socketio/sio_socket.h"

struct sio_step {
	struct list all;      /* in io->steps */
	struct sio_job job;   /* answered outside of its function: go(); orphaned: on_gone() */
	struct sio_held held; /* by the socket, or as one of the client's checks */
	struct sio_server *io;
	void (*go)(struct sio_step *step); /* asks the next, or ends the chain and frees the step */
	struct sio_socket *socket;
	struct sio_client *client;
	void (*allowed)(struct sio_step *step);				    /* at once in sio_next(); NULL: nothing */
	void (*then)(struct sio_socket *s, const struct sio_step *refusal); /* after the middlewares of a connect */
	sio_parent_decided_fn *decided;					    /* after the parents */
	struct sio_event *event;					    /* kept, once it waits */
	struct eio_pending *pending;
	struct text nsp, auth; /* of a namespace check; one allocation that begins at nsp.at */
	struct sio_nsp *made;  /* the namespace that it allowed, held until the client is in; may be NULL */
	void (*on_gone)(struct sio_step *step, void *arg);
	void *on_gone_arg;
	char *message; /* of a refusal */
	char *data;    /* of a refusal, JSON; NULL: none */
	size_t data_len;
	unsigned next, count; /* of `fns` */
	bool running, answered, refused;
	struct sio_listener fns[]; /* as they were when the chain began */
};

struct sio_step *sio_step_new(struct sio_server *io, unsigned count, void (*go)(struct sio_step *step));
void sio_step_free(struct sio_step *step);
/* Appends the live listeners; there is room for them. */
void sio_step_add(struct sio_step *step, const struct sio_listeners *l);
/* Of a refusal; never NULL. */
const char *sio_step_message(const struct sio_step *step);

#endif
