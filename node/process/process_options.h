/*
 * The options of the process layer: the tables for the program and the front door, combined with the tables of the
 * layers below. Each server has a struct server_options; struct program_options belongs to the process.
 */
#ifndef NODE_PROCESS_PROCESS_OPTIONS_H
#define NODE_PROCESS_PROCESS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/broker_options.h"
#include "common/base/options.h"
#include "node/adminui/adminui_options.h"
#include "node/api/api_options.h"
#include "node/backend/backend_options.h"
#include "node/engineio/eio_options.h"
#include "node/process/admin.h"
#include "node/process/exec.h"
#include "node/socketio/sio_core.h"
#include "node/upstream/upstream_options.h"

/* How connections and requests are accepted, see front.h. */
struct front_options {
	char *host; /* NULL or "": all addresses */
	uint64_t port;
	char *public_dir;	  /* see front_public() */
	uint64_t max_connections; /* 0: limited only by the number of descriptors */
	uint64_t max_memory;	  /* bytes held for clients; 0: memory_budget() */
	char *trust_proxy;	  /* the parameter of http_trust_new() */
	bool proxy_protocol;

	char *tls_cert, *tls_key; /* both or neither */
	char *tls_ciphers;
	int tls_min_version; /* index into "1.2|1.3" */

	uint64_t max_head_size, max_headers;
	uint64_t tls_timeout, head_timeout, body_timeout, keep_alive_timeout, send_timeout, linger_timeout; /* ms */
	uint64_t max_queue; /* bytes; 0: front_setup.max_queue, at least 16 MiB */
};

/* Returns the directory of static files, or NULL: there are none, because the option is unset or empty. */
static inline const char *
front_public(const struct front_options *options)
{
	return options->public_dir != NULL && options->public_dir[0] != '\0' ? options->public_dir : NULL;
}

/* Options of a node as a member of a cluster. */
struct node_options {
	uint64_t node_id;    /* the node part of sids */
	uint64_t drain_time; /* ms */
};

/* The program around the server. */
struct program_options {
	char *config;	  /* NULL: no configuration file */
	uint64_t workers; /* 0: one per core */
	bool master;	  /* a single worker has a master too */
	char *app;	  /* NULL: no application inside */
	struct exec_options exec;
	uint64_t hang_warning, hang_timeout; /* ms; 0: never */
	int log_level;			     /* enum log_level */
	char *log_filter;		     /* see log_filter.h; NULL: no filter */
	int log_format;			     /* enum log_format */
	struct admin_options admin;
	struct api_options api;
};

struct server_options {
	struct front_options front;
	struct eio_options eio;
	struct sio_options sio;
	struct node_options node;
	struct broker_settings broker;
	struct upstream_options upstream;
	struct backend_options backend;
	struct adminui_options adminui;
	struct option_row *eio_rows; /* the engine's rows with Socket.IO's default path */
};

#define SERVER_TABLES 8

struct option_table front_options_table(struct front_options *options);
struct option_table program_options_table(struct program_options *options);

/* Sets every default. */
void server_options_init(struct server_options *options);
void server_options_fini(struct server_options *options);

/* Returns the tables that fill `options`; valid as long as `options`. */
void server_options_tables(struct server_options *options, struct option_table out[SERVER_TABLES]);

/*
 * Check options that depend on one another, such as a key without a certificate. Return 0, or ERROR_ARGUMENT with one
 * line in `error`. server_options_check() includes the checks of the layers below. server_options_check_layer() is
 * one of its checks; `layer` is less than SERVER_LAYERS_CHECKED.
 */
int front_options_check(const struct front_options *options, char error[OPTION_ERROR_MAX]);
int program_options_check(const struct program_options *options, char error[OPTION_ERROR_MAX]);
int server_options_check(const struct server_options *options, char error[OPTION_ERROR_MAX]);
#define SERVER_LAYERS_CHECKED 8
int server_options_check_layer(const struct server_options *options, unsigned layer, char error[OPTION_ERROR_MAX]);
/* The option `workers`; for 0 the number of cores that this process may use. */
unsigned program_workers(const struct program_options *options);

/* Returns true if rooms have a history. */
bool server_options_have_history(const struct server_options *options);
/* Returns true if rooms have a history that is not kept in Redis. */
bool server_options_keep_history(const struct server_options *options);

#endif
