/*
 * Reads the entries that the nodes add to their streams, with XREAD BLOCK on a connection of its own. It keeps its
 * position in each stream over reconnects: after an outage it goes on after the last entry it has read, so it misses
 * nothing as long as the server still has the entries. If the entry at its position is gone, because the stream was
 * trimmed, emptied or restored from an older copy, entries may be missing. That is counted and logged as a gap.
 *
 * The reader begins after the newest entry that each stream has at the first connect. It connects when its owner says
 * so, which is when the server in use is known (streams_lanes.h). From then on, until streams_reader_rest(), the
 * reader reconnects after a pause whenever the connection is lost.
 */
#ifndef BROKER_STREAMS_READER_H
#define BROKER_STREAMS_READER_H

#include "broker/streams_server.h"
#include "broker/wire_stream.h"

struct streams_reader;

struct streams_reader_options {
	const struct text *names; /* of the streams; copied */
	unsigned count;
	unsigned read_count; /* maximum entries of one stream in an answer */
	uint64_t block_ms;   /* how long the server holds an answer until there are entries */
	uint64_t timeout_ms; /* for connecting and for late answers */
};

/* All are called from the loop. The callee may close the reader, but not free it. */
struct streams_reader_ops {
	void (*on_entry)(void *arg, const struct wire_stream_entry *entry);
	/* The first positions are known, or the reader has failed: see streams_reader_awaits(). */
	void (*on_settled)(void *arg);
	/* The connection is lost. `refusal` is the server's error if it has refused to read; otherwise TEXT_NONE. */
	void (*on_lost)(void *arg, struct text refusal, const char *why);
	/* The server lets this node read: the positions are known after a connect, or an XREAD has been answered. */
	void (*on_reads)(void *arg);
};

/* What `server` points to, and `ops`, must outlive the reader. */
struct streams_reader *streams_reader_new(struct loop *l, const struct streams_server *server,
	const struct streams_reader_options *options, const struct streams_reader_ops *ops, void *arg);
void streams_reader_free(struct streams_reader *reader);

/* Connects, and reconnects if the reader was connected before: the server may be another one now. */
void streams_reader_connect(struct streams_reader *reader);
/* The reader no longer reconnects. A connection that is open stays open. */
void streams_reader_rest(struct streams_reader *reader);
/* Closes the connection for good; no callback follows. */
void streams_reader_close(struct streams_reader *reader);

/* Returns true if the reader does not have its first positions yet, but should within moments. */
bool streams_reader_awaits(const struct streams_reader *reader);
/* Returns true if the reader is connected and receives entries. */
bool streams_reader_reads(const struct streams_reader *reader);
/* Returns the id of the last entry read from the stream at `stream` in the names, or 0-0 before the first connect. */
struct wire_stream_id streams_reader_position(const struct streams_reader *reader, unsigned stream);
/* The same, but while on_entry() runs, the result is the id of the entry before. */
struct wire_stream_id streams_reader_passed(const struct streams_reader *reader, unsigned stream);
/* Adds the reader's counters: entries received, gaps, malformed answers, connections. */
void streams_reader_stats(const struct streams_reader *reader, struct bus_stats *out);

#endif
