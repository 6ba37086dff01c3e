/*
 * The hub: pub/sub for the workers of one machine, so that several workers need no Redis. It speaks the part of the
 * Redis protocol (RESP 2) that the bus uses: PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE and PUNSUBSCRIBE of
 * prefixes ("name*", with escapes), PUBSUB NUMSUB, PING, HELLO/CLIENT/SELECT refused or answered as a Redis without
 * them would. It keeps nothing; a worker that does not read is cut off at `max_queue` and connects again.
 *
 * Only processes of the same user are served (SO_PEERCRED).
 */
#ifndef BROKER_HUB_H
#define BROKER_HUB_H

#include <stdint.h>

#include "common/io/loop.h"

struct hub;

struct hub_options {
	uint64_t max_queue;   /* bytes waiting for one worker; beyond: it is cut off */
	uint64_t max_message; /* bytes of one command */
};

struct hub_stats {
	uint64_t messages, deliveries, bytes, refused, cut_off;
	uint32_t clients, subscriptions;
};

/*
 * A listening unix socket with an abstract name that the system picks; for the master, before it forks. Returns the
 * descriptor (blocking mode does not matter, close-on-exec not set) and that name in `name`;
 * ERROR_SYSTEM with errno.
 */
#define HUB_NAME_MAX 64
int hub_listen(char name[HUB_NAME_MAX]);

/* Serves on a descriptor of hub_listen(), which it takes over. */
struct hub *hub_new(struct loop *l, int listening_fd, const struct hub_options *o);
void hub_stats(const struct hub *h, struct hub_stats *out);
/* Cuts all off; connections are gone at the end of the turn. Accepts NULL. */
void hub_free(struct hub *h);

#endif
