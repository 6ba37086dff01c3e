/*
 * Connections that begin with a PROXY header (common/io/proxy_header.h). An accepted descriptor waits here until the
 * header is complete, and then continues with the address in the header. TLS and HTTP never see the header.
 */
#ifndef NODE_PROCESS_PROXY_ACCEPT_H
#define NODE_PROCESS_PROXY_ACCEPT_H

#include "common/base/list.h"
#include "common/io/loop.h"
#include "common/io/proxy_header.h"

struct proxy_accept {
	struct loop *loop;
	struct list waiting;
	unsigned count;
	uint64_t timeout_ms; /* for the whole header */
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len);
	void *arg;
};

#define PROXY_WAITING_MAX 65536 /* connections that wait for their header; at this number new ones are closed */

/* Requires that loop, timeout_ms, on_accept and arg are set. */
void proxy_accept_init(struct proxy_accept *proxied);
/* Takes over the descriptor. `peer` is used if the header has no address. */
void proxy_accept_add(struct proxy_accept *proxied, int fd, const struct sockaddr *peer, socklen_t peer_len);
/* Closes the waiting connections. */
void proxy_accept_stop(struct proxy_accept *proxied);

#endif
