/*
 * One load process: its clients, their coming, the phases of the run. Scenarios (scenario.h) decide what clients do.
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
	struct wheel_entry timer; /* to come back, or to leave */
	uint8_t attempts;	  /* that failed since it was joined last */
	bool tried, opened;	  /* counted already */
	bool coming;		  /* it is not joined yet, and takes one of the places of --connecting */
	bool ready;		  /* joined, and in its room if it has one: counted as joined */
};

struct load {
	const struct load_options *options;
	const struct scenario *scenario;
	struct target *targets; /* one for each URL */
	struct board *board;
	struct board_part *part; /* this process's */
	unsigned number;	 /* of this process */

	struct loop loop;
	struct client_setup setup;
	struct ev_check stamp;
	struct ev_timer tick;
	struct ev_idle spin; /* active while messages flow, where that is asked for */
	uint64_t now;	     /* ns: when the poll of this turn returned */
	int phase;	     /* enum board_phase, as last seen */
	uint64_t phase_since;
	bool measuring; /* messages that are due now count */
	uint64_t bytes_at_begin;

	uint64_t first, count; /* its clients: numbers first .. first + count - 1 of all */
	struct load_client *clients;
	uint64_t next_client;	   /* the next one that has never come */
	uint64_t connecting_max;   /* of this process */
	struct pace arrivals;	   /* of new clients, where their rate is given */
	struct loop_call come;	   /* lets more clients in at the end of this turn */
	struct messages *messages; /* of the scenarios that send any */
	uint64_t storm_size;	   /* clients that were cut off */
	struct load_client **free; /* churn: clients that have left, to come as new ones */
	uint64_t free_count;
};

/* Runs one load process until the parent ends it, and frees its copy of the targets. Returns the exit code. */
int load_run(const struct load_options *o, struct target *targets, struct board *board, unsigned number);

/* For scenarios. */
struct load *load_of(struct client *c);
struct load_client *load_client_of(struct client *c);
/* It is ready for messages: joined, in its room. */
void load_ready(struct load_client *c);
/* Counts an error that is none of the clients' ends. */
void load_error(struct load *l, enum load_error error, const char *why);
/* churn: the client has left; the next arrival may be it. */
void load_free_place(struct load *l, struct load_client *c);
/* Lets a client that is idle come again. */
void load_come(struct load *l, struct load_client *c);
/* A uniform number from 0 to bound - 1. */
uint64_t load_random(struct load *l, uint64_t bound);
/* Records a latency of the measured run: `due` and `arrived` in ns. */
void load_record(struct load *l, uint64_t due, uint64_t arrived);

/* load_ramp.c: who comes when */
void load_ramp_start(struct load *l);
void load_ramp_stop(struct load *l);
void load_let_in(struct load *l);
extern const struct client_ops load_client_ops;

#endif
