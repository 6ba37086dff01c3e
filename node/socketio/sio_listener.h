/*
 * Lists of listeners: functions with an argument. Prepended listeners run first, the others in the order of
 * registration. A list may be changed while it runs: that run does not call listeners added meanwhile, nor listeners
 * removed meanwhile.
 *
 * A zeroed list is empty and owns no memory. Functions are stored without their type; the code that runs a list knows
 * the type and casts back.
 */
#ifndef NODE_SOCKETIO_SIO_LISTENER_H
#define NODE_SOCKETIO_SIO_LISTENER_H

#include <stdbool.h>

#include "common/base/table.h"

typedef void sio_any_fn(void); /* cast back to the registered type before each call */

struct sio_listener {
	sio_any_fn *fn; /* NULL: removed during a run */
	void *arg;
	bool once; /* removed before its first call */
};

struct sio_listeners {
	struct sio_listener *at;
	unsigned count, size; /* count includes removed listeners until no run is under way */
	unsigned running : 30;
	unsigned holes : 1;
	unsigned named : 1; /* in a table by event name; removed from the table when its last listener goes */
	unsigned shifted;   /* listeners prepended while runs are under way */
};

void sio_listeners_fini(struct sio_listeners *list);
/* Adds a listener at the end of the list, or before all others. */
void sio_listeners_add(struct sio_listeners *list, sio_any_fn *fn, void *arg);
void sio_listeners_prepend(struct sio_listeners *list, sio_any_fn *fn, void *arg);
/* Removes the first listener with this `fn` and `arg`. Returns false if there is no such listener. */
bool sio_listeners_remove(struct sio_listeners *list, sio_any_fn *fn, void *arg);
/* Returns true if the list has an equal listener. */
bool sio_listeners_have(const struct sio_listeners *list, const struct sio_listener *listener);

static inline bool
sio_listeners_empty(const struct sio_listeners *list)
{
	return list->count == 0;
}

/* One run of a list: sio_run_begin(), then sio_run_next() until NULL. A run that stops early calls sio_run_end(). */
struct sio_run {
	struct sio_listeners *list;
	unsigned next, end, shifted;
	struct sio_listener now;
};
void sio_run_begin(struct sio_run *run, struct sio_listeners *list);
const struct sio_listener *sio_run_next(struct sio_run *run);
void sio_run_end(struct sio_run *run);

/* Listeners by event name. */
struct sio_listeners *sio_event_listeners(const struct table *events, struct text name); /* NULL: none */
void sio_event_listeners_add(struct table *events, struct text name, sio_any_fn *fn, void *arg);
void sio_event_listeners_add_once(struct table *events, struct text name, sio_any_fn *fn, void *arg);
bool sio_event_listeners_remove(struct table *events, struct text name, sio_any_fn *fn, void *arg);
void sio_event_listeners_fini(struct table *events);

#endif
