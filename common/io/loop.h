/*
 * An event loop: a libev loop plus the turn that makes batching possible.
 *
 * A turn begins when libev has polled and runs the callbacks. Before the next poll, the end-of-turn step repeats
 * until nothing is left to do: it runs deferred calls, flushes each dirty connection with one write, makes the last
 * call (on_closed) of dead connections and frees them.
 *
 * The loop holds everything that connections can share: the read buffer, the timing wheel, the clock, the counters.
 *
 * Work is accounted, so that one client's traffic does not delay the others for long. Code whose amount of work a
 * peer controls reports it by loop_spend(), in units of about a nanosecond. There are two limits:
 *
 * - LOOP_SHARE_WORK is the share of one connection in one turn. When it is spent, on_data returns
 * (conn_share_spent()) and the connection moves to `heavy`. It is not read until its next share, which it gets at the
 * end of a later turn, in order of waiting.
 *
 * - LOOP_TURN_WORK is the work of all connections in one turn. When it is spent, connections with input wait in
 * `put_off` for the beginning of the next turn, and heavy ones are no longer served, except that each turn serves at
 * least one.
 *
 * This work therefore takes about two milliseconds of a turn at most, and connections with little work go ahead of
 * those with much. While the limits are kept, neither costs a system call.
 *
 * Writes are limited, too: after LOOP_TURN_WRITES calls of the kernel, the turn flushes no further connections, which
 * wait in `unflushed` for the next turns. A connection with much output may need several writes; one that is blocked
 * or has nothing to write needs none. After a broadcast to many thousand clients, other clients are thus served
 * between the writes. If a peer sends something meanwhile, its connection leaves the queue once, so that the reply
 * does not wait. Each turn takes at least a quarter of LOOP_TURN_WRITES for the queue, even if the number is used up.
 *
 * Each LOOP_WRITE_BYTES count as one more write, so that large messages to many clients do not take longer. One
 * connection writes about LOOP_PART_BYTES in one turn. If it has more to write, it waits in `partial` for the next
 * turn, even if it is a service. The kernel needs 0.1 ms for so many bytes, or more than 1 ms if it lacks free pages.
 *
 * After LOOP_TURN_BURIALS dead connections, the others wait in `dead` for the next turns, because the kernel needs
 * several microseconds for each, and the owner of a connection has work with it. If thousands of clients leave at the
 * same moment, others are thus served between them.
 *
 * A loop and everything attached to it belong to one thread.
 */
#ifndef COMMON_IO_LOOP_H
#define COMMON_IO_LOOP_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/counter.h"
#include "common/base/durations.h"
#include "common/base/list.h"
#include "common/io/io_tables.h"
#include "common/base/wheel.h"
#include "common/io/budget.h"
#include "common/io/log.h"

struct conn_chunk;

#define LOOP_SHARE_WORK 1000000 /* work of one connection in one turn */
#define LOOP_TURN_WORK 2000000	/* work of all connections in one turn */
#define LOOP_TURN_WRITES 256	/* writes to connections in one turn; each takes about 8 us */
#define LOOP_WRITE_BYTES 4096	/* bytes that count as one more write */
#define LOOP_PART_BYTES 262144	/* bytes that one connection writes in one turn, unless its queue would overflow */
#define LOOP_TURN_BURIALS 256	/* connections freed in one turn; each takes about 15 us */

/* Costs of common operations, for loop_spend(). */
#define LOOP_WORK_HANDSHAKE 250000 /* a step of a TLS handshake */
#define LOOP_WORK_REQUEST 5000	   /* an HTTP request */
#define LOOP_WORK_READ 2000	   /* a read, plus one unit per byte */
#define LOOP_WORK_PACKET 1000	   /* a packet, frame or message, plus one unit per byte */

/* maximum bytes of one read, less the bytes that the connection has kept */
#define LOOP_SCRATCH_SIZE (128 * 1024)

struct loop {
	struct ev_loop *ev;
	_Atomic uint64_t *pulse, own_pulse; /* see loop_set_pulse() */
	struct wheel *wheel;
	uint64_t now;		/* monotonic milliseconds, refreshed at both ends of a turn */
	uint64_t turn_began_us; /* by loop_clock_us(); 0: the first turn has not begun */
	struct durations turns; /* how long each turn took, with its end-of-turn step */
	/* connections until their last call, except those in the next three lists: conn_each() */
	struct list open;
	struct list put_off;   /* have input, which waits for the next turn */
	struct list heavy;     /* have spent their share of a turn and wait for another one */
	struct list serving;   /* connections of these two lists that may continue now */
	struct list dirty;     /* connections with something queued this turn */
	struct list unflushed; /* connections with something queued in earlier turns, in order of waiting */
	struct list partial;   /* connections that have written LOOP_PART_BYTES and have more to write */
	struct list dead;      /* closed connections, to be freed */
	struct list deferred;  /* struct loop_call */
	struct list flushing;  /* struct loop_call for before the next flush */
	struct list later;     /* struct loop_call for the next turn */
	struct list resumed;   /* connections whose kept bytes are delivered again this turn */
	uint8_t *scratch;      /* LOOP_SCRATCH_SIZE bytes */
	uint8_t *gather;       /* LOOP_GATHER_SIZE bytes, in which the small blocks of a flush are joined */
	struct counters counters;
	struct counters service_counters; /* traffic of services, which no client caused */
	uint64_t closed[NAMES_MAX];	  /* closed connections by reason */
	struct budget budget;		  /* memory held for clients; no limit until budget_set_max() */
	struct budget_source conns;	  /* source of the budget: the clients' connections */
	struct log_limit memory_log;	  /* limits log lines about the budget */
	uint64_t queued;		  /* bytes queued for clients */
	uint64_t service_queued;	  /* bytes queued for the peers of services */
	uint32_t connections;		  /* open connections of clients */
	uint32_t services;		  /* open services: conn_set_service() */
	uint64_t work;			  /* total reported to loop_spend() */
	uint64_t share_end;		  /* value of `work` at which the current connection's share ends */
	uint64_t turn_work_end;		  /* value of `work` at which the turn's work ends */
	unsigned writes, max_writes;	  /* in this turn; LOOP_TURN_WRITES */
	size_t part_bytes;		  /* LOOP_PART_BYTES */
	unsigned burials_left;		  /* connections that may still be freed in this turn */
	unsigned max_burials;		  /* LOOP_TURN_BURIALS */
	struct ev_prepare turn_end;
	struct ev_timer wheel_timer;
	uint64_t wheel_due; /* time at which wheel_timer fires */
	struct ev_check turn_begin;
	struct ev_idle no_wait;		 /* active while work is left for the next turn */
	struct conn_chunk *spare_chunks; /* unused chunks of output queues */
	uint32_t spare_count;
	bool finishing_turn;
	int poll_fd; /* epoll descriptor, for loop_forget_fd(); -1: not searched yet, -2: not epoll */
};

#define LOOP_GATHER_SIZE (64 * 1024) /* bytes of the gather buffer; slices above 4 KiB are sent in place */

/* `ev` is borrowed and must outlive the loop. It is the embedding program's loop or comes from ev_loop_new(). */
void loop_init(struct loop *l, struct ev_loop *ev);

/*
 * Makes the loop count the beginning and the end of each turn in `pulse`, which is borrowed. The value is odd while
 * callbacks run and even while the loop waits. Another thread or process may read it.
 */
void loop_set_pulse(struct loop *l, _Atomic uint64_t *pulse);

/* All connections must have been freed (by loop_finish_turn() after closing them). */
void loop_fini(struct loop *l);

/* Returns cached memory to the system, after a large number of clients has left. Takes milliseconds. */
void loop_give_back(struct loop *l);

/* Called after memory was added: closes the largest holders if the budget is exceeded. Makes no up-call. */
static inline void
loop_keep_budget(struct loop *l)
{
	if (budget_exceeded(&l->budget))
		budget_relieve(&l->budget);
}

/* Called by a source of holders: counts a holder that it closed and logs it, at a limited rate. */
void loop_closed_for_memory(struct loop *l, const char *kind, struct text name, uint64_t bytes);

/* Called when memory was short for a client's data: counts it and logs it, at a limited rate. */
void loop_count_no_memory(struct loop *l);

/*
 * Runs the end-of-turn step now, for tests and shutdown, and frees all dead connections. Must not be called from a
 * callback of this loop.
 */
void loop_finish_turn(struct loop *l);

/* Returns monotonic microseconds: the clock of `now`. */
uint64_t loop_clock_us(void);

/* Returns wall-clock milliseconds since the epoch (for `issued` and log lines). */
uint64_t loop_wall_ms(void);

/* A call made once at the end of this turn, outside of any other callback. loop_call_cancel() cancels it. */
struct loop_call {
	struct list link;
	void (*run)(struct loop_call *call);
};
/* Initialises a call that is not queued. */
void loop_call_init(struct loop_call *call, void (*run)(struct loop_call *call));
void loop_defer(struct loop *l, struct loop_call *call); /* does nothing if it is queued already */
void loop_call_cancel(struct loop_call *call);		 /* does nothing if it is not queued */

/*
 * Like loop_defer(), but before anything that was queued so far is written: for what must leave no later than that.
 * The call must not defer calls or close connections of others.
 */
void loop_defer_to_flush(struct loop *l, struct loop_call *call);

/*
 * Like loop_defer(), but at the end of the next turn, which then begins without waiting. For work that has used up
 * its share of this turn. A call queued for this turn stays queued for it.
 */
void loop_defer_next(struct loop *l, struct loop_call *call);

/*
 * Reports work whose amount a peer controls: bytes inflated or parsed, packets, steps of a pattern. It is charged to
 * the connection being served, if any, and to the turn.
 */
static inline void
loop_spend(struct loop *l, uint64_t units)
{
	l->work += units;
}

/* Returns true if the turn's work is spent; work that can wait should wait for the next turn. */
static inline bool
loop_turn_spent(const struct loop *l)
{
	return l->work >= l->turn_work_end;
}

/*
 * Begins a share for work on behalf of one client outside of its connection's on_data, such as the packets of a push.
 * The work continues until loop_share_spent(). Both are called within one callback.
 */
static inline void
loop_share_begin(struct loop *l)
{
	l->share_end = l->work + LOOP_SHARE_WORK;
}

/*
 * Like loop_share_begin(), for work that must be done in this turn: if the turn's work is spent, the share is a
 * sixteenth.
 */
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
 * Must be called before closing a descriptor whose file is also open in other processes (a listening socket of the
 * master, or a connection that was handed over). Otherwise the kernel continues to report events under a number that
 * may belong to another file by then.
 */
void loop_forget_fd(struct loop *l, int fd);

/* Timers on the loop's wheel, relative to l->now. */
void loop_arm(struct loop *l, struct wheel_entry *entry, uint64_t after_ms);
void loop_disarm(struct loop *l, struct wheel_entry *entry);

#endif
