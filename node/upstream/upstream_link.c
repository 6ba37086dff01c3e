/*
 * A connection to a target.
 *
 *   state    ends with                                             next
 *   busy     the response is over and both sides keep the link     idle
 *            the response is over otherwise, or a failure          closed
 *            status 101                                            tunnel
 *   idle     a request                                             busy
 *            a byte, FIN, or the end of link_idle_ms               closed
 *   tunnel   the end of both sides                                 closed
 *
 * A link is a service of its loop, not a client's connection. Bytes that wait in it for the upstream count as memory
 * of the client's connection (upstream_exchange.c).
 */
#include "common/base/mem.h"
#include "node/upstream/upstream_internal.h"
#include "node/upstream/upstream_tables.h"
#include "node/upstream/upstream_tunnel.h"

static size_t
upstream_link_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct upstream_link *link = conn_owner(c);

	counter_add(&conn_loop(c)->counters, COUNT_UPSTREAM_BYTES_IN, n);
	if (link->exchange)
		return upstream_exchange_read(link->exchange, data, n);
	/* Bytes that arrive on an idle link would be taken for the next response, so the link is closed. */
	conn_close(c, REASON_UPSTREAM_DONE);
	return n;
}

static void
upstream_link_on_drain(struct conn *c)
{
	struct upstream_link *link = conn_owner(c);

	if (link->exchange)
		upstream_exchange_drained(link->exchange);
}

static void
upstream_link_on_eof(struct conn *c)
{
	struct upstream_link *link = conn_owner(c);

	conn_close(c, REASON_PEER_CLOSED);
	list_remove(&link->idle);
	if (link->exchange)
		upstream_exchange_ended(link->exchange, REASON_PEER_CLOSED);
}

static void
upstream_link_free(struct upstream_link *link)
{
	list_remove(&link->all);
	list_remove(&link->idle);
	upstream_target_unref(link->target);
	upstream_place_free(link->upstream);
	mem_free(link);
}

static void
upstream_link_on_closed(struct conn *c, unsigned reason)
{
	struct upstream_link *link = conn_owner(c);

	if (link->exchange)
		upstream_exchange_ended(link->exchange, reason);
	upstream_link_free(link);
}

static const struct conn_ops upstream_link_ops = {
	upstream_link_on_data, upstream_link_on_drain, upstream_link_on_eof, upstream_link_on_closed};

static void
upstream_link_on_idle_over(struct conn *c)
{
	conn_close(c, REASON_UPSTREAM_DONE);
}

struct upstream_link *
upstream_link_new(struct upstream_exchange *exchange, struct upstream_target *target, int fd,
	const struct sockaddr *peer, socklen_t peer_len)
{
	struct upstream_link *link = mem_zalloc(sizeof *link);
	struct upstream *upstream = exchange->upstream;

	link->upstream = upstream;
	link->target = target;
	link->exchange = exchange;
	list_init(&link->idle);
	list_add_tail(&upstream->links, &link->all);
	upstream_target_ref(target);
	link->c = conn_new(upstream->loop, fd, peer, peer_len, NULL, &upstream->limits, &upstream_link_ops, link);
	conn_set_service(link->c);
	conn_set_patient(link->c);
	counter_add(&upstream->loop->counters, COUNT_UPSTREAM_CONNECTS, 1);
	return link;
}

void
upstream_link_use(struct upstream_link *link, struct upstream_exchange *exchange)
{
	list_remove(&link->idle);
	conn_set_deadline(link->c, 0, NULL);
	link->exchange = exchange;
	link->reused = true;
	counter_add(&link->upstream->loop->counters, COUNT_UPSTREAM_REUSED, 1);
}

void
upstream_link_release(struct upstream_link *link, uint64_t idle_ms)
{
	link->exchange = NULL;
	if (idle_ms == 0 || link->upstream->closing || list_empty(&link->target->link) || conn_dead(link->c)) {
		conn_close(link->c, REASON_UPSTREAM_DONE);
		return;
	}
	list_add_tail(&link->upstream->idle, &link->idle);
	conn_set_deadline(link->c, idle_ms, upstream_link_on_idle_over);
	if (!list_empty(&link->upstream->waiting))
		loop_defer(link->upstream->loop, &link->upstream->serve);
}

static void
upstream_link_on_tunnel_done(void *arg)
{
	struct upstream_link *link = arg;

	link->upstream->running--;
	counter_add(&link->upstream->loop->counters, COUNT_UPSTREAM_ENDED, 1);
	upstream_link_free(link);
}

void
upstream_link_tunnel(struct upstream_link *link, struct conn *client)
{
	link->exchange = NULL;
	counter_add(&link->upstream->loop->counters, COUNT_UPSTREAM_TUNNELS, 1);
	upstream_tunnel_start(client, link->c, upstream_link_on_tunnel_done, link);
}
