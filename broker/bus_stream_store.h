/*
 * What connection state recovery needs of Redis beside the messages of the bus: commands with answers, such as those
 * that store a session, and a look back into the stream of a namespace. Only the form with streams (bus_streams.c)
 * has it.
 *
 * The commands go over a connection of their own, in the order given. They wait while it is not there, for as long as
 * each of them allows. Calls go down; answers come up from the loop, never from inside a call.
 */
#ifndef BROKER_BUS_STREAM_STORE_H
#define BROKER_BUS_STREAM_STORE_H

#include "broker/bus_form.h"
#include "broker/resp_tree.h"
#include "broker/wire_stream.h"

struct bus_stream_command;

/* The caller owns the storage, which must stay valid until on_end is called or the question is cancelled. */
struct bus_stream_question {
	struct bus_stream_command *command; /* private; NULL: nothing is asked */
	bool entries;			    /* the answer is a list of entries */
	/*
	 * The command may be sent again after a connection was lost, because its effect is the same. Otherwise it
	 * ends with ERROR_CLOSED.
	 */
	bool repeatable;
	uint64_t wait_ms; /* how long it may wait to be sent, and then for its answer */
	/* An entry of the answer. May be NULL. */
	void (*on_entry)(struct bus_stream_question *question, const struct wire_stream_entry *entry);
	/*
	 * Called once. `error`: 0; ERROR_CLOSED: the connection was lost, or the server refused the command;
	 * ERROR_TIMEOUT. `answer`, which is NULL after an error, is a status, an integer, a bulk string or nil, or,
	 * if `entries` is set, the head of the list. The callee may free the question.
	 */
	void (*on_end)(struct bus_stream_question *question, int error, const struct resp_item *answer);
};

struct bus_stream_store {
	/* Returns false if there is no store: the server is a Redis Cluster. */
	bool (*possible)(const struct bus_end *end);
	/* Opens the connection. Called once, before the other functions. */
	void (*open)(struct bus_end *end);
	/*
	 * Queues a command, whose arguments are copied. Returns 0, or ERROR_TOO_BIG or ERROR_MEMORY, after which
	 * nothing is called. `question` NULL: nobody waits for the answer, and the command is repeatable.
	 */
	int (*ask)(
		struct bus_end *end, struct bus_stream_question *question, unsigned count, const struct text *args);
	void (*cancel)(struct bus_end *end, struct bus_stream_question *question); /* on_end is not called any more */
	/* Returns the name of the stream of a member, valid until the next call of the form. */
	struct text (*stream)(struct bus_end *end, const struct bus_member *member);
	/*
	 * Returns the id of the last entry of the member's stream that has been delivered: while on_message() or
	 * on_own() runs, the one before.
	 */
	struct wire_stream_id (*position)(const struct bus_end *end, const struct bus_member *member);
	/* Returns the channel on which the node with this uid receives what on_direct() gets. Valid as the name. */
	struct text (*channel)(struct bus_end *end, const struct bus_member *member, struct text uid);
	/* Returns PUBLISH or SPUBLISH. */
	struct text (*publish_command)(const struct bus_end *end);
	/* Returns the newest number of an entry that this node has added. */
	uint64_t (*number)(const struct bus_end *end);
	/*
	 * As publish() for a broadcast. The entry carries `number`, which is greater than number() before, and
	 * on_own() is called when this node reads it.
	 */
	int (*add)(struct bus_end *end, const struct bus_member *member, struct block *payload, uint64_t number);
	/* As streams_repeats_had(), in the member's stream. */
	int (*had)(const struct bus_end *end, const struct bus_member *member, uint64_t entry, uint64_t from);
	/* Returns true if an event that is added now would be read back within moments. */
	bool (*up)(const struct bus_end *end);
	struct text (*prefix)(const struct bus_end *end); /* of the keys of sessions */
};

#define BUS_STREAM_DIRECT 0xC1 /* first byte of what on_direct() gets; no MessagePack value begins with it */

#endif
