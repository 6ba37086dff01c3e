/* The broker's rows of the options table, for flags, environment variables and sio_set_option(). */
#ifndef BROKER_BROKER_OPTIONS_H
#define BROKER_BROKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/bus_form.h"
#include "common/base/options.h"

enum broker_mode { BROKER_MODE_CLASSIC, BROKER_MODE_SHARDED, BROKER_MODE_STREAMS };
enum broker_routing { BROKER_ROUTING_ALL, BROKER_ROUTING_ROOMS };
enum broker_subscriber { BROKER_SUBSCRIBER_NODE, BROKER_SUBSCRIBER_WORKER };

struct broker_settings {
	char *redis;		     /* URL; NULL: Redis is not used */
	int redis_subscription_mode; /* enum bus_subscription_mode */
	int redis_mode;		     /* enum broker_mode */
	char *redis_stream_name;
	uint64_t redis_stream_max_len, redis_stream_count, redis_stream_read_count;
	uint64_t redis_stream_block_time; /* ms */
	bool redis_stream_sharded_pub_sub;
	char *redis_session_key_prefix;
	char *redis_key;		      /* prefix of all channel names */
	char *redis_secret;		      /* NULL: messages are not sealed */
	char *redis_secret_accepted;	      /* NULL: only redis_secret is accepted */
	char *redis_ca;			      /* PEM file; NULL: the system's authorities */
	char *redis_tls_cert, *redis_tls_key; /* PEM files; NULL: no client certificate */
	char *redis_password_file;
	char *redis_sentinel_password;
	bool redis_tls_insecure;
	uint64_t redis_max_age; /* ms; 0: no limit */
	uint64_t redis_settle;	/* ms */
	uint64_t redis_refresh; /* ms */
	uint64_t redis_max_redirects;
	int redis_routing; /* enum broker_routing */
	uint64_t redis_routing_max;
	int redis_subscriber; /* enum broker_subscriber */
	bool redis_log;
	uint64_t redis_log_length; /* messages */
	uint64_t redis_max_queue;
	uint64_t heartbeat_interval, heartbeat_timeout; /* ms */
	uint64_t requests_timeout;			/* ms */
};

/* Returns the rows of the options table. They write to `settings`, which must outlive the table. */
struct option_table broker_options_table(struct broker_settings *settings);

/* Returns true if the settings name a Redis server. */
bool broker_settings_redis(const struct broker_settings *settings);
/* Returns how to log in to the Redis server. The strings are borrowed from `settings`. */
struct bus_access broker_settings_access(const struct broker_settings *settings);
/* Returns true if the hub of a node with several workers subscribes at Redis for all of them (hub.h). */
bool broker_settings_ear(const struct broker_settings *settings);
/*
 * Returns true if a worker with `settings` may subscribe through a hub with the settings `hub`: both name the same
 * Redis server and log in to it in the same way.
 */
bool broker_settings_share_ear(const struct broker_settings *settings, const struct broker_settings *hub);
/* Returns the options of the mode "streams". The name is borrowed from `settings`. */
struct bus_stream_options broker_settings_stream(const struct broker_settings *settings);
/*
 * Checks the URL and the options that belong to it, without reading files. Returns 0, or ERROR_ARGUMENT with one line
 * in `error`.
 */
int broker_settings_check(const struct broker_settings *settings, char error[OPTION_ERROR_MAX]);
/* Returns true if the settings name a file that may be renewed: certificates, authorities or a password. */
bool broker_settings_have_files(const struct broker_settings *settings);
/*
 * Reads and checks these files. The connections to Redis read them again by themselves (bus_login.h). Returns 0, or a
 * negative error with one line in `error`.
 */
int broker_settings_check_files(const struct broker_settings *settings, char error[OPTION_ERROR_MAX]);

#endif
