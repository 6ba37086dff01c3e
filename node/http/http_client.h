/*
 * Whom a request is from. Behind a trusted balancer (http_server.trust_proxy) the client is whoever the balancer says
 * it got the request from: the last entry of the last X-Forwarded-For field, which the balancer itself has added, as
 * all before it may be the client's own invention; an entry that is no address is not believed.
 */
#ifndef NODE_HTTP_HTTP_CLIENT_H
#define NODE_HTTP_HTTP_CLIENT_H

#include "node/http/http.h"

/* The client's address, in `out`. */
struct text http_client_address(const struct http_request *r, char out[CONN_ADDRESS_MAX]);

/* It came by TLS: to us, or to the trusted balancer (X-Forwarded-Proto: https, the last entry). */
bool http_client_secure(const struct http_request *r);

#endif
