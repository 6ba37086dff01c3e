/*
 *   event                        action
 *   bytes from one side          queued on the other side; reading pauses while more than WINDOW waits there
 *   end of one side's bytes      the other side gets this end after its queue, and may go on sending
 *   end of both                  both connections are finished
 *   one connection closes        the other side gets its queue, then the end; after a failure it is cut at once
 *   IDLE_MS without a byte       both connections are finished; after HALF_IDLE_MS once one side has ended
 */
#include "node/upstream/upstream_tunnel.h"

#include "common/base/mem.h"
#include "node/upstream/upstream_tables.h"

#define WINDOW (256 * 1024)
#define IDLE_MS (60 * 60 * UINT64_C(1000))
#define HALF_IDLE_MS UINT64_C(10000) /* a client that is gone sends the same FIN as a client that still reads */

struct tunnel {
	struct conn *client, *upstream; /* NULL: closed */
	bool client_ended, upstream_ended;
	void (*done)(void *arg);
	void *arg;
};

static void
tunnel_finish_both(struct tunnel *tunnel, unsigned reason)
{
	if (tunnel->client)
		conn_finish(tunnel->client, reason);
	if (tunnel->upstream)
		conn_finish(tunnel->upstream, reason);
}

static void tunnel_on_idle(struct conn *c);

/* Restarts the wait for the next byte. */
static void
tunnel_arm(struct tunnel *tunnel)
{
	bool half = tunnel->client_ended || tunnel->upstream_ended;

	if (tunnel->upstream)
		conn_set_deadline(tunnel->upstream, half ? HALF_IDLE_MS : IDLE_MS, tunnel_on_idle);
}

static void
tunnel_on_idle(struct conn *c)
{
	struct tunnel *tunnel = conn_owner(c);

	/* a queue is traffic; conn_limits.stall_ms ends a side that takes nothing of it */
	if (conn_queued(tunnel->upstream) || (tunnel->client && conn_queued(tunnel->client)))
		tunnel_arm(tunnel);
	else
		tunnel_finish_both(tunnel, REASON_UPSTREAM_IDLE);
}

static struct conn *
tunnel_other_side(const struct tunnel *tunnel, const struct conn *c)
{
	return c == tunnel->client ? tunnel->upstream : tunnel->client;
}

/* Bytes that wait for the upstream count as memory of the client: the link is a service, which the budget ignores. */
static void
tunnel_account(const struct tunnel *tunnel)
{
	if (tunnel->client)
		conn_hold(tunnel->client, sizeof *tunnel + (tunnel->upstream ? conn_queued(tunnel->upstream) : 0));
}

static size_t
tunnel_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct tunnel *tunnel = conn_owner(c);
	struct conn *other = tunnel_other_side(tunnel, c);

	if (!other)
		return n;
	counter_add(
		&conn_loop(c)->counters, c == tunnel->client ? COUNT_UPSTREAM_BYTES_OUT : COUNT_UPSTREAM_BYTES_IN, n);
	conn_send_copy(other, data, n);
	if (conn_queued(other) > WINDOW)
		conn_pause(c);
	tunnel_account(tunnel);
	tunnel_arm(tunnel);
	return n;
}

static void
tunnel_on_drain(struct conn *c)
{
	struct tunnel *tunnel = conn_owner(c);
	struct conn *other = tunnel_other_side(tunnel, c);

	tunnel_account(tunnel);
	if (other)
		conn_resume(other);
}

static void
tunnel_on_eof(struct conn *c)
{
	struct tunnel *tunnel = conn_owner(c);
	struct conn *other = tunnel_other_side(tunnel, c);

	*(c == tunnel->client ? &tunnel->client_ended : &tunnel->upstream_ended) = true;
	if (!other || (tunnel->client_ended && tunnel->upstream_ended)) {
		tunnel_finish_both(tunnel, REASON_FINISHED);
		return;
	}
	conn_end(other);
	tunnel_arm(tunnel);
}

static bool
is_failure(unsigned reason)
{
	return reason != REASON_FINISHED && reason != REASON_PEER_CLOSED && reason != REASON_UPSTREAM_IDLE &&
	       reason != REASON_SHUTDOWN;
}

static void
tunnel_on_closed(struct conn *c, unsigned reason)
{
	struct tunnel *tunnel = conn_owner(c);
	struct conn *other = tunnel_other_side(tunnel, c);

	*(c == tunnel->client ? &tunnel->client : &tunnel->upstream) = NULL;
	if (!other) {
		tunnel->done(tunnel->arg);
		mem_free(tunnel);
	} else if (is_failure(reason)) {
		conn_close(other, c == tunnel->client ? reason : REASON_UPSTREAM_CUT);
	} else {
		conn_finish(other, REASON_FINISHED);
	}
}

static const struct conn_ops tunnel_ops = {tunnel_on_data, tunnel_on_drain, tunnel_on_eof, tunnel_on_closed};

void
upstream_tunnel_start(struct conn *client, struct conn *upstream, void (*done)(void *arg), void *arg)
{
	struct tunnel *tunnel = mem_zalloc(sizeof *tunnel);

	tunnel->client = client;
	tunnel->upstream = upstream;
	tunnel->done = done;
	tunnel->arg = arg;
	conn_set_owner(client, &tunnel_ops, tunnel);
	conn_set_owner(upstream, &tunnel_ops, tunnel);
	conn_set_deadline(client, 0, NULL);
	tunnel_arm(tunnel);
	conn_resume(client);
	conn_resume(upstream);
	tunnel_account(tunnel);
}
