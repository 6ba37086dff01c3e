/*
 * When a process that has ended is started again: at once the first time, then after a pause that doubles with each
 * failure, up to a maximum. One that lived long enough starts with a clean record. Pure; times are milliseconds of
 * one clock.
 */
#ifndef NODE_PROCESS_PAUSE_H
#define NODE_PROCESS_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

struct pause {
	uint64_t started; /* the last start */
	uint64_t due;	  /* when to start again; 0: not at all */
	unsigned failures;
};

/* It starts now. */
void pause_start(struct pause *p, uint64_t now);
/* It has ended, or could not be started: sets `due`. `served`: it did its work, so that this was not a bad start. */
void pause_fail(struct pause *p, uint64_t now, bool served);
/* For the log: how long until `due`. */
uint64_t pause_left(const struct pause *p, uint64_t now);

#endif
