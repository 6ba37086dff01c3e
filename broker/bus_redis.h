/* What the forms over a Redis server share. */
#ifndef BROKER_BUS_REDIS_H
#define BROKER_BUS_REDIS_H

#include "broker/bus_form.h"
#include "broker/bus_url.h"

/*
 * Parses the URL of the server in `options` and checks how to log in to it, its files included. Returns 0, and the
 * caller owns `*out`; or ERROR_ARGUMENT or ERROR_TLS with one line of text in `error`.
 */
int bus_redis_server(struct bus_url *out, const struct bus_form_options *options, char error[BUS_ERROR_MAX]);

#endif
