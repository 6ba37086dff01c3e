/* Declarations shared by members.c, which keeps the members and sends heartbeats, and members_conflict.c. */
#ifndef BROKER_MEMBERS_INTERNAL_H
#define BROKER_MEMBERS_INTERNAL_H

#include "broker/members.h"
#include "common/io/log.h"

struct members {
	struct loop *loop;
	const struct members_ops *ops;
	void *arg;
	bool observer;
	bool left; /* this node has left or is alone: no timer runs */
	bool away; /* the last heartbeat could not be sent */
	uint64_t interval_ms, timeout_ms;
	struct member_record self;
	struct table table; /* struct member_record: the others */
	uint64_t last_number;
	unsigned silent;	   /* members that are SILENT */
	uint64_t beat_due, beaten; /* loop times of the next and of the last heartbeat */
	uint64_t ticked;	   /* loop time of the last tick */
	struct wheel_entry timer;
	struct bus_count servers, strangers, others;
	bool asking_servers, asking_strangers, asking_others;
	int64_t foreign;
	uint64_t counted_at;
	uint64_t arrived, counted_arrived; /* see struct members_stats */
	int64_t stranger_count, other_count;
	uint32_t conflicts;
	uint64_t warned[CONFLICT_COUNT]; /* loop time; 0: never */
	/* loop time until which a conflict counts that was not seen in an accepted heartbeat; 0: never seen */
	uint64_t met_until[CONFLICT_COUNT];
	uint64_t ignored;
	struct log_limit log_limit;
};

static inline struct member_record *
member_of(struct table_node *node)
{
	return container_of(node, struct member_record, in_table);
}

/* Finds the conflicts among the members heard so far, stores them in members->conflicts, and logs warnings. */
void members_find_conflicts(struct members *members);

#endif
