/*
 * Accepts connections, for loops and for processes without a loop. It tells failures caused by a peer from a shortage
 * of descriptors or memory. On a shortage it logs one line, closes the waiting peers by means of a reserve
 * descriptor, so that they can try another server, and asks the caller to pause. Without the pause the caller would
 * spin on a socket that stays readable.
 */
#ifndef COMMON_IO_ACCEPTOR_H
#define COMMON_IO_ACCEPTOR_H

#include <sys/socket.h>

#include "common/io/log.h"

#define ACCEPTOR_AT_ONCE 256 /* maximum connections accepted from one socket before others get their turn */

enum { ACCEPTOR_NOBODY = -1, ACCEPTOR_PAUSE = -2 };

/* One per process or per loop, since descriptors run out for all sockets at once. */
struct acceptor {
	int reserve_fd;	      /* closed for a moment to accept and close the waiting peers; -1: not available */
	uint32_t pause_ms;    /* length of the next pause: 100 ms, doubled each time up to 1 s, reset by a success */
	uint64_t paused_till; /* end of the last pause; the caller must not accept before */
	uint32_t turned_away; /* peers closed at the start of the last pause */
	struct log_limit lines;
};

/* Opens and closes the reserve descriptor. */
void acceptor_init(struct acceptor *acceptor);
void acceptor_fini(struct acceptor *acceptor);

/*
 * Accepts one connection from `listening`, which is non-blocking. Returns its descriptor (non-blocking,
 * close-on-exec) with the peer's address in `peer`; ACCEPTOR_NOBODY if no connection is waiting; or ACCEPTOR_PAUSE if
 * the caller must pause (see above). `now` is in milliseconds of a single clock.
 */
int acceptor_next(
	struct acceptor *acceptor, int listening, uint64_t now, struct sockaddr_storage *peer, socklen_t *peer_len);

#endif
