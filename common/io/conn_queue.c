/*
 * The output queue of a connection and its flush: everything queued in a turn leaves in one write at the end of the
 * turn.
 */
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/conn_internal.h"

#define SPARE_CHUNKS_MAX 4096 /* 1 MiB per loop, kept for the next broadcast */

static struct conn_chunk *
conn_chunk_get(struct loop *l)
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
conn_chunk_put(struct loop *l, struct conn_chunk *chunk)
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
conn_chunk_push(struct conn *c, struct conn_slice slice)
{
	struct conn_queue *queue = &c->out;
	struct conn_chunk *chunk = queue->tail;

	if (chunk == NULL || chunk->end == CONN_CHUNK_SLICES) {
		chunk = conn_chunk_get(loop_of(c));
		if (!c->service)
			budget_add(&loop_of(c)->budget, sizeof *chunk);
		if (queue->tail != NULL)
			queue->tail->next = chunk;
		else
			queue->head = chunk;
		queue->tail = chunk;
	}
	chunk->slices[chunk->end++] = slice;
}

/* Moves the only slice to a chunk, before another slice is added. */
static void
conn_queue_make_chunked(struct conn *c)
{
	struct conn_queue *queue = &c->out;
	struct conn_slice only = queue->only;

	queue->head = queue->tail = NULL;
	queue->chunked = true;
	conn_chunk_push(c, only);
}

/* Takes over a reference to `block`. */
static void
conn_queue_push(struct conn *c, struct block *block, size_t from, size_t n)
{
	struct conn_queue *queue = &c->out;
	struct conn_slice slice = {block, (uint32_t)from, (uint32_t)n};

	if (queue->count == 1 && !queue->chunked)
		conn_queue_make_chunked(c);
	if (queue->chunked)
		conn_chunk_push(c, slice);
	else
		queue->only = slice;
	queue->bytes += n;
	*conn_queued_total(c) += n;
	queue->count++;
}

/* Removes the first slice, which is completely written. */
static void
conn_queue_shift(struct conn *c)
{
	struct conn_queue *queue = &c->out;
	struct conn_chunk *chunk;

	queue->count--;
	if (!queue->chunked) {
		block_unref(queue->only.block);
		queue->only.block = NULL;
		return;
	}
	chunk = queue->head;
	block_unref(chunk->slices[chunk->first++].block);
	if (chunk->first < chunk->end)
		return;
	queue->head = chunk->next;
	if (queue->head == NULL) {
		queue->tail = NULL;
		queue->chunked = false;
	}
	if (!c->service)
		budget_sub(&loop_of(c)->budget, sizeof *chunk);
	conn_chunk_put(loop_of(c), chunk);
}

static void
conn_queue_advance(struct conn *c, size_t n)
{
	struct conn_queue *queue = &c->out;

	must(n <= queue->bytes);
	queue->bytes -= n;
	*conn_queued_total(c) -= n;
	while (n > 0) {
		struct conn_slice *slice = conn_queue_first(queue);

		if (n < slice->n) {
			slice->from += (uint32_t)n;
			slice->n -= (uint32_t)n;
			return;
		}
		n -= slice->n;
		conn_queue_shift(c);
	}
}

void
conn_queue_clear(struct conn *c)
{
	struct conn_queue *queue = &c->out;

	while (queue->count > 0)
		conn_queue_shift(c);
	*conn_queued_total(c) -= queue->bytes;
	queue->bytes = 0;
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

/*
 * Called after a write. The guard is armed while bytes wait for the peer, and each accepted byte restarts stall_ms.
 * Bytes that the next turn will write do not wait for the peer.
 */
static void
conn_watch_stall(struct conn *c, bool progress)
{
	if (c->out.bytes == 0 || (!c->blocked && c->limits->stall_ms > 0))
		loop_disarm(loop_of(c), &c->guard);
	else if (c->limits->stall_ms > 0 && (progress || !wheel_armed(&c->guard)))
		loop_arm(loop_of(c), &c->guard, c->limits->stall_ms);
}

void
conn_write_failed(struct conn *c)
{
	/* the limit is for an owner that has paused */
	uint64_t limit = c->limits->linger_ms > 0 && !c->service ? c->limits->linger_ms : c->limits->stall_ms;

	if (c->dead || c->write_failed)
		return;
	if (c->finishing || c->eof || limit == 0) {
		conn_close(c, REASON_RESET);
		return;
	}
	/* the queue stays, so that its bytes do not look as if they had left */
	c->write_failed = c->ending = c->blocked = true;
	c->read_waits_write = c->write_waits_read = c->corked = false;
	loop_arm(loop_of(c), &c->guard, limit);
	/* in this turn, so that the owner of a link soon knows that the link has ended */
	if (!c->paused)
		conn_resume(c);
	conn_update_events(c);
}

/*
 * Writes until the queue is empty, the kernel accepts no more, or a part is written. The queue must not be empty.
 * Makes no up-call.
 */
static void
conn_write(struct conn *c)
{
	size_t done = 0;
	bool full = false;

	do {
		int64_t n = stream_of(c)->write(c, &full);

		if (n == STREAM_WAIT) {
			full = true;
			break;
		}
		if (n == STREAM_RESET)
			conn_write_failed(c);
		else if (n < 0)
			conn_stream_failed(c, n);
		if (c->dead || c->write_failed)
			return;
		conn_queue_advance(c, (size_t)n);
		done += (size_t)n;
	} while (c->out.bytes > 0 && !full && done < loop_of(c)->part_bytes);
	c->blocked = c->out.bytes > 0 && full;
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

/* Closes the outgoing direction unless it is closed already. */
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

/* Called when the queue of a finishing connection is empty. */
static void
conn_send_fin(struct conn *c)
{
	int result;

	if (c->lingering)
		return;
	if (c->eof && c->ssl == NULL) { /* close() has the same effect as shutdown() here */
		conn_close(c, c->reason);
		return;
	}
	result = conn_shutdown(c);
	if (result == STREAM_WAIT || c->dead)
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

/* Called when the queue of a connection is empty after conn_end(). */
static void
conn_send_end(struct conn *c)
{
	int result = conn_shutdown(c);

	if (result == 0 && !c->write_failed)
		loop_disarm(loop_of(c), &c->guard);
	else if (result != STREAM_WAIT)
		conn_write_failed(c);
}

void
conn_flush_now(struct conn *c)
{
	c->dirty = c->hurried = false;
	conn_relink(c);
	if (c->handshaking)
		return;
	if (c->corked) {
		conn_update_events(c);
		return;
	}
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
	} else { /* a part is written; the rest waits for the next turn */
		c->dirty = true;
		list_add_tail(&loop_of(c)->partial, &c->link);
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
 * Makes room for `n` more bytes in a full queue. The connection may still wait for its flush, with bytes that the
 * kernel would take. The function writes as many of them as necessary. If there is still no room, it closes the
 * connection and returns false.
 */
static __attribute__((cold, noinline)) bool
conn_force_room(struct conn *c, size_t n)
{
	while (c->out.bytes > 0 && !c->blocked && !c->handshaking) {
		conn_write(c);
		if (c->dead || c->write_failed)
			return false;
		if (!conn_would_overflow(c, n))
			return true;
	}
	conn_close(c, REASON_SLOW_READER);
	return false;
}

static bool
conn_make_room(struct conn *c, size_t n)
{
	return !conn_would_overflow(c, n) || conn_force_room(c, n);
}

/* Takes over a reference to `block`. */
static void
conn_queue_block(struct conn *c, struct block *block, size_t from, size_t n)
{
	bool more = !c->service && budget_hold(&loop_of(c)->budget, block);

	conn_queue_push(c, block, from, n);
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

void
conn_cork(struct conn *c)
{
	c->corked = !c->finishing && !c->ending;
}

void
conn_uncork(struct conn *c)
{
	if (!c->corked)
		return;
	c->corked = false;
	if (c->blocked)
		conn_update_events(c); /* a part was written meanwhile, to make room */
	else if (!c->handshaking)
		conn_mark_dirty(c);
}

size_t
conn_queued(const struct conn *c)
{
	return c->out.bytes;
}
