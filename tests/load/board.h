/*
 * What the load processes and their parent share: a piece of memory mapped before the fork. Each process writes its
 * own part and its own senders' counts, the parent writes the phase; all read all. Counts that another process reads
 * are a moment old at most.
 */
#ifndef TESTS_LOAD_BOARD_H
#define TESTS_LOAD_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/load/histogram.h"
#include "tests/load/report.h"
#include "tests/load/series.h"
#include "tests/load/tracker.h"

enum board_phase {
	PHASE_COMING,	/* clients come */
	PHASE_MESSAGES, /* the warm-up, then the measured run: run_from and run_until are set */
	PHASE_SETTLING, /* nothing is sent any more; what is under way may arrive */
	PHASE_LEAVING,	/* clients leave */
	PHASE_OVER	/* processes end */
};

struct board_part {
	uint64_t opened;   /* clients that began, each counted once */
	uint64_t underway; /* now: not joined yet */
	uint64_t joined;   /* now */
	uint64_t tried;	   /* clients whose first attempt is over */
	uint64_t joins;
	bool ever_ready; /* a client was there, at any time */
	uint64_t left;	 /* joined clients that were cut off or closed by the server */
	uint64_t reconnected;
	uint64_t coming_from, last_join; /* ns: `joins` are those between the two */

	uint64_t sent, received, bytes_received; /* in the measured run */
	uint64_t unanswered;
	uint64_t late; /* messages of the open loop that were sent more than LATE_NS after they were due */
	struct tracker_counts tracked;
	uint64_t errors[LOAD_ERROR_COUNT];
	char first_error[256];

	double cpu_at_begin, cpu_at_end; /* seconds, of the measured run */
	bool run_ended, settled, gone;	 /* nothing is under way; all clients have left */
	_Atomic bool stopped;		 /* nothing more is sent */

	struct histogram latency, connect_time;
	struct series series;
};

#define LATE_NS 10000000 /* 10 ms */

struct board {
	_Atomic int phase;		      /* enum board_phase */
	_Atomic uint64_t run_from, run_until; /* ns, CLOCK_MONOTONIC; 0 until known */
	_Atomic uint64_t send_from; /* ns: the open loop's first message, the same moment for all processes */
	uint64_t began;		    /* ns: the first client may come */
	unsigned processes;
	uint64_t sender_count;
	_Atomic uint32_t *sent; /* messages of each sender, ever; by its number */
	struct board_part *parts;
};

/* NULL with errno if there is not so much memory. */
struct board *board_new(unsigned processes, uint64_t senders);
void board_free(struct board *b);

/* Does no process send any more? Before that, nobody knows whether all that was sent has come. */
bool board_stopped(const struct board *b);

uint64_t board_now(void); /* ns, CLOCK_MONOTONIC */

/* The sum of one number over all parts. */
#define BOARD_SUM(b, member, into)                                                                                   \
	do {                                                                                                         \
		(into) = 0;                                                                                          \
		for (unsigned part_ = 0; part_ < (b)->processes; part_++)                                            \
			(into) += (b)->parts[part_].member;                                                          \
	} while (0)

#endif
