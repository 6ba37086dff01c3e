/* The options of the upstream. */
#ifndef NODE_UPSTREAM_UPSTREAM_OPTIONS_H
#define NODE_UPSTREAM_UPSTREAM_OPTIONS_H

#include "common/base/options.h"

struct upstream_options {
	char *upstream;			   /* addresses, separated by commas; NULL: none */
	uint64_t timeout, connect_timeout; /* ms */
	uint64_t max_connections;
};

struct option_table upstream_options_table(struct upstream_options *options);

/* Returns 0, or ERROR_ARGUMENT with one line in `error`. */
int upstream_options_check(const struct upstream_options *options, char error[OPTION_ERROR_MAX]);

#endif
