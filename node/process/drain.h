/*
 * Draining a server sends its clients away one by one over some time, so that they do not all arrive at another
 * server at once. Meanwhile new sessions are refused. Shedding does the same to some of the clients of a server that
 * keeps running.
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
	struct upstream *upstream; /* draining waits for its requests under way; NULL: no upstream */
	struct wheel_entry tick;
	char (*sids)[EIO_SID_LENGTH]; /* the sessions to send away */
	size_t count, told;
	bool stays;			   /* the server keeps running (shedding) */
	uint64_t started, ms;		   /* all clients are sent away within `ms` */
	void (*over)(struct drain *drain); /* called once by a drain: all clients have left, or the time is over */
	/*
	 * Called by a drain every few milliseconds. `empty` is true if all clients have left and no request for the
	 * upstream is under way. Returns true if the drain may end now; otherwise it goes on until the time is over.
	 * NULL: a drain ends when it is empty.
	 */
	bool (*may_end)(struct drain *drain, bool empty);
};

/*
 * Returns true if clients are left: sessions, clients that may have sent a POST before they knew of the close, or
 * connections that are relayed for the sessions of siblings.
 */
bool drain_has_clients(const struct drain *drain);

/* Set `over`, `may_end` and `upstream` first. `over` is called from the loop, not from drain_start(). */
void drain_start(struct drain *drain, struct loop *l, struct sio_server *io, struct eio_server *engine, uint64_t ms);

/* Sends `n` of the clients away over `ms`. */
void drain_shed(
	struct drain *drain, struct loop *l, struct sio_server *io, struct eio_server *engine, size_t n, uint64_t ms);

/* Ends the drain and frees its memory. May be called after `over`, and for a zeroed struct. */
void drain_stop(struct drain *drain);

#endif
