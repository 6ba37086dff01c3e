/*
 * Memory that the load processes and their parent share, mapped before the fork. Each process writes its own part and
 * the counts of its own senders; the parent writes the phase; all of them read everything. A count of another process
 * may be slightly out of date.
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
	PHASE_COMING,	/* clients connect */
	PHASE_MESSAGES, /* the warm-up, then the measured run; run_from and run_until are set */
	PHASE_SETTLING, /* sending has stopped; messages in transit may still arrive */
	PHASE_LEAVING,	/* clients disconnect */
	PHASE_OVER	/* the processes exit */
};

struct board_part {
	uint64_t opened;   /* clients that started to connect, each counted once */
	uint64_t underway; /* clients that are connecting now */
	uint64_t joined;   /* clients that are joined now */
	uint64_t tried;	   /* clients whose first attempt has ended */
	uint64_t joins;
	bool ever_ready; /* at least one client has become ready */
	uint64_t left;	 /* joined clients that were cut off or that the server closed */
	uint64_t reconnected;
	uint64_t recovered, not_recovered; /* --recover: clients that came back after a loss */
	uint64_t replayed;		   /* --recover: messages that they received before they had joined again */
	uint64_t first_loss, last_return;  /* --recover: ns; 0 until then */
	uint64_t coming_from, last_join;   /* ns: `joins` counts the clients that joined between the two */

	uint64_t sent, received, bytes_received; /* in the measured run */
	uint64_t unanswered;
	uint64_t late; /* open loop: messages sent more than LATE_NS after they were due */
	struct tracker_counts tracked;
	uint64_t errors[LOAD_ERROR_COUNT];
	char first_error[256];

	double cpu_at_begin, cpu_at_end; /* seconds of processor time in the measured run */
	bool run_ended, settled, gone; /* the process has ended the run; has nothing in transit; has no client left */
	_Atomic bool stopped;	       /* the process sends no more */

	struct histogram latency, connect_time, away_time;
	struct series series;
};

#define LATE_NS 10000000 /* 10 ms */

struct board {
	_Atomic int phase;		      /* enum board_phase */
	_Atomic uint64_t run_from, run_until; /* ns, CLOCK_MONOTONIC; 0 until set */
	_Atomic uint64_t send_from;	      /* ns: when the open loop sends first, the same for all processes */
	uint64_t began;			      /* ns: when the first client may connect */
	unsigned processes;
	uint64_t sender_count;
	_Atomic uint32_t *sent; /* messages sent so far by each sender, by sender number */
	struct board_part *parts;
};

/* Maps a board; NULL with errno if the memory cannot be mapped. The board lives until the program ends. */
struct board *board_new(unsigned processes, uint64_t senders);
void board_free(struct board *b);

/* True once every process has stopped sending. From then on, the counts of sent messages are final. */
bool board_stopped(const struct board *b);

uint64_t board_now(void); /* ns, CLOCK_MONOTONIC */

/* Adds up one member over the parts of all processes. */
#define BOARD_SUM(b, member, into)                                                                                   \
	do {                                                                                                         \
		(into) = 0;                                                                                          \
		for (unsigned part_ = 0; part_ < (b)->processes; part_++)                                            \
			(into) += (b)->parts[part_].member;                                                          \
	} while (0)

#endif
