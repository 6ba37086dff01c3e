/*
 * What connection state recovery needs from a Redis server with a log (bus_log.h), in addition to publish and
 * subscribe: this node's place in the log, and scripts that the server runs in one step. Scripts are sent on the
 * command link, after the messages that were sent before. If recovery is off, this file is not used.
 */
#ifndef BROKER_BUS_STORE_H
#define BROKER_BUS_STORE_H

#include "broker/bus_record.h"
#include "common/base/list.h"

struct bus;

/* How far this node has received the messages of the log. */
struct bus_point {
	/* everything up to this entry was delivered, and after it everything up to the message (sender, number) */
	struct bus_position position;
	uint64_t number; /* 0: no message after the position */
	char sender[BUS_SENDER_LENGTH];

	uint64_t event; /* struct bus_stamp.event of the message in delivery */
	bool recorded;	/* the message in delivery is in the log */
	/* this node's events (bus_record()) without an answer from the server; all come after `floor` */
	uint64_t open;
	struct bus_position floor;
	bool behind;	  /* the subscription link was lost, and the node has not caught up yet */
	uint64_t gaps;	  /* grows when messages may have been missed */
	const char *self; /* the sender in this node's stamps, BUS_SENDER_LENGTH bytes */
};

/* A script. It must outlive the bus. bus_script_init() initialises it. */
struct bus_script {
	struct text text;
	char sha[40];
	uint64_t connection; /* private: the connection that has loaded the script */
};

void bus_script_init(struct bus_script *script, struct text text);

/*
 * A call that waits for its answer. The caller owns the storage. `answer` is called once, from the loop, unless the
 * call is cancelled.
 */
struct bus_call {
	struct list link;
	struct bus_call **slot; /* private */
	/*
	 * `error` is 0, ERROR_CLOSED (the bus is down or was lost, or the server cannot be used now or has forgotten
	 * the script; the script may or may not have run), or ERROR_UNSUPPORTED (the server refused the script).
	 * `value` is the bulk string, or the text of the refusal.
	 */
	void (*answer)(struct bus_call *call, int error, struct text value);
};

void bus_call_init(struct bus_call *call, void (*answer)(struct bus_call *call, int error, struct text value));
void bus_call_cancel(struct bus_call *call); /* does nothing if no answer is awaited */

/*
 * Fills in how far this node has received the log. Returns false if the server keeps no log, or if its newest entry
 * is still unknown.
 */
bool bus_store_point(const struct bus *bus, struct bus_point *out);
/* Returns true if a script that is called now is sent. */
bool bus_store_up(const struct bus *bus);
/*
 * Notes that this node has received everything up to this entry. A script has read the entry and published a message
 * in one step, and that message has arrived.
 */
void bus_store_reached(struct bus *bus, struct bus_position entry);
/*
 * Returns the number of this node's last event that was sent on this connection. A script that is sent now finds
 * this event and all earlier ones in the log. `*waits` tells whether later events wait to be sent.
 */
uint64_t bus_store_sent(const struct bus *bus, bool *waits);
/* Returns the key of the stream, with a final NUL. */
const char *bus_store_stream(const struct bus *bus);
/* Returns what the names of further keys must begin with, so that a Redis Cluster has them where it has the stream.
 */
#define BUS_STORE_PREFIX_MAX 480 /* bytes: "{", a key of BUS_LOG_KEY_MAX bytes, "-log}" */
struct text bus_store_key_prefix(const struct bus *bus);
/*
 * Counts the subscribers of a channel at all members of a Redis Cluster. Returns false without an answer if the
 * server is not in a cluster: a script can count them itself then. `channel` is copied.
 */
struct bus_count;
bool bus_store_count(struct bus *bus, struct bus_count *query, struct text channel);
/*
 * Runs a script. `args` are copied: `key_count` keys, then the arguments, `count` together. `call` NULL: the answer
 * is ignored.
 */
void bus_store_call(struct bus *bus, struct bus_script *script, unsigned key_count, const struct text *args,
	unsigned count, struct bus_call *call);

#endif
