/*
 * A step is a question to the application (a middleware, a namespace function, allowRequest) that it answers once,
 * now or later.
 *
 *   state                what follows
 *   inside its function  answered there: the chain continues when the function returns
 *   waiting              answered later: the chain continues at the end of the turn
 *   orphan               its socket or client is gone, so `socket` and `client` are NULL. The answer frees the step.
 *                        If the application has set on_gone, it is called at the end of the turn, unless the
 *                        application has answered before
 *
 * The application holds the pointer until it answers. So a step outlives its socket or client, which unlinks itself
 * from the step when it goes.
 */
#ifndef NODE_SOCKETIO_SIO_STEP_H
#define NODE_SOCKETIO_SIO_STEP_H

#include "node/socketio/sio_socket.h"

struct sio_step {
	struct list all;      /* in io->steps */
	struct sio_job job;   /* calls resume() if answered outside its function; on_gone() for an orphan */
	struct sio_held held; /* in the socket's list, or in the client's `checks` */
	struct sio_server *io;
	void (*resume)(struct sio_step *step); /* asks the next function, or ends the chain and frees the step */
	struct sio_socket *socket;
	struct sio_client *client;
	void (*allowed)(struct sio_step *step); /* called inside sio_next(); may be NULL */
	void (*then)(struct sio_socket *s, const struct sio_step *refusal); /* follows the middlewares of a connect */
	sio_parent_decided_fn *decided;					    /* follows the parents */
	struct sio_event *event;					    /* the kept event, while the step waits */
	struct eio_pending *pending;
	struct text nsp, auth; /* of a namespace check; one allocation that begins at nsp.at */
	struct sio_nsp *made;  /* the namespace that it allowed, held until the client has joined; may be NULL */
	void (*on_gone)(struct sio_step *step, void *arg);
	void *on_gone_arg;
	char *message; /* of a refusal */
	char *data;    /* of a refusal, JSON; NULL: none */
	size_t data_len;
	unsigned next, count; /* position in `fns` and their number */
	unsigned removals;    /* io->removals when the chain began */
	bool running, answered, refused;
	struct sio_listener fns[]; /* copied when the chain began */
};

/* Makes a step with room for `count` listeners. See struct sio_step for `resume`. */
struct sio_step *sio_step_new(struct sio_server *io, unsigned count, void (*resume)(struct sio_step *step));
void sio_step_free(struct sio_step *step);
/* Appends the listeners that have not been removed. The caller has allocated room for them. */
void sio_step_add(struct sio_step *step, const struct sio_listeners *listeners);
/* Returns the message of a refusal; never NULL. */
const char *sio_step_message(const struct sio_step *step);

#endif
