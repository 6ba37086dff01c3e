/*
 * A fixed rate: calls once for each thing that is due, with the time at which it was due, to the nanosecond. What a
 * busy process could not do in time is made up for, so that its delay shows in what is measured.
 */
#ifndef TESTS_LOAD_PACE_H
#define TESTS_LOAD_PACE_H

#include <ev.h>
#include <stdint.h>

struct pace {
	struct ev_loop *ev;
	struct ev_io io; /* of a timerfd */
	uint64_t from;	 /* ns, CLOCK_MONOTONIC: when number 0 is due */
	double interval; /* ns */
	uint64_t next;	 /* number of the next one */
	void (*due)(void *arg, uint64_t when);
	void *arg;
};

/* 0, or ERROR_SYSTEM. */
int pace_start(struct pace *p, struct ev_loop *ev, uint64_t from, double per_second,
	void (*due)(void *arg, uint64_t when), void *arg);
void pace_stop(struct pace *p); /* harmless when not started */
/* Stops it too, but not before the calls for what was due before `until` and could not be made in time: a process
 * that was delayed at the end has as many as one that was not. A backlog beyond one burst is left out: whoever has
 * one was too slow, not late. */
void pace_finish(struct pace *p, uint64_t until);

#endif
