/*
 * A connection after status 101: passes bytes between client and upstream, in both directions, until both have ended.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_TUNNEL_H
#define NODE_UPSTREAM_UPSTREAM_TUNNEL_H

#include "common/io/conn.h"

/* Takes over both connections. Calls `done` when both are gone. */
void upstream_tunnel_start(struct conn *client, struct conn *upstream, void (*done)(void *arg), void *arg);

#endif
