/*
 * Accepting, for loops and for processes without one: which failures are the peer's, and what to do when descriptors
 * or memory run out. Then one line is logged, those who wait are closed by means of a reserve descriptor, so that
 * they can try elsewhere, and the caller pauses: without that it would spin on a socket that stays readable.
 */
#ifndef COMMON_IO_ACCEPTOR_H
#define COMMON_IO_ACCEPTOR_H

#include <sys/socket.h>

#include "common/io/log.h"

#define ACCEPTOR_AT_ONCE 256 /* connections of one socket; then others get their turn */

enum { ACCEPTOR_NOBODY = -1, ACCEPTOR_PAUSE = -2 };

/* One per process, or per loop: descriptors run out for all sockets at once. */
struct acceptor {
	int reserve_fd;	      /* given up for a moment to accept, and close, the peers that wait; -1: there is none */
	uint32_t pause_ms;    /* the next one: 100 ms, doubled each time up to 1 s; a success sets it back */
	uint64_t paused_till; /* of the last pause; the caller accepts nothing before */
	uint32_t turned_away; /* peers that the last pause began with */
	struct log_limit lines;
};

void acceptor_init(struct acceptor *a);
void acceptor_fini(struct acceptor *a);

/*
 * A connection that waits at `listening`, which is non-blocking: its descriptor, non-blocking and close-on-exec, with
 * the address in `peer`. ACCEPTOR_NOBODY: none waits. ACCEPTOR_PAUSE: see above. `now` in milliseconds, of one clock.
 */
int acceptor_next(
	struct acceptor *a, int listening, uint64_t now, struct sockaddr_storage *peer, socklen_t *peer_len);

#endif
