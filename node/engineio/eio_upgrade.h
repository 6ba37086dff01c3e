/* The move of a polling session to WebSocket; its states stand in eio_upgrade.c. */
#ifndef NODE_ENGINEIO_EIO_UPGRADE_H
#define NODE_ENGINEIO_EIO_UPGRADE_H

#include "node/engineio/eio_session.h"
#include "node/ws/ws.h"

/* A WebSocket's request, which ws_check() accepted, that names a session. */
void eio_upgrade_request(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64);

#endif
