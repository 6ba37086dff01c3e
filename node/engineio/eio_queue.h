/*
 * Packets that wait for a client to fetch them, for transports whose client asks (long-polling). What waits counts in
 * the server's sum and in the loop's budget.
 */
#ifndef NODE_ENGINEIO_EIO_QUEUE_H
#define NODE_ENGINEIO_EIO_QUEUE_H

#include "node/engineio/eio_session.h"

/* Zeroed: empty. */
struct eio_queue {
	struct eio_message **at;
	uint32_t count, size;
	uint32_t bytes; /* as a payload counts them: each packet and a separator */
};

/* Bytes of the queue with one message more. */
uint64_t eio_queue_bytes_with(const struct eio_queue *q, const struct eio_message *m);

/* Adds a message; a reference is taken. False: no memory for its place. */
bool eio_queue_add(struct eio_queue *q, struct eio_sessions *all, struct eio_message *m);

/* Empties the queue: what was in it is the caller's, to give back by eio_queue_free(). It waits no more. */
struct eio_queue eio_queue_take(struct eio_queue *q, struct eio_sessions *all);
void eio_queue_free(struct eio_queue *taken);

/* Memory that the queue holds. */
uint64_t eio_queue_memory(const struct eio_queue *q);

#endif
