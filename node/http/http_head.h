/*
 * What a request head means: method, target, framing of the body, persistence
 * (RFC 9110, RFC 9112). Pure.
 */
#ifndef NODE_HTTP_HTTP_HEAD_H
#define NODE_HTTP_HTTP_HEAD_H

#include "node/http/http.h"

/*
 * Reads a head that http_scan accepted, with `fields` field lines, into the request; `headers` has room for them. The
 * texts point into `head`. Returns 0, or the status to answer (400, 405, 417, 501). `*expect` is set when the client
 * waits for 100 Continue.
 */
int http_head_read(
	struct text head, struct http_header *headers, unsigned fields, struct http_request *r, bool *expect);

/*
 * uri-host [":" port] without userinfo (RFC 9110 7.2 and 4.2). Narrower than RFC 3986 on purpose: no sub-delims, as
 * no host has them and proxies disagree about the comma.
 */
bool http_authority_valid(struct text t);

#endif
