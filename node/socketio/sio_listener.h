/*
 * Lists of listeners: functions with an argument, run in the order of registration. A list may be changed while it
 * runs: one added is not called by that run, one removed is not called any more.
 *
 * A zeroed list is an empty one and owns no memory. The functions are stored without their type; who
 * runs a list knows it and casts back.
 */
#ifndef NODE_SOCKETIO_SIO_LISTENER_H
#define NODE_SOCKETIO_SIO_LISTENER_H

#include <stdbool.h>

#include "common/base/table.h"

typedef void sio_any_fn(void); /* only ever called after a cast to what was registered */

struct sio_listener {
	sio_any_fn *fn; /* NULL: removed during a run */
	void *arg;
};

struct sio_listeners {
	struct sio_listener *at;
	unsigned count, size; /* removed ones counted until no run is under way */
	unsigned running : 30;
	unsigned holes : 1;
	unsigned named : 1; /* in a table by event name, which it leaves when the last of them goes */
};

void sio_listeners_fini(struct sio_listeners *l);
void sio_listeners_add(struct sio_listeners *l, sio_any_fn *fn, void *arg);
/* The first that is equal; false when there is none. */
bool sio_listeners_remove(struct sio_listeners *l, sio_any_fn *fn, void *arg);

static inline bool
sio_listeners_empty(const struct sio_listeners *l)
{
	return l->count == 0;
}

/* A run: begin, then next until NULL. A run that is left early must be ended. */
struct sio_run {
	struct sio_listeners *list;
	unsigned next, end;
	struct sio_listener now;
};
void sio_run_begin(struct sio_run *run, struct sio_listeners *list);
const struct sio_listener *sio_run_next(struct sio_run *run);
void sio_run_end(struct sio_run *run);

/* Listeners by event name. */
struct sio_listeners *sio_event_listeners(const struct table *events, struct text name); /* NULL: none */
void sio_event_listeners_add(struct table *events, struct text name, sio_any_fn *fn, void *arg);
bool sio_event_listeners_remove(struct table *events, struct text name, sio_any_fn *fn, void *arg);
void sio_event_listeners_fini(struct table *events);

#endif
