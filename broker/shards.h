/*
 * Publish and subscribe with sharded channels (Redis 7), for the sharded form and for that with streams. The calls
 * are those of bus.h, over a set of buses. With one server, or with channels that are not sharded, the set has one
 * bus, and each call goes straight to it.
 *
 * In a Redis Cluster each channel belongs to a slot and each slot to a master (cluster_map.h). The set then has one
 * bus, a shard, for each master that owns a slot in use. A slot that moves takes its subscriptions with it:
 *
 *   sign that a slot has moved              what follows
 *   MOVED in answer to a publish            the publish waits, and goes to the named master after those before it
 *   MOVED in answer to a subscription       the slot's subscriptions go to the named master
 *   the server ends a subscription          the slot's subscriptions wait for the next map
 *   another owner in the next map           the slot's subscriptions and publishes go there
 *
 * Each sign but the last causes a question for the map (topology.h). A slot is redirected `max_redirects` times at
 * most between two maps; then it waits for the next one. Messages that others publish between the end of a
 * subscription and its renewal are lost; bus_stats.gaps counts the slots to which this happens. The publishes of one
 * channel keep their order, even when its slot moves.
 *
 * The shards are up when every shard in use is up by its own check message. After an outage of a master each shard
 * waits until the other nodes have subscribed there again (bus_settle.c). It counts them by a channel that has the
 * name for all nodes: <key>-shard#{tag}, where the tag belongs to the master's lowest slot.
 *
 * The options are those of bus_open(). In a Redis Cluster, max_queue limits the publishes of all shards together.
 */
#ifndef BROKER_SHARDS_H
#define BROKER_SHARDS_H

#include "broker/bus.h"

struct shards;

struct shards *shards_open(struct loop *l, const struct bus_options *options, const struct bus_ops *ops, void *arg);
/* The callee frees the shards, then calls `closed` (may be NULL) once from the loop. */
void shards_close(struct shards *shards, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

int shards_publish(struct shards *shards, struct text channel, struct block *payload);
bool shards_announce(struct shards *shards, struct text channel, struct block *payload);

struct bus_subscription *shards_find(const struct shards *shards, struct text channel);
void shards_subscribe(struct shards *shards, struct bus_subscription *subscription);
void shards_unsubscribe(struct shards *shards, struct bus_subscription *subscription);
bool shards_awaits(const struct shards *shards, const struct bus_subscription *subscription);

void shards_count(struct shards *shards, struct bus_count *query, struct text channel);
void shards_count_other(struct shards *shards, struct bus_count *query, struct text channel);

bool shards_wait(struct shards *shards, struct bus_wait *wait);

/* Returns the only bus, or NULL in a Redis Cluster with sharded channels. */
struct bus *shards_bus(const struct shards *shards);

bool shards_up(const struct shards *shards);
bool shards_flows(const struct shards *shards);
void shards_stats(const struct shards *shards, struct bus_stats *out);

#endif
