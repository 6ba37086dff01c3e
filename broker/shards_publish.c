#include "broker/bus_error.h"
#include "broker/shards_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define SENT_MAX (4 << 20) /* bytes that one shard has sent without an answer; they are kept until then */
#define PAUSE_MIN_MS 100   /* after the cluster has refused a publish because it is down; doubled each time */
#define PAUSE_MAX_MS 1000

/* A publish that waits, or that the server has not answered yet. */
struct shards_publish {
	struct list link;
	struct block *payload;
	uint64_t number; /* in order of shards_publish() */
	uint64_t answer; /* number of its answer among those of the bus, once it is sent */
	uint64_t since;	 /* loop time of shards_publish() */
	uint64_t round;	 /* after which it may be sent; 0: at once */
	unsigned slot;
	size_t n;
	char channel[];
};

static size_t
publish_cost(const struct shards_publish *publish)
{
	return sizeof *publish + publish->n + publish->payload->len;
}

static void
publish_free(struct shards_publish *publish)
{
	list_remove(&publish->link);
	block_unref(publish->payload);
	mem_free(publish);
}

static struct shards_publish *
publish_first(const struct list *list)
{
	return container_of(list->next, struct shards_publish, link);
}

/* ------------------------------------------------------------------- queue */

static void
shards_drop_oldest(struct shards *shards)
{
	struct shards_publish *oldest = publish_first(&shards->waiting);

	shards->waiting_bytes -= publish_cost(oldest);
	shards->slots[oldest->slot].waiting--;
	publish_free(oldest);
}

void
shards_drop_waiting(struct shards *shards)
{
	while (!list_empty(&shards->waiting))
		shards_drop_oldest(shards);
}

static void
shards_expire(struct shards *shards)
{
	uint64_t max = shards->options.max_age_ms;

	while (max > 0 && !list_empty(&shards->waiting) &&
		shards->loop->now - publish_first(&shards->waiting)->since > max) {
		if (shards->stats.expired++ == 0 || log_allow(&shards->log_limit, 1, shards->loop->now))
			log_event(LOG_WARN, "bus", "error",
				LOG_STR("publishes dropped: they have waited longer than redisMaxAge"), "expired",
				LOG_INT(shards->stats.expired), NULL);
		shards_drop_oldest(shards);
	}
}

/* Adds a publish to those that wait, in the order of numbers. Most are the newest; refused ones are the oldest. */
static void
shards_enqueue(struct shards *shards, struct shards_publish *publish)
{
	struct list *after = shards->waiting.prev;

	if (after != &shards->waiting && container_of(after, struct shards_publish, link)->number > publish->number) {
		after = &shards->waiting;
		while (after->next != &shards->waiting && publish_first(after)->number < publish->number)
			after = after->next;
	}
	list_add_tail(after->next, &publish->link);
	shards->waiting_bytes += publish_cost(publish);
	shards->slots[publish->slot].waiting++;
	shards_expire(shards);
	while (shards->waiting_bytes > shards->options.max_queue) {
		if (shards->stats.dropped++ == 0 || log_allow(&shards->log_limit, 1, shards->loop->now))
			log_event(LOG_WARN, "bus", "error",
				LOG_STR("redisMaxQueue is full: oldest publishes dropped"), "dropped",
				LOG_INT(shards->stats.dropped), NULL);
		shards_drop_oldest(shards);
	}
}

/* ------------------------------------------------------------------- send */

static bool
shard_flows(const struct shard *shard)
{
	return bus_flows(shard->bus) && !shard->paused && (!shard->careful || list_empty(&shard->sent)) &&
	       shard->sent_bytes < SENT_MAX;
}

/*
 * Returns the shard that takes a publish of that slot now, or NULL. While the old owner of the slot has not answered
 * all of its publishes, newer ones wait: some of the older ones may come back.
 */
static struct shard *
shards_taker(struct shards *shards, unsigned slot)
{
	const struct shards_slot *state = &shards->slots[slot];
	struct shard *shard = state->evicted ? NULL : shards_home(shards, slot);

	if (shard == NULL || !shard_flows(shard) || (state->sent > 0 && state->sent_to != shard))
		return NULL;
	return shard;
}

static void
shard_send(struct shard *shard, struct shards_publish *publish)
{
	struct shards_slot *slot = &shard->shards->slots[publish->slot];

	must(bus_publish(shard->bus, text_of(publish->channel, publish->n), publish->payload) == 0);
	publish->answer = shard->bus->sent_publishes;
	list_add_tail(&shard->sent, &publish->link);
	shard->sent_bytes += publish_cost(publish);
	slot->sent++;
	slot->sent_to = shard;
}

void
shards_flush(struct shards *shards)
{
	struct list *at, *next;

	shards_expire(shards);
	list_each(at, next, &shards->waiting)
	{
		struct shards_publish *publish = container_of(at, struct shards_publish, link);
		struct shard *shard;

		if (publish->round > 0 && !shards_round_is_done(shards, publish->round))
			break; /* the publishes after it have to wait, too */
		shard = shards_taker(shards, publish->slot);
		if (shard == NULL)
			continue;
		list_remove(at);
		shards->waiting_bytes -= publish_cost(publish);
		shards->slots[publish->slot].waiting--;
		shard_send(shard, publish);
	}
}

static int
shards_refuse(struct shards *shards, size_t size)
{
	if (shards->stats.refused++ == 0 || log_allow(&shards->log_limit, 1, shards->loop->now))
		log_event(LOG_WARN, "bus", "error",
			LOG_STR("publish refused: it has to wait and is larger than redisMaxQueue"), "bytes",
			LOG_INT(size), "max", LOG_INT(shards->options.max_queue), "refused",
			LOG_INT(shards->stats.refused), NULL);
	return ERROR_TOO_BIG;
}

bool
shards_queue_moves(const struct shards *shards)
{
	uint64_t round = list_empty(&shards->waiting) ? 0 : publish_first(&shards->waiting)->round;

	return list_empty(&shards->waiting) || (round > 0 && !shards_round_is_done(shards, round));
}

/*
 * Returns the round that the next publish waits for, or 0. A publish that waits only for a confirmation is not
 * dropped or refused when the queue is full.
 */
static uint64_t
shards_order(struct shards *shards, size_t size)
{
	uint64_t round = shards->options.ordered ? shards_next_round(shards) : 0;

	if (round == 0 || shards->waiting_bytes + size <= shards->options.max_queue)
		return round;
	shards_end_rounds(shards);
	shards_flush(shards);
	return 0;
}

int
shards_publish(struct shards *shards, struct text channel, struct block *payload)
{
	size_t size = sizeof(struct shards_publish) + channel.n + payload->len;
	struct shards_publish *publish;
	struct shard *shard;
	uint64_t round;
	unsigned slot;

	if (shards->plain != NULL)
		return bus_publish(shards->plain, channel, payload);
	if (shards->ending)
		return ERROR_CLOSED;
	slot = cluster_slot(channel);
	round = shards_order(shards, size);
	shard = round == 0 && shards->slots[slot].waiting == 0 ? shards_taker(shards, slot) : NULL;
	if (shard == NULL && size > shards->options.max_queue)
		return shards_refuse(shards, size);
	publish = mem_try_alloc(sizeof *publish + channel.n);
	if (publish == NULL) {
		loop_count_no_memory(shards->loop);
		return ERROR_MEMORY;
	}
	*publish = (struct shards_publish){.payload = block_ref(payload),
		.number = ++shards->published,
		.since = shards->loop->now,
		.round = round,
		.slot = slot,
		.n = channel.n};
	list_init(&publish->link);
	memcpy(publish->channel, channel.at, channel.n);
	if (shard != NULL)
		shard_send(shard, publish);
	else
		shards_enqueue(shards, publish);
	return 0;
}

/* A server that refuses announcements takes its shard down, as for any other publish. */
bool
shards_announce(struct shards *shards, struct text channel, struct block *payload)
{
	if (shards->plain != NULL)
		return bus_announce(shards->plain, channel, payload);
	return !shards->ending && shards_taker(shards, cluster_slot(channel)) != NULL &&
	       shards_publish(shards, channel, payload) == 0;
}

/* ----------------------------------------------------------------- answers */

/* Removes the publish that is answered next from those that were sent. */
static struct shards_publish *
shard_take_sent(struct shard *shard)
{
	struct shards_publish *publish = publish_first(&shard->sent);

	list_remove(&publish->link);
	shard->sent_bytes -= publish_cost(publish);
	shard->shards->slots[publish->slot].sent--;
	return publish;
}

/* The publish was refused. It waits to be sent again. */
static void
shard_return(struct shard *shard, struct shards_publish *publish)
{
	struct shards *shards = shard->shards;

	shards->returned++;
	shards_enqueue(shards, publish);
}

static void
shard_pause(struct shard *shard)
{
	if (shard->paused)
		return;
	shard->paused = true;
	shard->pause_ms = shard->pause_ms == 0 ? PAUSE_MIN_MS : 2 * shard->pause_ms;
	if (shard->pause_ms > PAUSE_MAX_MS)
		shard->pause_ms = PAUSE_MAX_MS;
	loop_arm(shard->shards->loop, &shard->timer, shard->pause_ms);
	topology_refresh(shard->shards->topology);
}

void
shard_on_timer(struct wheel_entry *entry)
{
	struct shard *shard = container_of(entry, struct shard, timer);

	shard->paused = false;
	shards_flush(shard->shards);
	if (list_empty(&shard->sent)) /* no publish was sent whose answer could show that the cluster is back */
		shard->pause_ms = 0;
	shards_check_up(shard->shards, NULL);
}

static bool
error_is_passing(struct text error)
{
	return text_starts(error, TEXT("CLUSTERDOWN ")) || bus_error_is_moving(error);
}

bool
shard_on_published(void *arg, struct text error)
{
	struct shard *shard = arg;
	struct shards *shards = shard->shards;
	struct shards_publish *publish;

	if (list_empty(&shard->sent) || publish_first(&shard->sent)->answer != shard->bus->answered_publishes)
		return true; /* the answer to a check message that another one has replaced */
	publish = shard_take_sent(shard);
	if (!list_empty(&shards->waiting) || error.at != NULL)
		loop_defer(shards->loop, &shards->call);
	if (error.at == NULL) {
		publish_free(publish);
		shard->careful = false;
		shard->pause_ms = 0;
		return true;
	}
	shard_return(shard, publish);
	if (text_starts(error, TEXT("MOVED "))) {
		shards_on_moved(shard, error);
		return true;
	}
	if (error_is_passing(error)) {
		shard_pause(shard);
		shards_check_up(shards, "the cluster is down");
		return true;
	}
	shard->careful = true;
	return false;
}

/* The bus counts them as uncertain. */
void
shard_on_unanswered(void *arg)
{
	struct shard *shard = arg;

	while (!list_empty(&shard->sent))
		publish_free(shard_take_sent(shard));
	loop_defer(shard->shards->loop, &shard->shards->call);
}
