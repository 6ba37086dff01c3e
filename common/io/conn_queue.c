/*
 * The output queue of a connection and its flush: what a turn queued leaves
 * with one write at the end of the turn.
 */
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/conn_internal.h"

#define SPARE_CHUNKS_MAX 4096	   /* 1 MiB per loop kept for the next broadcast */
#define FLUSH_BUDGET (1024 * 1024) /* bytes one connection writes before others get their turn */

static struct conn_chunk *
chunk_get(struct loop *l)
{
	struct conn_chunk *chunk = l->spare_chunks;

	if (chunk != NULL) {
		l->spare_chunks = chunk->next;
		l->spare_count--;
	} else {
		chunk = mem_alloc(sizeof(*chunk));
	}
	chunk->next = NULL;
	chunk->first = chunk->end = 0;
	return chunk;
}

static void
chunk_put(struct loop *l, struct conn_chunk *chunk)
{
	if (l->spare_count >= SPARE_CHUNKS_MAX) {
		mem_free(chunk);
		return;
	}
	chunk->next = l->spare_chunks;
	l->spare_chunks = chunk;
	l->spare_count++;
}

void
conn_queue_free_spares(struct loop *l)
{
	while (l->spare_chunks != NULL) {
		struct conn_chunk *chunk = l->spare_chunks;

		l->spare_chunks = chunk->next;
		mem_free(chunk);
	}
	l->spare_count = 0;
}

static void
chunks_push(struct conn *c, struct conn_slice slice)
{
	struct conn_queue *q = &c->out;
	struct conn_chunk *chunk = q->tail;

	if (chunk == NULL || chunk->end == CONN_CHUNK_SLICES) {
		chunk = chunk_get(loop_of(c));
		if (!c->service)
			budget_add(&loop_of(c)->budget, sizeof *chunk);
		if (q->tail != NULL)
			q->tail->next = chunk;
		else
			q->head = chunk;
		q->tail = chunk;
	}
	chunk->slices[chunk->end++] = slice;
}

/* The only slice moves into a chunk: more are to come. */
static void
queue_make_chunked(struct conn *c)
{
	struct conn_queue *q = &c->out;
	struct conn_slice only = q->only;

	q->head = q->tail = NULL;
	q->chunked = true;
	chunks_push(c, only);
}

/* Takes over a reference to `block`. */
static void
queue_push(struct conn *c, struct block *block, size_t from, size_t n)
{
	struct conn_queue *q = &c->out;
	struct conn_slice slice = {block, (uint32_t)from, (uint32_t)n};

	if (q->count == 1 && !q->chunked)
		queue_make_chunked(c);
	if (q->chunked)
		chunks_push(c, slice);
	else
		q->only = slice;
	q->bytes += n;
	*conn_queued_total(c) += n;
	q->count++;
}

/* Drops the first slice, which is all written. */
static void
queue_shift(struct conn *c)
{
	struct conn_queue *q = &c->out;
	struct conn_chunk *chunk;

	q->count--;
	if (!q->chunked) {
		block_unref(q->only.block);
		q->only.block = NULL;
		return;
	}
	chunk = q->head;
	block_unref(chunk->slices[chunk->first++].block);
	if (chunk->first < chunk->end)
		return;
	q->head = chunk->next;
	if (q->head == NULL) {
		q->tail = NULL;
		q->chunked = false;
	}
	if (!c->service)
		budget_sub(&loop_of(c)->budget, sizeof *chunk);
	chunk_put(loop_of(c), chunk);
}

static void
queue_advance(struct conn *c, size_t n)
{
	struct conn_queue *q = &c->out;

	must(n <= q->bytes);
	q->bytes -= n;
	*conn_queued_total(c) -= n;
	while (n > 0) {
		struct conn_slice *slice = conn_queue_first(q);

		if (n < slice->n) {
			slice->from += (uint32_t)n;
			slice->n -= (uint32_t)n;
			return;
		}
		n -= slice->n;
		queue_shift(c);
	}
}

void
conn_queue_clear(struct conn *c)
{
	struct conn_queue *q = &c->out;

	while (q->count > 0)
		queue_shift(c);
	*conn_queued_total(c) -= q->bytes;
	q->bytes = 0;
}

const struct conn_slice *
conn_queue_next(struct conn_cursor *cursor)
{
	const struct conn_slice *only = cursor->only;
	const struct conn_chunk *chunk = cursor->chunk;

	if (only != NULL) {
		cursor->only = NULL;
		return only;
	}

	if (chunk != NULL && chunk->first + cursor->index == chunk->end) {
		chunk = cursor->chunk = chunk->next;
		cursor->index = 0;
	}
	return chunk == NULL ? NULL : &chunk->slices[chunk->first + cursor->index++];
}

void
conn_mark_dirty(struct conn *c)
{
	if (c->dirty || c->dead)
		return;
	c->dirty = true;
	conn_relink(c);
}

/* After a write: the guard watches while bytes wait, and each byte taken gives the peer stall_ms anew. */
static void
conn_watch_stall(struct conn *c, bool progress)
{
	if (c->out.bytes == 0)
		loop_disarm(loop_of(c), &c->guard);
	else if (c->limits->stall_ms > 0 && (progress || !wheel_armed(&c->guard)))
		loop_arm(loop_of(c), &c->guard, c->limits->stall_ms);
}

/* Writes until the queue is empty, the kernel takes no more, or the budget is used up. Calls nobody. */
static void
conn_write(struct conn *c)
{
	size_t done = 0;
	bool full = false;

	while (c->out.bytes > 0 && !full && done < FLUSH_BUDGET) {
		int64_t n = stream_of(c)->write(c, &full);

		if (n == STREAM_WAIT)
			break;
		if (n < 0) {
			conn_stream_failed(c, n);
			return;
		}
		queue_advance(c, (size_t)n);
		done += (size_t)n;
	}
	c->blocked = c->out.bytes > 0 && done < FLUSH_BUDGET;
	conn_watch_stall(c, done > 0);
}

void
conn_write_now(struct conn *c)
{
	while (!c->dead && c->out.bytes > 0 && !c->blocked && !c->handshaking)
		conn_write(c);
}

void
conn_guard_end(struct conn *c)
{
	if (!wheel_armed(&c->guard))
		loop_arm(loop_of(c), &c->guard, c->limits->stall_ms > 0 ? c->limits->stall_ms : c->limits->linger_ms);
}

/* Ends our direction, if that is not done yet. */
static int
conn_shutdown(struct conn *c)
{
	int result = c->ended ? 0 : stream_of(c)->shutdown(c);

	if (result == STREAM_WAIT) {
		c->blocked = true;
		conn_guard_end(c);
	} else if (result == 0) {
		c->ended = true;
	}
	return result;
}

/* The queue of a finishing connection is empty. */
static void
conn_send_fin(struct conn *c)
{
	int result;

	if (c->lingering)
		return;
	if (c->eof && c->ssl == NULL) { /* close() says as much as shutdown() would */
		conn_close(c, c->reason);
		return;
	}
	result = conn_shutdown(c);
	if (result == STREAM_WAIT)
		return;
	if (result < 0 || c->eof || c->limits->linger_ms == 0) {
		conn_close(c, c->reason);
		return;
	}
	c->lingering = true;
	c->read_waits_write = c->more = false;
	conn_put_off_end(c);
	loop_arm(loop_of(c), &c->guard, c->limits->linger_ms);
}

/* The queue of a connection that conn_end() was called for is empty. */
static void
conn_send_end(struct conn *c)
{
	int result = conn_shutdown(c);

	if (result == 0)
		loop_disarm(loop_of(c), &c->guard);
	else if (result != STREAM_WAIT)
		conn_close(c, REASON_RESET);
}

void
conn_flush_now(struct conn *c)
{
	c->dirty = false;
	conn_relink(c);
	if (c->handshaking)
		return;
	if (c->out.bytes > 0 && !c->blocked)
		conn_write(c);
	if (c->dead)
		return;
	if (c->blocked) {
		conn_update_events(c);
		return;
	}
	if (c->out.bytes == 0) {
		if (c->finishing)
			conn_send_fin(c);
		else if (c->ending)
			conn_send_end(c);
		else if (!c->undrained && c->ops->on_drain != NULL)
			c->ops->on_drain(c);
	} else {
		conn_mark_dirty(c);
	}
	conn_update_events(c);
}

static bool
conn_would_overflow(const struct conn *c, size_t n)
{
	size_t max = c->limits->max_queue;

	return max > 0 && c->out.bytes + n + (c->out.count + (size_t)1) * CONN_SLICE_COST > max;
}

/*
 * Is there room for n bytes more? What waits may merely not have been tried on the kernel yet, since the turn is
 * still going on: then it is tried now. A peer that takes nothing ends here.
 */
static bool
conn_make_room(struct conn *c, size_t n)
{
	if (!conn_would_overflow(c, n))
		return true;
	if (c->out.bytes > 0 && !c->blocked && !c->handshaking) {
		conn_write(c);
		if (!c->dead && !conn_would_overflow(c, n))
			return true;
	}
	conn_close(c, REASON_SLOW_READER);
	return false;
}

/* Takes over a reference to `block`. */
static void
conn_queue_block(struct conn *c, struct block *block, size_t from, size_t n)
{
	bool more = !c->service && budget_hold(&loop_of(c)->budget, block);

	queue_push(c, block, from, n);
	if (!c->blocked && !c->handshaking)
		conn_mark_dirty(c);
	if (more)
		loop_keep_budget(loop_of(c));
}

void
conn_send(struct conn *c, struct block *block, size_t from, size_t n)
{
	must(from <= block->len && n <= block->len - from);
	if (c->dead || c->finishing || c->ending || n == 0 || !conn_make_room(c, n))
		return;
	conn_queue_block(c, block_ref(block), from, n);
}

void
conn_send_copy(struct conn *c, const void *bytes, size_t n)
{
	struct block *block;

	if (c->dead || c->finishing || c->ending || n == 0 || !conn_make_room(c, n))
		return;
	block = block_try_copy(bytes, n);
	if (block == NULL)
		conn_no_memory(c);
	else
		conn_queue_block(c, block, 0, n);
}

size_t
conn_queued(const struct conn *c)
{
	return c->out.bytes;
}
