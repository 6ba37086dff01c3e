/* What the hub supplies to its keeper (sio_keeper.h): the limits, and the functions for sending. */
#ifndef NODE_SOCKETIO_SIO_KEEPER_OPTIONS_H
#define NODE_SOCKETIO_SIO_KEEPER_OPTIONS_H

#include <stdint.h>

#include "common/base/text.h"

struct sio_keeper_options {
	uint64_t window_ms;    /* maxDisconnectionDuration */
	uint64_t notice_ms;    /* how long a loss may go unnoticed */
	uint64_t max_bytes;    /* recoveryMaxBytes */
	uint64_t max_sessions; /* recoveryMaxSessions */
	/* Sends to the worker whose channel has this name (BUS_KEEP_ID), after all events numbered so far. */
	void (*send)(void *arg, struct text origin, struct text message);
	/* Requests a call of sio_keeper_settle() when all that workers have sent until now has been received. */
	void (*settle_later)(void *arg);
	void *arg;
};

#endif
