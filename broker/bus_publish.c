#include <stdio.h>

#include "broker/bus_cluster.h"
#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "broker/bus_log.h"
#include "broker/bus_store.h"
#include "broker/cluster_map.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

/* maximum bytes queued in the connection; further publishes wait here, where they can be dropped */
#define QUEUED_MAX (1 << 20)
#define RECORDS_FLUSHED (64 << 10) /* recorded messages of one turn are sent before its end if they are larger */
#define HEAD_MAX 256		   /* size of the buffer for the head of a publish; a longer head is sent in parts */

/* An answer expected on the command link: for `n` publishes or commands of a transaction, or for one other command.
 */
struct expected {
	struct list link;
	uint64_t n;
	enum expected_kind kind;
	unsigned records;	 /* messages in one command; EXPECT_RECORDS only */
	struct bus_count *count; /* NULL: cancelled */
	struct bus_call *call;	 /* NULL: cancelled */
	struct bus_script *script;
};

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
bus_expect(struct bus *bus, enum expected_kind kind, unsigned records)
{
	struct expected *last =
		list_empty(&bus->expected) ? NULL : container_of(bus->expected.prev, struct expected, link);

	if (kind == EXPECT_PUBLISHES || kind == EXPECT_RECORDS || kind == EXPECT_CHECK)
		bus->sent_publishes++;
	if (kind == EXPECT_PUBLISHES && last != NULL && last->kind == EXPECT_PUBLISHES) {
		last->n++;
		return;
	}
	last = mem_alloc(sizeof *last);
	*last = (struct expected){.n = kind == EXPECT_QUEUED ? records : 1, .kind = kind, .records = records};
	list_add_tail(&bus->expected, &last->link);
}

void
bus_expect_call(struct bus *bus, struct bus_call *call, struct bus_script *script)
{
	struct expected *last;

	bus_expect(bus, EXPECT_CALL, 0);
	last = container_of(bus->expected.prev, struct expected, link);
	last->call = call;
	last->script = script;
	if (call != NULL)
		call->slot = &last->call;
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

static void
bus_on_trial_passed(struct bus *bus)
{
	struct waiting_publish *waiting = bus->trial;

	bus->trial = NULL;
	bus->careful = false;
	bus->stats.published++;
	bus->stats.bytes_published += waiting->payload->len;
	bus_waits_no_more(bus, waiting);
	bus_send_waiting(bus);
}

bool
waiting_publish_is_early(const struct bus *bus, const struct waiting_publish *waiting)
{
	return bus->ordered && !bus_has_heard(bus, waiting->after);
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
	while (!list_empty(&bus->waiting) && conn_queued(bus->commands.conn) < QUEUED_MAX) {
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

	return bus->state == BUS_UP && !bus->holding && !bus->careful && moving &&
	       conn_queued(bus->commands.conn) < QUEUED_MAX;
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

/* ------------------------------------------------------------------ counts */

static void
bus_refuse_count(struct bus *bus, struct bus_count *query)
{
	list_add_tail(&bus->refused, &query->link);
	loop_defer(bus->loop, &bus->call);
}

static void
bus_count_with(struct bus *bus, struct bus_count *query, struct text word, struct text channel)
{
	struct text args[] = {TEXT("PUBSUB"), word, channel};

	must(query->slot == NULL && list_empty(&query->link));
	if (bus->state == BUS_UP && bus->cluster != NULL && bus_cluster_count(bus->cluster, word, query, channel))
		return;
	if (bus->state != BUS_UP || bus->cluster != NULL) {
		bus_refuse_count(bus, query);
		return;
	}
	bus_link_send(&bus->commands, 3, args);
	bus_expect(bus, EXPECT_COUNT, 0);
	query->slot = &container_of(bus->expected.prev, struct expected, link)->count;
	*query->slot = query;
}

void
bus_count(struct bus *bus, struct bus_count *query, struct text channel)
{
	bus_count_with(bus, query, bus->words->count, channel);
}

void
bus_count_other(struct bus *bus, struct bus_count *query, struct text channel)
{
	bool sharded = bus->words == &bus_sharded_words;

	query->optional = true;
	bus_count_with(bus, query, sharded ? bus_plain_words.count : bus_sharded_words.count, channel);
}

static void
bus_answer_count(struct bus_count *query, int64_t count)
{
	if (query == NULL)
		return;
	query->slot = NULL;
	query->answer(query, count);
}

/* A server that refuses to count leaves the number of nodes unknown. This is logged once. */
static void
bus_on_count_answer(struct bus *bus, struct bus_count *query, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	if (reply->type != RESP_ERROR) {
		bus_answer_count(query, reply->integer);
		return;
	}
	if (query != NULL && !query->optional && !bus->uncounted) {
		bus->uncounted = true;
		bus_error_write(why, "PUBSUB refused", reply->text, bus->commands.password);
		log_event(LOG_WARN, bus->event, "warning",
			LOG_STR("the number of nodes is unknown: questions to all nodes take requestsTimeout, and "
				"after "
				"an outage messages wait for redisSettle"),
			"reason", LOG_STR(why), NULL);
	}
	bus_answer_count(query, ERROR_UNSUPPORTED);
}

void
bus_forget_answers(struct bus *bus)
{
	while (!list_empty(&bus->expected)) {
		struct expected *expected = container_of(bus->expected.next, struct expected, link);

		if (expected->kind == EXPECT_PUBLISHES) {
			bus->stats.uncertain += expected->n;
		} else if (expected->count != NULL) {
			expected->count->slot = NULL;
			bus_refuse_count(bus, expected->count);
		} else if (expected->call != NULL) {
			expected->call->slot = NULL;
			list_add_tail(&bus->calls, &expected->call->link);
			loop_defer(bus->loop, &bus->call);
		}
		list_remove(&expected->link);
		mem_free(expected);
	}
	if (bus->trial != NULL)
		bus_waits_no_more(bus, bus->trial); /* the trial may have been delivered */
	bus->trial = NULL;
	if (bus->log != NULL)
		bus_log_commands_lost(bus->log);
	if (bus->ops->on_unanswered != NULL)
		bus->ops->on_unanswered(bus->arg);
	bus->check_refused = false;
	bus->sent_publishes = bus->answered_publishes = bus->check_number = bus->announce_number = 0;
	bus->announce_refused = false;
}

void
bus_answer_refused(struct bus *bus)
{
	struct list now; /* a count asked for again by a callback waits for the end of the next turn */

	list_init(&now);
	list_move_all(&now, &bus->refused);
	while (!list_empty(&now)) {
		struct bus_count *query = container_of(now.next, struct bus_count, link);

		list_remove(&query->link);
		bus_answer_count(query, ERROR_CLOSED);
	}
}

/* ----------------------------------------------------------------- answers */

void
bus_refuse_aside(struct bus *bus, const char *what, struct text error)
{
	char why[BUS_WHY_MAX];

	bus_error_write(why, what, error, bus->commands.password);
	if (!bus->aside_refused)
		log_event(LOG_WARN, "bus", "warning", LOG_STR(why), "advice",
			LOG_STR("allow the channels KEY-members#*, by which the nodes know each other"), NULL);
	bus->aside_refused = true;
}

/* The publisher keeps the publish until now, so nothing is dropped here. Returns false if the bus is lost. */
static bool
bus_on_shard_answer(struct bus *bus, const struct resp *reply, bool check)
{
	struct text error = reply->type == RESP_ERROR ? reply->text : TEXT_NONE;
	bool moved = text_starts(error, TEXT("MOVED ")), good;
	char why[BUS_WHY_MAX];

	if (check && moved)
		bus->ops->on_moved(bus->arg, error);
	bus->check_refused |= check && text_starts(error, TEXT("CLUSTERDOWN "));
	good = check ? error.at == NULL || moved || bus->check_refused : bus->ops->on_published(bus->arg, error);
	if (good && bus->check_refused && bus->answered_publishes == bus->sent_publishes) {
		error = TEXT("CLUSTERDOWN"); /* now no publish is uncertain */
		good = false;
	}
	if (good)
		return true;
	bus_error_write(why, "publishing refused", error, bus->commands.password);
	bus_lost(bus, why, false);
	return false;
}

/* Returns false if the bus is lost. */
static bool
bus_on_publish_answer(struct bus *bus, const struct resp *reply)
{
	bool check = ++bus->answered_publishes == bus->check_number;
	char why[BUS_WHY_MAX];

	if (bus->ops->on_published != NULL)
		return bus_on_shard_answer(bus, reply, check);
	if (reply->type != RESP_ERROR) {
		if (bus->trial != NULL && bus->answered_publishes == bus->trial_number)
			bus_on_trial_passed(bus);
		return true;
	}
	if (bus->answered_publishes == bus->announce_number) {
		bus_refuse_aside(bus, "heartbeats refused", reply->text);
		bus->announce_refused = true;
		return true;
	}
	bus_error_write(why, "publishing refused", reply->text, bus->commands.password);
	if (bus->trial == NULL && !check)
		bus->stats.dropped++;
	bus->trial = NULL; /* the trial stays in the queue */
	bus->careful = true;
	bus_lost(bus, why, false);
	return false;
}

void
bus_send_role(struct bus *bus)
{
	struct text replication[] = {TEXT("INFO"), TEXT("replication")}, cluster[] = {TEXT("CLUSTER"), TEXT("INFO")};
	const struct text *args = bus->cluster != NULL ? cluster : replication;

	if (bus->cluster != NULL)
		bus_cluster_send_owner(bus->cluster); /* answered first, so that another server is never trusted */
	bus_link_send(&bus->commands, 2, args);
	bus_expect(bus, EXPECT_ROLE, 0);
}

/* Returns why the server must not be used, or NULL. In a cluster, what a replica publishes reaches all members. */
static const char *
bus_find_fault(const struct bus *bus, struct text answer)
{
	if (bus->cluster != NULL)
		return cluster_info_cut_off(answer) ? "the server is cut off from its cluster: using another" : NULL;
	return text_has(answer, TEXT("role:slave"))
		       ? "the server is a replica, whose messages reach no other server: use the master"
		       : NULL;
}

/* A server that hides its role, by an ACL or because of its kind, is taken for a master. */
static void
bus_on_role_answer(struct bus *bus, const struct resp *reply)
{
	const char *fault = reply->type == RESP_BULK ? bus_find_fault(bus, reply->text) : NULL;
	char why[BUS_WHY_MAX];

	if (reply->type == RESP_ERROR && !bus->role_hidden) {
		bus_error_write(why,
			bus->cluster != NULL ? "cannot tell whether the server is cut off from its cluster"
					     : "cannot tell whether the server is a replica",
			reply->text, bus->commands.password);
		log_event(LOG_INFO, "bus", "warning", LOG_STR(why), NULL);
	}
	bus->role_hidden |= reply->type == RESP_ERROR;
	if (fault != NULL)
		bus_lost(bus, fault, false);
	else
		bus_trusted(bus);
}

static bool
bus_is_answer_to(const struct resp *reply, enum expected_kind kind)
{
	if (reply->type == RESP_ERROR)
		return true;
	switch (kind) {
	case EXPECT_PUBLISHES:
		return reply->type == RESP_INTEGER;
	case EXPECT_COUNT:
		return reply->type == RESP_ARRAY && reply->item_count == 2;
	case EXPECT_CHECK:
	case EXPECT_READ:
	case EXPECT_SERVER:
	case EXPECT_ROLE:
		return reply->type == RESP_BULK;
	default: /* the log checks the answer itself */
		return true;
	}
}

bool
bus_expects_status(const struct bus_link *link)
{
	const struct bus *bus = link->arg;

	return !list_empty(&bus->expected) &&
	       container_of(bus->expected.next, struct expected, link)->kind == EXPECT_QUEUED;
}

void
bus_on_answer(struct bus_link *link, const struct resp *reply)
{
	struct bus *bus = link->arg;
	struct expected *expected =
		list_empty(&bus->expected) ? NULL : container_of(bus->expected.next, struct expected, link);
	struct bus_script *script;
	struct bus_count *count;
	struct bus_call *call;
	enum expected_kind kind;
	unsigned records;
	char why[BUS_WHY_MAX];

	if (expected == NULL && reply->type == RESP_ERROR) { /* such as too many clients, or protected mode */
		bus_error_write(why, "refused", reply->text, bus->commands.password);
		bus_lost(bus, why, false);
		return;
	}
	if (expected == NULL || !bus_is_answer_to(reply, expected->kind)) {
		bus_lost(bus, "unexpected answer", true);
		return;
	}
	kind = expected->kind;
	records = expected->records;
	count = expected->count;
	call = expected->call;
	script = expected->script;
	if (--expected->n == 0) {
		list_remove(&expected->link);
		mem_free(expected);
	}
	if (kind == EXPECT_PUBLISHES && !bus_on_publish_answer(bus, reply))
		return;
	if (kind >= EXPECT_RECORDS && !bus_log_on_answer(bus->log, kind, records, reply))
		return;
	if (kind == EXPECT_CALL)
		bus_store_on_answer(call, script, reply);
	else if (kind == EXPECT_COUNT)
		bus_on_count_answer(bus, count, reply);
	else if (kind == EXPECT_ROLE)
		bus_on_role_answer(bus, reply);
	else if (kind == EXPECT_OWNER && !bus_cluster_on_owner(bus->cluster, reply))
		return;
	if (bus->state == BUS_CLOSING && list_empty(&bus->expected) && list_empty(&bus->waiting))
		bus_finish_closing(bus);
}

/* ------------------------------------------------------------------- life */

void
bus_publish_init(struct bus *bus)
{
	bus->crlf = block_copy("\r\n", 2);
	list_init(&bus->waiting);
	list_init(&bus->expected);
	list_init(&bus->refused);
	list_init(&bus->calls);
}

void
bus_publish_fini(struct bus *bus)
{
	while (!list_empty(&bus->waiting))
		bus_waits_no_more(bus, container_of(bus->waiting.next, struct waiting_publish, link));
	while (!list_empty(&bus->refused)) /* asked for after the end */
		list_remove(bus->refused.next);
	while (!list_empty(&bus->calls))
		list_remove(bus->calls.next);
	block_unref(bus->crlf);
}
