/*
 * The hub provides pub/sub for the workers of one machine, so that several workers do not need Redis. It speaks the
 * part of the Redis protocol (RESP 2) that the bus uses: PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE and PUNSUBSCRIBE
 * for prefixes ("name*", with escapes), PUBSUB NUMSUB and PING. It answers other commands with an error. The hub
 * stores no messages. It closes the connection of a worker that does not read once `max_queue` bytes wait for it; the
 * worker then reconnects.
 *
 * The hub accepts only processes of its own user (SO_PEERCRED).
 */
#ifndef BROKER_HUB_H
#define BROKER_HUB_H

#include <stdint.h>

#include "common/io/loop.h"

struct hub;

struct hub_options {
	uint64_t max_queue;   /* maximum bytes waiting for one worker; beyond, its connection is closed */
	uint64_t max_message; /* maximum bytes of one command */
};

struct hub_stats {
	uint64_t messages, deliveries, bytes, refused, cut_off;
	uint32_t clients, subscriptions;
};

/*
 * Opens a listening unix socket with an abstract name chosen by the kernel. The master calls this before it forks.
 * Returns the non-blocking descriptor, which stays open across exec, and writes the socket's name to `name`; or
 * ERROR_SYSTEM with errno set.
 */
#define HUB_NAME_MAX 64
int hub_listen(char name[HUB_NAME_MAX]);

/* Starts to serve on a descriptor of hub_listen(), which the hub then owns. */
struct hub *hub_new(struct loop *l, int listening_fd, const struct hub_options *options);
void hub_stats(const struct hub *hub, struct hub_stats *out);
/* Closes all connections, which are freed at the end of the turn, and frees the hub. NULL is accepted. */
void hub_free(struct hub *hub);

#endif
