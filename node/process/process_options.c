#include "node/process/process_options.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/bus_url.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log_filter.h"
#include "node/api/api_keys.h"
#include "node/engineio/eio_sid.h"
#include "node/http/http_trust.h"
#include "node/process/handover.h"
#include "node/socketio/sio_history_rules.h"

#define MINUTE_MS (60 * UINT64_C(1000))
#define DAY_MS (24 * 60 * MINUTE_MS)
#define CONNECTIONS_MAX 1000000000
#define HEAD_SIZE_MAX (32 * 1024) /* a head must fit in the bytes that a connection can keep */
#define QUEUE_MIN (512 * 1024)	  /* the largest reply in one piece, a file of 256 KiB, and one after it */
#define MEMORY_MIN (1024 * 1024)
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define AT(member) offsetof(struct front_options, member)
#define API(member) offsetof(struct program_options, api.member)

/* clang-format off */
static const struct option_row front_rows[] = {
	{ .group = "Listening",
	  .name = "host", .type = OPTION_TEXT, .offset = AT(host), .value = "ADDRESS",
	  .help = "Name or address to listen on; unset: every address, IPv6 and IPv4" },
	{ .name = "port", .type = OPTION_NUMBER, .offset = AT(port), .initial = "3000", .max = 65535, .value = "PORT",
	  .help = "TCP port; 0: the system picks one, which is logged" },
	{ .name = "public", .type = OPTION_TEXT, .offset = AT(public_dir), .value = "DIR",
	  .help = "Directory of static files, served for all paths except the engine's; empty: none" },
	{ .name = "maxConnections", .type = OPTION_NUMBER, .offset = AT(max_connections), .initial = "0",
	  .max = CONNECTIONS_MAX, .value = "N",
	  .help = "Maximum number of open connections; further ones are closed at once; 0: as many as file descriptors allow" },
	{ .name = "maxMemory", .type = OPTION_BYTES, .offset = AT(max_memory), .initial = "0", .max = UINT64_C(1) << 50,
	  .value = "BYTES",
	  .help = "Bytes that one worker may hold for its clients (queued output, unfinished messages, names), at least 1m; beyond it the clients that hold most are closed; 0: half of the machine's memory, or of the cgroup's limit, divided by the workers" },

	{ .name = "trustProxy", .type = OPTION_SWITCH, .offset = AT(trust_proxy), .initial = "false", .choices = "1",
	  .value = "WHO",
	  .help = "Trusted proxies, whose X-Forwarded-For, -Proto, -Host and Forwarded fields are believed: their number (1 without a value), networks such as \"loopback, 10.0.0.0/8\", or true for all, as in Express" },
	{ .name = "proxyProtocol", .type = OPTION_FLAG, .offset = AT(proxy_protocol), .initial = "false",
	  .help = "Require a PROXY header (version 1 or 2) with the client's address at the start of every connection; close connections without one" },

	{ .group = "TLS",
	  .name = "tlsCert", .type = OPTION_TEXT, .offset = AT(tls_cert), .value = "FILE",
	  .help = "Certificate chain (PEM, leaf first) to serve https and wss; SIGHUP reloads it" },
	{ .name = "tlsKey", .type = OPTION_TEXT, .offset = AT(tls_key), .value = "FILE",
	  .help = "Private key (PEM) of the certificate" },
	{ .name = "tlsCiphers", .type = OPTION_TEXT, .offset = AT(tls_ciphers), .value = "LIST",
	  .needs = "tlsCert",
	  .help = "Ciphers for TLS 1.2 in OpenSSL's notation; unset: a secure selection" },
	{ .name = "tlsMinVersion", .type = OPTION_CHOICE, .offset = AT(tls_min_version), .initial = "1.2",
	  .choices = "1.2|1.3", .value = "VERSION",
	  .needs = "tlsCert",
	  .help = "Oldest accepted TLS version" },
	{ .name = "tlsTimeout", .type = OPTION_MS, .offset = AT(tls_timeout), .initial = "10s", .min = 1, .max = DAY_MS,
	  .value = "MS",
	  .needs = "tlsCert",
	  .help = "Maximum time for the TLS handshake" },

	{ .group = "HTTP limits",
	  .name = "maxHeadSize", .type = OPTION_BYTES, .offset = AT(max_head_size), .initial = "16k", .min = 256,
	  .max = HEAD_SIZE_MAX, .value = "BYTES",
	  .help = "Maximum size of the request line and header fields of one request; beyond it the answer is 431" },
	{ .name = "maxHeaders", .type = OPTION_NUMBER, .offset = AT(max_headers), .initial = "100", .min = 1,
	  .max = 10000, .value = "N",
	  .help = "Maximum number of header fields of one request; beyond it the answer is 431" },
	{ .name = "headTimeout", .type = OPTION_MS, .offset = AT(head_timeout), .initial = "10s", .min = 1, .max = DAY_MS,
	  .value = "MS",
	  .help = "Maximum time from the first byte of a request head to its end" },
	{ .name = "bodyTimeout", .type = OPTION_MS, .offset = AT(body_timeout), .initial = "30s", .min = 1, .max = DAY_MS,
	  .value = "MS",
	  .help = "Maximum time for a whole request body; a body for the upstream may take longer while at least 100 bytes arrive per second" },
	{ .name = "keepAliveTimeout", .type = OPTION_MS, .offset = AT(keep_alive_timeout), .initial = "5s", .min = 1,
	  .max = DAY_MS, .value = "MS",
	  .help = "Close an HTTP connection that has no request for this time" },
	{ .name = "sendTimeout", .type = OPTION_MS, .offset = AT(send_timeout), .initial = "30s", .min = 1, .max = DAY_MS,
	  .value = "MS",
	  .help = "Close a client that accepts none of its queued bytes for this time" },
	{ .name = "lingerTimeout", .type = OPTION_MS, .offset = AT(linger_timeout), .initial = "2s", .min = 1,
	  .max = MINUTE_MS, .value = "MS",
	  .help = "Maximum time for a client to close its side after the server has closed its own" },
	{ .name = "maxQueue", .type = OPTION_BYTES, .offset = AT(max_queue), .initial = "0", .max = UINT64_C(1) << 32,
	  .value = "BYTES",
	  .help = "Maximum number of bytes queued for one connection, at least 512k; beyond it the connection is closed as a slow reader; 0: maxBuffered, at least 16m" },
};

static const struct option_row node_rows[] = {
	{ .group = "Cluster",
	  .name = "nodeId", .type = OPTION_NUMBER, .offset = offsetof(struct node_options, node_id), .initial = "0",
	  .max = EIO_SID_PLACE_MAX, .value = "N",
	  .help = "Number of this node, part of its session ids; must be unique behind one load balancer" },
	{ .name = "drainTime", .type = OPTION_MS, .offset = offsetof(struct node_options, drain_time), .initial = "10s",
	  .max = DAY_MS, .value = "MS", .reload = true,
	  .help = "Spread the disconnection of clients on SIGTERM over this time, so that they do not all reconnect at once; 0: disconnect all at once" },
};

static const struct option_row program_rows[] = {
	{ .group = "Program",
	  .name = "config", .type = OPTION_TEXT, .offset = offsetof(struct program_options, config), .value = "FILE",
	  .help = "File with options, one name = value per line; flags and the environment override it" },
	{ .name = "app", .type = OPTION_TEXT, .offset = offsetof(struct program_options, app), .value = "FILE",
	  .help = "Application to run: a shared object with a function sio_app()" },
	{ .name = "exec", .type = OPTION_TEXT, .offset = offsetof(struct program_options, exec.command), .value = "COMMAND",
	  .help = "Backend program that is started, supervised and stopped with the server; its output is logged; SIGHUP starts a new one and stops the old one when the new one is ready" },
	{ .name = "execCount", .type = OPTION_NUMBER, .offset = offsetof(struct program_options, exec.count),
	  .initial = "1", .min = 1, .max = EXEC_COUNT_MAX, .value = "N",
	  .needs = "exec",
	  .help = "Number of exec programs to run" },
	{ .name = "execReadyTimeout", .type = OPTION_MS, .offset = offsetof(struct program_options, exec.ready_timeout),
	  .initial = "30s", .min = 1, .max = DAY_MS, .value = "MS",
	  .needs = "exec",
	  .help = "Maximum time for an exec program to become ready; in a deploy, a program that exceeds it is stopped and the old one keeps running" },
	{ .name = "execStopTimeout", .type = OPTION_MS, .offset = offsetof(struct program_options, exec.stop_timeout),
	  .initial = "15s", .min = 1, .max = DAY_MS, .value = "MS",
	  .needs = "exec",
	  .help = "Maximum time for an exec program to end after SIGTERM; then it gets SIGKILL" },
	{ .name = "workers", .type = OPTION_NUMBER, .offset = offsetof(struct program_options, workers), .initial = "0",
	  .max = DOORS_MAX, .value = "N",
	  .help = "Number of processes that serve clients, each with its own copy of the application; 0: one per core; 1: a single process" },
	{ .name = "master", .type = OPTION_FLAG, .offset = offsetof(struct program_options, master), .initial = "false",
	  .help = "Run a master also for a single worker: it starts the worker again after a crash, and SIGUSR2 can upgrade it" },
	{ .name = "hangWarning", .type = OPTION_MS, .offset = offsetof(struct program_options, hang_warning),
	  .initial = "5s", .max = DAY_MS, .value = "MS",
	  .help = "Log the name and the backtrace of an application's handler that runs for this long; 0: never" },
	{ .name = "hangTimeout", .type = OPTION_MS, .offset = offsetof(struct program_options, hang_timeout),
	  .initial = "60s", .max = DAY_MS, .value = "MS",
	  .help = "With several workers, kill and restart a worker whose handler runs for this long, and the hub when its loop stands still for this long or 10 s; 0: never" },
	{ .name = "logLevel", .type = OPTION_CHOICE, .offset = offsetof(struct program_options, log_level),
	  .initial = "info", .choices = "error|warn|info|debug", .value = "LEVEL",
	  .reload = true,
	  .help = "Least severe level that is logged; debug adds handshakes, refusals, packets by namespace and event, acknowledgements, messages between nodes, and why each client was closed; SIGTTIN switches the level" },
	{ .name = "logFilter", .type = OPTION_TEXT, .offset = offsetof(struct program_options, log_filter), .value = "FILTER",
	  .reload = true,
	  .help = "Limit debug lines to matching clients: sid=Ab3-x_Qz (as in the log, or in full), address=192.0.2.7 or namespace=/chat; of several, separated by commas, all must match" },

	{ .name = "logFormat", .type = OPTION_CHOICE, .offset = offsetof(struct program_options, log_format),
	  .initial = "logfmt", .choices = "logfmt|json", .value = "FORMAT",
	  .help = "Format of the log: key=value pairs, or a JSON object per line" },

	{ .group = "Admin",
	  .name = "adminPort", .type = OPTION_NUMBER, .offset = offsetof(struct program_options, admin.port), .initial = "0",
	  .max = 65535, .value = "PORT",
	  .help = "Port of /healthz, /readyz, /metrics, /log, the HTTP API and the page of the admin UI; 0: no admin port" },
	{ .name = "adminHost", .type = OPTION_TEXT, .offset = offsetof(struct program_options, admin.host),
	  .initial = "127.0.0.1", .value = "ADDRESS",
	  .help = "Address of the admin port; anyone who can connect to it can read the metrics and change the log level" },

	{ .group = "HTTP API",
	  .name = "apiKey", .type = OPTION_TEXT, .offset = API(keys), .value = "KEYS", .secret = OPTION_HIDDEN,
	  .help = "Keys of the HTTP API on the admin port, separated by commas, each of at least 16 characters; without apiKey and apiKeyFile the API is off; set it in the environment, as a command line is visible to other users" },
	{ .name = "apiKeyFile", .type = OPTION_TEXT, .offset = API(key_file), .value = "FILE",
	  .help = "File with keys of the HTTP API, one per line; SIGHUP reloads it" },
	{ .name = "apiMaxBody", .type = OPTION_BYTES, .offset = API(max_body), .initial = "1m", .min = 1024,
	  .max = 16 << 20, .value = "BYTES",
	  .needs = "apiKey|apiKeyFile",
	  .help = "Maximum size of the body of one request to the HTTP API; beyond it the answer is 413" },
	{ .name = "apiMaxRequests", .type = OPTION_NUMBER, .offset = API(max_requests), .initial = "64", .min = 1,
	  .max = 10000, .value = "N",
	  .needs = "apiKey|apiKeyFile",
	  .help = "Maximum number of concurrent requests to the HTTP API; beyond it the answer is 429" },
	{ .name = "apiIdempotencyTime", .type = OPTION_MS, .offset = API(idempotency_time), .initial = "10m",
	  .max = DAY_MS, .value = "MS",
	  .needs = "apiKey|apiKeyFile",
	  .help = "Time for which a repeated Idempotency-Key gets the first request's answer without being executed again; 0: such keys are ignored" },
	{ .name = "apiIdempotencyMemory", .type = OPTION_BYTES, .offset = API(idempotency_bytes), .initial = "16m",
	  .min = 64 << 10, .max = UINT64_C(1) << 32, .value = "BYTES",
	  .needs = "apiKey|apiKeyFile",
	  .help = "Maximum size of all answers kept for repeated Idempotency-Keys; beyond it the oldest are dropped early and counted" },
};
/* clang-format on */

struct option_table
front_options_table(struct front_options *options)
{
	return (struct option_table){front_rows, COUNT(front_rows), options, false};
}

struct option_table
program_options_table(struct program_options *options)
{
	return (struct option_table){program_rows, COUNT(program_rows), options, false};
}

/* Returns a copy of the engine's rows in which the default of the option `path`, /engine.io, is replaced. */
static struct option_row *
engine_rows_with_path(const struct option_table *eio, const char *path)
{
	struct option_row *rows = mem_copy(eio->rows, eio->count * sizeof *rows);
	size_t i = 0;

	while (i < eio->count && strcmp(rows[i].name, "path") != 0)
		i++;
	must(i < eio->count);
	rows[i].initial = path;
	return rows;
}

void
server_options_init(struct server_options *options)
{
	struct option_table tables[SERVER_TABLES];
	struct option_table eio;

	memset(options, 0, sizeof *options);
	eio = eio_options_table(&options->eio);
	options->eio_rows = engine_rows_with_path(&eio, "/socket.io");
	server_options_tables(options, tables);
	options_defaults(tables, SERVER_TABLES);
}

void
server_options_fini(struct server_options *options)
{
	struct option_table tables[SERVER_TABLES];

	server_options_tables(options, tables);
	options_fini(tables, SERVER_TABLES);
	mem_free(options->eio_rows);
	options->eio_rows = NULL;
}

void
server_options_tables(struct server_options *options, struct option_table out[SERVER_TABLES])
{
	out[0] = front_options_table(&options->front);
	out[1] = sio_options_table(&options->sio);
	out[3] = (struct option_table){node_rows, COUNT(node_rows), &options->node, false};
	out[2] = eio_options_table(&options->eio);
	out[2].rows = options->eio_rows;
	out[4] = broker_options_table(&options->broker);
	out[5] = upstream_options_table(&options->upstream);
	out[6] = backend_options_table(&options->backend);
	out[7] = adminui_options_table(&options->adminui);
}

int
front_options_check(const struct front_options *options, char error[OPTION_ERROR_MAX])
{
	struct http_trust *trust;

	if (options->max_queue != 0 && options->max_queue < QUEUE_MIN) {
		snprintf(error, OPTION_ERROR_MAX, "option --max-queue: must be 0 or at least %d", QUEUE_MIN);
		return ERROR_ARGUMENT;
	}
	if (options->max_memory != 0 && options->max_memory < MEMORY_MIN) {
		snprintf(error, OPTION_ERROR_MAX, "option --max-memory: must be 0 or at least %d", MEMORY_MIN);
		return ERROR_ARGUMENT;
	}
	if (http_trust_new(&trust, options->trust_proxy, error) < 0)
		return ERROR_ARGUMENT;
	http_trust_free(trust);
	if (!options->tls_cert == !options->tls_key)
		return 0;
	snprintf(error, OPTION_ERROR_MAX,
		"option %s: missing (%s needs it, as TLS needs both a certificate and a key)",
		options->tls_cert ? "--tls-key" : "--tls-cert", options->tls_cert ? "--tls-cert" : "--tls-key");
	return ERROR_ARGUMENT;
}

/* Checked at start-up, so that a malformed key ends the whole program and not only its hub. */
static int
api_options_check(const struct program_options *options, char error[OPTION_ERROR_MAX])
{
	struct api_keys *keys;
	int rc;

	_Static_assert(API_KEYS_ERROR_MAX <= OPTION_ERROR_MAX, "an error line must fit");
	rc = api_keys_new(&keys, options->api.keys, options->api.key_file, error);
	if (rc == 0 && keys != NULL && options->admin.port == 0) {
		snprintf(error, OPTION_ERROR_MAX,
			"option --api-key: the HTTP API needs an admin port (use --admin-port)");
		rc = ERROR_ARGUMENT;
	}
	api_keys_free(keys);
	return rc;
}

int
program_options_check(const struct program_options *options, char error[OPTION_ERROR_MAX])
{
	if (log_filter_check(options->log_filter) == 0)
		return api_options_check(options, error);
	snprintf(error, OPTION_ERROR_MAX,
		"option --log-filter: \"%.100s\" is not a filter (use sid= with at least 8 characters, address= with "
		"an IP "
		"address, or namespace=; separate several by commas)",
		options->log_filter);
	return ERROR_ARGUMENT;
}

unsigned
program_workers(const struct program_options *options)
{
	cpu_set_t cores;
	int n;

	if (options->workers > 0)
		return (unsigned)options->workers;
	n = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		return 1;
	return n > DOORS_MAX ? DOORS_MAX : (unsigned)n;
}

bool
server_options_have_history(const struct server_options *options)
{
	return options->sio.history != NULL && options->sio.history[0] != '\0';
}

/* Returns true if --redis names a Redis Cluster. broker_settings_check() reports a text that cannot be parsed. */
static bool
recovery_wants_cluster(const struct broker_settings *broker)
{
	char error[BUS_ERROR_MAX];
	struct bus_url url;
	bool cluster;

	if (bus_url_parse(&url, broker->redis, error) < 0)
		return false;
	cluster = url.cluster;
	bus_url_fini(&url);
	return cluster;
}

/*
 * Returns why clients cannot be recovered through this Redis, or NULL. Sessions are kept there with a seal in streams
 * mode only.
 */
static const char *
recovery_options_fault(const struct broker_settings *broker)
{
	bool streams = broker->redis_mode == BROKER_MODE_STREAMS;

	if (broker->redis_mode == BROKER_MODE_SHARDED)
		return "works with --redis-mode classic and --redis-log, with --redis-mode streams, or on a single "
		       "node without --redis";
	if (!streams && !broker->redis_log)
		return "needs --redis-log or --redis-mode streams with --redis";
	if (!streams && broker->redis_secret != NULL && broker->redis_secret[0] != '\0')
		return "does not work with --redis-secret, because sessions in Redis are not sealed (leave one out, "
		       "or use --redis-mode streams)";
	return streams && recovery_wants_cluster(broker) ? "does not work with --redis-mode streams at a Redis "
							   "Cluster (name a single server or Sentinels, "
							   "or use --redis-log)"
							 : NULL;
}

static int
recovery_options_check(const struct server_options *options, char error[OPTION_ERROR_MAX])
{
	const struct broker_settings *broker = &options->broker;
	bool redis = broker_settings_redis(broker);
	const char *fault = NULL;

	if (!options->sio.connection_state_recovery)
		return 0;
	if (redis)
		fault = recovery_options_fault(broker);
	if (fault != NULL)
		snprintf(error, OPTION_ERROR_MAX, "option --connection-state-recovery: %s", fault);
	else if (options->sio.recovery_trust_foreign && !(redis && broker->redis_mode == BROKER_MODE_STREAMS))
		snprintf(error, OPTION_ERROR_MAX,
			"option --recovery-trust-foreign: needs --redis-mode streams with --redis, because only "
			"there "
			"Node.js servers store sessions");
	else
		return 0;
	return ERROR_ARGUMENT;
}

bool
server_options_keep_history(const struct server_options *options)
{
	return server_options_have_history(options) && !broker_settings_redis(&options->broker);
}

static int
history_options_check(const struct server_options *options, char error[OPTION_ERROR_MAX])
{
	struct sio_history_rules rules;
	char wrong[OPTION_ERROR_MAX - 32];

	if (!server_options_have_history(options))
		return 0;
	if (sio_history_rules_parse(&rules, options->sio.history, wrong, sizeof wrong) < 0) {
		snprintf(error, OPTION_ERROR_MAX, "option --history: %s", wrong);
		return ERROR_ARGUMENT;
	}
	sio_history_rules_fini(&rules);
	return 0;
}

int
server_options_check_layer(const struct server_options *options, unsigned layer, char error[OPTION_ERROR_MAX])
{
	switch (layer) {
	case 0:
		return front_options_check(&options->front, error);
	case 1:
		return upstream_options_check(&options->upstream, error);
	case 2:
		return backend_options_check(&options->backend, options->front.tls_cert != NULL, error);
	case 3:
		return broker_settings_check(&options->broker, error);
	case 4:
		return adminui_options_check(&options->adminui, error);
	case 5:
		return recovery_options_check(options, error);
	case 6:
		return history_options_check(options, error);
	default:
		return eio_options_check(&options->eio, error);
	}
}

int
server_options_check(const struct server_options *options, char error[OPTION_ERROR_MAX])
{
	int result = 0;

	for (unsigned layer = 0; result == 0 && layer < SERVER_LAYERS_CHECKED; layer++)
		result = server_options_check_layer(options, layer, error);
	return result;
}
