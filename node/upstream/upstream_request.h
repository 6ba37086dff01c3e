/*
 * The head of a request, written anew for the upstream from the parsed request. The client's own bytes are never
 * copied, so the upstream cannot read another meaning into them.
 *
 *   fields of one hop      left out (upstream_fields.h)
 *   Upgrade                stays, without h2c, if the connection may be upgraded
 *   framing                Content-Length or chunked, as the client sent it
 *   Host                   as received; the upstream's own if an HTTP/1.0 client sent none
 *   Via                    "1.x sockeye" is added, with the client's version of HTTP (RFC 9110 7.6.3)
 *   Max-Forwards           counted down for TRACE and OPTIONS (RFC 9110 7.6.2)
 *   Expect                 stays while the client waits for 100 Continue
 *   X-Forwarded-For, -Proto, -Host, -Port and Forwarded (RFC 7239)
 *                          written by the edge. Entries from a trusted proxy stay, and the edge adds its own at the
 *                          end. Entries from others are removed, and so are their other X-Forwarded-* fields and
 *                          X-Real-IP. Underscores count as hyphens here: some servers treat them as equal.
 *
 * Pure.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_REQUEST_H
#define NODE_UPSTREAM_UPSTREAM_REQUEST_H

#include "common/base/buffer.h"
#include "node/http/http.h"

/* Where the request came from, as http_client.h finds it. */
struct upstream_origin {
	struct text peer;      /* address of the connection's peer; "" for a unix socket */
	struct text client;    /* address of the client according to trusted proxies; otherwise the peer's */
	struct text host;      /* host that the client asked for; TEXT_NONE if it named none */
	bool secure;	       /* the client used https */
	bool trusted;	       /* the peer is a trusted proxy */
	bool says_x;	       /* the peer sent X-Forwarded-* fields, which take precedence over Forwarded */
	bool expect;	       /* the client waits for 100 Continue */
	struct text authority; /* of the upstream */
};

enum { UPSTREAM_LOOPS_MAX = 5 }; /* a request that has passed Sockeye nodes this often goes in a circle */
/* Returns 0 if the request goes to the upstream, else the HTTP status with which to answer it. */
int upstream_request_check(const struct http_request *request);

/* Appends the head and its empty line. Check buffer_error() afterwards. */
void upstream_request_write(
	struct buffer *out, const struct http_request *request, const struct upstream_origin *origin);

/* Returns true if the client asks for this protocol in Upgrade and the request may be upgraded. */
bool upstream_request_asks(const struct http_request *request, struct text protocol);

/* Returns true if the method is idempotent (RFC 9110 9.2.2). */
bool upstream_is_idempotent(const struct http_request *request);

#endif
