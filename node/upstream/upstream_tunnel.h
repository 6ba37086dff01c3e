/*
 * A connection that has left HTTP by 101: bytes both ways between the client and the upstream until both have ended.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_TUNNEL_H
#define NODE_UPSTREAM_UPSTREAM_TUNNEL_H

#include "common/io/conn.h"

/* Takes over both connections. `done` is called when both are gone. */
void upstream_tunnel_start(struct conn *client, struct conn *upstream, void (*done)(void *arg), void *arg);

#endif
