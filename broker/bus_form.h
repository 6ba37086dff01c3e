/*
 * The seam between the broker and whatever carries its messages to the other nodes. A form is one table of functions
 * in a file of its own: no other node (bus_alone.c), the hub of this machine (bus_hub.c), a Redis server
 * (bus_redis.c). Whoever opens the broker names the form; nothing above asks which one it is.
 *
 * A message is addressed by what it is within its namespace (enum bus_kind), so each form names its own channels. The
 * broker enters a namespace (struct bus_member) and hears all that concerns it: its broadcasts, to whatever room, the
 * requests of other nodes and the answers to its own. A form may narrow what it hears to the rooms that it was told
 * of (room_appeared, room_empty): a room that was told of must be heard, others may be.
 *
 * Calls go down, messages come up by struct bus_form_ops, from the loop, never from within a call down. A form heals
 * its connections by itself and for ever; what is lost meanwhile it counts (struct bus_stats).
 */
#ifndef BROKER_BUS_FORM_H
#define BROKER_BUS_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/list.h"
#include "common/base/text.h"
#include "common/io/loop.h"

#define BUS_ERROR_MAX 512

enum bus_form_id { BUS_FORM_ALONE, BUS_FORM_HUB, BUS_FORM_REDIS, BUS_FORM_COUNT };

/* This process's end of a bus; each form's own struct begins with one. */
struct bus_end;

/* What a message is within its namespace. */
enum bus_kind {
	BUS_BROADCAST,	  /* to the sockets of one room, or of any */
	BUS_REQUEST,	  /* to every node that has the namespace */
	BUS_RESPONSE,	  /* to whoever asked, by a way that all nodes hear */
	BUS_OWN_RESPONSE, /* to the node that asked alone */
	BUS_KIND_COUNT
};

/* A namespace of this node. The owner's storage, from subscribe() to unsubscribe(). */
struct bus_member {
	struct text name, uid; /* the owner's bytes, which live as long */
	bool visitor;	       /* hears answers alone, and is not counted: see broker_options */
	void *place;	       /* the form's */
};

/* A message that came, good during the call. A form with more to say (a position in a log) adds a field here. */
struct bus_message {
	enum bus_kind kind;
	struct text room; /* of a broadcast: the only room that it is for; empty: it names them itself */
	struct text channel;
	struct text payload;
};

struct bus_form_ops {
	/* The member may be removed in the call. */
	void (*on_message)(struct bus_member *m, const struct bus_message *message);
	/* awaits() was true and is not any more: the member hears all, or the bus is down. */
	void (*on_settled)(struct bus_member *m);
};

struct bus_form_options {
	const char *server;  /* a Redis: redis://[user[:password]@]host[:port][/db], rediss://...,
				unix:///path[?db=N][&user=..&password=..]; a hub: its name (hub.h) */
	const char *key;     /* prefix of every channel; "socket.io" */
	const char *ca_file; /* PEM to check a rediss:// server against; NULL: the system's */
	uint64_t max_queue;  /* bytes of publishes that wait; one that is larger is refused where it has to wait */
	uint64_t check_ms;   /* how often the way is proven while up; 0: 5000 */
	uint64_t timeout_ms; /* connecting, answers, the proof; 0: 5000 */
};

struct bus_stats {
	uint64_t published, received; /* messages */
	uint64_t bytes_published, bytes_received;
	uint64_t dropped;	   /* publishes that did not fit max_queue, or that the server refused */
	uint64_t refused;	   /* publishes larger than all of max_queue */
	uint64_t uncertain;	   /* written and not answered when a connection broke */
	uint64_t malformed;	   /* connections ended because the server's bytes made no sense */
	uint64_t connects, alarms; /* connections made; self-messages that did not come back */
	uint64_t ups, downs;	   /* times it came up (see bus_up()), and was up no more */
	uint64_t queue_bytes;	   /* waiting now */
	uint64_t lag_us;	   /* of the last self-message */
	bool up;
};

/*
 * How many nodes have a namespace, this one included unless it visits. The caller's storage; `answer` is called once
 * from the loop with the count, or ERROR_CLOSED: the bus is not up, or went down before the answer.
 * bus_count_cancel() forgets it.
 */
struct bus_count {
	struct list link;
	struct bus_count **slot; /* private */
	void (*answer)(struct bus_count *c, int64_t count);
};
void bus_count_init(struct bus_count *c, void (*answer)(struct bus_count *c, int64_t count));
void bus_count_cancel(struct bus_count *c); /* harmless when not waiting */

struct bus_form {
	enum bus_form_id id;
	const char *name; /* in metrics: "hub" */
	bool alone;	  /* There is nobody else: of what follows only open, close and stats are there. */

	/* 0, or ERROR_ARGUMENT / ERROR_TLS with one line in `error`. Options are copied; `ops` outlives the end. */
	int (*open)(struct bus_end **out, struct loop *l, const struct bus_form_options *o,
		const struct bus_form_ops *ops, char error[BUS_ERROR_MAX]);
	/* Every member has left. What waits is sent for as long as `flush_ms`; `closed` is called once, from the
	 * loop; the end is gone then. */
	void (*close)(struct bus_end *e, uint64_t flush_ms, void (*closed)(void *arg), void *arg);
	void (*stats)(const struct bus_end *e, struct bus_stats *out);

	/* From now on, as soon as the server knows of it, the member hears; it may publish at once. */
	void (*subscribe)(struct bus_end *e, struct bus_member *m);
	void (*unsubscribe)(struct bus_end *e, struct bus_member *m); /* its rooms are forgotten too */
	/* Does the member not hear yet, but will within moments? True is followed by one on_settled. */
	bool (*awaits)(struct bus_end *e, struct bus_member *m);
	/* Do messages reach the others now? */
	bool (*up)(const struct bus_end *e);

	/* How the form calls the way of such a message: for log lines, and authenticated with it. Good until the next
	 * call. `room`: of a broadcast for one room alone, else empty without bytes (TEXT_NONE). */
	struct text (*channel)(struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room);
	/* 0; ERROR_TOO_BIG: see max_queue. The block is referenced. */
	int (*publish)(struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room,
		struct block *payload);
	void (*count)(struct bus_end *e, struct bus_count *c, const struct bus_member *m);

	/*
	 * A room of the member has its first socket on this node, or its last one has left; `own`: it bears the id of
	 * a socket of this node, as every socket has such a room. NULL: the form has no use for it.
	 */
	void (*room_appeared)(struct bus_end *e, struct bus_member *m, struct text room, bool own);
	void (*room_empty)(struct bus_end *e, struct bus_member *m, struct text room);
};

extern const struct bus_form bus_alone, bus_hub, bus_redis;

/* For what other processes wrote down: NULL for an id that is unknown. */
const struct bus_form *bus_form_of(unsigned id);

#endif
