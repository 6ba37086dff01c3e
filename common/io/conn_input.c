/* The input of a connection: one read per readiness into the loop's scratch, and the bytes the owner did not consume.
 */
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/conn_internal.h"

void
conn_drop_kept(struct conn *c)
{
	mem_free(c->kept);
	c->kept = NULL;
	c->kept_len = 0;
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
	c->kept = mem_copy(bytes, n);
	c->kept_len = (uint32_t)n;
	c->paused = true; /* there may be more than a read has room for */
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
	c->kept = mem_copy(at, n);
	c->kept_len = (uint32_t)n;
	c->paused = n >= c->limits->max_kept;
}

/*
 * Hands n bytes to the owner. When the call puts a new owner in place (HTTP, then WebSocket), the rest is
 * the new owner's at once: more may never arrive.
 */
static void
conn_deliver(struct conn *c, uint8_t *at, size_t n)
{
	do {
		c->owner_changed = false;
		size_t used = c->ops->on_data(c, at, n);

		must(used <= n);
		if (c->dead || c->finishing)
			return;
		at += used;
		n -= used;
	} while (n > 0 && c->owner_changed);
	if (n > 0)
		conn_keep(c, at, n);
}

/* Moves the kept bytes to the front of the scratch, where room was left for them. */
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
		conn_close(c, REASON_PEER_CLOSED);
	else
		c->ops->on_eof(c);
}

void
conn_read(struct conn *c)
{
	struct loop *l = loop_of(c);
	size_t kept = c->kept_len;
	int64_t got;

	c->read_waits_write = false;
	/* after our FIN nobody looks at the bytes, so TLS need not open them */
	if (c->lingering)
		got = stream_receive(c, l->scratch, LOOP_SCRATCH_SIZE);
	else
		got = stream_of(c)->read(c, l->scratch + kept, LOOP_SCRATCH_SIZE - kept);

	if (got == STREAM_EOF)
		conn_read_eof(c);
	else if (got < 0 && got != STREAM_WAIT)
		conn_stream_failed(c, got);
	else if (got > 0 && !c->finishing)
		conn_deliver(c, l->scratch, conn_unkeep(c) + (size_t)got);

	if (c->dead)
		return;
	if (c->more && !c->paused && !c->eof && !c->lingering && !c->again) {
		c->again = true;
		conn_relink(c);
	}
	conn_update_events(c);
}

void
conn_read_this_turn(struct conn *c)
{
	c->again = false;
	c->read_now = true;
	conn_relink(c);
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
	uint8_t *kept = c->kept;
	size_t n = c->kept_len;

	c->kept = NULL;
	c->kept_len = 0;
	conn_deliver(c, kept, n);
	mem_free(kept);
}

void
conn_resume_now(struct conn *c)
{
	bool resume = c->resume, read_now = c->read_now;

	c->resume = c->read_now = false;
	conn_relink(c);
	if (resume && !c->finishing && !c->eof) {
		c->paused = false;
		if (c->kept_len > 0)
			conn_deliver_kept(c);
		if (c->dead)
			return;
		read_now |= c->more;
	}
	if (read_now && !c->paused && !c->eof && !c->handshaking)
		conn_read(c);
	conn_update_events(c);
}
