/*
 * sio_listen(): checks the options, opens the parts of a server in their order, and joins them. If a part fails, the
 * parts before it are freed and the server stays new.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/io/log.h"
#include "node/process/server_internal.h"
#include "node/process/server_request.h"
#include "node/socketio/sio_check.h"

/* Checks that each option has the options that it needs. Programs of --exec are backends, so --exec counts as set. */
static int
server_check_needs(struct sio_host *host, char error[SIO_ERROR_LINE])
{
	struct option_table tables[SERVER_TABLES];

	server_options_tables(&host->options, tables);
	return options_check_needs(
		tables, SERVER_TABLES, tables, SERVER_TABLES, host->awaits_program ? "exec" : NULL, error);
}

/* With several workers, the hub keeps the history. It has started before the application could set the option. */
static int
server_check_history(const struct sio_host *host, char *error)
{
	if (!server_options_keep_history(&host->options) || host->place->hub.history ||
		host->place->doors->count == 1)
		return 0;
	snprintf(error, SIO_ERROR_LINE,
		"the application sets history, which the workers share; set it by a flag, or use --workers 1");
	return SIO_ERR_ARGUMENT;
}

/*
 * With several workers and without Redis, the hub keeps missed events. It has started before the application could
 * set the option.
 */
static int
server_check_recovery(const struct sio_host *host, char *error)
{
	if (!host->options.sio.connection_state_recovery || host->place->hub.keeper ||
		host->place->doors->count == 1 || broker_settings_redis(&host->options.broker))
		return server_check_history(host, error);
	snprintf(error, SIO_ERROR_LINE,
		"the application sets connectionStateRecovery, which the workers share; set it by a flag, or use "
		"--workers 1");
	return SIO_ERR_ARGUMENT;
}

/* The master has opened the listeners before the application could set these options. */
static int
server_check_place(const struct sio_host *host, char *error)
{
	const struct front_options *options = &host->options.front;
	const char *wanted_host = options->host ? options->host : "",
		   *opened = host->place->host ? host->place->host : "";
	const char *urls = host->options.backend.urls ? host->options.backend.urls : "";

	if (strcmp(wanted_host, opened) == 0 && options->port == host->place->port &&
		strcmp(urls, host->place->backend_urls ? host->place->backend_urls : "") == 0)
		return server_check_recovery(host, error);
	snprintf(error, SIO_ERROR_LINE,
		"the application sets host, port or backend, which all workers share; set them by flags, or use "
		"--workers 1");
	return SIO_ERR_ARGUMENT;
}

/* A backend that also serves HTTP becomes an upstream for the paths that this server does not handle. */
static void
server_on_backend_http(void *arg, const char *url, bool there)
{
	struct sio_host *host = arg;
	char error[OPTION_ERROR_MAX];

	if (!there)
		upstream_remove(host->upstream, text_from(url));
	else if (upstream_add(host->upstream, text_from(url), error) < 0)
		log_event(LOG_WARN, "upstream", "error", LOG_STR(error), NULL);
}

static void
server_join_siblings(struct sio_host *host)
{
	struct handover_setup setup = {
		.doors = host->place->doors,
		.slot = host->place->slot,
		.limits = front_limits(host->front),
		.on_guest = server_on_guest,
		.arg = host,
	};

	host->handover = handover_new(&host->loop, &setup);
	backends_set_handover(host->backends, host->handover);
}

/* Returns the worker's number in session ids. A program and the program that it replaces use different numbers. */
static unsigned
server_worker_number(const struct sio_host *host)
{
	return host->place ? host->place->doors->first + host->place->slot : 0;
}

/* Returns the hub of this machine. */
static const struct cluster_hub *
server_hub(const struct sio_host *host)
{
	static const struct cluster_hub no_hub = {.name = NULL};

	return host->place ? &host->place->hub : &no_hub;
}

static int
server_join_cluster(struct sio_host *host, char error[SIO_ERROR_LINE])
{
	const struct place *place = host->place;
	struct cluster_self self = {.instance = place ? place->instance : NULL,
		.node = (unsigned)host->options.node.node_id,
		.worker = server_worker_number(host),
		.port = front_port(host->front),
		.recovers = host->options.sio.connection_state_recovery};

	return cluster_join(
		&host->cluster, &host->loop, host->core, &host->options.broker, server_hub(host), &self, error);
}

static void
server_serve_adminui(struct sio_host *host)
{
	const struct adminui_setup setup = {.loop = &host->loop,
		.io = host->core,
		.engine = host->engine,
		.options = &host->options.adminui,
		.node = (unsigned)host->options.node.node_id,
		.worker = host->place ? host->place->slot : 0};

	host->adminui = adminui_new(&setup);
}

int
sio_listen(sio_server *io, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	struct sio_host *host = sio_core_host(io);
	const struct eio_options *eo = &host->options.eio;
	char line[FRONT_ERROR_MAX];
	struct front_setup setup = {
		.options = &host->options.front,
		.gzip_threshold = eio_options_gzip_threshold(eo),
		.max_queue = eio_options_max_buffered(eo),
		.workers = host->place ? host->place->doors->count : 1,
		.listeners = host->listeners,
		.ticket_keys = host->place ? host->place->ticket_keys : NULL,
		.vitals = host->place ? host->place->vitals : NULL,
		.on_request = server_on_request,
		.arg = host,
	};
	struct server_face face;
	int result;

	_Static_assert(FRONT_ERROR_MAX <= SIO_ERROR_LINE && BUS_ERROR_MAX <= SIO_ERROR_LINE &&
			       BACKEND_ERROR_MAX <= SIO_ERROR_LINE,
		"an error line must fit");
	if (!error)
		error = line;
	if (host->state != HOST_NEW) {
		snprintf(error, SIO_ERROR_LINE, "the server is already listening, or closed");
		return SIO_ERR_STATE;
	}
	if (server_options_check(&host->options, error) < 0 || server_check_needs(host, error) < 0 ||
		(host->place && server_check_place(host, error) < 0))
		return SIO_ERR_ARGUMENT;
	result = front_open(&host->front, &host->loop, &setup, error);
	if (result < 0)
		return result == ERROR_ARGUMENT ? SIO_ERR_ARGUMENT : SIO_ERR_SYSTEM;
	result = backends_open(&host->backends, &host->loop, &host->options, host->place, host->inherited, error);
	if (result == 0)
		result = server_join_cluster(host, error);
	if (result < 0) {
		backends_free(host->backends);
		host->backends = NULL;
		front_free(host->front);
		host->front = NULL;
		return result == ERROR_ARGUMENT ? SIO_ERR_ARGUMENT : SIO_ERR_SYSTEM;
	}
	host->engine = eio_server_new(&host->loop, eo, sio_core_ops(), io);
	eio_server_set_place(host->engine, (unsigned)host->options.node.node_id, server_worker_number(host));
	if (host->options.sio.cleanup_empty_child_namespaces < 0)
		host->options.sio.cleanup_empty_child_namespaces = broker_settings_redis(&host->options.broker);
	host->options.sio.loss_notice = eo->ping_interval + eo->ping_timeout;
	/* as base64 on polling, a packet larger than half of what may be queued could never be delivered */
	sio_core_attach(
		io, host->engine, &host->options.sio, eo->max_http_buffer_size, eio_options_max_buffered(eo) / 2);
	cluster_remember(host->cluster, &host->loop, &host->options.broker, server_hub(host));
	host->upstream = upstream_new(&host->loop, &host->options.upstream);
	backends_on_upstream(host->backends, server_on_backend_http, host);
	server_serve_adminui(host); /* before the backends, which own all namespaces that do not exist */
	backends_serve(host->backends, io);
	host->state = HOST_OPEN;
	if (host->place) {
		server_join_siblings(host);
	} else {
		server_face(io, &face);
		server_log_listening(host->options.front.host, sio_port(io), &face);
	}
	return SIO_OK;
}
