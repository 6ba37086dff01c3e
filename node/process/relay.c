/*
 *   event                          client's side (outer)                 sibling's side (inner)
 *   bytes                          queued on the other side; more than WINDOW waiting there: reading pauses until
 *                                  the other side has drained
 *   FIN of the client              -                                     its FIN follows what is queued
 *   FIN of the sibling             finished: the rest, FIN, linger       finished
 *   one is gone                    the other is finished, or closed with the same reason if that was a failure
 *   both are gone                  freed
 *
 * The deadlines are those of any connection: a side that takes no byte for the send timeout ends both. Idle times
 * are the sibling's matter.
 */
#include "node/process/relay.h"

#include "common/base/mem.h"
#include "node/process/process_tables.h"

#define WINDOW (256 * 1024) /* bytes that wait on one side before the other is read no more */

struct relay {
	struct list services;	    /* relay_start()'s, or alone */
	struct conn *outer, *inner; /* NULL: gone */
	struct conn_limits limits;
};

static struct conn *
other_side(const struct relay *r, const struct conn *c)
{
	return c == r->outer ? r->inner : r->outer;
}

static size_t
on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct relay *r = conn_owner(c);
	struct conn *other = other_side(r, c);

	if (other == NULL)
		return n;
	counter_add(&conn_loop(c)->counters, COUNT_RELAY_BYTES, n);
	conn_send_copy(other, data, n);
	if (conn_queued(other) > WINDOW)
		conn_pause(c);
	return n;
}

static void
on_drain(struct conn *c)
{
	struct conn *other = other_side(conn_owner(c), c);

	if (other != NULL)
		conn_resume(other);
}

static void
on_eof(struct conn *c)
{
	struct relay *r = conn_owner(c);

	if (c == r->outer && r->inner != NULL) {
		conn_end(r->inner);
		return;
	}
	if (r->outer != NULL)
		conn_finish(r->outer, REASON_FINISHED);
	if (r->inner != NULL)
		conn_finish(r->inner, REASON_FINISHED);
}

static void
on_closed(struct conn *c, unsigned reason)
{
	struct relay *r = conn_owner(c);
	struct conn *other = other_side(r, c);
	bool client_left = c == r->outer;

	if (client_left)
		r->outer = NULL;
	else
		r->inner = NULL;
	if (other == NULL) {
		counter_add(&conn_loop(c)->counters, COUNT_RELAYS_CLOSED, 1);
		list_remove(&r->services);
		mem_free(r);
	} else if (client_left || reason == REASON_STALLED) {
		conn_close(other, reason);
	} else {
		conn_finish(other, reason);
	}
}

static const struct conn_ops relay_ops = {on_data, on_drain, on_eof, on_closed};

void
relay_start(struct conn *outer, int fd, const struct conn_limits *limits, struct list *services)
{
	struct relay *r = mem_zalloc(sizeof *r);
	struct loop *l = conn_loop(outer);

	r->limits = *limits;
	/* one read may come on top of the window; the slices are as large as the reads */
	r->limits.max_queue = WINDOW + 2 * CONN_PUT_BACK_MAX;
	r->outer = outer;
	r->inner = conn_new(l, fd, NULL, 0, NULL, &r->limits, &relay_ops, r);
	list_init(&r->services);
	if (services != NULL) {
		list_add_tail(services, &r->services);
		conn_set_service(r->inner);
	}
	conn_set_limits(outer, &r->limits);
	conn_set_owner(outer, &relay_ops, r);
	conn_resume(outer);
	counter_add(&l->counters, COUNT_RELAYS_OPENED, 1);
}

void
relay_end_all(struct list *services)
{
	struct list *at, *next;

	list_each(at, next, services)
	{
		struct relay *r = list_entry(at, struct relay, services);

		if (r->outer != NULL)
			conn_close(r->outer, REASON_SHUTDOWN);
		if (r->inner != NULL)
			conn_close(r->inner, REASON_SHUTDOWN);
	}
}
