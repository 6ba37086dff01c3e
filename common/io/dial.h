/*
 * Connecting to a server without blocking the loop: names are looked up by a short-lived thread, the addresses tried
 * one after the other, all of it within one deadline.
 *
 * The result is a connected descriptor, which conn_new() takes over. `done` is called once, from the loop, never from
 * within dial_start(); the dial is gone then, and gone without a call after dial_cancel().
 */
#ifndef COMMON_IO_DIAL_H
#define COMMON_IO_DIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/io/loop.h"

struct dial;

struct dial_to {
	const char *host; /* name or address; NULL: a unix socket */
	uint16_t port;
	const char *path; /* of the unix socket */
	bool abstract;	  /* `path` is an abstract name */
	uint64_t timeout_ms;
};

/* `fd` is non-blocking and the callee's, or negative: then `error` says in a few words what failed. */
typedef void dial_done_fn(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error);

/* What `to` points to is copied. */
struct dial *dial_start(struct loop *l, const struct dial_to *to, dial_done_fn *done, void *arg);
void dial_cancel(struct dial *d); /* accepts NULL */

#endif
