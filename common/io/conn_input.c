/*
 * The input of a connection: one read per readiness event into the loop's scratch buffer, and the bytes that the
 * owner did not consume.
 */
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/conn_internal.h"

/* Makes `at` the kept bytes. If `at` is NULL, memory was short and the connection closes. */
static void
conn_set_kept(struct conn *c, uint8_t *at, size_t n)
{
	if (at == NULL) {
		conn_no_memory(c);
		return;
	}
	c->kept = at;
	c->kept_len = (uint32_t)n;
	if (!c->service)
		budget_add(&loop_of(c)->budget, n);
}

/* Passes ownership of the kept bytes to the caller. */
static uint8_t *
conn_take_kept(struct conn *c)
{
	uint8_t *kept = c->kept;

	if (!c->service)
		budget_sub(&loop_of(c)->budget, c->kept_len);
	c->kept = NULL;
	c->kept_len = 0;
	return kept;
}

void
conn_drop_kept(struct conn *c)
{
	if (c->kept != NULL)
		mem_free(conn_take_kept(c));
}

static uint8_t *
conn_try_copy(const void *bytes, size_t n)
{
	uint8_t *copy = mem_try_alloc(n);

	if (copy != NULL)
		memcpy(copy, bytes, n);
	return copy;
}

struct text
conn_kept(const struct conn *c)
{
	return text_of((const char *)c->kept, c->kept_len);
}

void
conn_put_back(struct conn *c, const void *bytes, size_t n)
{
	must(c->kept == NULL && n <= CONN_PUT_BACK_MAX);
	if (n == 0)
		return;
	conn_set_kept(c, conn_try_copy(bytes, n), n);
	c->paused = true; /* there may be more bytes than one read has room for */
	conn_resume(c);
}

void
conn_pause(struct conn *c)
{
	c->paused = true;
	conn_update_events(c);
}

static void
conn_keep(struct conn *c, const uint8_t *at, size_t n)
{
	conn_set_kept(c, conn_try_copy(at, n), n);
	/* no pause for bytes that are left only because the share is spent */
	if (n >= c->limits->max_kept && !loop_share_spent(loop_of(c)))
		c->paused = true;
}

/*
 * Passes `n` bytes to the owner. If the call sets a new owner (HTTP, then WebSocket), the new owner receives the rest
 * at once, since no further input may ever arrive.
 */
static void
conn_deliver(struct conn *c, uint8_t *at, size_t n)
{
	struct loop *l = loop_of(c);

	if (c->service)
		l->share_end = UINT64_MAX;
	else
		loop_share_begin(l);
	do {
		c->owner_changed = false;
		size_t used = c->ops->on_data(c, at, n);

		must(used <= n);
		if (c->dead || c->finishing)
			return;
		at += used;
		n -= used;
	} while (n > 0 && c->owner_changed && !loop_share_spent(l));
	if (n > 0)
		conn_keep(c, at, n);
	if (loop_share_spent(l))
		conn_put_off(c, true);
}

/* Moves the kept bytes to the front of the scratch buffer, where room was left for them. */
static size_t
conn_unkeep(struct conn *c)
{
	size_t n = c->kept_len;

	if (n > 0)
		memcpy(loop_of(c)->scratch, c->kept, n);
	conn_drop_kept(c);
	return n;
}

static void
conn_read_eof(struct conn *c)
{
	c->eof = true;
	conn_drop_kept(c);
	if (c->lingering)
		conn_close(c, c->reason);
	else if (c->finishing)
		return;
	else if (c->ops->on_eof == NULL)
		conn_finish(c, REASON_PEER_CLOSED);
	else
		c->ops->on_eof(c);
}

void
conn_read(struct conn *c)
{
	struct loop *l = loop_of(c);
	size_t kept = c->kept_len;
	bool filled = c->filled;
	int64_t got;

	if (c->put_off)
		conn_put_off_end(c);
	loop_keep_budget(l); /* before this peer sends more */
	if (c->dead)
		return;
	c->read_waits_write = false;
	/* after our FIN the bytes are discarded, so TLS need not decrypt them */
	if (c->lingering)
		got = stream_receive(c, l->scratch, LOOP_SCRATCH_SIZE);
	else
		got = stream_of(c)->read(c, l->scratch + kept, LOOP_SCRATCH_SIZE - kept);
	if (c->dead) /* TLS has written, and failed */
		return;
	c->continues = filled;
	loop_spend(l, LOOP_WORK_READ + (got > 0 ? (uint64_t)got : 0));
	if (got > 0 && c->dirty && !c->hurried) {
		/*
		 * The connection moves from loop.unflushed to loop.dirty, so that its reply does not wait for the
		 * writes to others. It moves only once before its next flush: a client that sends all the time would
		 * otherwise move to the end of loop.dirty again and again.
		 */
		c->hurried = true;
		conn_relink(c);
	}
	if (got <= 0 && c->write_failed)
		conn_close(c, REASON_RESET); /* after STREAM_WAIT, too: all that the peer had sent has been read */
	else if (got == STREAM_EOF)
		conn_read_eof(c);
	else if (got < 0 && got != STREAM_WAIT)
		conn_stream_failed(c, got);
	else if (got > 0 && !c->finishing)
		conn_deliver(c, l->scratch, conn_unkeep(c) + (size_t)got);

	if (c->dead)
		return;
	if (c->more && !c->paused && !c->eof && !c->lingering && !c->put_off)
		conn_put_off(c, false);
	if (c->write_failed && !c->paused)
		conn_resume(c);
	conn_update_events(c);
}

void
conn_put_off(struct conn *c, bool heavy)
{
	struct loop *l = loop_of(c);

	if (c->put_off && c->heavy == heavy)
		return;
	c->put_off = true;
	c->heavy = heavy;
	list_remove(&c->open);
	list_add_tail(heavy ? &l->heavy : &l->put_off, &c->open);
	ev_idle_start(l->ev, &l->no_wait);
}

void
conn_put_off_end(struct conn *c)
{
	if (!c->put_off)
		return;
	c->put_off = c->heavy = false;
	list_remove(&c->open);
	if (!c->service)
		list_add_tail(&loop_of(c)->open, &c->open);
}

void
conn_resume(struct conn *c)
{
	if (c->dead || c->finishing || c->resume)
		return;
	c->resume = true;
	conn_relink(c);
}

static void
conn_deliver_kept(struct conn *c)
{
	size_t n = c->kept_len;
	uint8_t *kept = conn_take_kept(c);

	c->continues = true;
	conn_deliver(c, kept, n);
	mem_free(kept);
}

void
conn_resume_now(struct conn *c)
{
	c->resume = false;
	conn_relink(c);
	if (c->finishing || c->eof)
		return;
	c->paused = false;
	if (!c->heavy && c->kept_len > 0 && !c->service && loop_turn_spent(loop_of(c)))
		conn_put_off(c, true);
	else if (!c->heavy && c->kept_len > 0)
		conn_deliver_kept(c);
	if (c->dead)
		return;
	if ((c->more || c->write_failed) && !c->put_off && !c->paused && !c->eof && !c->handshaking) {
		if (c->write_failed && !c->service && loop_turn_spent(loop_of(c)))
			conn_put_off(c, false);
		else
			conn_read(c);
	}
	conn_update_events(c);
}

void
conn_serve(struct conn *c)
{
	bool heavy = c->heavy;

	conn_put_off_end(c);
	if (c->dead)
		return;
	if (heavy && c->kept_len > 0 && !c->paused)
		conn_deliver_kept(c);
	if (c->dead)
		return;
	if (c->handshaking)
		conn_handshake(c);
	else if (!c->put_off && !c->paused && !c->eof)
		conn_read(c);
	conn_update_events(c);
}
