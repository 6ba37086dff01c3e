/*
 *   event                  client's side (outer)                     sibling's side (inner)
 *   bytes                  queued on the other side. While more than WINDOW bytes wait there, reading pauses
 *   FIN of the client      -                                         FIN follows the queued bytes
 *   FIN of the sibling     finished: queued bytes, FIN, linger       finished
 *   one side is gone       the other is finished, or closed with the same reason after a failure
 *   both sides are gone    freed
 *
 * The usual deadlines of connections apply: if a side takes no byte within the send timeout, both sides are ended.
 * The sibling applies the idle timeouts.
 */
#include "node/process/relay.h"

#include "common/base/mem.h"
#include "node/process/process_tables.h"

#define WINDOW (256 * 1024) /* bytes that may wait on one side before reading from the other pauses */

struct relay {
	struct list services;	    /* in the list given to relay_start(), or alone */
	struct conn *outer, *inner; /* NULL: gone */
	struct conn_limits limits;
};

static struct conn *
relay_other_side(const struct relay *relay, const struct conn *c)
{
	return c == relay->outer ? relay->inner : relay->outer;
}

static size_t
relay_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct relay *relay = conn_owner(c);
	struct conn *other = relay_other_side(relay, c);

	if (other == NULL)
		return n;
	counter_add(&conn_loop(c)->counters, COUNT_RELAY_BYTES, n);
	conn_send_copy(other, data, n);
	if (conn_queued(other) > WINDOW)
		conn_pause(c);
	return n;
}

static void
relay_on_drain(struct conn *c)
{
	struct conn *other = relay_other_side(conn_owner(c), c);

	if (other != NULL)
		conn_resume(other);
}

static void
relay_on_eof(struct conn *c)
{
	struct relay *relay = conn_owner(c);

	if (c == relay->outer && relay->inner != NULL) {
		conn_end(relay->inner);
		return;
	}
	if (relay->outer != NULL)
		conn_finish(relay->outer, REASON_FINISHED);
	if (relay->inner != NULL)
		conn_finish(relay->inner, REASON_FINISHED);
}

static void
relay_on_closed(struct conn *c, unsigned reason)
{
	struct relay *relay = conn_owner(c);
	struct conn *other = relay_other_side(relay, c);
	bool client_left = c == relay->outer;

	if (client_left)
		relay->outer = NULL;
	else
		relay->inner = NULL;
	if (other == NULL) {
		counter_add(&conn_loop(c)->counters, COUNT_RELAYS_CLOSED, 1);
		list_remove(&relay->services);
		mem_free(relay);
	} else if (client_left || reason == REASON_STALLED) {
		conn_close(other, reason);
	} else {
		conn_finish(other, reason);
	}
}

static const struct conn_ops relay_ops = {relay_on_data, relay_on_drain, relay_on_eof, relay_on_closed};

void
relay_start(struct conn *outer, int fd, const struct conn_limits *limits, struct list *services)
{
	struct relay *relay = mem_zalloc(sizeof *relay);
	struct loop *l = conn_loop(outer);

	relay->limits = *limits;
	/* one read may exceed the window before reading pauses; each read is one slice, so slices add little cost */
	relay->limits.max_queue = WINDOW + 2 * CONN_PUT_BACK_MAX;
	relay->outer = outer;
	relay->inner = conn_new(l, fd, NULL, 0, NULL, &relay->limits, &relay_ops, relay);
	list_init(&relay->services);
	if (services != NULL) {
		list_add_tail(services, &relay->services);
		conn_set_service(relay->inner);
	}
	conn_set_limits(outer, &relay->limits);
	conn_set_owner(outer, &relay_ops, relay);
	conn_resume(outer);
	counter_add(&l->counters, COUNT_RELAYS_OPENED, 1);
}

void
relay_end_all(struct list *services)
{
	struct list *at, *next;

	list_each(at, next, services)
	{
		struct relay *relay = list_entry(at, struct relay, services);

		if (relay->outer != NULL)
			conn_close(relay->outer, REASON_SHUTDOWN);
		if (relay->inner != NULL)
			conn_close(relay->inner, REASON_SHUTDOWN);
	}
}
