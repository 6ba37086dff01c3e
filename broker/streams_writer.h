/*
 * Adds this node's messages to the streams, with XADD on a connection of its own, in the order given. A message is
 * kept until the server has answered it. If the connection is lost, some messages may be written although their
 * answer never came. Before the writer goes on, it searches the streams for these messages and sends only those that
 * it does not find. A message is therefore added once, even if the server restarts, as long as the server keeps its
 * data.
 *
 *   1. The server is the same process as before (its run id says so): the writer ends its old connection, whose
 *      commands the server might still read (CLIENT KILL).
 *   2. It reads the entries that may be unanswered messages and compares them with those messages. It begins after
 *      the last answered entry, or after the last one that the node had read when it sent the first of them.
 *   3. If that entry is gone but newer entries are there, the writer cannot know whether the messages before the last
 *      one that it has found were written. It drops them and counts them as uncertain.
 *
 * Redis answers before its replica has the entry. So the writer keeps messages for some time after the answer. If
 * another process becomes the server, the writer looks for the kept messages, too. It adds the missing ones in their
 * order, before all others. The other nodes may have read them, and drop the copies (streams_repeats.h).
 *
 * Messages wait in a queue of at most `max_queue` bytes; if it is full, the oldest are dropped and counted. If the
 * server refuses a message (memory is full, or the user may not write), all wait, and the writer tries one message at
 * a time until the server accepts it.
 *
 * The writer connects when its owner says so, as the reader does (streams_reader.h).
 */
#ifndef BROKER_STREAMS_WRITER_H
#define BROKER_STREAMS_WRITER_H

#include "broker/streams_server.h"
#include "broker/wire_stream.h"

struct streams_writer;

struct streams_writer_options {
	const struct text *names; /* of the streams; copied */
	unsigned count;
	uint64_t max_queue;  /* maximum bytes of waiting messages */
	uint64_t max_age_ms; /* how long a message may wait; 0: no limit */
	uint64_t timeout_ms; /* for connecting and for answers */
};

struct streams_writer_ops {
	/* Returns false if an entry is certainly not one of this node's messages. */
	bool (*may_own)(void *arg, const struct wire_stream_entry *entry);
	/* Returns the id of the last entry that this node has read from the stream, or 0-0. */
	struct wire_stream_id (*last_read)(void *arg, unsigned stream);
	/*
	 * Returns the bytes that count against max_queue: those of this writer, and of others that share the limit.
	 */
	uint64_t (*waiting)(void *arg);
	/*
	 * The connection is lost. `refusal` is the server's error if it has refused a message; otherwise TEXT_NONE.
	 */
	void (*on_lost)(void *arg, struct text refusal, const char *why);
	/* The server has accepted a message after a refusal, or the writer may write again. */
	void (*on_accepted)(void *arg);
};

/* What `server` points to, and `ops`, must outlive the writer. */
struct streams_writer *streams_writer_new(struct loop *l, const struct streams_server *server,
	const struct streams_writer_options *options, const struct streams_writer_ops *ops, void *arg);
void streams_writer_free(struct streams_writer *writer);

/* As streams_reader_connect() and streams_reader_rest(). */
void streams_writer_connect(struct streams_writer *writer);
void streams_writer_rest(struct streams_writer *writer);

/*
 * Queues a message for the stream at `stream` in the names. `command` is the XADD command in RESP, whose fields begin
 * at `fields`; the block is referenced. Returns 0, ERROR_TOO_BIG if it is larger than max_queue and would have to
 * wait, ERROR_MEMORY, or ERROR_CLOSED after streams_writer_close().
 */
int streams_writer_add(struct streams_writer *writer, unsigned stream, struct block *command, size_t fields);

/*
 * Waits for the answers to all messages for up to `flush_ms` milliseconds, then closes the connection and calls
 * `closed` from the loop. What was not answered is counted as uncertain or dropped.
 */
void streams_writer_close(
	struct streams_writer *writer, uint64_t flush_ms, void (*closed)(void *arg, uint64_t left_ms), void *arg);

/* Returns true if the writer is connected and the server accepts messages. */
bool streams_writer_writes(const struct streams_writer *writer);
/* Returns true if a message would leave now. */
bool streams_writer_flows(const struct streams_writer *writer);
/* Returns the bytes of the messages that wait to be sent. */
uint64_t streams_writer_waiting(const struct streams_writer *writer);
/* Adds the writer's counters. */
void streams_writer_stats(const struct streams_writer *writer, struct bus_stats *out);

#endif
