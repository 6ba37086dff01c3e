/*
 * One load process: its clients, the rate at which they connect, and the phases of the run. Scenarios (scenario.h)
 * decide what clients do.
 */
#ifndef TESTS_LOAD_LOAD_H
#define TESTS_LOAD_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/io/loop.h"
#include "tests/load/board.h"
#include "tests/load/client.h"
#include "tests/load/load_options.h"
#include "tests/load/pace.h"
#include "tests/load/scenario.h"

struct messages;

struct load_client {
	struct client client;
	struct wheel_entry timer; /* the delay before a reconnect, or the stay of a churn client */
	uint8_t attempts;	  /* failures since the client last joined */
	uint64_t lost_at;   /* --recover: when the client lost its connection; 0 if it has not, or has joined again */
	bool tried, opened; /* already counted in the board's part */
	bool coming;	    /* it is connecting and takes one of the --connecting slots */
	bool ready;	    /* it has joined, and is in its room if it has one */
};

struct load {
	const struct load_options *options;
	const struct scenario *scenario;
	struct target *targets; /* one per URL */
	struct board *board;
	struct board_part *part; /* the part of this process */
	unsigned number;	 /* number of this process */

	struct loop loop;
	struct client_setup setup;
	struct ev_check stamp;
	struct ev_timer tick;
	struct ev_idle spin; /* --spin: active while messages flow */
	uint64_t now;	     /* ns: when the poll of this turn returned */
	int phase;	     /* enum board_phase, as last read */
	uint64_t phase_since;
	bool measuring; /* messages that are due now count */
	uint64_t bytes_at_begin;

	uint64_t first, count; /* the process's clients have the numbers first .. first + count - 1 */
	struct load_client *clients;
	uint64_t next_client;	   /* the next client that has never connected */
	uint64_t connecting_max;   /* of this process */
	struct pace arrivals;	   /* paces new clients if --connect-rate is set */
	struct loop_call come;	   /* starts more clients at the end of this turn */
	struct messages *messages; /* NULL in scenarios without messages */
	uint64_t storm_size;	   /* storm: clients that were cut off */
	struct load_client **free; /* churn: clients that have left and may start anew */
	uint64_t free_count;
};

/*
 * Runs one load process until the parent ends it, then frees the process's copy of the targets. Returns the exit
 * code.
 */
int load_run(const struct load_options *o, struct target *targets, struct board *board, unsigned number);

/* The process of a client; for scenarios. */
struct load *load_of(struct client *c);
struct load_client *load_client_of(struct client *c);
/* The client can take part: it has joined, and is in its room. */
void load_ready(struct load_client *c);
/* Counts an error that does not end a client. */
void load_error(struct load *load, enum load_error error, const char *why);
/* churn: the client has left, and another one may use its entry. */
void load_free_place(struct load *load, struct load_client *c);
/* Starts an idle client again. */
void load_come(struct load *load, struct load_client *c);
/* A uniform number from 0 to bound - 1. */
uint64_t load_random(struct load *load, uint64_t bound);
/* Records a latency of the measured run; `due` and `arrived` are in ns. */
void load_record(struct load *load, uint64_t due, uint64_t arrived);

/* load_ramp.c: when clients connect */
void load_ramp_start(struct load *load);
void load_ramp_stop(struct load *load);
void load_let_in(struct load *load);
extern const struct client_ops load_client_ops;

#endif
