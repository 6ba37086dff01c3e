/* The move of a polling session to WebSocket. eio_upgrade.c has the table of its states. */
#ifndef NODE_ENGINEIO_EIO_UPGRADE_H
#define NODE_ENGINEIO_EIO_UPGRADE_H

#include "node/engineio/eio_session.h"
#include "node/ws/ws.h"

/* Handles a WebSocket request that names a session and that ws_check() accepted. */
void eio_upgrade_request(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64);

#endif
