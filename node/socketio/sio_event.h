/*
 * An event as the application sees it. A live one stands on the stack of its dispatch and points into the received
 * message; sio_event_keep() makes the one heap copy of it, counted, which from then on also knows whether it was
 * acknowledged.
 */
#ifndef NODE_SOCKETIO_SIO_EVENT_H
#define NODE_SOCKETIO_SIO_EVENT_H

#include "node/socketio/sio_check.h"
#include "node/socketio/sio_socket.h"

struct sio_event {
	struct sio_socket *socket; /* NULL: freed, or another server's event */
	struct sio_event *kept;	   /* of a live event: its copy */
	struct sio_held held;	   /* of a copy: by the socket */
	unsigned refs;		   /* of a copy; 0: live */
	struct text name;	   /* NUL-terminated */
	const struct text *args;   /* list.count of them */
	struct sio_args list;
	struct sio_value_owner owner;
	struct attachments attachments; /* of a copy */
	uint64_t id;			/* as the client sent it */
	bool wants_ack, answered;
	bool live;    /* of a copy: its event holds one of `refs` */
	size_t bytes; /* of a copy */
	struct sio_server *io;
	struct broker_reply *reply; /* another server's question; a copy holds a reference */
};

/* The listeners of any event of a live one. */
void sio_event_dispatch_any(struct sio_event *event);
/* The listeners of the event, if the socket is still connected. */
void sio_event_dispatch(struct sio_event *event);

/* An event that leaves, for listeners of outgoing packets. `name` has a NUL at its end, `args` has room for
 * SIO_ARGS_MAX. */
void sio_event_outgoing(struct sio_event *event, struct text name, struct text json,
	const struct attachments *attachments, struct text *args);
void sio_event_outgoing_run(struct sio_event *event, struct sio_socket *s);
/* A quoted name, or a number, as plain text with a NUL, in `out`, which it replaces. TEXT_NONE: no memory for it. */
struct text sio_event_name_of(struct buffer *out, struct text quoted);
/* Ends a live event. */
void sio_event_fini(struct sio_event *event);

/*
 * Where a live event stands: on the caller's stack, as `stack` does. Checked handles need memory that the next event
 * does not use: there it is a copy of `stack`. sio_event_done() ends it.
 */
static inline struct sio_event *
sio_event_place(struct sio_event *stack)
{
#ifdef SIO_CHECKED
	struct sio_event *own = mem_alloc(sizeof *own);

	*own = *stack;
	return own;
#else
	return stack;
#endif
}

static inline void
sio_event_done(struct sio_event *event)
{
	sio_event_fini(event);
#ifdef SIO_CHECKED
	sio_retire(event);
#endif
}

#endif
