/*
 * One event loop: a libev loop plus the turn that makes batching possible.
 *
 * A turn: libev polls and runs callbacks; then, before the next poll, the
 * end-of-turn step repeats until nothing is left to do: run deferred calls, flush each dirty
 * connection with one write, make the last call (on_closed) of dead connections and free them.
 *
 * Everything that would be per connection but can be per loop lives here: the
 * read scratch, the timing wheel, the clock, the counters.
 *
 * Work is counted, so that nobody waits long for one client's push. Code that does something a peer may ask for in
 * any amount reports it by loop_spend(), in units of about a nanosecond. Two limits follow from the account:
 *
 * - LOOP_SHARE_WORK is what one connection gets in one turn. When it is spent, on_data returns (conn_share_spent())
 * and the connection waits in `heavy`: it is not read, and gets its next share at the end of a later turn, in the
 * order of waiting.
 *
 * - LOOP_TURN_WORK is what all connections get together. When it is spent, those that have something to read wait in
 * `put_off` for the beginning of the next turn, and no more heavy ones are served; one at least is in each turn.
 *
 * So a turn lasts some ten milliseconds at most, and a connection that asks for little goes ahead of those that ask
 * for much. Neither costs a system call while the limits are kept.
 *
 * A loop and all that hangs on it belong to one thread.
 */
#ifndef COMMON_IO_LOOP_H
#define COMMON_IO_LOOP_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/counter.h"
#include "common/base/list.h"
#include "common/io/io_tables.h"
#include "common/base/wheel.h"
#include "common/io/budget.h"
#include "common/io/log.h"

struct conn_chunk;

#define LOOP_SHARE_WORK 1000000 /* one connection, one turn */
#define LOOP_TURN_WORK 10000000 /* all connections, one turn */

/* What common things cost, for loop_spend(). */
#define LOOP_WORK_HANDSHAKE 250000 /* a step of a TLS handshake */
#define LOOP_WORK_REQUEST 5000	   /* an HTTP request */
#define LOOP_WORK_READ 2000	   /* a read, besides a unit for each byte */
#define LOOP_WORK_PACKET 1000	   /* a packet, frame or message, besides a unit for each byte */

#define LOOP_SCRATCH_SIZE (128 * 1024) /* one read takes at most this much, less what a connection kept */

struct loop {
	struct ev_loop *ev;
	_Atomic uint64_t *pulse, own_pulse; /* see loop_set_pulse() */
	struct wheel *wheel;
	uint64_t now;	      /* ms, monotonic; refreshed at both ends of a turn */
	struct list open;     /* connections, until their last call, but for those in the next three: conn_each() */
	struct list put_off;  /* they have something to read, which waits for the next turn */
	struct list heavy;    /* they have spent their share of a turn and wait for another one */
	struct list serving;  /* those of either list that may go on now */
	struct list dirty;    /* connections with something queued this turn */
	struct list dead;     /* connections closed this turn */
	struct list deferred; /* struct loop_call */
	struct list later;    /* the same, for the next turn */
	struct list resumed;  /* connections whose kept bytes are given again this turn */
	uint8_t *scratch;     /* LOOP_SCRATCH_SIZE bytes */
	uint8_t *gather;      /* LOOP_GATHER_SIZE bytes: small blocks of one flush are joined here */
	struct counters counters;
	struct counters service_counters; /* what services do, which no client caused */
	uint64_t closed[NAMES_MAX];	  /* connections ended, by reason */
	struct budget budget;		  /* what is held for clients; without a limit until budget_set_max() */
	struct budget_source conns;	  /* their connections */
	struct log_limit memory_log;	  /* of those that the budget closed */
	uint64_t queued;		  /* bytes that wait for clients */
	uint64_t service_queued;	  /* and for the peers of services */
	uint32_t connections;		  /* clients' open now */
	uint32_t services;		  /* conn_set_service(), open now */
	uint64_t work;			  /* all that loop_spend() was told */
	uint64_t share_end;		  /* of `work`: where the share of the connection that is being served ends */
	uint64_t turn_work_end;		  /* of `work`: where the turn's ends */
	struct ev_prepare turn_end;
	struct ev_timer wheel_timer;
	uint64_t wheel_due; /* when wheel_timer fires */
	struct ev_check turn_begin;
	struct ev_idle no_wait;		 /* active while there is work left for the next turn */
	struct conn_chunk *spare_chunks; /* pieces of output queues not in use */
	uint32_t spare_count;
	bool finishing_turn;
	int poll_fd; /* the kernel's poll object, for loop_forget_fd(); -1: not looked for yet, -2: there is none */
};

#define LOOP_GATHER_SIZE (64 * 1024) /* more leaves as it lies, by writev() */

/* `ev` is borrowed: the embedding program's loop, or ev_loop_new()'s; it must outlive the loop. */
void loop_init(struct loop *l, struct ev_loop *ev);

/*
 * From now on the loop counts in `pulse`, borrowed, when a turn begins and when it ends: it is odd while callbacks
 * run and even while the loop waits. Another thread or process may read it.
 */
void loop_set_pulse(struct loop *l, _Atomic uint64_t *pulse);

/* All connections must be gone (loop_finish_turn() after closing them). */
void loop_fini(struct loop *l);

/* Gives back to the system what is kept for the next burst: after a crowd has left. Takes milliseconds. */
void loop_give_back(struct loop *l);

/* For whoever adds memory: keeps within the budget by closing the largest holders, which makes no up-call. */
static inline void
loop_keep_budget(struct loop *l)
{
	if (budget_exceeded(&l->budget))
		budget_relieve(&l->budget);
}

/* For a source of holders: counts one that it closed, and logs it, sampled. */
void loop_closed_for_memory(struct loop *l, const char *kind, struct text name, uint64_t bytes);

/* For whoever had no memory for a client's data: counts it and says so, sampled. */
void loop_count_no_memory(struct loop *l);

/* Runs the end-of-turn step now; for tests and shutdown. Never from inside a callback of this loop. */
void loop_finish_turn(struct loop *l);

/* Wall-clock milliseconds since the epoch (for `issued`, log lines). */
uint64_t loop_wall_ms(void);

/* A call made at the end of this turn, outside of any other callback. Once; cancel by loop_call_cancel(). */
struct loop_call {
	struct list link;
	void (*run)(struct loop_call *call);
};
void loop_call_init(struct loop_call *call, void (*run)(struct loop_call *call));
void loop_defer(struct loop *l, struct loop_call *call); /* harmless when already queued */
void loop_call_cancel(struct loop_call *call);		 /* harmless when not queued */

/*
 * The same at the end of the next turn, which begins without waiting for anything: for the rest of a work that has
 * had its share of this one. A call that is queued for this turn stays so.
 */
void loop_defer_next(struct loop *l, struct loop_call *call);

/*
 * Something was done whose amount a peer decides: bytes inflated or parsed, packets, steps of a pattern. Charged to
 * the connection that is being served, if one is, and to the turn.
 */
static inline void
loop_spend(struct loop *l, uint64_t units)
{
	l->work += units;
}

/* The turn has done what it should: what can wait is better done in the next one. */
static inline bool
loop_turn_spent(const struct loop *l)
{
	return l->work >= l->turn_work_end;
}

/*
 * For what is done for one client outside of its connection's on_data (the packets of a push): a share begins, and
 * work goes on until loop_share_spent(). Both are called within one callback.
 */
static inline void
loop_share_begin(struct loop *l)
{
	l->share_end = l->work + LOOP_SHARE_WORK;
}

/* The same for what must be done in this turn: once the turn is spent, a sixteenth of a share. */
static inline void
loop_share_begin_late(struct loop *l)
{
	l->share_end = l->work + (loop_turn_spent(l) ? LOOP_SHARE_WORK / 16 : LOOP_SHARE_WORK);
}

static inline bool
loop_share_spent(const struct loop *l)
{
	return l->work >= l->share_end;
}

/*
 * Before closing a descriptor whose file other processes hold too (a listening socket of the master, a connection
 * handed over): else the kernel goes on reporting it under a number that means something else by then.
 */
void loop_forget_fd(struct loop *l, int fd);

/* Timers by the loop's wheel, relative to l->now. */
void loop_arm(struct loop *l, struct wheel_entry *entry, uint64_t after_ms);
void loop_disarm(struct loop *l, struct wheel_entry *entry);

#endif
