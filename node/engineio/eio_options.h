/*
 * The options of the Engine.IO server; names, defaults and meaning are those of the original. The table of rows
 * (flags, environment, help) is in eio_options.c.
 */
#ifndef NODE_ENGINEIO_EIO_OPTIONS_H
#define NODE_ENGINEIO_EIO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"

struct eio_options {
	char *path; /* "/engine.io", "/socket.io" under Socket.IO */
	bool add_trailing_slash;
	uint64_t ping_interval, ping_timeout, upgrade_timeout; /* ms */
	uint64_t max_http_buffer_size;
	char *transports; /* "polling,websocket" */
	bool allow_upgrades;
	bool destroy_upgrade;
	uint64_t destroy_upgrade_timeout;
	char *initial_packet; /* NULL: none */

	char *cookie;	   /* NULL: no cookie; else its name ("io") */
	char *cookie_path; /* "/"; "" leaves the attribute out */
	char *cookie_domain;
	uint64_t cookie_max_age; /* seconds; 0: none */
	char *cookie_expires;	 /* an HTTP date; NULL or "": none */
	char *cookie_same_site;	 /* "lax", "strict", "none", "" */
	bool cookie_http_only, cookie_secure;

	char *cors_origin; /* NULL: no CORS; as http_origins_new() takes it */
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
	uint64_t server_max_window_bits, client_max_window_bits; /* 0: not demanded */
	uint64_t deflate_level, deflate_mem_level;

	/* Bytes that wait for one session, over all of its transports; beyond: closed. 0: eio_options_max_buffered().
	 */
	uint64_t max_buffered;
	uint64_t close_timeout; /* ms: a closing WebSocket or polling session waits so long for its client (30000) */
	uint64_t max_fragments; /* WebSocket fragments per message; 0: eio_options_max_fragments() */
	uint64_t max_sessions;	/* 0: no limit */
	bool check_origin; /* refuse handshakes with a Cookie and an Origin that is neither ours nor in cors_origin */
};

/* A table that fills `o`. Rows are static. */
struct option_table eio_options_table(struct eio_options *o);

/*
 * Checks what the rows cannot: characters of the cookie's parts and of header values, window bits, the path. 0, or
 * ERROR_ARGUMENT with one clear line in `error` (OPTION_ERROR_MAX bytes). eio_server_new() demands it.
 */
int eio_options_check(const struct eio_options *o, char *error);

/*
 * What maxBuffered and maxFragments come to: where they are 0 they grow with maxHttpBufferSize, so that a message
 * that may come in can go out again.
 */
uint64_t eio_options_max_buffered(const struct eio_options *o);
unsigned eio_options_max_fragments(const struct eio_options *o);

/* Bytes from which replies are compressed; UINT64_MAX with httpCompression off. */
uint64_t eio_options_gzip_threshold(const struct eio_options *o);

/* True if the comma-separated `transports` names this one. */
bool eio_options_transport(const struct eio_options *o, const char *name);

#endif
