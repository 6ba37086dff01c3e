#include "node/engineio/eio_queue.h"

#include "common/base/mem.h"

#define QUEUE_FIRST 4 /* places */

uint64_t
eio_queue_bytes_with(const struct eio_queue *q, const struct eio_message *m)
{
	return (uint64_t)q->bytes + eio_payload_message_size(m) + 1;
}

static bool
grow(struct eio_queue *q, struct eio_sessions *all)
{
	uint32_t size = q->size == 0 ? QUEUE_FIRST : q->size * 2;
	void *at = mem_try_realloc(q->at, size * sizeof(struct eio_message *));

	if (at == NULL)
		return false;
	budget_add(&all->loop->budget, (size - q->size) * sizeof(struct eio_message *));
	q->at = at;
	q->size = size;
	return true;
}

bool
eio_queue_add(struct eio_queue *q, struct eio_sessions *all, struct eio_message *m)
{
	uint64_t bytes = eio_queue_bytes_with(q, m);

	if (q->count == q->size && !grow(q, all))
		return false;
	q->at[q->count++] = eio_message_ref(m);
	(void)budget_hold(&all->loop->budget, m->block);
	all->queued += bytes - q->bytes;
	q->bytes = (uint32_t)bytes;
	return true;
}

struct eio_queue
eio_queue_take(struct eio_queue *q, struct eio_sessions *all)
{
	struct eio_queue taken = *q;

	all->queued -= q->bytes;
	budget_sub(&all->loop->budget, q->size * sizeof(struct eio_message *));
	*q = (struct eio_queue){0};
	return taken;
}

void
eio_queue_free(struct eio_queue *taken)
{
	for (uint32_t i = 0; i < taken->count; i++)
		eio_message_unref(taken->at[i]);
	mem_free(taken->at);
	*taken = (struct eio_queue){0};
}

uint64_t
eio_queue_memory(const struct eio_queue *q)
{
	return q->bytes + q->size * sizeof(struct eio_message *);
}
