/*
 * Connects to a server without blocking the loop. A short-lived thread looks up the name, and the addresses are tried
 * one after the other, all within one deadline.
 *
 * The result is a connected descriptor for conn_new(). `done` is called once from the loop, never from inside
 * dial_start(). The dial is freed before that call. After dial_cancel() it is freed without a call.
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
	const char *path; /* path of the unix socket */
	bool abstract;	  /* `path` is an abstract name */
	uint64_t timeout_ms;
};

/*
 * The callee owns `fd`, which is non-blocking. If `fd` is negative, `error` is a short text that describes the
 * failure.
 */
typedef void dial_done_fn(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error);

/* Starts a dial. The contents of `to` are copied. */
struct dial *dial_start(struct loop *l, const struct dial_to *to, dial_done_fn *done, void *arg);
void dial_cancel(struct dial *dial); /* accepts NULL */

#endif
