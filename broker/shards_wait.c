/*
 * Waits for subscriptions that several shards have to confirm: callers of shards_wait(), and the publishes of an
 * ordered set. The waits go in rounds. A round waits at each shard for the subscriptions asked for before it.
 * Whatever asks during a round, after a newer subscription, waits for the next one.
 *
 *   event                                    rounds that are done
 *   every shard has confirmed, or gives up   the current one (bus_hear.c says when a shard gives up)
 *   the queue of publishes is full           all
 */
#include "broker/shards_internal.h"

static void
shard_on_wait_over(struct bus_wait *wait)
{
	struct shard *shard = container_of(wait, struct shard, wait);
	struct shards *shards = shard->shards;

	if (--shards->round_open == 0)
		loop_defer(shards->loop, &shards->call);
}

void
shard_wait_init(struct shard *shard)
{
	bus_wait_init(&shard->wait, shard_on_wait_over);
}

void
shard_wait_end(struct shard *shard)
{
	if (list_empty(&shard->wait.link))
		return;
	list_remove(&shard->wait.link);
	shard_on_wait_over(&shard->wait);
}

/* Returns false if no shard has anything to confirm. */
static bool
shards_begin_round(struct shards *shards)
{
	shards->subscribed = false;
	for (const struct list *at = shards->all.next; at != &shards->all; at = at->next) {
		struct shard *shard = container_of(at, struct shard, link);

		shards->round_open += bus_wait(shard->bus, &shard->wait);
	}
	if (shards->round_open > 0)
		shards->round++;
	return shards->round_open > 0;
}

uint64_t
shards_next_round(struct shards *shards)
{
	if (shards->round_open > 0)
		return shards->round + shards->subscribed;
	return shards->subscribed && shards_begin_round(shards) ? shards->round : 0;
}

bool
shards_round_is_done(const struct shards *shards, uint64_t round)
{
	return round < shards->round || (round == shards->round && shards->round_open == 0);
}

/* Ends all waits: the subscriptions count as confirmed. */
void
shards_end_rounds(struct shards *shards)
{
	for (const struct list *at = shards->all.next; at != &shards->all; at = at->next) {
		struct shard *shard = container_of(at, struct shard, link);

		shard_wait_end(shard);
		if (bus_wait(shard->bus, NULL))
			bus_hear_give_up(shard->bus, "redisMaxQueue is full");
	}
	shards->round++; /* the next round counts as done as well */
	shards->subscribed = false;
}

/* Begins the next round if it is waited for, and ends the waits of those that are done. */
void
shards_advance_rounds(struct shards *shards)
{
	if (shards->round_open > 0)
		return;
	if (shards->subscribed && !shards_begin_round(shards))
		shards->round++;
	while (!list_empty(&shards->waits)) {
		struct bus_wait *wait = container_of(shards->waits.next, struct bus_wait, link);

		if ((int32_t)(wait->ticket - (uint32_t)shards->round + (shards->round_open > 0)) > 0)
			break;
		list_remove(&wait->link);
		wait->over(wait);
	}
}

bool
shards_wait(struct shards *shards, struct bus_wait *wait)
{
	uint64_t round;

	if (shards->plain != NULL)
		return bus_wait(shards->plain, wait);
	round = shards->ending ? 0 : shards_next_round(shards);
	if (round == 0 || wait == NULL)
		return round != 0;
	wait->ticket = (uint32_t)round;
	list_remove(&wait->link);
	list_add_tail(&shards->waits, &wait->link);
	return true;
}
