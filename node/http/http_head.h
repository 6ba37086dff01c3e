/* Interprets a request head: method, target, framing of the body, persistence (RFC 9110, RFC 9112). Pure. */
#ifndef NODE_HTTP_HTTP_HEAD_H
#define NODE_HTTP_HTTP_HEAD_H

#include "node/http/http.h"
#include "node/http/http_split.h"

/*
 * Reads a split head into `r`. `headers` are its fields; an absolute-form target replaces the value of Host there.
 * Returns 0, or the status to answer (400, 417 or 501). Sets *expect if the client waits for 100 Continue.
 */
int http_head_use(const struct http_split *split, struct http_header *headers, struct http_request *r, bool *expect);

/*
 * Splits a head that http_scan accepted, and reads it into `r`. The head has `fields` field lines, and `headers` has
 * room for as many. The texts of `r` point into `head`. The result is that of http_head_use().
 */
int http_head_read(
	struct text head, struct http_header *headers, unsigned fields, struct http_request *r, bool *expect);

/*
 * Validates uri-host [":" port] without userinfo (RFC 9110 7.2 and 4.2). Deliberately narrower than RFC 3986:
 * sub-delims are refused, because no host name contains them and proxies disagree about the comma.
 */
bool http_authority_valid(struct text t);

#endif
