/*
 * The interface between the broker and the transport that carries its messages to the other nodes. A form is one
 * table of functions in its own file: a single node (bus_alone.c), the hub of this machine (bus_hub.c), or a Redis
 * server in classic, sharded or streams mode (bus_redis.c, bus_sharded.c, bus_streams.c). The code that opens the
 * broker chooses the form; the broker does not depend on the choice.
 *
 * A message is addressed by its kind within a namespace (enum bus_kind), and each form maps kinds to its own
 * channels. The broker subscribes a namespace (struct bus_member) and then receives its broadcasts, the requests of
 * other nodes and the answers to its own requests. A form may limit broadcasts to the rooms it has been told of
 * (room_appeared, room_empty). It must deliver the broadcasts for those rooms and may deliver others.
 *
 * Calls go down. Messages come up through struct bus_form_ops, always from the loop and never from inside a downward
 * call. A form repairs its connections itself, without giving up, and counts the messages that are lost meanwhile
 * (struct bus_stats).
 */
#ifndef BROKER_BUS_FORM_H
#define BROKER_BUS_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/bus_access.h"
#include "common/base/block.h"
#include "common/base/list.h"
#include "common/base/text.h"
#include "common/io/loop.h"

#define BUS_ERROR_MAX 512

enum bus_form_id { BUS_FORM_ALONE, BUS_FORM_HUB, BUS_FORM_REDIS, BUS_FORM_SHARDED, BUS_FORM_STREAMS, BUS_FORM_COUNT };

/* Which broadcasts for one room go to the room's own channel in sharded mode. All nodes need the same mode. */
enum bus_subscription_mode {
	BUS_SUBSCRIPTION_DYNAMIC,	  /* those for rooms whose names do not look like the ids of sockets */
	BUS_SUBSCRIPTION_DYNAMIC_PRIVATE, /* all */
	BUS_SUBSCRIPTION_STATIC		  /* none */
};

/* This process's end of a bus. Each form defines it. */
struct bus_end;
struct wire_codec;

/* The kind of a message within its namespace. */
enum bus_kind {
	BUS_BROADCAST,	  /* to the sockets of one room, of several rooms, or to all sockets */
	BUS_REQUEST,	  /* to every node that has the namespace; some forms deliver it as a broadcast */
	BUS_RESPONSE,	  /* to the asking node, perhaps on a channel that all nodes receive */
	BUS_OWN_RESPONSE, /* to the asking node, on its own channel */
	BUS_KIND_COUNT
};

/* A namespace of this node. The caller owns the storage, which must stay valid from subscribe() to unsubscribe(). */
struct bus_member {
	struct text name, uid; /* the owner's bytes, valid as long as the member */
	bool visitor;	       /* receives answers only and is not counted: see broker_options */
	void *form_data;       /* private to the form */
};

/*
 * This node in the list of nodes (members.h), apart from any namespace. The caller owns the storage, which must stay
 * valid from enter() to depart().
 */
struct bus_presence {
	struct text id; /* the owner's bytes; empty: the node only listens */
	void (*on_announcement)(struct bus_presence *presence, struct text channel, struct text payload);
	/* From now on, announcements are heard. Called again when the connection has been lost and made again. */
	void (*on_hearing)(struct bus_presence *presence);
	void *form_data; /* private to the form */
};

/*
 * An incoming message, valid during the call. A form with more to report (such as a position in a log) adds a field
 * here.
 */
struct bus_message {
	enum bus_kind kind;
	struct text room; /* the only room that a broadcast is for; empty: the payload names the rooms */
	struct text channel;
	struct text payload;
	struct block *block; /* the block with the payload, for a callee that keeps it; NULL: there is none */
	struct text id;	     /* of the entry in a stream; empty: none */
	uint64_t entry;	     /* the same as a number (stream_number.h); 0: none */
};

struct bus_form_ops {
	/* The callee may unsubscribe the member. */
	void (*on_message)(struct bus_member *member, const struct bus_message *message);
	/* The wait that awaits() reported is over: the member receives all messages, or the bus is down. */
	void (*on_settled)(struct bus_member *member);
	/*
	 * For forms with a store (bus_stream_store.h). This node reads an event that it has added with `number`;
	 * `entry` is as in struct bus_message.
	 */
	void (*on_own)(struct bus_member *member, uint64_t number, uint64_t entry);
	/* For forms with a store: a message for this node alone, which begins with BUS_STREAM_DIRECT. */
	void (*on_direct)(struct bus_member *member, struct text channel, struct text payload);
};

/* Streams that the nodes share, with the names of the options of @socket.io/redis-streams-adapter. */
struct bus_stream_options {
	const char *name;		/* streamName */
	unsigned count;			/* streamCount */
	uint64_t max_len;		/* maxLen */
	unsigned read_count;		/* readCount */
	uint64_t block_ms;		/* blockTimeInMs */
	bool sharded;			/* useShardedPubSub */
	const char *session_key_prefix; /* sessionKeyPrefix; unused without a store */
};

struct bus_form_options {
	const char *server; /* the URL of a Redis server (bus_url.h), or the name of a hub (hub.h) */
	const char *ear;    /* Redis: name of the hub to subscribe through; NULL: at the server itself */
	const char *key;    /* prefix of every channel name, usually "socket.io" */
	struct bus_stream_options stream; /* of bus_streams */
	bool sealed;			  /* each payload ends with a seal (seal.h) */
	struct bus_access access;	  /* how to log in to a Redis server and verify its certificate */
	/* maximum bytes of waiting publishes; a larger publish is refused if it has to wait */
	uint64_t max_queue;
	uint64_t max_age_ms; /* how long a publish may wait; 0: no limit */
	uint64_t settle_ms;  /* after an outage, how long publishes may wait for the other nodes; 0: not at all */
	unsigned max_rooms;  /* of all namespaces, to subscribe to one by one (bus_rooms.h); 0: subscribe to all rooms
			      */
	enum bus_subscription_mode subscription_mode; /* sharded mode only */
	uint64_t linger_ms;	/* how long a room that has become empty stays subscribed; 0: 10000 */
	uint64_t refresh_ms;	/* interval of questions about the members of a Redis Cluster; 0: 30000 */
	unsigned max_redirects; /* redirections of one slot before the members are asked again; 0: 5 */
	uint64_t log_length;	/* messages of the log (bus_log.h); 0: nothing is recorded; used by bus_redis */
	uint64_t check_ms;	/* interval of check messages while up; 0: 5000 */
	uint64_t timeout_ms;	/* limit for connecting, answers and check messages; 0: 5000 */
};

struct bus_stats {
	uint64_t published, received; /* messages */
	uint64_t bytes_published, bytes_received;
	uint64_t dropped;      /* publishes that did not fit into max_queue or that the server refused */
	uint64_t refused;      /* publishes larger than max_queue */
	uint64_t expired;      /* publishes dropped because they waited longer than max_age_ms */
	uint64_t missed;       /* publishes sent after an outage before every node was back */
	uint64_t uncertain;    /* publishes written but not answered before a connection broke */
	uint64_t gaps;	       /* times that messages may be lost: no longer in the log or stream, or a slot moved */
	uint64_t moved;	       /* answers and events that said that a slot has moved */
	uint64_t resubscribes; /* subscriptions made again because their slot has moved */
	uint64_t shards;       /* masters of a Redis Cluster in use now */
	uint64_t malformed;    /* connections closed because the server's bytes could not be parsed */
	uint64_t connects, alarms; /* connections made; check messages that did not come back */
	uint64_t ups, downs;	   /* times the bus came up (see bus_up()) and went down */
	uint64_t rooms;		   /* rooms subscribed to one by one now */
	uint64_t unheard;	   /* times that joins and publishes did not wait for new rooms to be confirmed */
	uint64_t patterns;	   /* namespaces that subscribe to all rooms although max_rooms is set */
	uint64_t queue_bytes;	   /* bytes waiting now */
	uint64_t log_gaps;	   /* times that the log no longer held what may have been missed */
	uint64_t log_read;	   /* missed messages delivered from the log */
	uint64_t log_repeats;	   /* messages dropped because they had been delivered before */
	uint64_t log_resent;	   /* unanswered publishes that were not in the log and were sent again */
	uint64_t log_found;	   /* unanswered publishes found in the log */
	uint64_t log_unusable;	   /* entries of the log that no node has written, or that are too large */
	uint64_t log_overflows;	 /* times that too many messages were held: dropped, and read from the log instead */
	uint64_t log_active;	 /* 1: messages are recorded */
	uint64_t log_held_bytes; /* bytes of messages held now, until the log is read */
	uint64_t lag_us;	 /* round trip of the last check message */
	struct durations echoes; /* round trips of all check messages */
	bool up;
};

/*
 * A request for the number of nodes in a namespace, this node included unless it is a visitor. The caller owns the
 * storage. `answer` is called once from the loop with the count; with ERROR_CLOSED if the bus is not up or goes down
 * before the answer; or with ERROR_UNSUPPORTED if the server does not tell the number.
 */
struct bus_count {
	struct list link;
	struct bus_count **slot; /* private: the pointer to this struct in the list of expected answers */
	void (*answer)(struct bus_count *query, int64_t count);
	bool optional; /* private: no warning if the server cannot answer it, for example because it is older */
};
void bus_count_init(struct bus_count *query, void (*answer)(struct bus_count *query, int64_t count));
/* Cancels the query, so that `answer` is not called. Does nothing if the query is not pending. */
void bus_count_cancel(struct bus_count *query);

/*
 * A wait until this process receives the messages for the rooms that were reported so far. The caller owns the
 * storage. `over` is called once from the loop, when the server has confirmed the rooms, when its connection is lost,
 * or when it has not answered for timeout_ms.
 */
struct bus_wait {
	struct list link;
	void (*over)(struct bus_wait *wait);
	uint32_t ticket; /* private to the bus */
};

static inline void
bus_wait_init(struct bus_wait *wait, void (*over)(struct bus_wait *wait))
{
	list_init(&wait->link);
	wait->over = over;
}

/* Cancels the wait, so that `over` is not called. Does nothing if the wait is not pending. */
static inline void
bus_wait_cancel(struct bus_wait *wait)
{
	list_remove(&wait->link);
}

struct bus;
struct bus_keep;
struct bus_stream_store;

struct bus_form {
	enum bus_form_id id;
	const char *name; /* name in metrics, such as "hub" */
	bool alone;	  /* a single node: only open, close, stats and codec are set */
	/* every node publishes a broadcast for one room to the channel that channel() returns */
	bool strict_channels;
	bool kept;			/* broadcasts stand in streams, and are not published */
	const struct wire_codec *codec; /* how the nodes of this form write their messages (wire_codec.h) */

	/*
	 * Returns 0, or ERROR_ARGUMENT or ERROR_TLS with one line of text in `error`. Options are copied; `ops` must
	 * outlive the end.
	 */
	int (*open)(struct bus_end **out, struct loop *l, const struct bus_form_options *options,
		const struct bus_form_ops *ops, char error[BUS_ERROR_MAX]);
	/*
	 * All members must have been unsubscribed. Waiting messages are sent for up to `flush_ms` milliseconds. Then
	 * the end is freed and `closed` is called once from the loop.
	 */
	void (*close)(struct bus_end *end, uint64_t flush_ms, void (*closed)(void *arg), void *arg);
	void (*stats)(const struct bus_end *end, struct bus_stats *out);

	/*
	 * The member receives messages as soon as the server has confirmed its subscriptions. It may publish at once.
	 */
	void (*subscribe)(struct bus_end *end, struct bus_member *member);
	void (*unsubscribe)(struct bus_end *end, struct bus_member *member); /* its rooms are forgotten as well */
	/*
	 * Returns true if the member does not receive messages yet but should within moments. One on_settled follows.
	 */
	bool (*awaits)(struct bus_end *end, struct bus_member *member);
	/* Returns true if messages reach the other nodes now. */
	bool (*up)(const struct bus_end *end);
	/* Returns true if a publish would leave now, without waiting in a queue. NULL: whenever up() is true. */
	bool (*flows)(const struct bus_end *end);

	/*
	 * The name of the channel for such a message, used in log lines and authenticated by the seal; valid until
	 * the next call. `address` is the room of a broadcast to exactly one room, or the uid of the asking node for
	 * a response; otherwise TEXT_NONE.
	 */
	struct text (*channel)(
		struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address);
	/* References the block. Returns 0, or an error such as ERROR_TOO_BIG (see max_queue). */
	int (*publish)(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
		struct block *payload);
	/*
	 * As publish(), for messages that want no answer: a form with a log records them. NULL if the form has none.
	 * `event`: see bus_record().
	 */
	int (*record)(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text room,
		struct block *payload, uint64_t event);
	void (*count)(struct bus_end *end, struct bus_count *query, const struct bus_member *member);

	/*
	 * A room of the member got its first socket on this node or lost its last one. `own` is true for the room
	 * that every socket has, which is named after the socket's id. Both are NULL if the form does not subscribe
	 * per room.
	 */
	void (*room_appeared)(struct bus_end *end, struct bus_member *member, struct text room, bool own);
	void (*room_empty)(struct bus_end *end, struct bus_member *member, struct text room);
	/*
	 * Begins a wait for the rooms reported by room_appeared(), or begins it again. Returns false, and does not
	 * call wait->over, if messages for all of them arrive already or the server is not connected. `wait` NULL: no
	 * wait begins. A NULL function: there is never anything to wait for.
	 */
	bool (*wait)(struct bus_end *end, struct bus_wait *wait);

	/*
	 * How nodes know each other. All are NULL if the form has no channel for it. enter() begins to receive the
	 * announcements of all nodes, this one included. announce() returns false if the announcement would have to
	 * wait; it is dropped then. announce_channel() names the channel for the seal. count_present() counts the
	 * connections that a node has entered with: 0 if it is gone. count_strangers() counts the nodes with the same
	 * key that this form does not hear, because their channels have other names; count_others() those whose
	 * channels have the same names but are of the other kind (sharded or not). Each is NULL if there can be none.
	 */
	void (*enter)(struct bus_end *end, struct bus_presence *presence);
	void (*depart)(struct bus_end *end, struct bus_presence *presence);
	struct text (*announce_channel)(const struct bus_presence *presence);
	bool (*announce)(struct bus_end *end, struct bus_presence *presence, struct block *payload);
	void (*count_present)(struct bus_end *end, struct bus_count *query, struct text id);
	void (*count_strangers)(struct bus_end *end, struct bus_count *query);
	void (*count_others)(struct bus_end *end, struct bus_count *query);

	/*
	 * The keeper of recorded events (bus_keep.h). All are NULL if the form has none. keep_send() sends a message
	 * to it, in the order of publishes.
	 */
	void (*keep_open)(struct bus_end *end, struct bus_keep *keep);
	void (*keep_close)(struct bus_end *end, struct bus_keep *keep);
	int (*keep_send)(struct bus_end *end, struct bus_keep *keep, struct block *message);

	/*
	 * A form that keeps events and sessions at its server (bus_store.h) has these in place of keep_send(). NULL:
	 * it does not. store() returns the bus for the functions of bus_store.h.
	 */
	struct bus *(*store)(struct bus_end *end);
	/* What connection state recovery needs of a stream (bus_stream_store.h); NULL: not supported. */
	const struct bus_stream_store *stream_store;
};

extern const struct bus_form bus_alone, bus_hub, bus_redis, bus_sharded, bus_streams;

/* Returns the form for an id written by another process, or NULL if the id is unknown. */
const struct bus_form *bus_form_of(unsigned id);

#endif
