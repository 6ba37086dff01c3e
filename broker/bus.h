/*
 * Publish and subscribe by named channels: a client of a Redis server, or of the hub of this machine, which speaks
 * the pub/sub part of the same protocol over a unix socket (hub.h). The forms of a bus (bus_form.h) stand on it.
 *
 * Two connections: one for commands (PUBLISH, PUBSUB NUMSUB), one for subscriptions. When one is lost the other
 * stays: messages go on coming in while publishes wait. Whoever is away is tried again with a growing, jittered
 * pause, for ever. After each connect every subscription is renewed, then the path is proven by a message to oneself
 * on a channel of one's own; only then is the bus "up". While it is up the proof is repeated (lag, and an alarm when
 * a message does not come back: the connections are then made anew).
 *
 * Calls go down, messages come up by bus_subscription and bus_ops, from the loop, never from within a call down.
 * Publishes of one turn leave in one write. While the bus is not up, publishes wait, at most `max_queue` bytes:
 * beyond, the oldest are dropped and counted; one that is larger than all of it is refused. What was written and not
 * answered when a connection broke is not sent again (at most once); it is counted as uncertain.
 */
#ifndef BROKER_BUS_H
#define BROKER_BUS_H

#include "broker/bus_form.h"
#include "broker/bus_url.h"
#include "common/base/table.h"

struct bus;
struct tls_context;

struct bus_options {
	struct bus_url *server;	 /* taken, and left empty */
	struct tls_context *tls; /* taken; NULL: plain */
	bool replicated;	 /* the server may be a replica, which is as good as down: it is asked */
	const char *key;	 /* prefix of the self-message's channel */
	uint64_t max_queue;	 /* bytes of publishes that wait */
	uint64_t check_ms;	 /* how often the path is proven while up; 0: 5000 */
	uint64_t timeout_ms;	 /* connecting, answers to commands, the self-message; 0: 5000 */
};

struct bus_ops {
	/* A subscription need not be waited for any more (bus_awaits()), because the bus has failed. */
	void (*on_hopeless)(void *arg);
};

/* Connecting begins at the end of the turn. */
struct bus *bus_open(struct loop *l, const struct bus_options *o, const struct bus_ops *ops, void *arg);

/*
 * What waits is sent for as long as `flush_ms` (0: dropped at once), then the connections end. `closed` (may be NULL)
 * is called once, from the loop, after which the bus is gone. Subscriptions must have been removed before.
 */
void bus_close(struct bus *b, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

/* Queues a message; the block is referenced. 0; ERROR_TOO_BIG: it would have to wait and is larger than max_queue. */
int bus_publish(struct bus *b, struct text channel, struct block *payload);

/* A channel or a prefix of channels that is listened to. The caller's storage; in the bus until bus_unsubscribe(). */
struct bus_subscription {
	struct table_node node;
	struct list link; /* private: not sent yet, or sent and not confirmed */
	uint64_t number;  /* private: of the command, on this connection; 0: not sent */
	struct text name; /* the caller's bytes, which live as long; of a prefix without the "*" */
	bool prefix;	  /* every channel that begins with `name`: a pattern in which all else is escaped */
	bool confirmed;	  /* by the server, since the bus was last connected */
	/* `payload` is good during the call only. The subscription may be removed in it. */
	void (*on_message)(struct bus_subscription *s, struct text channel, struct text payload);
	void (*on_confirmed)(struct bus_subscription *s); /* NULL: nobody waits for it */
};

/* At most one subscription per name and kind (must). */
void bus_subscribe(struct bus *b, struct bus_subscription *s);
void bus_unsubscribe(struct bus *b, struct bus_subscription *s);

/*
 * Is the subscription about to be confirmed? True while it is not and the bus is up, or is being connected for the
 * first time and has not failed yet. It ends by on_confirmed or on_hopeless.
 */
bool bus_awaits(const struct bus *b, const struct bus_subscription *s);

/* PUBSUB NUMSUB: how many subscribe to `channel`. See struct bus_count. */
void bus_count(struct bus *b, struct bus_count *c, struct text channel);

/* Messages reach the others now: every subscription stands, and one to oneself came back. */
bool bus_up(const struct bus *b);

void bus_stats(const struct bus *b, struct bus_stats *out);

#endif
