/*
 * Records which of the application's functions is running: the namespace and the handler ("message", "connection").
 * The process reads this record to report where it crashed or hangs, at any moment, also in a signal handler. Setting
 * it costs two stores. Calls nest, so each one restores the previous content.
 */
#ifndef NODE_SOCKETIO_SIO_UNDERWAY_H
#define NODE_SOCKETIO_SIO_UNDERWAY_H

#include <stdatomic.h>

#include "node/socketio/sio_listener.h"

struct sio_underway {
	const char *nsp;     /* NULL: the function does not belong to a namespace */
	const char *handler; /* the event's name or the kind of function; NULL: no function is running */
};

/* Both texts must stay valid until sio_underway_leave(). Returns the previous content, for sio_underway_leave(). */
static inline struct sio_underway
sio_underway_enter(struct sio_underway *underway, const char *nsp, const char *handler)
{
	struct sio_underway before = *underway;

	underway->nsp = nsp;
	underway->handler = handler;
	atomic_signal_fence(
		memory_order_release); /* keeps the compiler from moving the stores into or behind the call */
	return before;
}

static inline void
sio_underway_leave(struct sio_underway *underway, struct sio_underway before)
{
	atomic_signal_fence(memory_order_release);
	*underway = before;
}

/*
 * Calls the listeners of `list` (NULL: none) as functions of `type`, with the arguments that follow and then the
 * listener's own argument. Meanwhile `underway` holds the namespace and the handler.
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
