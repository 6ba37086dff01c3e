/*
 * CORS as the npm package `cors` applies it for Socket.IO's option "cors": fields on every reply, and the answer to a
 * preflight request. The Fetch standard, "HTTP extensions", specifies what browsers do with the fields.
 */
#ifndef NODE_HTTP_HTTP_CORS_H
#define NODE_HTTP_HTTP_CORS_H

#include "node/http/http.h"
#include "node/http/http_origin.h"

struct http_cors {
	const struct http_origins *origins; /* borrowed; NULL: CORS is off */
	const char *methods;		    /* NULL: GET,HEAD,PUT,PATCH,POST,DELETE */
	const char *allowed_headers;	    /* NULL: the requested ones are reflected */
	const char *exposed_headers;	    /* NULL: no field */
	bool credentials;
	const char *max_age;	    /* in seconds; NULL: no field */
	int options_success_status; /* 0: 204 */
	bool preflight_continue;
};

/*
 * Adds the fields to the coming reply. Returns true if the request was an OPTIONS request and has been answered; the
 * request is then freed. Returns false if the caller must handle the request.
 */
bool http_cors_apply(const struct http_cors *cors, struct http_request *r);

#endif
