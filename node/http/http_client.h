/*
 * The client of a request and the address it asked for, even behind proxies.
 *
 * A trusted proxy (http_server.trust, http_trust.h) names the hop before it: it appends an entry to a list. Lists are
 * therefore read from the end: first the entry that the peer of the connection wrote; if that entry names another
 * trusted proxy, the entry that this proxy wrote; and so on. The client is the first hop that is not trusted. Earlier
 * entries are ignored, because the client may have forged them.
 *
 * The fields X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are read. If a request has none of them,
 * Forwarded (RFC 7239) is read; a proxy that writes Forwarded must therefore remove X-Forwarded-* fields sent by
 * clients. In X-Forwarded-For, an entry that is not an address is skipped. In Forwarded each element is a hop, even
 * if it has no address (for=unknown). If the client has no address, the address of the hop after it counts.
 */
#ifndef NODE_HTTP_HTTP_CLIENT_H
#define NODE_HTTP_HTTP_CLIENT_H

#include "node/http/http.h"

/* Writes the client's address, without port, to `out` and returns it. */
struct text http_client_address(const struct http_request *r, char out[CONN_ADDRESS_MAX]);

/* Returns true if the client used TLS: to a trusted proxy that says so (proto https or wss), or to this server. */
bool http_client_secure(const struct http_request *r);

/*
 * Returns the host, with a port if given, that the client asked for according to a trusted proxy; otherwise the value
 * of the Host field.
 */
struct text http_client_host(const struct http_request *r);

/* Returns true if the peer of the connection is a trusted proxy, which vouches for the fields it sent. */
bool http_client_peer_trusted(const struct http_request *r);
/* Returns true if the request has X-Forwarded-For, -Proto or -Host, so that Forwarded is not read. */
bool http_client_says_x(const struct http_request *r);

#endif
