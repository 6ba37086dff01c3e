/*
 * sio_server_new() to sio_server_free(): one server, composed of a loop, the front door, the engine and the Socket.IO
 * core.
 *
 *   state      what exists                    ends by
 *   NEW        options, loop, core            sio_listen(): OPEN; sio_close(): CLOSING
 *   OPEN       also front, engine             sio_close(): CLOSING; sio_drain(): DRAINING
 *   DRAINING   sessions end one by one; the   all have ended, the time is over, or sio_close(): CLOSING
 *              port stays open for them
 *   CLOSING    sessions and connections end,  the cluster has been left: CLOSED
 *              then the cluster is left
 *   CLOSED     the stop listeners and `done`  sio_server_free()
 *              have been called
 */
#include "node/process/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/log.h"
#include "node/adminui/adminui.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_sid.h"
#include "node/engineio/eio_tables.h"
#include "node/http/http_bundle.h"
#include "node/http/http_cors.h"
#include "node/http/http_query.h"
#include "node/process/backends.h"
#include "node/process/cluster.h"
#include "node/process/drain.h"
#include "node/process/front.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_timer.h"
#include "node/socketio/sio_work.h"
#include "node/socketio/sio_listener.h"
#include "node/socketio/sio_check.h"

#define GONE_INTERVAL_S 0.01
#define SHED_PERCENT 10
#define FLUSH_MS 2000	/* for sending queued messages to the other nodes */
#define DRAINED_MS 5000 /* after a drain: for sending the last bytes to slow clients */
/*
 * Minimum duration of a drain after an upgrade, unless all connections have ended. A client may have connected to
 * this worker just before the successor took the port over, and may not have sent its request yet.
 */
#define SUCCEEDED_MS 2000

enum host_state { HOST_NEW, HOST_OPEN, HOST_DRAINING, HOST_CLOSING, HOST_CLOSED };

struct sio_host {
	struct loop loop;
	struct server_options options;
	struct app_options own_app_options; /* sio_declare_options() */
	struct app_options *app_options;    /* own_app_options, or those of the program */
	struct app_registry app_metrics;
	struct sio_server *core;
	struct eio_server *engine; /* set by sio_listen() */
	struct front *front;	   /* set by sio_listen() */
	enum host_state state;
	const struct place *place;	   /* NULL: a single process */
	struct listener_set *listeners;	   /* to accept from; NULL: sio_listen() opens them */
	const struct inherited *inherited; /* used by sio_listen(); may be NULL */
	struct handover *handover;	   /* set by sio_listen() if there are siblings */
	struct cluster *cluster;	   /* set by sio_listen() */
	struct upstream *upstream;	   /* set by sio_listen() */
	struct backends *backends;	   /* set by sio_listen(); NULL: no backends */
	struct adminui *adminui;	   /* set by sio_listen(); NULL: no admin UI */
	bool awaits_program;		   /* server_await_program() */
	struct drain drain;
	uint64_t gone_by; /* when remaining connections are cut; 0: never */

	struct loop_call finish;   /* ends the connections, after the sessions have sent their last packets */
	struct ev_timer gone;	   /* while closing: checks whether the last connection has ended */
	struct sio_listeners stop; /* sio_on_stop() */
	void (*done)(sio_server *io, void *arg);
	void *done_arg;
};

/* ---------------------------------------------------------------- requests */

/* The part of the path below the engine's: "socket.io.js" for "/socket.io/socket.io.js". */
static struct text
path_below(const char *prefix, struct text path)
{
	size_t n = strlen(prefix);

	if (n > 0 && prefix[n - 1] == '/')
		n--;
	if (path.n <= n + 1 || path.at[n] != '/')
		return TEXT_NONE;
	return text_of(path.at + n + 1, path.n - n - 1);
}

static bool
is_bundle_file(struct text name)
{
	for (const struct http_bundle_file *file = http_bundle_files; file->name; file++) {
		if (text_is(name, text_from(file->name)))
			return true;
	}
	return false;
}

static void
server_serve_bundle(struct sio_host *host, struct http_request *request, struct text name)
{
	if (host->state != HOST_OPEN) /* the handshake that follows must reach another server */
		http_close_after(request);
	if (http_cors_apply(eio_cors(host->engine), request))
		return;
	must(http_bundle_handle(request, name));
}

/* Returns true if another program has taken the port over. This server then serves only the sessions that it has. */
static bool
server_is_succeeded(const struct sio_host *host)
{
	return host->handover && host->state != HOST_OPEN && vitals_is_succeeded(host->place->vitals);
}

/*
 * Returns the index for handover_request() of the worker that should answer, or -1 if this worker should. The owner
 * of the session that the request names answers. If no worker owns it, the successor's workers answer, if any.
 */
static int
server_find_worker(const struct sio_host *host, const struct http_request *request)
{
	char sid[EIO_SID_LENGTH + 1];
	unsigned node, worker;
	int n, index = -1;

	if (!host->handover)
		return -1;
	n = eio_matches(host->engine, request->path) ? http_query_get(request->query, "sid", sid, sizeof sid) : 0;
	if (n > 0 && eio_sid_parse(text_of(sid, (size_t)n), &node, &worker) == 0 &&
		node == host->options.node.node_id)
		index = doors_find(host->place->doors, worker);
	if (index >= 0)
		return index != (int)host->place->slot ? index : -1;
	return server_is_succeeded(host) ? (int)doors_successor(host->place->doors) : -1;
}

static void
server_on_guest(void *arg, const struct handover_guest *guest)
{
	struct sio_host *host = arg;

	if (guest->kind == HANDOVER_BACKEND)
		backends_take(host->backends, guest);
	else
		front_take(host->front, guest);
}

/* Returns true if a program of --exec is expected and no backend is attached yet. */
static bool
server_is_awaiting(const struct sio_host *host)
{
	const struct backend_links_stats *stats = backends_stats(host->backends);

	return host->awaits_program && host->state == HOST_OPEN && stats && stats->ready + stats->draining == 0;
}

static void
server_on_request(void *arg, struct http_request *request)
{
	struct sio_host *host = arg;
	int worker = server_find_worker(host, request);

	if (worker >= 0) {
		handover_request(host->handover, request, (unsigned)worker);
	} else if (eio_matches(host->engine, request->path)) {
		struct text name = path_below(host->options.eio.path, request->path);

		if (host->options.sio.serve_client && name.n > 0 && !request->upgrade && is_bundle_file(name))
			server_serve_bundle(host, request, name);
		else
			eio_handle(host->engine, request);
	} else if (upstream_is_active(host->upstream) || server_is_awaiting(host)) {
		front_rest(host->front, request, host->upstream);
	} else if (request->upgrade) {
		eio_handle_unclaimed_upgrade(host->engine, request);
	} else {
		front_rest(host->front, request, NULL);
	}
}

/* -------------------------------------------------------------------- life */

static void
server_on_finish(struct loop_call *call)
{
	struct sio_host *host = container_of(call, struct sio_host, finish);

	front_finish(host->front);
}

static void
server_run_stop_listeners(struct sio_host *host)
{
	struct sio_underway *underway = sio_core_underway(host->core), before;
	const struct sio_listener *listener;
	struct sio_run run;

	if (sio_listeners_empty(&host->stop))
		return;
	before = sio_underway_enter(underway, NULL, "stop");
	sio_run_begin(&run, &host->stop);
	while ((listener = sio_run_next(&run)) != NULL)
		((void (*)(sio_server *, void *))listener->fn)(host->core, listener->arg);
	sio_underway_leave(underway, before);
}

/* A timer of libev, not one of the loop: `done` may free the host together with its loop. */
static void
server_check_gone(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct sio_host *host = timer->data;

	(void)events;
	if (host->state == HOST_DRAINING)
		return;
	if (host->gone_by != 0 && host->loop.now >= host->gone_by)
		conn_close_all(&host->loop, REASON_SHUTDOWN);
	if (host->loop.connections > 0 || (host->engine && eio_count(host->engine) > 0))
		return;
	if (host->upstream)
		upstream_close(host->upstream);
	if (!upstream_is_gone(host->upstream))
		return;
	if (!sio_work_end(host->core))
		return;
	/* no client and no work is left that could cause messages to the other nodes */
	backends_leave(host->backends);
	if (host->cluster)
		cluster_leave(host->cluster, FLUSH_MS);
	if (!cluster_is_gone(host->cluster) || !backends_are_gone(host->backends) ||
		!handover_end_relays(host->handover))
		return;
	ev_timer_stop(ev, timer);
	host->state = HOST_CLOSED;
	sio_timers_stop(host->core);
	server_run_stop_listeners(host);
	if (host->done)
		host->done(host->core, host->done_arg); /* may free the host */
}

sio_server *
sio_server_new(struct ev_loop *ev)
{
	struct sio_host *host = mem_zalloc(sizeof *host);

	loop_init(&host->loop, ev);
	server_options_init(&host->options);
	host->app_options = &host->own_app_options;
	host->core = sio_core_new(&host->loop, &host->options.sio, host);
	loop_call_init(&host->finish, server_on_finish);
	ev_timer_init(&host->gone, server_check_gone, 0., GONE_INTERVAL_S);
	host->gone.data = host;
	return host->core;
}

void
server_tables(struct sio_server *io, struct option_table out[SERVER_TABLES])
{
	server_options_tables(&sio_core_host(io)->options, out);
}

struct app_options *
server_app_options(const struct sio_server *io, bool *own)
{
	struct sio_host *host = sio_core_host(io);

	*own = host->app_options == &host->own_app_options;
	return host->app_options;
}

void
server_set_app_options(struct sio_server *io, struct app_options *options)
{
	sio_core_host(io)->app_options = options;
}

struct app_registry *
server_app_metrics(const struct sio_server *io)
{
	return &sio_core_host(io)->app_metrics;
}

void
server_set_place(struct sio_server *io, const struct place *place)
{
	sio_core_host(io)->place = place;
	sio_core_host(io)->listeners = place->listeners;
}

void
server_set_listeners(struct sio_server *io, struct listener_set *listeners)
{
	sio_core_host(io)->listeners = listeners;
}

void
server_set_inherited(struct sio_server *io, const struct inherited *inherited)
{
	sio_core_host(io)->inherited = inherited;
}

void
server_await_program(struct sio_server *io)
{
	sio_core_host(io)->awaits_program = true;
}

uint64_t
server_drain_time(const struct sio_server *io)
{
	return sio_core_host(io)->options.node.drain_time;
}

const struct server_options *
server_options_of(const struct sio_server *io)
{
	return &sio_core_host(io)->options;
}

bool
server_is_new(const struct sio_server *io)
{
	return sio_core_host(io)->state == HOST_NEW;
}

bool
server_is_accepting(const struct sio_server *io)
{
	return sio_core_host(io)->state == HOST_OPEN;
}

uint64_t
server_sessions_closed(const sio_server *io)
{
	return sio_core_host(io)->loop.counters.value[COUNT_EIO_CLOSED];
}

bool
server_has_backends(const struct sio_server *io)
{
	const struct sio_host *host = sio_core_host(io);

	return (host->options.backend.urls && host->options.backend.urls[0]) ||
	       (host->place && host->place->backends->count > 0);
}

uint64_t
server_max_connections(const struct sio_server *io)
{
	return sio_core_host(io)->options.front.max_connections;
}

void
server_face(const struct sio_server *io, struct server_face *out)
{
	const struct sio_host *host = sio_core_host(io);

	*out = (struct server_face){
		front_is_tls(host->front), host->options.eio.path, front_public(&host->options.front)};
}

void
server_log_listening(const char *host, uint16_t port, const struct server_face *face)
{
	log_event(LOG_INFO, "listening", "address", LOG_STR(host && *host ? host : "*"), "port", LOG_INT(port), "tls",
		LOG_STR(face->tls ? "yes" : "no"), "path", LOG_STR(face->path), "public",
		LOG_STR(face->public_dir ? face->public_dir : "none"), NULL);
}

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

uint16_t
sio_port(const sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	const struct sio_host *host = sio_core_host(io);

	return host->front ? front_port(host->front) : 0;
}

unsigned
sio_worker(const sio_server *io, unsigned *workers)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	const struct place *place = sio_core_host(io)->place;

	if (workers != NULL)
		*workers = place != NULL ? place->doors->count : 1;
	return place != NULL ? place->slot : 0;
}

int
server_reload_tls(struct sio_server *io, char *error)
{
	struct sio_host *host = sio_core_host(io);

	must(host->front);
	if (front_is_tls(host->front) || !backends_have_tls(host->backends)) {
		int result = front_reload_tls(host->front, error);

		if (result < 0)
			return result;
	}
	return backends_reload_tls(host->backends, error);
}

bool
server_reload_admin_ui(struct sio_server *io)
{
	return adminui_reload(sio_core_host(io)->adminui);
}

/* Shows the siblings whether this worker has drained. They wait for it while the whole node drains. */
static void
server_set_drained(const struct sio_host *host, bool drained)
{
	if (host->place && host->place->vitals)
		atomic_store_explicit(&host->place->vitals->drained, drained, memory_order_relaxed);
}

static bool
server_drains_with_node(const struct sio_host *host)
{
	return host->place && host->place->vitals &&
	       atomic_load_explicit(&host->place->vitals->node_drains, memory_order_relaxed);
}

static void
server_begin_closing(struct sio_host *host)
{
	server_set_drained(host, true);
	adminui_stop(host->adminui);
	if (host->state != HOST_NEW) {
		front_stop(host->front);
		backends_drain(host->backends);
		sio_core_close(host->core);
		loop_defer(&host->loop, &host->finish);
	}
	host->state = HOST_CLOSING;
	ev_timer_start(host->loop.ev, &host->gone);
}

void
sio_close(sio_server *io, void (*done)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	struct sio_host *host = sio_core_host(io);

	if (host->state == HOST_CLOSING || host->state == HOST_CLOSED)
		return;
	drain_stop(&host->drain);
	host->done = done;
	host->done_arg = arg;
	server_begin_closing(host);
}

void
sio_on_stop(sio_server *io, void (*fn)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&sio_core_host(io)->stop, (sio_any_fn *)fn, arg);
}

int
sio_off_stop(sio_server *io, void (*fn)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&sio_core_host(io)->stop, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

bool
server_has_shrunk(struct sio_server *io)
{
	return budget_shrunk(&sio_core_host(io)->loop.budget);
}

void
server_give_back(struct sio_server *io)
{
	loop_give_back(&sio_core_host(io)->loop);
}

/* With few clients the number is rounded at random, so that it is right on average over many workers. */
void
server_shed(struct sio_server *io)
{
	struct sio_host *host = sio_core_host(io);
	size_t all = host->engine ? eio_count(host->engine) : 0, n = (all * SHED_PERCENT + random_below(100)) / 100;

	if (host->state != HOST_OPEN)
		return;
	log_event(LOG_INFO, "shedding", "clients", LOG_INT(n), "of", LOG_INT(all), NULL);
	drain_shed(&host->drain, &host->loop, io, host->engine, n, host->options.node.drain_time);
}

static void
server_on_drained(struct drain *drain)
{
	struct sio_host *host = container_of(drain, struct sio_host, drain);

	host->gone_by = host->loop.now + DRAINED_MS;
	server_begin_closing(host);
}

/*
 * A worker that drains alone stops accepting; the master accepts in its place and passes the connections to its
 * siblings. While the whole node drains, every worker accepts until all have drained, because each connection may
 * bring a request for a session of any worker. The flag of the master may arrive after the worker's own signal.
 *
 * The port closes when the clients have gone. Requests for the upstream that are under way still get their answers;
 * if the port stayed open for new ones, a busy upstream would keep the drain until its time is over and requests are
 * cut.
 */
static bool
server_may_end_drain(struct drain *drain, bool empty)
{
	struct sio_host *host = container_of(drain, struct sio_host, drain);
	const struct place *place = host->place;
	bool gone = !drain_has_clients(drain);

	if (server_is_succeeded(host))
		return empty && (host->loop.connections == 0 || host->loop.now - drain->started >= SUCCEEDED_MS);
	if (place && !server_drains_with_node(host))
		return empty;
	server_set_drained(host, gone);
	if (place)
		gone = vitals_all_drained(place->vitals - place->slot, place->doors->count);
	if (gone)
		front_stop(host->front);
	else
		front_drain(host->front, true);
	return empty && gone;
}

void
sio_drain(sio_server *io, unsigned ms, void (*done)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	struct sio_host *host = sio_core_host(io);

	bool succeeded = host->place && vitals_is_succeeded(host->place->vitals);

	if (host->state == HOST_NEW || (ms == 0 && !succeeded)) {
		sio_close(io, done, arg);
		return;
	}
	if (host->state != HOST_OPEN)
		return;
	if (succeeded && ms < SUCCEEDED_MS)
		ms = SUCCEEDED_MS;
	host->done = done;
	host->done_arg = arg;
	host->state = HOST_DRAINING;
	host->drain.over = server_on_drained;
	host->drain.may_end = server_may_end_drain;
	front_drain(host->front, !host->place || server_drains_with_node(host));
	cluster_drain(host->cluster);
	backends_drain(host->backends);
	upstream_drain(host->upstream);
	ev_timer_start(host->loop.ev, &host->gone); /* keeps ev_run() going without listeners */
	host->drain.upstream = host->upstream;
	drain_start(&host->drain, &host->loop, io, host->engine, ms);
}

void
sio_server_free(sio_server *io)
{
	struct sio_host *host;

	if (!io)
		return;
	host = sio_core_host(io);
	must(host->state == HOST_NEW || host->state == HOST_CLOSED);
	adminui_free(host->adminui);
	sio_core_free(io);
	if (host->engine)
		eio_server_free(host->engine);
	handover_free(host->handover);
	backends_free(host->backends);
	cluster_free(host->cluster);
	front_free(host->front);
	upstream_free(host->upstream);
	loop_call_cancel(&host->finish);
	ev_timer_stop(host->loop.ev, &host->gone);
	loop_fini(&host->loop);
	sio_listeners_fini(&host->stop);
	app_options_fini(&host->own_app_options);
	app_registry_fini(&host->app_metrics);
	server_options_fini(&host->options);
	mem_free(host);
}

struct ev_loop *
sio_loop(const sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	return sio_core_host(io)->loop.ev;
}

/* --------------------------------------------------------------------- log */

#define LOG_PAIRS 8 /* documented in sockeye.h */

/* A NULL value may mean that the key was the last argument, so reading must stop there. */
int
sio_log(sio_server *io, const char *event, ...)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	const char *key[LOG_PAIRS + 1] = {NULL}; /* the first NULL ends the line */
	struct log_value value[LOG_PAIRS + 1];
	const char *wrong = NULL;
	unsigned n = 0;
	va_list args;

	if (!sio_is_pointer(event))
		return sio_misused(__func__, event, NULL, NULL, SIO_ERR_ARGUMENT);
	if (!log_enabled(LOG_INFO))
		return 0;
	va_start(args, event);
	while (n < LOG_PAIRS && !wrong && (key[n] = va_arg(args, const char *))) {
		const char *text = sio_is_pointer(key[n]) ? va_arg(args, const char *) : NULL;

		if (!sio_is_pointer(text))
			wrong = sio_is_pointer(key[n]) ? key[n] : event;
		if (!sio_is_pointer(key[n]))
			key[n] = NULL;
		else
			value[n++] = *LOG_STR(sio_is_pointer(text) ? text : "");
	}
	va_end(args);
	key[n] = NULL;
	log_event(LOG_INFO, event, key[0], &value[0], key[1], &value[1], key[2], &value[2], key[3], &value[3], key[4],
		&value[4], key[5], &value[5], key[6], &value[6], key[7], &value[7], NULL);
	return wrong ? sio_misused(__func__, wrong, NULL, NULL, SIO_ERR_ARGUMENT) : 0;
}

void
server_parts(const struct sio_server *io, struct server_parts *out)
{
	struct sio_host *host = sio_core_host(io);

	out->loop = &host->loop;
	out->engine = host->engine;
	out->broker = host->cluster ? cluster_broker(host->cluster) : NULL;
	out->backends = backends_stats(host->backends);
}

void
server_backend_clients(const struct sio_server *io, struct backend_clients_stats *out)
{
	backends_client_stats(sio_core_host(io)->backends, out);
}
