/*
 * Which of the application's functions is running: the namespace and the handler ("message", "connection"). It is
 * there for a process that has to say where it crashed or hangs, so it can be read at any moment, by a signal handler
 * too. Setting it costs two stores; calls nest, so each one puts back what was there before.
 */
#ifndef NODE_SOCKETIO_SIO_UNDERWAY_H
#define NODE_SOCKETIO_SIO_UNDERWAY_H

#include <stdatomic.h>

#include "node/socketio/sio_listener.h"

struct sio_underway {
	const char *nsp;     /* NULL: the function is not of a namespace */
	const char *handler; /* an event's name or the kind of the function; NULL: none is running */
};

/* Both texts stay where they are until sio_underway_leave(). Returns what that one wants back. */
static inline struct sio_underway
sio_underway_enter(struct sio_underway *u, const char *nsp, const char *handler)
{
	struct sio_underway before = *u;

	u->nsp = nsp;
	u->handler = handler;
	atomic_signal_fence(memory_order_release); /* stored before the function is called, not merely by its end */
	return before;
}

static inline void
sio_underway_leave(struct sio_underway *u, struct sio_underway before)
{
	atomic_signal_fence(memory_order_release);
	*u = before;
}

/*
 * Calls the listeners of `list` (NULL: none) as functions of `type`, with the arguments that follow and their own
 * one. Meanwhile the namespace and the handler are the ones under way in `underway`.
 */
#define SIO_RUN(list, underway, nsp, handler, type, ...)                                                             \
	do {                                                                                                         \
		struct sio_listeners *list_ = (list);                                                                \
		struct sio_underway *underway_ = (underway), before_;                                                \
		const struct sio_listener *it_;                                                                      \
		struct sio_run run_;                                                                                 \
                                                                                                                     \
		if (list_ == NULL || sio_listeners_empty(list_))                                                     \
			break;                                                                                       \
		sio_run_begin(&run_, list_);                                                                         \
		before_ = sio_underway_enter(underway_, (nsp), (handler));                                           \
		while ((it_ = sio_run_next(&run_)) != NULL)                                                          \
			((type *)it_->fn)(__VA_ARGS__, it_->arg);                                                    \
		sio_underway_leave(underway_, before_);                                                              \
	} while (0)

#endif
