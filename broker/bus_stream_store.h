/*
 * What connection state recovery needs from Redis in addition to the messages of the bus: commands with answers,
 * such as those that store a session, and reading back in the stream of a namespace. Only the form with streams
 * (bus_streams.c) provides it.
 *
 * The commands are sent in order on a connection of their own. While it is not established, each command waits for
 * at most its wait_ms. Calls go down; answers come up from the loop, never from inside a call.
 */
#ifndef BROKER_BUS_STREAM_STORE_H
#define BROKER_BUS_STREAM_STORE_H

#include "broker/bus_form.h"
#include "broker/resp_tree.h"
#include "broker/wire_stream.h"

#define BUS_STREAM_PREFIX_MAX 1024 /* bytes of --redis-session-key-prefix */

struct bus_stream_command;

/* The caller owns the storage, which must stay valid until on_end is called or the question is cancelled. */
struct bus_stream_question {
	struct bus_stream_command *command; /* private; NULL: not asked, or ended */
	bool entries;			    /* the answer is a list of entries */
	/*
	 * The command may be sent again after the connection was lost, because repeating it has the same effect.
	 * Without this, it ends with ERROR_CLOSED.
	 */
	bool repeatable;
	bool reported;	  /* the caller reports it if the server refuses the command; otherwise the bus logs it */
	uint64_t wait_ms; /* how long the command may wait to be sent, and then for its answer */
	/* Called for each entry of the answer. May be NULL. */
	void (*on_entry)(struct bus_stream_question *question, const struct wire_stream_entry *entry);
	/*
	 * Called once. `error` is 0, ERROR_CLOSED (the connection was lost, or the server refused the command) or
	 * ERROR_TIMEOUT. `answer` is a status, an integer, a bulk string or nil; with `entries`, the head of the
	 * list. After an error, it is the error of the server, or NULL. The callee may free the question.
	 */
	void (*on_end)(struct bus_stream_question *question, int error, const struct resp_item *answer);
};

struct bus_stream_store {
	/* Returns false if the store is not available, because the server is a Redis Cluster. */
	bool (*possible)(const struct bus_end *end);
	/* Opens the connection. Called once, before the other functions. */
	void (*open)(struct bus_end *end);
	/*
	 * Queues a command and copies its arguments. Returns 0, ERROR_TOO_BIG or ERROR_MEMORY; after an error,
	 * nothing is called. `question` NULL: the answer is ignored, and the command is repeatable.
	 */
	int (*ask)(
		struct bus_end *end, struct bus_stream_question *question, unsigned count, const struct text *args);
	void (*cancel)(struct bus_end *end, struct bus_stream_question *question); /* on_end is not called */
	/* Returns the name of the stream of a member, valid until the next call of the form. */
	struct text (*stream)(struct bus_end *end, const struct bus_member *member);
	/*
	 * Returns the id of the last delivered entry of the member's stream. While on_message() or on_own() runs,
	 * this is the entry before.
	 */
	struct wire_stream_id (*position)(const struct bus_end *end, const struct bus_member *member);
	/*
	 * Returns the channel whose messages reach on_direct() of the node with this uid. Valid as long as the name.
	 */
	struct text (*channel)(struct bus_end *end, const struct bus_member *member, struct text uid);
	/* Returns PUBLISH or SPUBLISH. */
	struct text (*publish_command)(const struct bus_end *end);
	/* Returns the number of the newest entry that this node has added. */
	uint64_t (*number)(const struct bus_end *end);
	/*
	 * As publish() for a broadcast. The entry carries `number`, which must be greater than number(). on_own() is
	 * called when this node reads the entry.
	 */
	int (*add)(struct bus_end *end, const struct bus_member *member, struct block *payload, uint64_t number);
	/* As streams_repeats_had(), for the member's stream. */
	int (*had)(const struct bus_end *end, const struct bus_member *member, uint64_t entry, uint64_t from);
	/* Returns true if this node can be expected to read back an added event within moments. */
	bool (*up)(const struct bus_end *end);
	/*
	 * Returns false while other nodes may be on their way back to the server: this node is not connected, or was
	 * connected again moments ago. A channel without subscribers does not show then that its node is dead.
	 */
	bool (*gathered)(const struct bus_end *end);
	struct text (*prefix)(const struct bus_end *end); /* prefix of the keys of sessions */
};

#define BUS_STREAM_DIRECT 0xC1 /* first byte of messages to on_direct(); no MessagePack value begins with it */

#endif
