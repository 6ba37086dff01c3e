#include "broker/bus_cluster.h"
#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "broker/bus_log.h"
#include "broker/bus_store.h"
#include "broker/cluster_map.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

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
	bus_drop_trial(bus);
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
			bus_trial_passed(bus);
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
	if (kind == EXPECT_CALL && !bus_store_on_answer(bus, call, script, reply))
		return;
	if (kind == EXPECT_COUNT)
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
bus_answers_init(struct bus *bus)
{
	list_init(&bus->expected);
	list_init(&bus->refused);
	list_init(&bus->calls);
}

void
bus_answers_fini(struct bus *bus)
{
	while (!list_empty(&bus->refused)) /* asked for after the end */
		list_remove(bus->refused.next);
	while (!list_empty(&bus->calls))
		list_remove(bus->calls.next);
}
