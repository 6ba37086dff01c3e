/* The cookie with the session id (option cookie), for load balancers. */
#ifndef NODE_ENGINEIO_EIO_COOKIE_H
#define NODE_ENGINEIO_EIO_COOKIE_H

#include "node/engineio/eio_options.h"
#include "node/http/http.h"

/* Adds Set-Cookie to the coming reply if the option is set. `now` is in seconds since the epoch. */
void eio_cookie_add(const struct eio_options *options, struct http_request *r, struct text sid, int64_t now);

#endif
