#include <stdio.h>

#include "broker/shards_internal.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define GOSSIP_MS 2000 /* until all members of a cluster have heard that a slot has moved */

/* ------------------------------------------------------------------ shards */

static bool
shard_is(const struct shard *shard, const struct cluster_member *member)
{
	return shard->port == member->port && strcmp(shard->host, member->host) == 0;
}

/* Returns the lowest slot of the shard's master, or CLUSTER_SLOTS if it owns none. */
static unsigned
shard_lowest_slot(const struct shard *shard, const struct cluster_map *map)
{
	for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
		const struct cluster_member *owner = cluster_map_owner(map, slot);

		if (owner != NULL && shard_is(shard, owner))
			return slot;
	}
	return CLUSTER_SLOTS;
}

/* Nothing is published to the channel by which nodes are counted. */
static void
shard_on_roll(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	(void)subscription;
	(void)channel;
	(void)payload;
}

/* Names the channels that prove the shard, and writes the tag of both. */
static void
shard_name_roll(struct shard *shard, unsigned slot, char tag[CLUSTER_TAG_MAX])
{
	const char *key = shard->shards->options.key;
	size_t size = strlen(key) + sizeof "-shard#{}" + CLUSTER_TAG_MAX;

	cluster_tag(tag, slot);
	shard->proof_slot = slot;
	mem_free(shard->roll_name);
	shard->roll_name = mem_alloc(size);
	snprintf(shard->roll_name, size, "%s-shard#{%s}", key, tag);
	shard->roll.name = text_from(shard->roll_name);
}

static struct shard *
shard_new(struct shards *shards, const struct cluster_member *member)
{
	struct shard *shard = mem_zalloc(sizeof *shard);
	struct bus_options options = shards->options;
	struct bus_url url = {.host = mem_text(member->host, strlen(member->host)),
		.port = member->port,
		.tls = shards->url.tls,
		.user = shards->url.user != NULL ? mem_text(shards->url.user, strlen(shards->url.user)) : NULL,
		.password = shards->url.password != NULL
				    ? mem_text(shards->url.password, strlen(shards->url.password))
				    : NULL};
	char tag[CLUSTER_TAG_MAX];

	shard->shards = shards;
	shard->host = mem_text(member->host, strlen(member->host));
	shard->port = member->port;
	list_init(&shard->sent);
	wheel_entry_init(&shard->timer, shard_on_timer);
	shard_wait_init(shard);
	shard_name_roll(shard, shard_lowest_slot(shard, topology_map(shards->topology)), tag);
	options.server = &url;
	options.ordered = false; /* the set does that, over all its shards */
	options.check_tag = tag;
	options.members = shard->roll.name;
	shard->bus = bus_open(shards->loop, &options, &shards_bus_ops, shard);
	shard->roll.on_message = shard_on_roll;
	shard->roll.counted = true;
	bus_subscribe(shard->bus, &shard->roll);
	list_add_tail(&shards->all, &shard->link);
	shards->count++;
	return shard;
}

/* Proves the shard by channels of another slot, because the lowest slot of its master has changed. */
static void
shard_renew_proof(struct shard *shard, unsigned slot)
{
	char tag[CLUSTER_TAG_MAX];

	bus_forget_subscription(shard->bus, &shard->roll);
	shard_name_roll(shard, slot, tag);
	bus_subscribe(shard->bus, &shard->roll);
	bus_set_proof(shard->bus, shard->shards->options.key, tag, shard->roll.name);
}

static void
shard_on_closed(void *arg)
{
	struct shard *shard = arg;
	struct shards *shards = shard->shards;

	list_remove(&shard->link);
	mem_free(shard->roll_name);
	mem_free(shard->host);
	mem_free(shard);
	loop_defer(shards->loop, &shards->call);
}

void
shard_close(struct shard *shard, uint64_t flush_ms)
{
	struct shards *shards = shard->shards;
	struct bus_stats stats;

	bus_stats(shard->bus, &stats);
	shards_add_stats(&shards->stats, &stats);
	loop_disarm(shards->loop, &shard->timer);
	shard_wait_end(shard);
	bus_forget_subscription(shard->bus, &shard->roll);
	list_remove(&shard->link);
	list_add_tail(&shards->closing, &shard->link);
	shards->count--;
	bus_close(shard->bus, flush_ms, shard_on_closed, shard);
}

/* Returns the shard of a slot's owner, made if needed; NULL: no owner is known, or there are SHARDS_MAX shards. */
static struct shard *
shards_find_owner(struct shards *shards, unsigned slot)
{
	const struct cluster_map *map = topology_map(shards->topology);
	const struct cluster_member *owner = map != NULL ? cluster_map_owner(map, slot) : NULL;

	if (owner == NULL)
		return NULL;
	for (const struct list *at = shards->all.next; at != &shards->all; at = at->next) {
		struct shard *shard = container_of(at, struct shard, link);

		if (shard_is(shard, owner))
			return shard;
	}
	return shards->count < SHARDS_MAX ? shard_new(shards, owner) : NULL;
}

struct shard *
shards_home(struct shards *shards, unsigned slot)
{
	struct shards_slot *state = &shards->slots[slot];

	/* if the slot has subscriptions but no home, shards_arrange() finds one for all of them */
	if (state->home != NULL || state->subscriptions > 0)
		return state->home;
	state->home = shards_find_owner(shards, slot);
	if (state->home != NULL)
		state->home->slots++;
	else
		topology_refresh(shards->topology);
	return state->home;
}

/* ----------------------------------------------------------------- arrange */

static bool
shards_owner_is(struct shards *shards, unsigned slot, const struct shard *shard)
{
	const struct cluster_member *owner = cluster_map_owner(topology_map(shards->topology), slot);

	return owner != NULL && shard_is(shard, owner);
}

/* Decides where each slot goes. Returns true if any of them moves. */
static bool
shards_plan(struct shards *shards)
{
	bool any = false;

	for (unsigned i = 0; i < CLUSTER_SLOTS; i++) {
		struct shards_slot *slot = &shards->slots[i];

		if (slot->home == NULL && slot->subscriptions == 0)
			continue;
		if (slot->home != NULL && shards_owner_is(shards, i, slot->home))
			slot->next = slot->home;
		else
			slot->next = slot->subscriptions > 0 ? shards_find_owner(shards, i) : NULL;
		slot->moving = slot->evicted || slot->next != slot->home;
		any |= slot->moving;
	}
	return any;
}

/* Takes the subscriptions of the slots that move out of a table. */
static void
shards_collect(struct shards *shards, struct shard *shard, struct table *table, struct list *out)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(table, &cursor)) != NULL) {
		struct bus_subscription *subscription = container_of(node, struct bus_subscription, node);

		if (shard != NULL && (subscription == &shard->roll || subscription == &shard->bus->check))
			continue;
		if (!shards->slots[cluster_slot(subscription->name)].moving)
			continue;
		if (shard != NULL)
			bus_forget_subscription(shard->bus, subscription);
		else
			table_remove(table, node);
		list_add_tail(out, &subscription->link);
		shards->stats.resubscribes += shard != NULL;
	}
}

static void
shards_move_slots(struct shards *shards)
{
	for (unsigned i = 0; i < CLUSTER_SLOTS; i++) {
		struct shards_slot *slot = &shards->slots[i];

		if (!slot->moving)
			continue;
		shards->stats.gaps += slot->home != NULL && slot->subscriptions > 0;
		if (slot->home != NULL)
			slot->home->slots--;
		slot->home = slot->next;
		if (slot->home != NULL)
			slot->home->slots++;
		slot->next = NULL;
		slot->moving = slot->evicted = false;
	}
}

static void
shards_place(struct shards *shards, struct bus_subscription *subscription)
{
	struct shard *home = shards->slots[cluster_slot(subscription->name)].home;

	list_remove(&subscription->link);
	if (home != NULL) {
		bus_subscribe(home->bus, subscription);
		return;
	}
	subscription->number = 0;
	subscription->confirmed = false;
	table_add(&shards->homeless, &subscription->node, subscription->name);
}

static void
shards_move(struct shards *shards)
{
	struct list moving;

	list_init(&moving);
	for (struct list *at = shards->all.next; at != &shards->all; at = at->next) {
		struct shard *shard = container_of(at, struct shard, link);

		shards_collect(shards, shard, &shard->bus->channels, &moving);
	}
	shards_collect(shards, NULL, &shards->homeless, &moving);
	shards_move_slots(shards);
	shards->subscribed |= !list_empty(&moving);
	while (!list_empty(&moving))
		shards_place(shards, container_of(moving.next, struct bus_subscription, link));
}

/* Closes the shards without a slot in use, and proves the others by a slot that they own. */
static void
shards_review(struct shards *shards)
{
	const struct cluster_map *map = topology_map(shards->topology);
	struct list *at, *next;

	list_each(at, next, &shards->all)
	{
		struct shard *shard = container_of(at, struct shard, link);
		unsigned slot = shard_lowest_slot(shard, map);

		if (shard->slots == 0)
			shard_close(shard, shards->options.timeout_ms);
		else if (slot != CLUSTER_SLOTS && slot != shard->proof_slot)
			shard_renew_proof(shard, slot);
	}
}

void
shards_arrange(struct shards *shards)
{
	if (shards_plan(shards))
		shards_move(shards);
	if (topology_map(shards->topology) != NULL)
		shards_review(shards);
	if (shards->homeless.count == 0)
		return;
	topology_refresh(shards->topology);
	if (shards->hopeless)
		shards_fail(shards, NULL);
}

static void
shards_arrange_soon(struct shards *shards)
{
	shards->arrange = true;
	loop_defer(shards->loop, &shards->call);
}

/* ------------------------------------------------------------------ events */

/* The shard does not own the slot any more. Returns false if that was known, or does not matter. */
static bool
shard_evict(struct shard *shard, unsigned slot)
{
	struct shards *shards = shard->shards;
	struct shards_slot *state = &shards->slots[slot];

	shards->stats.moved++;
	if (shards->ending || (state->home != shard && slot != shard->proof_slot))
		return false;
	topology_refresh(shards->topology);
	if (state->evicted)
		return false;
	topology_map(shards->topology)->owners[slot] = CLUSTER_NOBODY;
	state->evicted = state->home == shard;
	shards_arrange_soon(shards);
	return true;
}

void
shards_on_moved(struct shard *shard, struct text error)
{
	struct shards *shards = shard->shards;
	struct cluster_map *map = topology_map(shards->topology);
	struct cluster_moved moved;
	int member;

	if (cluster_moved_parse(&moved, error) < 0 || !shard_evict(shard, moved.slot) ||
		shards->slots[moved.slot].redirects >= shards->options.max_redirects)
		return;
	shards->slots[moved.slot].redirects++;
	if (moved.host.n == 0)
		moved.host = text_from(shard->host);
	member = cluster_map_add(map, moved.host, moved.port);
	if (member < 0)
		return;
	map->members[member]->master = (uint16_t)member;
	map->owners[moved.slot] = (uint16_t)member;
	shards->slots[moved.slot].moved_at = shards->loop->now;
}

static void
shard_on_moved(void *arg, struct text error)
{
	shards_on_moved(arg, error);
}

static void
shard_on_ended(void *arg, struct bus_subscription *subscription)
{
	shard_evict(arg, cluster_slot(subscription->name));
}

static void
shard_on_hopeless(void *arg)
{
	struct shard *shard = arg;
	struct shards *shards = shard->shards;

	shard->pause_ms = 0; /* the bus proves itself */
	topology_refresh(shards->topology);
	shards_fail(shards, "a shard is down");
}

static void
shard_on_deaf(void *arg)
{
	struct shard *shard = arg;

	shard->shards->stats.gaps += shard->slots > 0;
}

static void
shard_on_flow(void *arg)
{
	struct shard *shard = arg;

	shards_check_up(shard->shards, NULL);
	loop_defer(shard->shards->loop, &shard->shards->call);
}

const struct bus_ops shards_bus_ops = {
	.on_hopeless = shard_on_hopeless,
	.on_deaf = shard_on_deaf,
	.on_flow = shard_on_flow,
	.on_published = shard_on_published,
	.on_unanswered = shard_on_unanswered,
	.on_moved = shard_on_moved,
	.on_ended = shard_on_ended,
};

/*
 * The member that gave the map may not know yet of a move that another member has reported by a redirection. A slot
 * therefore stays where it was redirected to for a moment, if its shard there is up.
 */
static void
shards_keep_redirection(struct shards *shards, unsigned i)
{
	struct shards_slot *slot = &shards->slots[i];
	struct cluster_map *map = topology_map(shards->topology);
	int member;

	slot->redirects = 0;
	if (shards->loop->now - slot->moved_at >= GOSSIP_MS)
		slot->moved_at = 0;
	if (slot->moved_at == 0 || slot->home == NULL || slot->evicted || !bus_up(slot->home->bus))
		return;
	member = cluster_map_add(map, text_from(slot->home->host), slot->home->port);
	if (member < 0)
		return;
	map->members[member]->master = (uint16_t)member;
	map->owners[i] = (uint16_t)member;
}

static void
shards_on_map(void *arg)
{
	struct shards *shards = arg;

	for (unsigned i = 0; i < CLUSTER_SLOTS; i++)
		if (shards->slots[i].redirects > 0 || shards->slots[i].moved_at != 0)
			shards_keep_redirection(shards, i);
	shards_arrange_soon(shards);
}

static void
shards_on_no_map(void *arg, const char *why)
{
	shards_fail(arg, why);
}

const struct topology_ops shards_topology_ops = {shards_on_map, shards_on_no_map};
