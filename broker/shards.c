#include "broker/shards_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define REFRESH_MS 30000 /* between questions about the members */
#define REDIRECTS_MAX 5
#define TIMEOUT_MS 5000

/* ---------------------------------------------------------------- the state */

struct bus *
shards_bus(const struct shards *shards)
{
	return shards->plain;
}

bool
shards_up(const struct shards *shards)
{
	if (shards->plain != NULL)
		return bus_up(shards->plain);
	if (list_empty(&shards->all) || shards->homeless.count > 0 || shards->ending)
		return false;
	for (const struct list *at = shards->all.next; at != &shards->all; at = at->next) {
		const struct shard *shard = container_of(at, struct shard, link);

		if (shard->slots > 0 && (!bus_up(shard->bus) || shard->pause_ms > 0))
			return false;
	}
	return true;
}

bool
shards_flows(const struct shards *shards)
{
	return shards->plain != NULL ? bus_flows(shards->plain) : shards_up(shards) && shards_queue_moves(shards);
}

void
shards_check_up(struct shards *shards, const char *why)
{
	bool up = shards_up(shards);

	if (shards->was_up == up || shards->ending)
		return;
	shards->was_up = up;
	if (up) {
		shards->hopeless = false;
		shards->stats.ups++;
		log_event(LOG_INFO, "bus", "state", LOG_STR("up"), "server", LOG_STR("cluster"), "shards",
			LOG_INT(shards->count), "waiting_bytes", LOG_INT(shards->waiting_bytes), NULL);
	} else {
		shards->stats.downs++;
		log_event(LOG_ERROR, "bus", "state", LOG_STR("down"), "server", LOG_STR("cluster"), "reason",
			LOG_STR(why != NULL ? why : "a slot has moved"), NULL);
	}
}

void
shards_fail(struct shards *shards, const char *why)
{
	if (shards->ending)
		return;
	shards->hopeless = true;
	shards_check_up(shards, why);
	if (shards->ops->on_hopeless != NULL)
		shards->ops->on_hopeless(shards->arg);
}

void
shards_add_stats(struct bus_stats *sum, const struct bus_stats *one)
{
	sum->published += one->published;
	sum->received += one->received;
	sum->bytes_published += one->bytes_published;
	sum->bytes_received += one->bytes_received;
	sum->missed += one->missed;
	sum->uncertain += one->uncertain;
	sum->gaps += one->gaps;
	sum->malformed += one->malformed;
	sum->connects += one->connects;
	sum->alarms += one->alarms;
	sum->unheard += one->unheard;
	durations_merge(&sum->echoes, &one->echoes);
}

void
shards_stats(const struct shards *shards, struct bus_stats *out)
{
	if (shards->plain != NULL) {
		bus_stats(shards->plain, out);
		return;
	}
	*out = shards->stats;
	for (const struct list *at = shards->all.next; at != &shards->all; at = at->next) {
		struct bus_stats one;

		bus_stats(container_of(at, struct shard, link)->bus, &one);
		shards_add_stats(out, &one);
		out->queue_bytes += one.queue_bytes;
		if (one.lag_us > out->lag_us)
			out->lag_us = one.lag_us;
	}
	out->published -= shards->returned < out->published ? shards->returned : out->published;
	out->queue_bytes += shards->waiting_bytes;
	out->shards = shards->count;
	out->up = shards_up(shards);
}

/* ----------------------------------------------------------- subscriptions */

struct bus_subscription *
shards_find(const struct shards *shards, struct text channel)
{
	const struct shard *home;
	struct table_node *node;

	if (shards->plain != NULL)
		return bus_find(shards->plain, channel);
	home = shards->slots[cluster_slot(channel)].home;
	if (home != NULL)
		return bus_find(home->bus, channel);
	node = table_find(&shards->homeless, channel);
	return node != NULL ? container_of(node, struct bus_subscription, node) : NULL;
}

void
shards_subscribe(struct shards *shards, struct bus_subscription *subscription)
{
	unsigned slot;
	struct shard *home;

	if (shards->plain != NULL) {
		bus_subscribe(shards->plain, subscription);
		return;
	}
	must(!subscription->prefix);
	slot = cluster_slot(subscription->name);
	home = shards_home(shards, slot);
	shards->slots[slot].subscriptions++;
	shards->subscribed = true;
	if (home != NULL) {
		bus_subscribe(home->bus, subscription);
		return;
	}
	list_init(&subscription->link);
	subscription->number = 0;
	subscription->confirmed = false;
	table_add(&shards->homeless, &subscription->node, subscription->name);
}

void
shards_unsubscribe(struct shards *shards, struct bus_subscription *subscription)
{
	struct shards_slot *slot;

	if (shards->plain != NULL) {
		bus_unsubscribe(shards->plain, subscription);
		return;
	}
	slot = &shards->slots[cluster_slot(subscription->name)];
	slot->subscriptions--;
	if (slot->home != NULL)
		bus_unsubscribe(slot->home->bus, subscription);
	else
		table_remove(&shards->homeless, &subscription->node);
}

bool
shards_awaits(const struct shards *shards, const struct bus_subscription *subscription)
{
	const struct shard *home;

	if (shards->plain != NULL)
		return bus_awaits(shards->plain, subscription);
	home = shards->slots[cluster_slot(subscription->name)].home;
	if (home != NULL)
		return bus_awaits(home->bus, subscription);
	return !shards->hopeless && !shards->ending;
}

static void
shards_refuse_count(struct shards *shards, struct bus_count *query)
{
	list_add_tail(&shards->refused, &query->link);
	loop_defer(shards->loop, &shards->call);
}

/* Replicas are asked as well: they take subscribers too. */
void
shards_count(struct shards *shards, struct bus_count *query, struct text channel)
{
	unsigned slot = cluster_slot(channel);
	const struct cluster_map *map;

	if (shards->plain != NULL) {
		bus_count(shards->plain, query, channel);
		return;
	}
	must(query->slot == NULL && list_empty(&query->link));
	map = topology_map(shards->topology);
	if (!shards_up(shards) || map->owners[slot] == CLUSTER_NOBODY ||
		cluster_counts_ask(shards->counts, map, map->owners[slot], bus_sharded_words.count, query, channel) <
			0)
		shards_refuse_count(shards, query);
}

/* A channel that is not sharded has no owner. */
void
shards_count_other(struct shards *shards, struct bus_count *query, struct text channel)
{
	if (shards->plain != NULL) {
		bus_count_other(shards->plain, query, channel);
		return;
	}
	must(query->slot == NULL && list_empty(&query->link));
	if (!shards_up(shards) || cluster_counts_ask(shards->counts, topology_map(shards->topology),
					  CLUSTER_COUNT_ALL, bus_plain_words.count, query, channel) < 0)
		shards_refuse_count(shards, query);
}

/* -------------------------------------------------------------------- life */

static void
shards_free(struct shards *shards)
{
	void (*closed)(void *arg) = shards->closed;
	void *arg = shards->closed_arg;

	if (shards->plain == NULL) {
		must(shards->homeless.count == 0);
		loop_call_cancel(&shards->call);
		loop_disarm(shards->loop, &shards->timer);
		shards_drop_waiting(shards);
		while (!list_empty(&shards->waits)) /* those that are left are not called */
			list_remove(shards->waits.next);
		while (!list_empty(&shards->refused)) /* asked for after the end */
			list_remove(shards->refused.next);
		topology_free(shards->topology);
		cluster_counts_free(shards->counts);
		table_fini(&shards->homeless);
		bus_url_fini(&shards->url);
		bus_access_free(shards->access);
		mem_free((char *)shards->options.key);
		mem_free(shards->slots);
	}
	mem_free(shards);
	if (closed != NULL)
		closed(arg);
}

/* Nothing is left to send, or the time for it is over. */
static void
shards_close_all(struct shards *shards)
{
	uint64_t now = shards->loop->now, left = shards->flush_until > now ? shards->flush_until - now : 0;

	shards_drop_waiting(shards);
	for (unsigned i = 0; i < CLUSTER_SLOTS; i++)
		shards->slots[i].home = NULL;
	while (!list_empty(&shards->all))
		shard_close(container_of(shards->all.next, struct shard, link), left);
}

static void
shards_on_timer(struct wheel_entry *entry)
{
	struct shards *shards = container_of(entry, struct shards, timer);

	shards_close_all(shards);
	loop_defer(shards->loop, &shards->call);
}

static void
shards_answer_refused(struct shards *shards)
{
	struct list now; /* a count asked for again by a callback waits for the end of the next turn */

	list_init(&now);
	list_move_all(&now, &shards->refused);
	while (!list_empty(&now)) {
		struct bus_count *query = container_of(now.next, struct bus_count, link);

		list_remove(&query->link);
		query->answer(query, ERROR_CLOSED);
	}
}

/* The end of a turn in which something has changed. */
static void
shards_on_turn_end(struct loop_call *call)
{
	struct shards *shards = container_of(call, struct shards, call);

	shards_answer_refused(shards);
	if (shards->arrange && !shards->ending) {
		shards->arrange = false;
		shards_arrange(shards);
	}
	shards_advance_rounds(shards);
	shards_flush(shards);
	shards_check_up(shards, NULL);
	if (!shards->ending)
		return;
	if (list_empty(&shards->waiting))
		shards_close_all(shards);
	if (list_empty(&shards->all) && list_empty(&shards->closing))
		shards_free(shards);
}

static void
shards_open_cluster(struct shards *shards, struct loop *l, const struct bus_options *options)
{
	uint64_t refresh_ms = options->refresh_ms > 0 ? options->refresh_ms : REFRESH_MS;

	shards->loop = l;
	shards->slots = mem_zalloc(CLUSTER_SLOTS * sizeof *shards->slots);
	shards->url = *options->server;
	*options->server = (struct bus_url){.host = NULL};
	shards->access = options->access != NULL ? bus_access_copy(options->access) : NULL;
	shards->options = *options;
	shards->options.server = NULL;
	shards->options.access = shards->access;
	shards->options.event = "shard";
	shards->options.replicated = false; /* a replica refuses sharded publishes */
	shards->options.key = mem_text(options->key, strlen(options->key));
	if (options->max_redirects == 0)
		shards->options.max_redirects = REDIRECTS_MAX;
	if (options->timeout_ms == 0)
		shards->options.timeout_ms = TIMEOUT_MS;
	list_init(&shards->all);
	list_init(&shards->closing);
	list_init(&shards->waiting);
	list_init(&shards->refused);
	list_init(&shards->waits);
	table_init(&shards->homeless);
	wheel_entry_init(&shards->timer, shards_on_timer);
	loop_call_init(&shards->call, shards_on_turn_end);
	shards->topology = topology_new(l, &shards->url, shards->access, refresh_ms, &shards_topology_ops, shards);
	shards->counts = cluster_counts_new(l, &shards->url, shards->access, shards->options.timeout_ms);
}

struct shards *
shards_open(struct loop *l, const struct bus_options *options, const struct bus_ops *ops, void *arg)
{
	struct shards *shards = mem_zalloc(sizeof *shards);

	shards->ops = ops;
	shards->arg = arg;
	if (options->server->cluster && options->sharded)
		shards_open_cluster(shards, l, options);
	else
		shards->plain = bus_open(l, options, ops, arg);
	return shards;
}

static void
shards_on_plain_closed(void *arg)
{
	shards_free(arg);
}

void
shards_close(struct shards *shards, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	shards->closed = closed;
	shards->closed_arg = arg;
	if (shards->plain != NULL) {
		bus_close(shards->plain, flush_ms, shards_on_plain_closed, shards);
		return;
	}
	shards->ending = true;
	shards->flush_until = shards->loop->now + flush_ms;
	loop_arm(shards->loop, &shards->timer, flush_ms);
	loop_defer(shards->loop, &shards->call);
}
