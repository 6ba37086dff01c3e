/*
 * Finds the address of a master by asking Redis Sentinel, and watches for failovers.
 *
 * There is one connection, to one sentinel at a time. In one write it asks for the address and subscribes to the
 * event of a failover, so that no failover is missed between the two. A sentinel that refuses, that does not know the
 * master or that does not answer within a second is skipped; one that answers is asked first the next time. After the
 * answer the connection stays open and is checked every second. If it breaks, the next sentinel is asked after a
 * moment, and a different answer counts as a failover.
 *
 * A sentinel may be out of date, so the caller must also ask the server whether it is a master.
 *
 * Calls go down. Answers come up through struct sentinel_ops, always from the loop and never from inside a downward
 * call. Source: redis.io, "Guidelines for Redis clients with support for Redis Sentinel".
 */
#ifndef BROKER_SENTINEL_H
#define BROKER_SENTINEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/io/loop.h"

struct bus_url;
struct bus_access;
struct sentinel;

struct sentinel_ops {
	/* The address of the master, in answer to sentinel_ask(). `host` is valid during the call. */
	void (*on_found)(void *arg, const char *host, uint16_t port);
	/* No sentinel has answered sentinel_ask(). `why` is the failure of the last one. */
	void (*on_not_found)(void *arg, const char *why);
	/* Another server has become the master. The callee calls sentinel_ask() to find its address. */
	void (*on_switched)(void *arg);
};

/*
 * `url` names the sentinels and the master; `access` has the password and the certificates. The caller owns both, and
 * they must outlive the sentinel. The first connection is made by sentinel_ask().
 */
struct sentinel *sentinel_new(struct loop *l, const struct bus_url *url, const struct bus_access *access,
	const struct sentinel_ops *ops, void *arg);
void sentinel_free(struct sentinel *sentinel); /* accepts NULL; no callback follows */

/*
 * Asks for the address. One on_found or on_not_found follows within a second per sentinel, unless sentinel_ask() is
 * called again before. `doubted` is true if the server at the last address has failed: the sentinel that named it may
 * be cut off from the others, so it is asked last.
 */
void sentinel_ask(struct sentinel *sentinel, bool doubted);

#endif
