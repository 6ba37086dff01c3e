/*
 * What connection state recovery needs of a Redis server with a log (bus_log.h), beside publish and subscribe: the
 * place of this node in the log, and scripts that run in one step at the server. They go by the command link, behind
 * the messages that were sent before. Nothing of this file is used if recovery is off.
 */
#ifndef BROKER_BUS_STORE_H
#define BROKER_BUS_STORE_H

#include "broker/bus_record.h"
#include "common/base/list.h"

struct bus;

/* How far this node has heard the log. */
struct bus_point {
	/* everything up to this entry was delivered, and everything up to the message (sender, number) behind it */
	struct bus_position position;
	uint64_t number; /* 0: no message behind the position */
	char sender[BUS_SENDER_LENGTH];

	uint64_t event; /* struct bus_stamp.event of the message that is being delivered */
	/* own events (bus_record()) that the server has not answered yet; all are behind `floor` */
	uint64_t open;
	struct bus_position floor;
	bool behind;	  /* the subscription link was lost, and the node has not caught up yet */
	uint64_t gaps;	  /* grows when messages may have been missed */
	const char *self; /* the sender in the stamps of this node; BUS_SENDER_LENGTH bytes */
};

/* A script, static or with a longer life than the bus. Initialise it by bus_script_init(). */
struct bus_script {
	struct text text;
	char sha[40];
	uint64_t connection; /* that has loaded the script; private */
};

void bus_script_init(struct bus_script *script, struct text text);

/* A call under way. The caller owns the storage. `answer` is called once from the loop unless it is cancelled. */
struct bus_call {
	struct list link;
	struct bus_call **slot; /* private */
	/*
	 * `error`: 0; ERROR_CLOSED if the bus is not up or was lost, so it is unknown whether the script has run; or
	 * ERROR_UNSUPPORTED if the server has refused it. `value`: the bulk string, or the text of the refusal.
	 */
	void (*answer)(struct bus_call *call, int error, struct text value);
};

void bus_call_init(struct bus_call *call, void (*answer)(struct bus_call *call, int error, struct text value));
void bus_call_cancel(struct bus_call *call); /* does nothing if it is not under way */

/* Returns false if the server of this bus keeps no log, or has not told its newest entry yet. */
bool bus_store_point(const struct bus *bus, struct bus_point *out);
/*
 * Everything up to this entry has been heard, because a message that was published later in one step with the reading
 * of the entry has come.
 */
void bus_store_reached(struct bus *bus, struct bus_position entry);
/*
 * Returns the number of the last own event that was sent on this connection, so that a script which is sent now finds
 * it in the log, and all events before it. `*waits` tells whether later ones wait to be sent.
 */
uint64_t bus_store_sent(const struct bus *bus, bool *waits);
/* The key of the stream, with a NUL. */
const char *bus_store_stream(const struct bus *bus);
/*
 * Runs a script. `args` are copied: the keys, `key_count` of them, then the arguments. `call` NULL: nobody wants the
 * answer.
 */
void bus_store_call(struct bus *bus, struct bus_script *script, unsigned key_count, const struct text *args,
	unsigned count, struct bus_call *call);

#endif
