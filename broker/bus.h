/*
 * A client for publish and subscribe by channel name. It connects to a Redis server or to the hub of this machine
 * (hub.h), which speaks the same protocol over a unix socket. The forms of a bus (bus_form.h) are built on it.
 *
 * The bus has two connections: one for commands (PUBLISH, PUBSUB NUMSUB) and one for subscriptions. A sharded bus
 * uses the commands of sharded publish and subscribe instead (SPUBLISH, PUBSUB SHARDNUMSUB, SSUBSCRIBE). If one
 * connection is lost, the other stays in use, so messages still arrive while publishes wait. The bus reconnects until
 * it succeeds, with a growing, jittered pause between attempts. After each connect it renews every subscription. Then
 * it publishes a check message to a channel of its own; once that message has come back, the bus is "up". While up it
 * repeats the check to measure the lag. If a check message does not come back, the bus raises an alarm and reopens
 * both connections.
 *
 * Calls go down. Messages come up through bus_subscription and bus_ops, always from the loop and never from inside a
 * downward call. All publishes of one turn leave in one write. While the bus is not up, publishes wait in a queue of
 * at most `max_queue` bytes. If the queue is full, the oldest publishes are dropped and counted; a single publish
 * larger than the queue is refused. Publishes that have waited longer than `max_age_ms` are dropped, at the latest
 * when it is their turn. After an outage they also wait until the other nodes are back (bus_settle.c). Delivery is at
 * most once: a publish that was written but not answered before the connection broke is not sent again, and is
 * counted as uncertain.
 */
#ifndef BROKER_BUS_H
#define BROKER_BUS_H

#include "broker/bus_form.h"
#include "broker/bus_url.h"
#include "common/base/table.h"

struct bus;

struct bus_options {
	struct bus_url *server; /* ownership passes to the bus; left empty */
	const char *ear;	/* name of the hub (hub.h) to subscribe through; NULL: at the server itself */
	const char *event;	/* event of the log lines about the state; NULL: "bus" */
	const struct bus_access *access; /* copied; NULL: the server needs no password and no TLS */
	/*
	 * ask the server whether it is a replica, or cut off from its cluster; such a server is treated as down
	 */
	bool replicated;
	bool sharded;	       /* use sharded publish and subscribe (Redis 7), which has no prefixes */
	const char *key;       /* prefix of the check message's channel */
	const char *check_tag; /* in braces in its name, which decides on its slot in a cluster; NULL: none */
	uint64_t max_queue;    /* maximum bytes of waiting publishes */
	uint64_t max_age_ms;   /* how long a publish may wait; an older one is dropped. 0: no limit */
	/*
	 * A publish waits until the server has confirmed the subscriptions that were asked for before it. A reaction
	 * of another node to the publish then finds them in force.
	 */
	bool ordered;
	uint64_t settle_ms;	/* after an outage, how long publishes may wait for the other nodes; 0: not at all */
	struct text members;	/* channel that every node subscribes to, by which nodes are counted; copied */
	uint64_t refresh_ms;	/* interval of questions about the members of a Redis Cluster; 0: 30000 */
	unsigned max_redirects; /* redirections of one slot before the members are asked again; 0: 5 */
	uint64_t log_length;	/* messages that the log keeps (bus_log.h); 0: nothing is recorded */
	/*
	 * Other buses keep a log under `key`. In a Redis Cluster, this bus then hears them at the master that has the
	 * log, because what the members pass on to one another may get lost.
	 */
	bool beside_log;
	bool sealed;	     /* recorded messages are sealed (seal.h) */
	uint64_t check_ms;   /* interval of check messages while up; 0: 5000 */
	uint64_t timeout_ms; /* limit for connecting, for answers to commands and for check messages; 0: 5000 */
};

struct bus_subscription;

struct bus_ops {
	/* The bus has failed, so bus_awaits() no longer holds for any subscription. May be NULL. */
	void (*on_hopeless)(void *arg);
	/*
	 * The server has stopped sending messages, because the subscription link is lost or given up. The bus
	 * subscribes again after the next connect. The callee may remove subscriptions. May be NULL.
	 */
	void (*on_deaf)(void *arg);
	/* The bus has come up, see bus_up(). May be NULL. */
	void (*on_up)(void *arg);

	/* For the members of a Redis Cluster (shards.h). All are NULL otherwise. */

	/*
	 * The bus has come up, or has sent waiting publishes and bus_flows() is true, which it may have been before.
	 */
	void (*on_flow)(void *arg);
	/*
	 * A publish was accepted, or refused with `error`; in the order of bus_publish(). Returns false if the error
	 * is a fault of the server, which takes the bus down. The callee has kept the publish.
	 */
	bool (*on_published)(void *arg, struct text error);
	/* The publishes that have no answer yet will not get one. */
	void (*on_unanswered)(void *arg);
	/* The server has refused a subscription or a check message, because the slot has moved (cluster_map.h). */
	void (*on_moved)(void *arg, struct text error);
	/* The server has ended a confirmed subscription by itself, because its slot has moved. */
	void (*on_ended)(void *arg, struct bus_subscription *subscription);
};

/* The bus starts to connect at the end of the turn. `ops` must outlive the bus. */
struct bus *bus_open(struct loop *l, const struct bus_options *options, const struct bus_ops *ops, void *arg);

/*
 * Sends waiting publishes for up to `flush_ms` milliseconds (0: drops them at once), then closes both connections.
 * Then the bus is freed and `closed` (may be NULL) is called once from the loop. The caller must have removed its
 * subscriptions.
 */
void bus_close(struct bus *bus, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

/*
 * Queues a message and references its block. Returns 0, ERROR_TOO_BIG if the message would have to wait and is larger
 * than max_queue, ERROR_MEMORY, or ERROR_CLOSED after bus_close().
 */
int bus_publish(struct bus *bus, struct text channel, struct block *payload);

/*
 * Publishes a message about this node itself, which must not wait: returns false if it would have to. Such messages
 * are not counted. If the server refuses them, the bus goes on without them.
 */
bool bus_announce(struct bus *bus, struct text channel, struct block *payload);
/* Returns true if a publish would be sent at once, or wait only for a confirmation or the end of this turn. */
bool bus_flows(const struct bus *bus);

/*
 * As bus_publish(), and records the message in the log if the bus has one, so that it is delivered once to every node
 * that was connected before. Recorded messages are neither lost nor doubled if a connection breaks.
 * `event`: its number among the events that connection state recovery replays, which the caller counts without gaps;
 * 0: it is not one.
 */
int bus_record(struct bus *bus, struct text channel, struct block *payload, uint64_t event);

/*
 * A subscription to one channel or to all channels with a prefix. The caller owns the storage, which must stay valid
 * until bus_unsubscribe().
 */
struct bus_subscription {
	struct table_node node;
	struct list link; /* private: in `unsent` or `unconfirmed` */
	uint64_t number;  /* private: number of the SUBSCRIBE on this connection; 0: not sent */
	/* points to the caller's bytes, which must outlive the subscription; of a prefix, without the "*" */
	struct text name;
	/*
	 * match every channel that begins with `name`; sent as a pattern with special characters escaped. A sharded
	 * bus accepts no prefixes (checked by must()).
	 */
	bool prefix;
	bool counted; /* bus_count() counts nodes by this subscription; the hub makes it count for each worker (hub.h)
		       */
	bool confirmed; /* confirmed by the server on the current connection */
	/*
	 * About the nodes themselves: its messages are not counted, and the bus is up although the server refuses the
	 * subscription
	 */
	bool aside;
	uint32_t ticket; /* private: see bus_hear.c */
	uint64_t since;	 /* private: time from which on messages of the log are delivered (bus_log.h) */
	/*
	 * the block with the payload of the message that is being delivered, as in struct resp; NULL: it was not
	 * collected in a block
	 */
	struct block *block;
	/* `payload` is valid during the call only. The callee may remove the subscription. */
	void (*on_message)(struct bus_subscription *subscription, struct text channel, struct text payload);
	void (*on_confirmed)(struct bus_subscription *subscription); /* may be NULL */
	/*
	 * The server does not allow this subscription; `error` is its error, `why` one line of text for the log. The
	 * callee removes the subscription. NULL: a refusal takes the bus down.
	 */
	void (*on_refused)(struct bus_subscription *subscription, struct text error, const char *why);
};

/* Returns the subscription to exactly this channel, prefixes excluded, or NULL. */
struct bus_subscription *bus_find(const struct bus *bus, struct text channel);

/* Only one subscription per name and kind may exist (checked by must()). */
void bus_subscribe(struct bus *bus, struct bus_subscription *subscription);
void bus_unsubscribe(struct bus *bus, struct bus_subscription *subscription);

/*
 * Returns true if the subscription is not confirmed yet but should be soon: the bus is up, or it is connecting for
 * the first time and has not failed. The wait ends with on_confirmed or on_hopeless.
 */
bool bus_awaits(const struct bus *bus, const struct bus_subscription *subscription);

/*
 * Waits until the server has confirmed all subscriptions asked for so far. Returns false, and does nothing, if it has
 * done so or the subscription link is not connected. Otherwise wait->over is called later, see struct bus_wait. A
 * wait that is under way begins again. `wait` NULL: nothing begins.
 */
bool bus_wait(struct bus *bus, struct bus_wait *wait);

/* Asks how many clients subscribe to `channel` (PUBSUB NUMSUB). See struct bus_count. */
void bus_count(struct bus *bus, struct bus_count *query, struct text channel);
/* The same for the other kind of channels: for sharded ones, if the bus is not sharded, and the other way round. */
void bus_count_other(struct bus *bus, struct bus_count *query, struct text channel);

/*
 * Returns true if messages reach the other nodes: every subscription is confirmed and a check message has come back.
 */
bool bus_up(const struct bus *bus);

/*
 * Returns true if messages may have been missed that the bus will read from its log. Joins are then to be reported by
 * bus_room_appeared().
 */
bool bus_recovers(const struct bus *bus);
/*
 * The room with this channel has got its first socket on this node, or has lost its last one. Messages that are
 * older than the first socket are not delivered from the log to the room.
 */
void bus_room_appeared(struct bus *bus, struct text channel);
void bus_room_empty(struct bus *bus, struct text channel);

void bus_stats(const struct bus *bus, struct bus_stats *out);

struct bus_link;
struct bus_link_ops;
/*
 * Initialises another link (bus_link.h) with the login of the bus. Each connect of the link leads to the server that
 * the bus uses at that moment, so the caller opens the link only while the bus has a server. The caller closes the
 * link before the bus is freed.
 */
void bus_init_side_link(struct bus *bus, struct bus_link *link, const struct bus_link_ops *ops, void *arg);

#endif
