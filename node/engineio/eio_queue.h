/*
 * Packets that wait until the client asks for them, for transports like long-polling. Their bytes count towards the
 * server's total and the loop's budget.
 */
#ifndef NODE_ENGINEIO_EIO_QUEUE_H
#define NODE_ENGINEIO_EIO_QUEUE_H

#include "node/engineio/eio_session.h"

/* A zeroed struct is empty. */
struct eio_queue {
	struct eio_message **at;
	uint32_t count, size;
	uint32_t bytes; /* length as a payload: each packet and a separator */
};

/* Returns how many bytes the queue would have with the message added. */
uint64_t eio_queue_bytes_with(const struct eio_queue *queue, const struct eio_message *message);

/* Adds a message and takes a reference. Returns false if memory for its slot runs out. */
bool eio_queue_add(struct eio_queue *queue, struct eio_sessions *all, struct eio_message *message);

/*
 * Empties the queue and returns its contents, which no longer count towards the totals. The caller frees them with
 * eio_queue_free().
 */
struct eio_queue eio_queue_take(struct eio_queue *queue, struct eio_sessions *all);
void eio_queue_free(struct eio_queue *taken);

/* Returns the memory held by the queue. */
uint64_t eio_queue_memory(const struct eio_queue *queue);

#endif
