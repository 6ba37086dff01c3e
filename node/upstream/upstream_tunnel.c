/*
 *   event                        what follows
 *   bytes from one side          queued on the other; reading pauses while more than WINDOW waits there
 *   end of one side's bytes      the other side gets its end behind what is queued, and may go on sending
 *   end of both                  both connections are finished
 *   one connection closes        the other gets what is queued, then its end; after a failure it is cut off
 *   IDLE_MS without a byte       both connections are finished
 */
#include "node/upstream/upstream_tunnel.h"

#include "common/base/mem.h"
#include "node/upstream/upstream_tables.h"

#define WINDOW (256 * 1024)
#define IDLE_MS (60 * 60 * UINT64_C(1000))

struct tunnel {
	struct conn *client, *upstream; /* NULL: gone */
	bool client_ended, upstream_ended;
	void (*done)(void *arg);
	void *arg;
};

static void
finish_both(struct tunnel *t, unsigned reason)
{
	if (t->client)
		conn_finish(t->client, reason);
	if (t->upstream)
		conn_finish(t->upstream, reason);
}

static void
on_idle(struct conn *c)
{
	finish_both(conn_owner(c), REASON_UPSTREAM_IDLE);
}

static struct conn *
other_side(const struct tunnel *t, const struct conn *c)
{
	return c == t->client ? t->upstream : t->client;
}

/* The client answers for what waits at the upstream on its behalf: that is a service, which the budget does not see.
 */
static void
account(const struct tunnel *t)
{
	if (t->client)
		conn_hold(t->client, sizeof *t + (t->upstream ? conn_queued(t->upstream) : 0));
}

static size_t
on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct tunnel *t = conn_owner(c);
	struct conn *other = other_side(t, c);

	if (!other)
		return n;
	counter_add(&conn_loop(c)->counters, c == t->client ? COUNT_UPSTREAM_BYTES_OUT : COUNT_UPSTREAM_BYTES_IN, n);
	conn_send_copy(other, data, n);
	if (conn_queued(other) > WINDOW)
		conn_pause(c);
	account(t);
	if (t->upstream)
		conn_set_deadline(t->upstream, IDLE_MS, on_idle);
	return n;
}

static void
on_drain(struct conn *c)
{
	struct tunnel *t = conn_owner(c);
	struct conn *other = other_side(t, c);

	account(t);
	if (other)
		conn_resume(other);
}

static void
on_eof(struct conn *c)
{
	struct tunnel *t = conn_owner(c);
	struct conn *other = other_side(t, c);

	*(c == t->client ? &t->client_ended : &t->upstream_ended) = true;
	if (!other || (t->client_ended && t->upstream_ended))
		finish_both(t, REASON_FINISHED);
	else
		conn_end(other);
}

static bool
is_failure(unsigned reason)
{
	return reason != REASON_FINISHED && reason != REASON_PEER_CLOSED && reason != REASON_UPSTREAM_IDLE &&
	       reason != REASON_SHUTDOWN;
}

static void
on_closed(struct conn *c, unsigned reason)
{
	struct tunnel *t = conn_owner(c);
	struct conn *other = other_side(t, c);

	*(c == t->client ? &t->client : &t->upstream) = NULL;
	if (!other) {
		t->done(t->arg);
		mem_free(t);
	} else if (is_failure(reason)) {
		conn_close(other, c == t->client ? reason : REASON_UPSTREAM_CUT);
	} else {
		conn_finish(other, REASON_FINISHED);
	}
}

static const struct conn_ops tunnel_ops = {on_data, on_drain, on_eof, on_closed};

void
upstream_tunnel_start(struct conn *client, struct conn *upstream, void (*done)(void *arg), void *arg)
{
	struct tunnel *t = mem_zalloc(sizeof *t);

	t->client = client;
	t->upstream = upstream;
	t->done = done;
	t->arg = arg;
	conn_set_owner(client, &tunnel_ops, t);
	conn_set_owner(upstream, &tunnel_ops, t);
	conn_set_deadline(client, 0, NULL);
	conn_set_deadline(upstream, IDLE_MS, on_idle);
	conn_resume(client);
	conn_resume(upstream);
	account(t);
}
