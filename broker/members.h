/*
 * The members of the cluster, as one node sees them. Each worker tells the others about itself by heartbeats
 * (beat.h). Node.js servers send none and are only counted.
 *
 *   state      event                                                             next state
 *   (unknown)  a heartbeat                                                       SERVING or DRAINING
 *   SERVING    the member begins to drain                                        DRAINING
 *   SERVING,   no heartbeat within the time-out                                  SILENT
 *   DRAINING   its connections to the bus are closed, or a later run of the      LOST
 *              same worker has begun
 *              its last heartbeat                                                LEFT
 *   SILENT     its connections to the bus are closed                             LOST
 *   SILENT     this node reaches the bus again, or runs again                    SERVING or DRAINING
 *   SILENT,    a heartbeat                                                       SERVING or DRAINING
 *   LOST
 *   LOST,      MEMBERS_KEPT_MS have passed                                       forgotten
 *   LEFT
 *
 * The time-outs stand still while this node cannot reach the bus or does not run.
 *
 * In a large cluster, heartbeats are rarer: the pause between two heartbeats of a member grows by one interval for
 * every MEMBERS_PER_INTERVAL members. The number of deliveries therefore grows with the number of members, not with
 * its square. A heartbeat names the time until the next one, and its receivers derive the time-out from it.
 */
#ifndef BROKER_MEMBERS_H
#define BROKER_MEMBERS_H

#include "broker/beat.h"
#include "broker/bus_form.h"
#include "common/base/table.h"

#define MEMBERS_MAX                                                                                                  \
	1024 /* members that are remembered, this node not included; further ones are ignored and counted */
#define MEMBERS_KEPT_MS 60000 /* how long a member that is LOST or LEFT is remembered */
#define MEMBERS_PER_INTERVAL 128

enum member_state { MEMBER_SERVING, MEMBER_DRAINING, MEMBER_SILENT, MEMBER_LOST, MEMBER_LEFT, MEMBER_STATE_COUNT };

/* Contradictions in the configuration of a cluster: bits of members_stats.conflicts. */
enum member_conflict {
	CONFLICT_NODE_ID,   /* another node has this node's --node-id */
	CONFLICT_DB,	    /* a member names another database of Redis, which pub/sub does not tell apart */
	CONFLICT_MODE,	    /* a member uses another form of the bus */
	CONFLICT_STRANGERS, /* servers with other channels use the same key (sharded beside classic) */
	CONFLICT_STREAMS,   /* servers with the streams adapter publish on the channels of this cluster */
	CONFLICT_SHARDED,   /* servers with the sharded adapter publish on the channels of this cluster of streams */
	CONFLICT_PUB_SUB, /* servers subscribe to the same channel names by the other kind of publish and subscribe */
	CONFLICT_SECRET,  /* a node has another secret, or only one of the two has one */
	CONFLICT_COUNT
};

struct member_record {
	struct table_node in_table; /* by id */
	struct members *members;
	struct beat beat; /* the last one */
	enum member_state state;
	uint64_t heard;	 /* loop time of the last heartbeat; of this node: now */
	uint64_t since;	 /* loop time when the state began */
	uint64_t number; /* of first hearing, ascending */
	struct bus_count presence;
	bool asking;
};

struct members_ops {
	/*
	 * Sends a heartbeat to all members, unless this node is an observer. Returns false if the bus is away;
	 * members.c then tries again.
	 */
	bool (*announce)(void *arg, const struct beat *beat);
	/* Fills in what changes: the clients and the namespaces. */
	void (*describe)(void *arg, struct beat *beat);
	/* Asks for the number of connections that a member listens with: 0 if it is gone. See struct bus_count. */
	void (*ask_presence)(void *arg, struct bus_count *query, struct text id);
	/* Asks for the number of servers, Node.js servers and this node included. Returns false if it cannot ask. */
	bool (*ask_servers)(void *arg, struct bus_count *query);
	/* Asks for the number of servers that use the same key but other channels. Returns false if it cannot ask. */
	bool (*ask_strangers)(void *arg, struct bus_count *query);
	/*
	 * Asks for the number of servers that use the same channel names, but sharded channels where this node's are
	 * not, or the other way round. Returns false if it cannot ask.
	 */
	bool (*ask_others)(void *arg, struct bus_count *query);
	/* Some member has become silent, was lost or has left. Called from the loop and from members_hear(). */
	void (*on_change)(void *arg);
};

struct members_options {
	/* without id, started_ms and clients; an instance of "" is chosen, and the broker fills in a mode of "" */
	struct beat_about self;
	uint64_t interval_ms, timeout_ms; /* 0: 5000 and 10000 */
	bool observer;			  /* sends no heartbeats and is not counted */
	bool alone;			  /* there are no others: no heartbeats */
};

struct members_stats {
	uint32_t count[MEMBER_STATE_COUNT]; /* this node included unless it is an observer */
	int64_t foreign;		    /* servers without heartbeats; -1: not known yet */
	uint64_t counted_at;		    /* loop time at which they were counted; 0: not known yet */
	uint64_t arrived;		    /* how often a member has appeared, or come back after it was gone */
	uint64_t counted_arrived;	    /* `arrived` at the time of that count */
	uint32_t conflicts;		    /* bits 1 << enum member_conflict */
	uint64_t ignored;		    /* heartbeats beyond MEMBERS_MAX */
};

struct members;

/* `ops` must outlive the members. The first heartbeat leaves as soon as the bus is up. */
struct members *members_new(
	struct loop *l, const struct members_options *options, const struct members_ops *ops, void *arg);
/* Frees the members. Sends no last heartbeat: see members_leave(). Accepts NULL. */
void members_free(struct members *members);

/* The id of this node, in its heartbeats; empty for an observer. */
struct text members_id(const struct members *members);

/* A heartbeat has come, decoded by beat_read(). */
void members_hear(struct members *members, const struct beat *beat);

/* A heartbeat has come whose seal this node does not accept, although its bytes may be right. */
void members_mismatch(struct members *members, const struct beat *beat);

/* A server of another kind has published on a channel of this cluster: CONFLICT_STREAMS or CONFLICT_SHARDED. */
void members_meet(struct members *members, enum member_conflict conflict);

/* This node's namespaces have changed: the next heartbeat comes soon. */
void members_touch(struct members *members);
/*
 * This node hears the others again. Others may have taken it for lost meanwhile, and it may have missed heartbeats,
 * so it asks for heartbeats as a newcomer does. Does nothing before the first heartbeat.
 */
void members_return(struct members *members);
/* This node drains, and tells the others at once. */
void members_drain(struct members *members);
/* Sends the last heartbeat. */
void members_leave(struct members *members);
/* Counts the servers now, unless a count is under way. */
void members_recount(struct members *members);
/* Asks which members are still connected to the bus, because one of them seems to be gone. */
void members_probe(struct members *members);

/*
 * Walks the members: this node first unless it is an observer, then the others in no order. `*cursor` starts as {0}.
 * Returns NULL at the end. The members must not change during the walk.
 */
struct members_cursor {
	struct table_cursor others;
	bool started;
};
const struct member_record *members_next(const struct members *members, struct members_cursor *cursor);
/* Returns true if the member is this node. */
bool members_is_self(const struct member_record *member);
/* Returns the other node with this id, or NULL. */
const struct member_record *members_find(const struct members *members, struct text id);

uint64_t members_last_number(const struct members *members); /* number of the member heard of last */
unsigned members_silent(const struct members *members);	     /* number of members that are SILENT */
bool members_is_overdue(const struct member_record *member); /* SILENT, LOST, or its heartbeat is late */

/* Returns true if the member's connections to the bus are open as far as is known, so that it is counted. */
static inline bool
member_is_present(const struct member_record *member)
{
	return member->state <= MEMBER_SILENT;
}

/* The names in logs and metrics, such as "serving" and "node-id". They are static. */
const char *member_state_name(enum member_state state);
const char *member_conflict_name(enum member_conflict conflict);

void members_stats(const struct members *members, struct members_stats *out);

#endif
