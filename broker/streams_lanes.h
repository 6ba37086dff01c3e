/*
 * The connections to the streams: lanes, each with a reader (streams_reader.h) and a writer (streams_writer.h).
 *
 * With one server, a single lane has all streams. It follows the bus, which knows the server in use: its owner calls
 * streams_lanes_connect() and streams_lanes_rest().
 *
 * In a Redis Cluster each stream is one key, which belongs to a slot, and the slot to a master (cluster_map.h). Each
 * stream then has a lane of its own, and the lanes follow the map. A lane that loses a connection, or whose master
 * answers MOVED or ASK, asks for the map. If the map names another master, the lane goes there, with its position and
 * with the messages that wait. Until then it tries the old one again. Redis moves a stream with its slot, and a
 * replica has the stream too, so nothing is lost or repeated unless the new master lacks entries. The reader then
 * counts a gap.
 *
 * A server may refuse to read or to write, because memory is short or the user lacks the right, while its publish and
 * subscribe works. The lanes then log that the bus is down, with the server's reason, and that it is up once the
 * server accepts again.
 *
 * `max_queue` limits the waiting messages of all lanes together.
 */
#ifndef BROKER_STREAMS_LANES_H
#define BROKER_STREAMS_LANES_H

#include "broker/bus.h"
#include "broker/wire_stream.h"

struct streams_lanes;

struct streams_lanes_options {
	struct bus *bus; /* the server is that of the bus; NULL: a Redis Cluster */
	/* of a Redis Cluster */
	struct bus_url *url;		 /* ownership passes to the lanes; left empty */
	const struct bus_access *access; /* copied */
	uint64_t refresh_ms;		 /* interval of questions about the members; 0: 30000 */

	const char *stream; /* as bus_stream_options.name */
	unsigned stream_count, read_count;
	uint64_t block_ms, timeout_ms;
	uint64_t max_queue, max_age_ms;
};

/* All are called from the loop. */
struct streams_lanes_ops {
	void (*on_entry)(void *arg, const struct wire_stream_entry *entry);
	/* streams_lanes_await() may have become false for some stream. */
	void (*on_settled)(void *arg);
	/* Returns false if an entry is certainly not one of this node's messages. */
	bool (*may_own)(void *arg, const struct wire_stream_entry *entry);
};

struct streams_lanes *streams_lanes_new(
	struct loop *l, const struct streams_lanes_options *options, const struct streams_lanes_ops *ops, void *arg);
/*
 * Waits for the answers to all messages for up to `flush_ms` milliseconds, then frees the lanes and calls `closed`
 * from the loop with the time that is left.
 */
void streams_lanes_close(
	struct streams_lanes *lanes, uint64_t flush_ms, void (*closed)(void *arg, uint64_t left_ms), void *arg);

/* Begins to read the streams. */
void streams_lanes_listen(struct streams_lanes *lanes);
/* The bus has found its server, which may be another one than before; or it has failed. */
void streams_lanes_connect(struct streams_lanes *lanes);
void streams_lanes_rest(struct streams_lanes *lanes);

/* As streams_writer_add(). `stream` is the index of a stream (wire_stream_index_of()). */
int streams_lanes_add(struct streams_lanes *lanes, unsigned stream, struct block *command, size_t fields);

/* Returns true if the entries of the stream are not read yet, but should be within moments. */
bool streams_lanes_await(const struct streams_lanes *lanes, unsigned stream);
/* Returns the id of the last entry of the stream whose on_entry() has returned. */
struct wire_stream_id streams_lanes_passed(const struct streams_lanes *lanes, unsigned stream);
/* Returns true if a message would leave now. */
bool streams_lanes_flow(const struct streams_lanes *lanes);
/* Returns true if every stream is written to and, if wanted, read. */
bool streams_lanes_up(const struct streams_lanes *lanes);
void streams_lanes_stats(const struct streams_lanes *lanes, struct bus_stats *out); /* adds the counters */

#endif
