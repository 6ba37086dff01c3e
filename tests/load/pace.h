/*
 * A fixed rate: one call for each thing that is due, with the time at which it was due, to the nanosecond. Calls that
 * a busy process misses are made later, so the delay shows in the measurements.
 */
#ifndef TESTS_LOAD_PACE_H
#define TESTS_LOAD_PACE_H

#include <ev.h>
#include <stdint.h>

struct pace {
	struct ev_loop *ev;
	struct ev_io io; /* watches a timerfd */
	uint64_t from;	 /* ns, CLOCK_MONOTONIC: when number 0 is due */
	double interval; /* ns */
	uint64_t next;	 /* number of the next call */
	void (*due)(void *arg, uint64_t when);
	void *arg;
};

/* Starts to call. Returns 0, or ERROR_SYSTEM. */
int pace_start(struct pace *p, struct ev_loop *ev, uint64_t from, double per_second,
	void (*due)(void *arg, uint64_t when), void *arg);
void pace_stop(struct pace *p); /* harmless if not started */
/*
 * Stops after the overdue calls for times before `until` are made, so that a process that was delayed at the end
 * makes as many calls as one that was not. A backlog larger than one burst is dropped: a process with that backlog
 * was too slow, not just late.
 */
void pace_finish(struct pace *p, uint64_t until);

#endif
