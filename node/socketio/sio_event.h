/*
 * An event as the application sees it. A live event is on the stack of its dispatcher and points into the received
 * message. sio_event_keep() makes one reference-counted copy of it on the heap. From then on the copy records whether
 * the event was acknowledged.
 */
#ifndef NODE_SOCKETIO_SIO_EVENT_H
#define NODE_SOCKETIO_SIO_EVENT_H

#include "node/socketio/sio_check.h"
#include "node/socketio/sio_socket.h"

struct sio_event {
	struct sio_socket *socket; /* NULL: freed, or the event comes from another server */
	struct sio_event *kept;	   /* live event: its copy, or NULL */
	struct sio_held held;	   /* copy: its entry in the socket's list */
	unsigned refs;		   /* copy: reference count; 0: this is a live event */
	struct text name;	   /* NUL-terminated */
	const struct text *args;   /* array of list.count texts; not written while owner.json is empty */
	struct sio_args list;
	struct sio_value_owner owner;
	struct attachments attachments; /* copy: its attachments */
	uint64_t id;			/* as the client sent it */
	bool wants_ack, answered;
	bool live;    /* copy: the live event still holds one of `refs` */
	size_t bytes; /* copy: its size */
	struct sio_server *io;
	struct broker_reply *reply; /* a question from another server; a copy holds a reference */
};

/* Calls the catch-all listeners. */
void sio_event_dispatch_any(struct sio_event *event);
/* Calls the listeners of this event name, if the socket is still connected. */
void sio_event_dispatch(struct sio_event *event);

/* Sets the arguments of an event that a client sent, from the packet being handled. */
void sio_event_received_late(struct sio_event *event, const struct sio_packet *packet);
static inline void
sio_event_received(struct sio_event *event, const struct sio_packet *packet)
{
	event->args = packet->args + 1;
	sio_value_owner_init(&event->owner, packet->data, packet->blocks);
	if (__builtin_expect(packet->values.at != NULL, 0))
		sio_event_received_late(event, packet);
	else
		event->list = sio_args_make(event->args, packet->argc - 1, &event->owner);
}
/* Makes an event for listeners of outgoing packets. `name` is NUL-terminated; `args` has room for SIO_ARGS_MAX. */
void sio_event_outgoing(struct sio_event *event, struct text name, struct text json,
	const struct attachments *attachments, struct text *args);
/* Calls the listeners of outgoing packets for one receiver. */
void sio_event_outgoing_run(struct sio_event *event, struct sio_socket *s);
/*
 * Decodes a quoted name, or a number, to NUL-terminated text in `out`, whose content is replaced. Returns TEXT_NONE
 * if there is no memory.
 */
struct text sio_event_name_of(struct buffer *out, struct text quoted);
/* Ends a live event and drops its reference to its copy. */
void sio_event_fini(struct sio_event *event);

/*
 * Returns the place of a live event: normally `stack`, on the caller's stack. Checked handles need an address that
 * the next event does not reuse, so SIO_CHECKED returns a heap copy of `stack`. sio_event_done() ends it.
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

/* Ends a live event that sio_event_place() has returned. */
static inline void
sio_event_done(struct sio_event *event)
{
	sio_event_fini(event);
#ifdef SIO_CHECKED
	sio_retire(event);
#endif
}

#endif
