/*
 * Draining a server: its clients are sent away one by one over some time, so that they do not all arrive elsewhere
 * at once. New sessions are refused meanwhile. Shedding is the same for some of them, of a server that goes on.
 */
#ifndef NODE_PROCESS_DRAIN_H
#define NODE_PROCESS_DRAIN_H

#include "node/engineio/eio.h"
#include "node/sockeye.h"
#include "node/upstream/upstream.h"

struct drain {
	struct loop *loop;
	struct sio_server *io;
	struct eio_server *engine;
	struct upstream *upstream; /* its requests under way are waited for; NULL: none */
	struct wheel_entry tick;
	char (*sids)[EIO_SID_LENGTH]; /* whom it is about */
	size_t count, told;
	bool stays;		       /* the server goes on */
	uint64_t started, ms;	       /* all are told by then */
	void (*over)(struct drain *d); /* of a drain, once: nobody is left, or the time is over */
};

/* Fill `over` and `upstream` before; it is called from the loop, never from here. */
void drain_start(struct drain *d, struct loop *l, struct sio_server *io, struct eio_server *engine, uint64_t ms);

/* Sends `n` of the clients away over `ms`. */
void drain_shed(
	struct drain *d, struct loop *l, struct sio_server *io, struct eio_server *engine, size_t n, uint64_t ms);

/* Ends it. Gives back what it holds; harmless after `over`, and on a zeroed one. */
void drain_stop(struct drain *d);

#endif
