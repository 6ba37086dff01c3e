/*
 * CORS as the `cors` package of Node.js applies it for Socket.IO's option "cors": fields on every reply, and the
 * answer to a preflight. What browsers make of it: the Fetch standard, "HTTP extensions".
 */
#ifndef NODE_HTTP_HTTP_CORS_H
#define NODE_HTTP_HTTP_CORS_H

#include "node/http/http.h"
#include "node/http/http_origin.h"

struct http_cors {
	const struct http_origins *origins; /* borrowed; NULL: CORS is off */
	const char *methods;		    /* NULL: GET,HEAD,PUT,PATCH,POST,DELETE */
	const char *allowed_headers;	    /* NULL: the requested ones are reflected */
	const char *exposed_headers;	    /* NULL: none */
	bool credentials;
	const char *max_age;	    /* NULL: none */
	int options_success_status; /* 204 */
	bool preflight_continue;
};

/*
 * Adds the fields to the coming reply. Returns true if the request was an OPTIONS that is answered herewith (the
 * request is gone), false if handling goes on.
 */
bool http_cors_apply(const struct http_cors *cors, struct http_request *r);

#endif
