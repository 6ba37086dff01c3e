/*
 * The opening handshake, RFC 6455 4.2: the fields of the 101 reply. ws_handshake.c also implements ws_check() of
 * ws.h.
 */
#ifndef NODE_WS_WS_HANDSHAKE_H
#define NODE_WS_WS_HANDSHAKE_H

#include "node/http/http.h"
#include "node/ws/ws_deflate.h"

/*
 * Adds the fields of the 101 reply to a request that ws_check() accepted. Returns 1 with `params` if
 * permessage-deflate was negotiated, otherwise 0.
 */
int ws_handshake_reply(struct http_request *r, const struct ws_options *options, struct ws_deflate_params *params);

#endif
