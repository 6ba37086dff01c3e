/*
 * The hub provides pub/sub for the workers of one machine, so that several workers do not need Redis. It speaks the
 * part of the Redis protocol (RESP 2) that the bus uses: PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE and PUNSUBSCRIBE
 * for prefixes ("name*", with escapes), PUBSUB NUMSUB and PING. It answers other commands with an error. The hub
 * stores no messages, unless it keeps the history of rooms (hub_history.h). It closes the connection of a worker that
 * does not read once `max_queue` bytes wait for it; the worker then reconnects.
 *
 * With Redis, the hub may have the machine's ear (hub_ear.h): workers publish to Redis and subscribe through the hub,
 * which subscribes at Redis once for all of them. PUBLISH and PUBSUB are then unknown commands. A subscription is
 * confirmed when Redis has confirmed it. CSUBSCRIBE is a SUBSCRIBE by which other servers count the worker, so that
 * PUBSUB NUMSUB at Redis counts each worker and not the hub. When the hub no longer hears Redis, it ends the
 * connections of the workers, after the messages that are queued for them.
 *
 * The hub accepts only processes of its own user (SO_PEERCRED).
 */
#ifndef BROKER_HUB_H
#define BROKER_HUB_H

#include <stdint.h>

#include "broker/bus_form.h"
#include "broker/bus_url.h"
#include "common/io/loop.h"

struct hub;

struct hub_ear_options {
	struct bus_url *server;	  /* Redis; ownership passes to the hub; left empty */
	struct bus_access access; /* copied */
	const char *key;	  /* prefix of the check message's channel */
	bool beside_log;	  /* the workers keep a log, see bus.h */
	uint64_t refresh_ms;	  /* see bus.h */
	uint64_t check_ms;	  /* interval of check messages while up; 0: 5000 */
	uint64_t timeout_ms;	  /* limit for connecting, answers and check messages; 0: 5000 */
};

/*
 * Subscriptions of one worker. The options redisRoutingMax and maxChildren limit what a worker subscribes to, and the
 * hub must accept everything that they allow. This limit only stops a worker that misbehaves.
 */
#define HUB_SUBSCRIPTIONS_MAX (1u << 26)

/*
 * What remembers recorded events for the workers (connection state recovery). It sees each message that is published,
 * before the subscribers get it. See bus_keep.h for the form of the messages.
 */
struct hub_keeper {
	/* Returns the number of the event, which goes before the payload; 0: none. */
	uint64_t (*record)(void *arg, uint64_t origin, uint64_t local, struct text payload);
	/* A message for the keeper. `worker` tells the connections of workers apart. */
	void (*receive)(void *arg, const void *worker, struct text message);
	void (*gone)(void *arg, const void *worker); /* that connection has ended */
	void *arg;
	const char *channel; /* of the keeper */
};

struct hub_options {
	uint64_t max_queue;	    /* maximum bytes waiting for one worker; beyond, its connection is closed */
	uint64_t max_message;	    /* maximum bytes of one command */
	uint32_t max_subscriptions; /* of one worker, for tests; 0: HUB_SUBSCRIPTIONS_MAX */
	const struct hub_ear_options *ear; /* NULL: workers publish to the hub */
	const struct hub_keeper *keeper;   /* copied; NULL: none */
	uint64_t history_max_bytes;	   /* of the history of rooms (hub_history.h); 0: none is kept */
};

struct hub_stats {
	uint64_t messages, deliveries, bytes, refused, cut_off;
	uint32_t clients, subscriptions; /* workers; subscriptions of all workers */
	uint32_t topics;		 /* channels and prefixes that at least one worker subscribes to */
	/* With an ear: */
	uint32_t counting;    /* connections in force by which Redis counts workers: see hub_counters.h */
	struct bus_stats bus; /* the connection to Redis */
};

/*
 * Opens a listening unix socket with an abstract name chosen by the kernel. The master calls this before it forks.
 * Returns the non-blocking descriptor, which stays open across exec, and writes the socket's name to `name`; or
 * ERROR_SYSTEM with errno set.
 */
#define HUB_NAME_MAX 64
int hub_listen(char name[HUB_NAME_MAX]);

/* Starts to serve on a descriptor of hub_listen(), which the hub then owns. */
struct hub *hub_new(struct loop *l, int listening_fd, const struct hub_options *options);
struct history_table;
/* Returns the history of rooms, or NULL if the hub keeps none. */
const struct history_table *hub_history_table(const struct hub *hub);
/* Publishes a message of the keeper to the workers that subscribe to the channel. */
void hub_send(struct hub *hub, struct text channel, struct text message);
/* Writes the counters and the current numbers of workers, subscriptions and topics to `out`. */
void hub_stats(const struct hub *hub, struct hub_stats *out);
/* Closes all connections, which are freed at the end of the turn, and frees the hub. NULL is accepted. */
void hub_free(struct hub *hub);

#endif
