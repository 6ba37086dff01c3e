/* The broker's rows of the options table, for flags, environment variables and sio_set_option(). */
#ifndef BROKER_BROKER_OPTIONS_H
#define BROKER_BROKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"

enum broker_routing { BROKER_ROUTING_ALL, BROKER_ROUTING_ROOMS };

struct broker_settings {
	char *redis;			      /* URL; NULL: Redis is not used */
	char *redis_key;		      /* prefix of all channel names */
	char *redis_secret;		      /* NULL: messages are not sealed */
	char *redis_ca;			      /* PEM file; NULL: the system's authorities */
	char *redis_tls_cert, *redis_tls_key; /* PEM files; NULL: no client certificate */
	char *redis_password_file;
	char *redis_sentinel_password;
	bool redis_tls_insecure;
	uint64_t redis_settle; /* ms */
	int redis_routing;     /* enum broker_routing */
	uint64_t redis_routing_max;
	uint64_t redis_max_queue;
	uint64_t requests_timeout; /* ms */
};

struct option_table broker_options_table(struct broker_settings *settings);

#endif
