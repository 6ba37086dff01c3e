/*
 * What the files of the form with Redis streams share (bus_streams.c). Calls go one way:
 *
 *   bus_streams.c            the life of the form, its namespaces, received messages
 *   bus_streams_recovery.c   what connection state recovery uses of it (bus_stream_store.h)
 *   bus_streams_publish.c    the names of channels and streams, and messages for other nodes
 *
 * bus_streams.c makes and frees the state.
 */
#ifndef BROKER_BUS_STREAMS_INTERNAL_H
#define BROKER_BUS_STREAMS_INTERNAL_H

#include "broker/bus_redis.h"
#include "broker/shards.h"
#include "broker/streams_lanes.h"
#include "broker/streams_repeats.h"
#include "broker/streams_store.h"
#include "broker/wire_stream.h"

struct streams_member {
	struct table_node by_name;
	struct list link;
	struct bus_end *end;
	struct bus_member *member;
	bool settle_due; /* on_settled is still to be called */
	unsigned stream; /* index in the names */
	struct bus_subscription all, own;
	char *names; /* of both channels */
};

struct bus_end {
	struct loop *loop;
	struct shards *shards;
	struct streams_lanes *lanes; /* NULL once they are closed */
	struct streams_store *store; /* NULL: recovery is off */
	bool connected;		     /* the bus knows the server in use */
	bool was_connected;
	uint64_t back_at; /* loop time at which it was connected again; 0: it was never lost */
	uint64_t timeout_ms, flush_until;
	const struct bus_form_ops *ops;
	char *key, *stream, *session_key_prefix;
	unsigned stream_count;
	uint64_t max_len;
	size_t tag;	 /* bytes of the seal after each message */
	bool sharded;	 /* publishes to sharded channels */
	uint64_t number; /* of the last entry that this node has added */
	struct streams_repeats repeats;
	struct table by_name;
	struct list members;
	struct log_limit log_limit;
	struct buffer channel, message, command; /* scratch buffers */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* Write a name into end->channel, which the result points into. `uid` TEXT_NONE: the channel of all nodes. */
struct text bus_streams_write_channel(struct bus_end *end, struct text nsp, struct text uid);
struct text bus_streams_write_name(struct bus_end *end, const struct streams_member *member);

/* Adds the message to the stream of the namespace. Returns 0 or a negative error. */
int bus_streams_add(struct bus_end *end, const struct streams_member *member, struct block *payload,
	struct wire_stream_order order);

/* Frees a scratch buffer that has become large. */
void bus_streams_keep_small(struct buffer *buffer);

/* Functions of struct bus_form. */
struct text bus_streams_channel(
	struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address);
int bus_streams_publish(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload);
void bus_streams_count(struct bus_end *end, struct bus_count *query, const struct bus_member *member);

extern const struct bus_stream_store bus_streams_recovery;

#endif
