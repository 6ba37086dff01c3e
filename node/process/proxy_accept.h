/*
 * Connections that begin with a PROXY header (common/io/proxy_header.h): accepted descriptors wait here until the
 * header is there, and go on with the address it names, before TLS and HTTP see a byte.
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

#define PROXY_WAITING_MAX 65536 /* connections without their header; beyond, new ones are closed */

/* All but loop, timeout_ms, on_accept and arg is set here. */
void proxy_accept_init(struct proxy_accept *p);
/* Takes the descriptor; `peer` counts where the header names nobody. */
void proxy_accept_add(struct proxy_accept *p, int fd, const struct sockaddr *peer, socklen_t peer_len);
/* Closes those that wait. */
void proxy_accept_stop(struct proxy_accept *p);

#endif
