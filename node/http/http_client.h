/*
 * Whom a request is from and what it asked for, also from behind proxies.
 *
 * A proxy that is trusted (http_server.trust, http_trust.h) is believed what it says of the hop before it. Each proxy
 * adds its word at the end of a list, so the lists are read from their ends: the entry that the peer of the
 * connection wrote, then, if that names a trusted proxy too, the entry that this one wrote, and so on. The client is
 * the first hop that is not trusted; whatever stands before its entry may be its own invention.
 *
 * X-Forwarded-For, -Proto and -Host are read; of a request that has none of them, Forwarded (RFC 7239). A proxy that
 * writes Forwarded therefore has to remove X-Forwarded-* fields of clients. In X-Forwarded-For an entry that is not
 * an address is passed over, as if it were not there. In Forwarded each element is a hop, also one that does not give
 * an address (for=unknown): the address is then that of the hop after it.
 */
#ifndef NODE_HTTP_HTTP_CLIENT_H
#define NODE_HTTP_HTTP_CLIENT_H

#include "node/http/http.h"

/* The client's address, without a port, in `out`. */
struct text http_client_address(const struct http_request *r, char out[CONN_ADDRESS_MAX]);

/* It came by TLS: to a trusted proxy that says so (proto https or wss), or to us. */
bool http_client_secure(const struct http_request *r);

/* The host, with its port if it gave one, that a trusted proxy says the client asked for; else the Host field's. */
struct text http_client_host(const struct http_request *r);

/* The peer of the connection is a trusted proxy, so the fields that it sent are its word. */
bool http_client_peer_trusted(const struct http_request *r);
/* The request has X-Forwarded-For, -Proto or -Host, so Forwarded is not read. */
bool http_client_says_x(const struct http_request *r);

#endif
