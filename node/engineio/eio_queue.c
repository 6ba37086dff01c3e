#include "node/engineio/eio_queue.h"

#include <string.h>

#include "common/base/small.h"

#define QUEUE_FIRST 4 /* slots of the first allocation */

uint64_t
eio_queue_bytes_with(const struct eio_queue *queue, const struct eio_message *message)
{
	return (uint64_t)queue->bytes + eio_payload_message_size(message) + 1;
}

static bool
queue_grow(struct eio_queue *queue, struct eio_sessions *all)
{
	uint32_t size = queue->size == 0 ? QUEUE_FIRST : queue->size * 2;
	size_t before = queue->size * sizeof(struct eio_message *);
	struct eio_message **at = small_try_alloc(size * sizeof(struct eio_message *));

	if (at == NULL)
		return false;
	if (before > 0)
		memcpy(at, queue->at, before);
	small_free(queue->at, before);
	budget_add(&all->loop->budget, (size - queue->size) * sizeof(struct eio_message *));
	queue->at = at;
	queue->size = size;
	return true;
}

bool
eio_queue_add(struct eio_queue *queue, struct eio_sessions *all, struct eio_message *message)
{
	uint64_t bytes = eio_queue_bytes_with(queue, message);

	if (queue->count == queue->size && !queue_grow(queue, all))
		return false;
	queue->at[queue->count++] = eio_message_ref(message);
	(void)budget_hold(&all->loop->budget, message->frame.block);
	all->queued += bytes - queue->bytes;
	queue->bytes = (uint32_t)bytes;
	return true;
}

struct eio_queue
eio_queue_take(struct eio_queue *queue, struct eio_sessions *all)
{
	struct eio_queue taken = *queue;

	all->queued -= queue->bytes;
	budget_sub(&all->loop->budget, queue->size * sizeof(struct eio_message *));
	*queue = (struct eio_queue){0};
	return taken;
}

void
eio_queue_free(struct eio_queue *taken)
{
	for (uint32_t i = 0; i < taken->count; i++)
		eio_message_unref(taken->at[i]);
	small_free(taken->at, taken->size * sizeof(struct eio_message *));
	*taken = (struct eio_queue){0};
}

uint64_t
eio_queue_memory(const struct eio_queue *queue)
{
	return queue->bytes + queue->size * sizeof(struct eio_message *);
}
