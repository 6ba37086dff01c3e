/* What can be set of the broker from outside: the rows for flags, environment and sio_set_option(). */
#ifndef BROKER_BROKER_OPTIONS_H
#define BROKER_BROKER_OPTIONS_H

#include <stdint.h>

#include "common/base/options.h"

struct broker_settings {
	char *redis;	    /* URL; NULL: no Redis */
	char *redis_key;    /* prefix of channels */
	char *redis_secret; /* NULL: none */
	char *redis_ca;	    /* PEM; NULL: the system's authorities */
	uint64_t redis_max_queue;
	uint64_t requests_timeout; /* ms */
};

struct option_table broker_options_table(struct broker_settings *s);

#endif
