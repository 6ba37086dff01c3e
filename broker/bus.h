/*
 * Publish and subscribe between processes: a client of a Redis server, or of the hub of this machine, which speaks
 * the pub/sub part of the same protocol over a unix socket (hub.h).
 *
 * Two connections: one for commands (PUBLISH, PUBSUB NUMSUB), one for subscriptions. Whoever is away is tried again
 * with a growing, jittered pause, for ever. After each connect every subscription is renewed, then the path is
 * proven by a message to oneself on a channel of one's own; only then is the bus "up". While it is up the proof is
 * repeated (lag, and an alarm when a message does not come back: the connections are then made anew).
 *
 * Calls go down, messages come up by bus_subscription.on_message and bus_ops.on_state, from the loop, never from
 * within a call down. Publishes of one turn leave in one write. While the bus is not up, publishes wait, at most
 * `max_queue` bytes: beyond, the oldest are dropped and counted. What was written and not answered when a connection
 * broke is not sent again (at most once); it is counted as uncertain.
 */
#ifndef BROKER_BUS_H
#define BROKER_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/table.h"
#include "common/base/text.h"
#include "common/io/loop.h"

struct bus;

#define BUS_ERROR_MAX 512

struct bus_options {
	const char *url;     /* redis://[user[:password]@]host[:port][/db], rediss://...,
				unix:///path[?db=N][&user=..&password=..], or "hub:NAME", an     abstract unix socket */
	const char *key;     /* prefix of every channel, the self-message's too; "socket.io" */
	const char *ca_file; /* PEM to check a rediss:// server against; NULL: the system's */
	uint64_t max_queue;  /* bytes of publishes that wait */
	uint64_t check_ms;   /* how often the path is proven while up; 0: 5000 */
	uint64_t timeout_ms; /* connecting, answers to commands, the self-message; 0: 5000 */
};

/* Up when every subscription is in force and the path is proven. Called on each change. */
struct bus_ops {
	void (*on_state)(void *arg, bool up);
};

/* 0, or ERROR_ARGUMENT / ERROR_TLS with one line in `error`. Options are copied. Connecting begins at the end of the
 * turn. */
int bus_open(struct bus **out, struct loop *l, const struct bus_options *o, const struct bus_ops *ops, void *arg,
	char error[BUS_ERROR_MAX]);

/*
 * What waits is sent for as long as `flush_ms` (0: dropped at once), then the connections end. `closed` (may be NULL)
 * is called once, from the loop, after which the bus is gone. Subscriptions must have been removed before.
 */
void bus_close(struct bus *b, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

/* Queues a message; the block is referenced. Never fails: see max_queue. */
void bus_publish(struct bus *b, struct text channel, struct block *payload);

/* A channel or a prefix of channels that is listened to. The caller's storage; in the bus until bus_unsubscribe(). */
struct bus_subscription {
	struct table_node node;
	struct list link; /* private */
	struct text name; /* the caller's bytes, which live as long; of a prefix without the "*" */
	bool prefix;	  /* every channel that begins with `name`: a pattern in which all else is escaped */
	/* `payload` is good during the call only. The subscription may be removed in it. */
	void (*on_message)(struct bus_subscription *s, struct text channel, struct text payload);
};

/* At most one subscription per name and kind (must). */
void bus_subscribe(struct bus *b, struct bus_subscription *s);
void bus_unsubscribe(struct bus *b, struct bus_subscription *s);

/*
 * PUBSUB NUMSUB: how many subscribe to `channel`. The caller's storage; `answer` is called once from the loop with
 * the count, or ERROR_CLOSED: the bus is not up, or went down before the answer. bus_count_cancel() forgets it.
 */
struct bus_count {
	struct list link;
	struct bus_count **slot; /* private */
	void (*answer)(struct bus_count *c, int64_t count);
};
void bus_count_init(struct bus_count *c, void (*answer)(struct bus_count *c, int64_t count));
void bus_count(struct bus *b, struct bus_count *c, struct text channel);
void bus_count_cancel(struct bus_count *c); /* harmless when not waiting */

/* Messages reach the others now: every subscription stands, and one to oneself came back. */
bool bus_up(const struct bus *b);

struct bus_stats {
	uint64_t published, received; /* messages */
	uint64_t bytes_published, bytes_received;
	uint64_t dropped;	   /* publishes that did not fit max_queue */
	uint64_t uncertain;	   /* written and not answered when a connection broke */
	uint64_t malformed;	   /* connections ended because the server's bytes made no sense */
	uint64_t connects, alarms; /* connections made; self-messages that did not come back */
	uint64_t queue_bytes;	   /* waiting now */
	uint64_t lag_us;	   /* of the last self-message */
	bool up;
};
void bus_stats(const struct bus *b, struct bus_stats *out);

#endif
