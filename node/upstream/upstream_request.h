/*
 * The head of a request as the upstream gets it: written anew from what the parser understood, never the client's own
 * bytes, so that the upstream cannot find another meaning in them.
 *
 * What changes on the way:
 *   fields of one hop       left out (upstream_fields.h); Upgrade stays if the connection may be upgraded, without
 * h2c framing                 Content-Length or chunked, as the client had it Host                    as received;
 * the upstream's own if an HTTP/1.0 client sent none Via                     "1.1 sockeye" is added (RFC 9110 7.6.3)
 *   Max-Forwards            counted down for TRACE and OPTIONS (RFC 9110 7.6.2)
 *   Expect                  stays while the client waits for 100 Continue
 *   X-Forwarded-For, -Proto, -Host, -Port, Forwarded (RFC 7239)
 *                           written by us. What came from a trusted proxy goes on, with our own entry at the end of
 *                           the lists; what others sent is left out, as are all other X-Forwarded-* and X-Real-IP of
 *                           theirs. Underscores count as hyphens there: some servers take them for the same.
 * Pure.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_REQUEST_H
#define NODE_UPSTREAM_UPSTREAM_REQUEST_H

#include "common/base/buffer.h"
#include "node/http/http.h"

/* Whom the request is from: http_client.h knows. */
struct upstream_origin {
	struct text peer;      /* address of the connection's peer; "": a unix socket */
	struct text client;    /* the address that the trusted proxies name, else the peer's */
	struct text host;      /* that the client asked for; TEXT_NONE: it named none */
	bool secure;	       /* it did so by https */
	bool trusted;	       /* the peer is a trusted proxy */
	bool says_x;	       /* it has sent X-Forwarded-*, which go before Forwarded */
	bool expect;	       /* the client waits for 100 Continue */
	struct text authority; /* of the upstream */
};

/* What can be decided without asking the upstream: 0, or the status to answer. */
enum { UPSTREAM_LOOPS_MAX = 5 }; /* times that a request may pass a Sockeye: more means that it goes in a circle */
int upstream_request_check(const struct http_request *r);

/* Appends the head, with the empty line at its end; look at buffer_error() afterwards. */
void upstream_request_write(struct buffer *out, const struct http_request *r, const struct upstream_origin *origin);

/* The client has asked for this protocol in Upgrade, and may have it. */
bool upstream_request_asks(const struct http_request *r, struct text protocol);

/* RFC 9110 9.2.2. */
bool upstream_is_idempotent(const struct http_request *r);

#endif
