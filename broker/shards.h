/*
 * Publish and subscribe with sharded channels (Redis 7), for the sharded form. The calls are those of bus.h, over a
 * set of buses. With one server the set has one bus, and each call goes straight to it.
 *
 * The options are those of bus_open(), with `sharded` set.
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

bool shards_up(const struct shards *shards);
bool shards_flows(const struct shards *shards);
void shards_stats(const struct shards *shards, struct bus_stats *out);

#endif
