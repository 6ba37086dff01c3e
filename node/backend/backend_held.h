/* Events of one socket that wait, in order, until its backend can take them. */
#ifndef NODE_BACKEND_BACKEND_HELD_H
#define NODE_BACKEND_BACKEND_HELD_H

#include "node/socketio/sio_owner.h"

struct backend_event {
	struct backend_event *next;
	uint64_t id;
	bool wants_ack;
	bool binary; /* may have attachments, possibly none */
	struct attachments attachments;
	uint32_t n;
	char json[];
};

struct backend_held {
	struct backend_event *first, **last;
};

void backend_held_init(struct backend_held *held);
/* Returns the bytes of memory that a waiting event costs. */
size_t backend_held_size(const struct sio_raw_event *event);
/* Appends a copy of the event; its attachments are referenced, not copied. Returns false if memory is short. */
bool backend_held_add(struct backend_held *held, const struct sio_raw_event *event);
/* Reads the first event. Returns false if no event waits. `*out` is valid until backend_held_drop(). */
bool backend_held_first(const struct backend_held *held, struct sio_raw_event *out);
/* Drops the first event and returns its size. */
size_t backend_held_drop(struct backend_held *held);

#endif
