/* Events of one socket that wait until its backend can take them, in order. */
#ifndef NODE_BACKEND_BACKEND_HELD_H
#define NODE_BACKEND_BACKEND_HELD_H

#include "node/socketio/sio_owner.h"

struct backend_event {
	struct backend_event *next;
	uint64_t id;
	bool wants_ack;
	bool binary; /* with attachments, even none */
	struct attachments attachments;
	uint32_t n;
	char json[];
};

struct backend_held {
	struct backend_event *first, **last;
};

void backend_held_init(struct backend_held *held);
/* Bytes that waiting costs. */
size_t backend_held_size(const struct sio_raw_event *e);
/* A copy, at the end; blocks are referenced. False: there is no memory for it. */
bool backend_held_add(struct backend_held *held, const struct sio_raw_event *e);
/* As it came; false: none waits. Good until backend_held_drop(). */
bool backend_held_first(const struct backend_held *held, struct sio_raw_event *out);
/* Drops the first; its size. */
size_t backend_held_drop(struct backend_held *held);

#endif
