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

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/log.h"
#include "node/engineio/eio_tables.h"
#include "node/process/server_internal.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_timer.h"
#include "node/socketio/sio_work.h"

#define GONE_INTERVAL_S 0.01
#define SHED_PERCENT 10
#define FLUSH_MS 2000	/* for sending queued messages to the other nodes */
#define DRAINED_MS 5000 /* after a drain: for sending the last bytes to slow clients */
/*
 * Minimum duration of a drain after an upgrade, unless all connections have ended. A client may have connected to
 * this worker just before the successor took the port over, and may not have sent its request yet.
 */
#define SUCCEEDED_MS 2000

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
 * The port closes when the clients have gone. Requests for the upstream that are under way still get their answers.
 * If the port stayed open for new requests, a busy upstream would keep the drain going until its time is over, and
 * the last requests would be cut.
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
