/*
 * Connections that make PUBSUB NUMSUB count the workers of this machine. Redis counts connections, and the hub's ear
 * (hub_ear.h) subscribes to each channel once for all workers. Other servers ask how many subscribe to the channel of
 * requests, and then wait for as many answers. A channel with n counted workers therefore has n - 1 further
 * subscriptions, each on another connection. What arrives there is ignored. Few messages do: requests of other
 * servers.
 *
 * Connection i, from 0 on, carries the channels that have at least i + 2 counted workers. A lost connection is
 * reopened, at once and then after growing pauses; until then the counts are too low. Redis answers on each
 * connection at least once per check interval, or the connection is given up.
 */
#ifndef BROKER_HUB_COUNTERS_H
#define BROKER_HUB_COUNTERS_H

#include "broker/bus.h"

struct hub_counters;

/* A channel. The caller owns the storage. */
struct hub_counted {
	struct text name; /* the caller's bytes, which must outlive the channel */
	struct list counts;
	unsigned count, confirmed; /* further subscriptions: wanted, and in force */
};

struct hub_counters_setup {
	struct loop *loop;
	struct bus *bus;   /* the ear's bus; the connections lead to its server */
	uint64_t check_ms; /* 0: 5000 */
	/* A further subscription is in force now. Called from the loop. */
	void (*on_confirmed)(void *arg);
	void *arg;
};

struct hub_counters *hub_counters_new(const struct hub_counters_setup *setup);
void hub_counters_free(struct hub_counters *counters); /* all channels must have been set to 0 */

void hub_counted_init(struct hub_counted *channel, struct text name);
/*
 * Sets the number of further subscriptions. A higher number may open connections, so call it only while the bus
 * permits that (bus_init_side_link()).
 */
void hub_counters_set(struct hub_counters *counters, struct hub_counted *channel, unsigned count);

/* Closes all connections, because the bus has lost its server. The caller sets all channels to 0 next. */
void hub_counters_cut(struct hub_counters *counters);

/* Returns the number of connections whose subscriptions are all in force. */
unsigned hub_counters_up(const struct hub_counters *counters);

#endif
