/*
 * The options of the Engine.IO server, with the names, defaults and meaning of Engine.IO. eio_options.c has the table
 * of rows (flags, environment names, help).
 */
#ifndef NODE_ENGINEIO_EIO_OPTIONS_H
#define NODE_ENGINEIO_EIO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"

struct eio_options {
	char *path; /* "/engine.io"; under Socket.IO "/socket.io" */
	bool add_trailing_slash;
	uint64_t ping_interval, ping_timeout, upgrade_timeout; /* in ms */
	uint64_t max_http_buffer_size;
	uint64_t log_connections; /* one session of so many is logged; 0: none */
	char *transports;	  /* "polling,websocket" */
	bool allow_upgrades;
	bool allow_eio3; /* serve clients of protocol revision 3 */
	int allow_jsonp; /* serve JSONP: 0, 1, or -1: to clients of revision 3 only */
	bool destroy_upgrade;
	uint64_t destroy_upgrade_timeout;
	char *initial_packet; /* NULL: none */

	char *cookie;	   /* the cookie's name ("io"); NULL: no cookie */
	char *cookie_path; /* "/"; "" omits the attribute */
	char *cookie_domain;
	uint64_t cookie_max_age; /* in seconds; 0: none */
	char *cookie_expires;	 /* an HTTP date; NULL or "": none */
	char *cookie_same_site;	 /* "lax", "strict", "none", "" */
	bool cookie_http_only, cookie_secure;

	char *cors_origin; /* as http_origins_new() takes it; NULL: no CORS */
	char *cors_methods, *cors_allowed_headers, *cors_exposed_headers;
	bool cors_credentials;
	char *cors_max_age;
	uint64_t cors_options_success_status;
	bool cors_preflight_continue;

	bool http_compression;
	uint64_t http_compression_threshold;

	bool per_message_deflate;
	uint64_t per_message_deflate_threshold;
	bool server_no_context_takeover, client_no_context_takeover;
	uint64_t server_max_window_bits, client_max_window_bits; /* 0: not requested */
	uint64_t deflate_level, deflate_mem_level;

	/*
	 * Limit for the bytes that wait for one session, over all its transports; above it the session is closed. 0:
	 * see eio_options_max_buffered().
	 */
	uint64_t max_buffered;
	uint64_t close_timeout; /* in ms: how long a closing WebSocket or polling session waits for its client */
	uint64_t max_fragments; /* of one WebSocket message; 0: see eio_options_max_fragments() */
	uint64_t max_sessions;	/* 0: no limit */
	bool check_origin;	/* refuse a handshake with a Cookie and an Origin that is neither this host nor in
				   cors_origin */
};

/* Returns the table that fills `options`. Its rows are static. */
struct option_table eio_options_table(struct eio_options *options);

/*
 * Makes the checks that the rows cannot express: the characters of the cookie's parts and of header values, window
 * bits, the path. Returns 0, or ERROR_ARGUMENT with one line in `error` (OPTION_ERROR_MAX bytes). eio_server_new()
 * aborts for options that do not pass.
 */
int eio_options_check(const struct eio_options *options, char *error);

/*
 * Return the effective maxBuffered and maxFragments. A value of 0 makes them grow with maxHttpBufferSize, so that a
 * message that may be received can also be sent.
 */
uint64_t eio_options_max_buffered(const struct eio_options *options);
unsigned eio_options_max_fragments(const struct eio_options *options);

/* Returns the length from which replies are compressed; UINT64_MAX without httpCompression. */
uint64_t eio_options_gzip_threshold(const struct eio_options *options);

/* Returns true if the option transports, a comma-separated list, contains `name`. */
bool eio_options_transport(const struct eio_options *options, const char *name);

#endif
