/*
 *   state    leaves by                                      to
 *   busy     the response is over, both sides keep it open  idle
 *            the response is over otherwise; a failure      closed
 *            101                                            tunnel
 *   idle     a request                                      busy
 *            a byte, FIN, its time is over                  closed
 *   tunnel   both sides have ended                          closed
 *
 * A service of its loop, not a client's connection. What waits in it for the upstream is held against the client's
 * connection (upstream_exchange.c).
 */
#include "common/base/mem.h"
#include "node/upstream/upstream_internal.h"
#include "node/upstream/upstream_tables.h"
#include "node/upstream/upstream_tunnel.h"

static size_t
on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct upstream_link *k = conn_owner(c);

	counter_add(&conn_loop(c)->counters, COUNT_UPSTREAM_BYTES_IN, n);
	if (k->x)
		return upstream_exchange_read(k->x, data, n);
	/* nobody asked: were it kept, it would be taken for the next response */
	conn_close(c, REASON_UPSTREAM_DONE);
	return n;
}

static void
on_drain(struct conn *c)
{
	struct upstream_link *k = conn_owner(c);

	if (k->x)
		upstream_exchange_drained(k->x);
}

static void
on_eof(struct conn *c)
{
	struct upstream_link *k = conn_owner(c);

	conn_close(c, REASON_PEER_CLOSED);
	list_remove(&k->idle);
	if (k->x)
		upstream_exchange_ended(k->x, REASON_PEER_CLOSED);
}

static void
link_free(struct upstream_link *k)
{
	list_remove(&k->all);
	list_remove(&k->idle);
	upstream_target_unref(k->target);
	upstream_place_free(k->u);
	mem_free(k);
}

static void
on_closed(struct conn *c, unsigned reason)
{
	struct upstream_link *k = conn_owner(c);

	if (k->x)
		upstream_exchange_ended(k->x, reason);
	link_free(k);
}

static const struct conn_ops link_ops = {on_data, on_drain, on_eof, on_closed};

static void
on_idle_over(struct conn *c)
{
	conn_close(c, REASON_UPSTREAM_DONE);
}

struct upstream_link *
upstream_link_new(struct upstream_exchange *x, struct upstream_target *t, int fd, const struct sockaddr *peer,
	socklen_t peer_len)
{
	struct upstream_link *k = mem_zalloc(sizeof *k);
	struct upstream *u = x->u;

	k->u = u;
	k->target = t;
	k->x = x;
	list_init(&k->idle);
	list_add_tail(&u->links, &k->all);
	upstream_target_ref(t);
	k->c = conn_new(u->loop, fd, peer, peer_len, NULL, &u->limits, &link_ops, k);
	conn_set_service(k->c);
	conn_set_patient(k->c);
	counter_add(&u->loop->counters, COUNT_UPSTREAM_CONNECTS, 1);
	return k;
}

void
upstream_link_use(struct upstream_link *k, struct upstream_exchange *x)
{
	list_remove(&k->idle);
	conn_set_deadline(k->c, 0, NULL);
	k->x = x;
	k->reused = true;
	counter_add(&k->u->loop->counters, COUNT_UPSTREAM_REUSED, 1);
}

void
upstream_link_release(struct upstream_link *k, uint64_t idle_ms)
{
	k->x = NULL;
	if (idle_ms == 0 || k->u->closing || list_empty(&k->target->link) || conn_dead(k->c)) {
		conn_close(k->c, REASON_UPSTREAM_DONE);
		return;
	}
	list_add_tail(&k->u->idle, &k->idle);
	conn_set_deadline(k->c, idle_ms, on_idle_over);
	if (!list_empty(&k->u->waiting))
		loop_defer(k->u->loop, &k->u->serve);
}

static void
on_tunnel_done(void *arg)
{
	struct upstream_link *k = arg;

	k->u->running--;
	counter_add(&k->u->loop->counters, COUNT_UPSTREAM_ENDED, 1);
	link_free(k);
}

void
upstream_link_tunnel(struct upstream_link *k, struct conn *client)
{
	k->x = NULL;
	counter_add(&k->u->loop->counters, COUNT_UPSTREAM_TUNNELS, 1);
	upstream_tunnel_start(client, k->c, on_tunnel_done, k);
}
