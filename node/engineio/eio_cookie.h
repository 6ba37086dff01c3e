/* The cookie that names a session (option cookie), for load balancers. */
#ifndef NODE_ENGINEIO_EIO_COOKIE_H
#define NODE_ENGINEIO_EIO_COOKIE_H

#include "node/engineio/eio_options.h"
#include "node/http/http.h"

/* Adds the Set-Cookie field to the coming reply; without the option nothing. `now` in seconds of the wall clock. */
void eio_cookie_add(const struct eio_options *o, struct http_request *r, struct text sid, int64_t now);

#endif
