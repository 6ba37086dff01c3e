#include <stdio.h>

#include "broker/bus_internal.h"
#include "broker/bus_log.h"
#include "common/base/error.h"
#include "common/base/mem.h"

/* maximum bytes queued in the connection; further publishes wait here, where they can be dropped */
#define QUEUED_MAX (1 << 20)
#define RECORDS_FLUSHED (64 << 10) /* recorded messages of one turn are sent before its end if they are larger */
#define HEAD_MAX 256		   /* size of the buffer for the head of a publish; a longer head is sent in parts */

size_t
waiting_publish_cost(const struct waiting_publish *waiting)
{
	return sizeof *waiting + waiting->n + waiting->payload->len;
}

void
waiting_publish_free(struct bus *bus, struct waiting_publish *waiting)
{
	bus->open_events -= waiting->event != 0;
	block_unref(waiting->payload);
	mem_free(waiting);
}

/* Takes a publish out of the queue and frees it. */
static void
bus_waits_no_more(struct bus *bus, struct waiting_publish *waiting)
{
	bus->waiting_bytes -= waiting_publish_cost(waiting);
	list_remove(&waiting->link);
	waiting_publish_free(bus, waiting);
}

/* Refuses a publish that is larger than the whole queue. Dropping other publishes would not make room for it. */
static int
bus_refuse_publish(struct bus *bus, size_t size)
{
	if (bus->stats.refused++ == 0 || log_allow(&bus->log_limit, 1, bus->loop->now))
		log_event(LOG_WARN, "bus", "error",
			LOG_STR("publish refused: it has to wait and is larger than redisMaxQueue"), "bytes",
			LOG_INT(size), "max", LOG_INT(bus->max_queue), "refused", LOG_INT(bus->stats.refused), NULL);
	return ERROR_TOO_BIG;
}

static void bus_send_trial(struct bus *bus);

/* Returns the oldest waiting publish that is not being tried, or NULL. */
static struct waiting_publish *
bus_oldest_waiting(const struct bus *bus)
{
	const struct list *first = bus->trial != NULL ? bus->trial->link.next : bus->waiting.next;

	return first != &bus->waiting ? container_of(first, struct waiting_publish, link) : NULL;
}

/* The publishes wait in order, so those that have waited too long are the first. */
void
bus_expire_waiting(struct bus *bus)
{
	struct waiting_publish *oldest;

	while (bus->max_age_ms > 0 && (oldest = bus_oldest_waiting(bus)) != NULL &&
		bus->loop->now - oldest->since > bus->max_age_ms) {
		if (bus->stats.expired++ == 0 || log_allow(&bus->log_limit, 1, bus->loop->now))
			log_event(LOG_WARN, "bus", "error",
				LOG_STR("publishes dropped: they have waited longer than redisMaxAge"), "expired",
				LOG_INT(bus->stats.expired), NULL);
		bus_waits_no_more(bus, oldest);
	}
}

/* Drops the publishes that have waited too long, and then the oldest ones until the others fit into the queue. */
static void
bus_trim_waiting(struct bus *bus)
{
	bus_expire_waiting(bus);
	while (bus->waiting_bytes > bus->max_queue && bus_oldest_waiting(bus) != NULL) {
		if (bus->stats.dropped++ == 0 || log_allow(&bus->log_limit, 1, bus->loop->now))
			log_event(LOG_WARN, "bus", "error",
				LOG_STR("redisMaxQueue is full: oldest publishes dropped"), "dropped",
				LOG_INT(bus->stats.dropped), NULL);
		bus_waits_no_more(bus, bus_oldest_waiting(bus));
	}
}

/* Appends a publish to the queue, whatever its size. */
static int
bus_add_waiting(struct bus *bus, struct text channel, struct block *payload, char kind, uint64_t event)
{
	struct waiting_publish *waiting = mem_try_alloc(sizeof *waiting + channel.n);

	if (waiting == NULL) {
		loop_count_no_memory(bus->loop);
		return ERROR_MEMORY;
	}
	waiting->payload = block_ref(payload);
	waiting->since = bus->loop->now;
	waiting->after = bus->asked;
	waiting->kind = kind;
	waiting->number = 0;
	waiting->event = event;
	waiting->hole = false;
	bus->open_events += event != 0;
	waiting->n = channel.n;
	memcpy(waiting->channel, channel.at, channel.n);
	list_add_tail(&bus->waiting, &waiting->link);
	bus->waiting_bytes += waiting_publish_cost(waiting);
	return 0;
}

void
bus_wait_again(struct bus *bus, struct list *from)
{
	while (!list_empty(from)) {
		struct waiting_publish *last = container_of(from->prev, struct waiting_publish, link);

		list_remove(&last->link);
		list_add_tail(bus->waiting.next, &last->link); /* in front of the first one */
		bus->waiting_bytes += waiting_publish_cost(last);
	}
	bus_trim_waiting(bus);
}

static int
bus_queue_publish(struct bus *bus, struct text channel, struct block *payload, char kind, uint64_t event)
{
	size_t size = sizeof(struct waiting_publish) + channel.n + payload->len;
	int rc;

	if (size > bus->max_queue)
		return bus_refuse_publish(bus, size);
	rc = bus_add_waiting(bus, channel, payload, kind, event);
	if (rc < 0)
		return rc;
	bus_trim_waiting(bus);
	if (bus->careful && !bus->holding && bus->state == BUS_UP)
		bus_send_trial(bus);
	return 0;
}

void
bus_send_publish(struct bus *bus, struct text channel, struct block *payload)
{
	struct conn *c = bus->commands.conn;
	char head[HEAD_MAX], middle[32];
	size_t n = (size_t)snprintf(head, sizeof head, "%s$%zu\r\n", bus->words->publish, channel.n);
	size_t more = (size_t)snprintf(middle, sizeof middle, "\r\n$%u\r\n", payload->len);

	if (channel.n <= sizeof head - n - more) {
		memcpy(head + n, channel.at, channel.n);
		memcpy(head + n + channel.n, middle, more);
		conn_send_copy(c, head, n + channel.n + more);
	} else {
		conn_send_copy(c, head, n);
		conn_send_copy(c, channel.at, channel.n);
		conn_send_copy(c, middle, more);
	}
	conn_send(c, payload, 0, payload->len);
	conn_send(c, bus->crlf, 0, bus->crlf->len);
	bus_expect(bus, EXPECT_PUBLISHES, 0);
	bus->used = bus->loop->now;
}

/*
 * After the server has refused a publish, the first waiting publish is sent alone as a trial. It stays in the queue
 * until it is answered, and the others wait behind it. A server that refuses every publish then costs only those that
 * were in transit at the first refusal.
 */
static void
bus_send_trial(struct bus *bus)
{
	if (bus->trial != NULL || list_empty(&bus->waiting))
		return;
	/* no trial: the log keeps the messages that the server refuses */
	if (bus_oldest_waiting(bus)->kind != 0 && bus_log_active(bus->log)) {
		bus->careful = false;
		bus_send_waiting(bus);
		return;
	}
	bus->trial = container_of(bus->waiting.next, struct waiting_publish, link);
	bus_send_publish(bus, text_of(bus->trial->channel, bus->trial->n), bus->trial->payload);
	bus->trial_number = bus->sent_publishes;
}

void
bus_trial_passed(struct bus *bus)
{
	struct waiting_publish *waiting = bus->trial;

	bus->trial = NULL;
	bus->careful = false;
	bus->stats.published++;
	bus->stats.bytes_published += waiting->payload->len;
	bus_waits_no_more(bus, waiting);
	bus_send_waiting(bus);
}

void
bus_drop_trial(struct bus *bus)
{
	if (bus->trial != NULL)
		bus_waits_no_more(bus, bus->trial);
	bus->trial = NULL;
}

bool
waiting_publish_is_early(const struct bus *bus, const struct waiting_publish *waiting)
{
	return bus->ordered && !bus_has_heard(bus, waiting->after);
}

/* After a failed write, the link is only read to its end. What is published meanwhile waits for the next link. */
static bool
bus_commands_flow(const struct bus *bus)
{
	return conn_sends(bus->commands.conn) && conn_queued(bus->commands.conn) < QUEUED_MAX;
}

void
bus_send_waiting(struct bus *bus)
{
	bus_expire_waiting(bus);
	if (bus->holding)
		return;
	if (bus->careful) {
		bus_send_trial(bus);
		return;
	}
	while (!list_empty(&bus->waiting) && bus_commands_flow(bus)) {
		struct waiting_publish *waiting = container_of(bus->waiting.next, struct waiting_publish, link);

		if (waiting_publish_is_early(bus, waiting))
			return;
		if (waiting->kind != 0 && bus_log_active(bus->log)) {
			if (!bus_log_may_send(bus->log))
				return;
			bus_log_send_waiting(bus->log);
			continue;
		}
		bus_send_publish(bus, text_of(waiting->channel, waiting->n), waiting->payload);
		bus->stats.published++;
		bus->stats.bytes_published += waiting->payload->len;
		bus_waits_no_more(bus, waiting);
	}
	if (bus->ops->on_flow != NULL && bus_flows(bus))
		bus->ops->on_flow(bus->arg);
}

/* Publishes that only wait for a confirmation count as moving, because a confirmation takes one round trip. */
bool
bus_flows(const struct bus *bus)
{
	bool moving = list_empty(&bus->waiting) ||
		      waiting_publish_is_early(bus, container_of(bus->waiting.next, struct waiting_publish, link)) ||
		      (bus->log != NULL && bus_log_flushes(bus->log));

	return bus->state == BUS_UP && !bus->holding && !bus->careful && moving && bus_commands_flow(bus);
}

bool
bus_announce(struct bus *bus, struct text channel, struct block *payload)
{
	if (!bus_flows(bus))
		return false;
	if (bus->announce_refused)
		return true;
	bus_send_publish(bus, channel, payload);
	bus->announce_number = bus->sent_publishes;
	return true;
}

/* A publish that waits only for a confirmation is not dropped or refused when the queue is full. */
static void
bus_keep_order(struct bus *bus, size_t size)
{
	if (bus->heard == bus->asked || bus->waiting_bytes + size <= bus->max_queue)
		return;
	bus_hear_give_up(bus, "redisMaxQueue is full");
	bus_send_waiting(bus);
}

int
bus_publish(struct bus *bus, struct text channel, struct block *payload)
{
	if (bus->state == BUS_CLOSING)
		return ERROR_CLOSED;
	if (bus->log != NULL && bus_log_flushes(bus->log))
		bus_send_waiting(bus); /* recorded messages of this turn go first */
	if (bus->ordered && bus->state == BUS_UP)
		bus_keep_order(bus, sizeof(struct waiting_publish) + channel.n + payload->len);
	if (!bus_flows(bus) || !list_empty(&bus->waiting) || (bus->ordered && bus->heard != bus->asked))
		return bus_queue_publish(bus, channel, payload, 0, 0);
	bus_send_publish(bus, channel, payload);
	bus->stats.published++;
	bus->stats.bytes_published += payload->len;
	return 0;
}

int
bus_record(struct bus *bus, struct text channel, struct block *payload, uint64_t event)
{
	char kind = bus->log != NULL ? bus_log_kind(bus->log, text_of((const char *)payload->data, payload->len)) : 0;
	int rc;

	if (kind == 0)
		return bus_publish(bus, channel, payload);
	if (bus->state == BUS_CLOSING)
		return ERROR_CLOSED;
	if (bus->ordered && bus->state == BUS_UP)
		bus_keep_order(bus, sizeof(struct waiting_publish) + channel.n + payload->len);
	if (!bus_flows(bus) || !bus_log_may_send(bus->log))
		return bus_queue_publish(bus, channel, payload, kind, event);
	rc = bus_add_waiting(bus, channel, payload, kind, event);
	if (bus->waiting_bytes >= RECORDS_FLUSHED)
		bus_send_waiting(bus);
	else
		bus_log_flush_later(bus->log);
	return rc;
}

/* ------------------------------------------------------------------- life */

void
bus_publish_init(struct bus *bus)
{
	bus->crlf = block_copy("\r\n", 2);
	list_init(&bus->waiting);
}

void
bus_publish_fini(struct bus *bus)
{
	while (!list_empty(&bus->waiting))
		bus_waits_no_more(bus, container_of(bus->waiting.next, struct waiting_publish, link));
	block_unref(bus->crlf);
}
