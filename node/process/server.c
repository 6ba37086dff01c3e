/*
 * sio_server_new() to sio_server_free(): one server composed of a loop, the
 * front door, the engine and the Socket.IO core.
 *
 *   state      what exists                    goes on by
 *   NEW        options, loop, core            sio_listen() -> OPEN, sio_close() -> CLOSING
 *   OPEN       and front, engine              sio_close() -> CLOSING, sio_drain() -> DRAINING
 *   DRAINING   sessions end one by one        none is left, the time is over, or sio_close() -> CLOSING
 *   CLOSING    sessions and connections end,  the cluster is left -> CLOSED
 *              then the cluster is left
 *   CLOSED     the stop listeners and `done`  sio_server_free()
 *              were called
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
#include "node/socketio/sio_listener.h"
#include "node/socketio/sio_check.h"

#define GONE_INTERVAL_S 0.01
#define SHED_PERCENT 10
#define FLUSH_MS 2000	/* for the last words to the other nodes */
#define DRAINED_MS 5000 /* after a drain: how long the last bytes to slow clients may take */

enum host_state { HOST_NEW, HOST_OPEN, HOST_DRAINING, HOST_CLOSING, HOST_CLOSED };

struct sio_host {
	struct loop loop;
	struct server_options options;
	struct sio_server *core;
	struct eio_server *engine; /* from sio_listen() on */
	struct front *front;	   /* from sio_listen() on */
	enum host_state state;
	const struct place *place; /* NULL: it is alone */
	struct handover *handover; /* with siblings, from sio_listen() on */
	struct cluster *cluster;   /* from sio_listen() on */
	struct upstream *upstream; /* from sio_listen() on */
	struct backends *backends; /* likewise; NULL: there are none */
	struct drain drain;
	uint64_t gone_by; /* when what is left is cut off; 0: never */

	struct loop_call finish;   /* after the sessions have said good-bye */
	struct ev_timer gone;	   /* looks for the last connection's end while closing */
	struct sio_listeners stop; /* sio_on_stop() */
	void (*done)(sio_server *io, void *arg);
	void *done_arg;
};

/* ---------------------------------------------------------------- requests */

/* The part of the path below the engine's, "socket.io.js" of "/socket.io/socket.io.js". */
static struct text
name_below(const char *prefix, struct text path)
{
	size_t n = strlen(prefix);

	if (n > 0 && prefix[n - 1] == '/')
		n--;
	if (path.n <= n + 1 || path.at[n] != '/')
		return TEXT_NONE;
	return text_of(path.at + n + 1, path.n - n - 1);
}

static bool
is_bundle(struct text name)
{
	for (const struct http_bundle_file *f = http_bundle_files; f->name; f++) {
		if (text_is(name, text_from(f->name)))
			return true;
	}
	return false;
}

static void
serve_bundle(struct sio_host *h, struct http_request *r, struct text name)
{
	if (http_cors_apply(eio_cors(h->engine), r))
		return;
	must(http_bundle_handle(r, name));
}

/* True if the session that the request names is a sibling's. */
static bool
is_siblings(const struct sio_host *h, const struct http_request *r, unsigned *slot)
{
	char sid[EIO_SID_LENGTH + 1];
	unsigned node;
	int n;

	if (!h->handover)
		return false;
	n = http_query_get(r->query, "sid", sid, sizeof sid);
	return n > 0 && eio_sid_parse(text_of(sid, (size_t)n), &node, slot) == 0 && node == h->options.node.node_id &&
	       *slot != h->place->slot && *slot < h->place->doors->count;
}

static void
on_guest(void *arg, const struct handover_guest *g)
{
	struct sio_host *h = arg;

	if (g->kind == HANDOVER_BACKEND)
		backends_take(h->backends, g);
	else
		front_take(h->front, g);
}

static void
on_request(void *arg, struct http_request *r)
{
	struct sio_host *h = arg;
	unsigned slot;

	if (eio_matches(h->engine, r->path)) {
		struct text name = name_below(h->options.eio.path, r->path);

		if (h->options.sio.serve_client && !r->upgrade && is_bundle(name))
			serve_bundle(h, r, name);
		else if (is_siblings(h, r, &slot))
			handover_request(h->handover, r, slot);
		else
			eio_handle(h->engine, r);
	} else if (upstream_is_active(h->upstream)) {
		front_rest(h->front, r, h->upstream);
	} else if (r->upgrade) {
		eio_handle_unclaimed_upgrade(h->engine, r);
	} else {
		front_rest(h->front, r, NULL);
	}
}

/* -------------------------------------------------------------------- life */

static void
on_finish(struct loop_call *call)
{
	struct sio_host *h = container_of(call, struct sio_host, finish);

	front_finish(h->front);
}

static void
run_stop(struct sio_host *h)
{
	struct sio_underway *underway = sio_core_underway(h->core), before;
	const struct sio_listener *it;
	struct sio_run run;

	if (sio_listeners_empty(&h->stop))
		return;
	before = sio_underway_enter(underway, NULL, "stop");
	sio_run_begin(&run, &h->stop);
	while ((it = sio_run_next(&run)) != NULL)
		((void (*)(sio_server *, void *))it->fn)(h->core, it->arg);
	sio_underway_leave(underway, before);
}

/* Not by the loop's own timers: `done` may free the host with all of its loop. */
static void
on_gone(struct ev_loop *ev, struct ev_timer *w, int events)
{
	struct sio_host *h = w->data;

	(void)events;
	if (h->state == HOST_DRAINING)
		return;
	if (h->gone_by != 0 && h->loop.now >= h->gone_by)
		conn_close_all(&h->loop, REASON_SHUTDOWN);
	if (h->loop.connections > 0 || (h->engine && eio_count(h->engine) > 0))
		return;
	if (h->upstream)
		upstream_close(h->upstream);
	if (!upstream_is_gone(h->upstream))
		return;
	/* now nobody is there any more who could have last words for the other nodes */
	backends_leave(h->backends);
	if (h->cluster)
		cluster_leave(h->cluster, FLUSH_MS);
	if (!cluster_is_gone(h->cluster) || !backends_are_gone(h->backends) || !handover_end_relays(h->handover))
		return;
	ev_timer_stop(ev, w);
	h->state = HOST_CLOSED;
	run_stop(h);
	if (h->done)
		h->done(h->core, h->done_arg); /* may free the host */
}

sio_server *
sio_server_new(struct ev_loop *ev)
{
	struct sio_host *h = mem_zalloc(sizeof *h);

	loop_init(&h->loop, ev);
	server_options_init(&h->options);
	h->core = sio_core_new(&h->loop, &h->options.sio, h);
	loop_call_init(&h->finish, on_finish);
	ev_timer_init(&h->gone, on_gone, 0., GONE_INTERVAL_S);
	h->gone.data = h;
	return h->core;
}

void
server_tables(struct sio_server *io, struct option_table out[SERVER_TABLES])
{
	server_options_tables(&sio_core_host(io)->options, out);
}

void
server_set_place(struct sio_server *io, const struct place *place)
{
	sio_core_host(io)->place = place;
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
	const struct sio_host *h = sio_core_host(io);

	return (h->options.backend.urls && h->options.backend.urls[0]) || (h->place && h->place->backends->count > 0);
}

uint64_t
server_max_connections(const struct sio_server *io)
{
	return sio_core_host(io)->options.front.max_connections;
}

int
sio_set_option(sio_server *io, const char *name, const char *value, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	struct sio_host *h = sio_core_host(io);
	struct option_table tables[SERVER_TABLES];
	int result;

	if (h->state != HOST_NEW) {
		if (error)
			snprintf(error, SIO_ERROR_LINE,
				"option %s cannot be set any more: the server listens already", name);
		return SIO_ERR_STATE;
	}
	if (!name || !value) {
		if (error)
			snprintf(error, SIO_ERROR_LINE, "an option needs a name and a value");
		return SIO_ERR_ARGUMENT;
	}
	server_options_tables(&h->options, tables);
	result = options_set(tables, SERVER_TABLES, name, value, error);
	return result < 0 && result != ERROR_NOT_FOUND ? SIO_ERR_ARGUMENT : result;
}

void
server_face(const struct sio_server *io, struct server_face *out)
{
	const struct sio_host *h = sio_core_host(io);

	*out = (struct server_face){front_is_tls(h->front), h->options.eio.path, h->options.front.public_dir};
}

void
server_log_listening(const char *host, uint16_t port, const struct server_face *face)
{
	log_event(LOG_INFO, "listening", "address", LOG_STR(host && *host ? host : "*"), "port", LOG_INT(port), "tls",
		LOG_STR(face->tls ? "yes" : "no"), "path", LOG_STR(face->path), "public",
		LOG_STR(face->public_dir ? face->public_dir : "none"), NULL);
}

/* The listeners were open before the application could say where. */
static int
check_place(const struct sio_host *h, char *error)
{
	const struct front_options *o = &h->options.front;
	const char *host = o->host ? o->host : "", *opened = h->place->host ? h->place->host : "";
	const char *urls = h->options.backend.urls ? h->options.backend.urls : "";

	if (strcmp(host, opened) == 0 && o->port == h->place->port &&
		strcmp(urls, h->place->backend_urls ? h->place->backend_urls : "") == 0)
		return 0;
	snprintf(error, SIO_ERROR_LINE,
		"the application sets host, port or backend, which several workers share: give them as flags, or "
		"--workers 1");
	return SIO_ERR_ARGUMENT;
}

/* A backend serves HTTP too, for whatever path is nobody's here. */
static void
on_backend_http(void *arg, const char *url, bool there)
{
	struct sio_host *h = arg;
	char error[OPTION_ERROR_MAX];

	if (!there)
		upstream_remove(h->upstream, text_from(url));
	else if (upstream_add(h->upstream, text_from(url), error) < 0)
		log_event(LOG_WARN, "upstream", "error", LOG_STR(error), NULL);
}

static void
join_siblings(struct sio_host *h)
{
	struct handover_setup setup = {
		.doors = h->place->doors,
		.slot = h->place->slot,
		.limits = front_limits(h->front),
		.on_guest = on_guest,
		.arg = h,
	};

	h->handover = handover_new(&h->loop, &setup);
	backends_set_handover(h->backends, h->handover);
}

int
sio_listen(sio_server *io, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	struct sio_host *h = sio_core_host(io);
	const struct eio_options *eo = &h->options.eio;
	char line[FRONT_ERROR_MAX];
	struct front_setup setup = {
		.options = &h->options.front,
		.gzip_threshold = eio_options_gzip_threshold(eo),
		.max_queue = eio_options_max_buffered(eo),
		.workers = h->place ? h->place->doors->count : 1,
		.listeners = h->place ? h->place->listeners : NULL,
		.ticket_keys = h->place ? h->place->ticket_keys : NULL,
		.vitals = h->place ? h->place->vitals : NULL,
		.on_request = on_request,
		.arg = h,
	};
	struct server_face face;
	int result;

	_Static_assert(FRONT_ERROR_MAX <= SIO_ERROR_LINE && BUS_ERROR_MAX <= SIO_ERROR_LINE &&
			       BACKEND_ERROR_MAX <= SIO_ERROR_LINE,
		"an error line must fit");
	if (!error)
		error = line;
	if (h->state != HOST_NEW) {
		snprintf(error, SIO_ERROR_LINE, "the server listens already, or is closed");
		return SIO_ERR_STATE;
	}
	if (server_options_check(&h->options, error) < 0 || (h->place && check_place(h, error) < 0))
		return SIO_ERR_ARGUMENT;
	result = front_open(&h->front, &h->loop, &setup, error);
	if (result < 0)
		return result == ERROR_ARGUMENT ? SIO_ERR_ARGUMENT : SIO_ERR_SYSTEM;
	result = backends_open(&h->backends, &h->loop, &h->options, h->place, error);
	if (result == 0)
		result = cluster_join(&h->cluster, &h->loop, io, &h->options.broker,
			h->place ? h->place->hub_name : NULL, false, error);
	if (result < 0) {
		backends_free(h->backends);
		h->backends = NULL;
		front_free(h->front);
		h->front = NULL;
		return result == ERROR_ARGUMENT ? SIO_ERR_ARGUMENT : SIO_ERR_SYSTEM;
	}
	h->engine = eio_server_new(&h->loop, eo, sio_core_ops(), io);
	eio_server_set_place(h->engine, (unsigned)h->options.node.node_id, h->place ? h->place->slot : 0);
	/* a packet over half of what may wait, as base64 on polling, could never be delivered */
	if (h->options.sio.cleanup_empty_child_namespaces < 0)
		h->options.sio.cleanup_empty_child_namespaces =
			h->options.broker.redis != NULL && h->options.broker.redis[0] != '\0';
	sio_core_attach(io, h->engine, &h->options.sio, eo->max_http_buffer_size, eio_options_max_buffered(eo) / 2);
	h->upstream = upstream_new(&h->loop, &h->options.upstream);
	backends_on_upstream(h->backends, on_backend_http, h);
	backends_serve(h->backends, io);
	h->state = HOST_OPEN;
	if (h->place) {
		join_siblings(h);
	} else {
		server_face(io, &face);
		server_log_listening(h->options.front.host, sio_port(io), &face);
	}
	return SIO_OK;
}

uint16_t
sio_port(const sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	const struct sio_host *h = sio_core_host(io);

	return h->front ? front_port(h->front) : 0;
}

int
server_reload_tls(struct sio_server *io, char *error)
{
	struct sio_host *h = sio_core_host(io);

	must(h->front);
	if (front_is_tls(h->front) || !backends_have_tls(h->backends)) {
		int result = front_reload_tls(h->front, error);

		if (result < 0)
			return result;
	}
	return backends_reload_tls(h->backends, error);
}

static void
begin_closing(struct sio_host *h)
{
	if (h->state != HOST_NEW) {
		front_stop(h->front);
		backends_drain(h->backends);
		sio_core_close(h->core);
		loop_defer(&h->loop, &h->finish);
	}
	h->state = HOST_CLOSING;
	ev_timer_start(h->loop.ev, &h->gone);
}

void
sio_close(sio_server *io, void (*done)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	struct sio_host *h = sio_core_host(io);

	if (h->state == HOST_CLOSING || h->state == HOST_CLOSED)
		return;
	drain_stop(&h->drain);
	h->done = done;
	h->done_arg = arg;
	begin_closing(h);
}

void
sio_on_stop(sio_server *io, void (*fn)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&sio_core_host(io)->stop, (sio_any_fn *)fn, arg);
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

/* Of few clients by chance: those of many workers add up. */
void
server_shed(struct sio_server *io)
{
	struct sio_host *h = sio_core_host(io);
	size_t all = h->engine ? eio_count(h->engine) : 0, n = (all * SHED_PERCENT + random_below(100)) / 100;

	if (h->state != HOST_OPEN)
		return;
	log_event(LOG_INFO, "shedding", "clients", LOG_INT(n), "of", LOG_INT(all), NULL);
	drain_shed(&h->drain, &h->loop, io, h->engine, n, h->options.node.drain_time);
}

static void
on_drained(struct drain *d)
{
	struct sio_host *h = container_of(d, struct sio_host, drain);

	h->gone_by = h->loop.now + DRAINED_MS;
	begin_closing(h);
}

void
sio_drain(sio_server *io, unsigned ms, void (*done)(sio_server *io, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	struct sio_host *h = sio_core_host(io);

	if (h->state == HOST_NEW || ms == 0) {
		sio_close(io, done, arg);
		return;
	}
	if (h->state != HOST_OPEN)
		return;
	h->done = done;
	h->done_arg = arg;
	h->state = HOST_DRAINING;
	h->drain.over = on_drained;
	front_stop(h->front);
	backends_drain(h->backends);
	ev_timer_start(h->loop.ev, &h->gone); /* ev_run() goes on though nothing is listened to */
	h->drain.upstream = h->upstream;
	drain_start(&h->drain, &h->loop, io, h->engine, ms);
}

void
sio_server_free(sio_server *io)
{
	struct sio_host *h;

	if (!io)
		return;
	h = sio_core_host(io);
	must(h->state == HOST_NEW || h->state == HOST_CLOSED);
	sio_core_free(io);
	if (h->engine)
		eio_server_free(h->engine);
	handover_free(h->handover);
	backends_free(h->backends);
	cluster_free(h->cluster);
	front_free(h->front);
	upstream_free(h->upstream);
	loop_call_cancel(&h->finish);
	ev_timer_stop(h->loop.ev, &h->gone);
	loop_fini(&h->loop);
	sio_listeners_fini(&h->stop);
	server_options_fini(&h->options);
	mem_free(h);
}

struct ev_loop *
sio_loop(const sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	return sio_core_host(io)->loop.ev;
}

/* --------------------------------------------------------------------- log */

#define LOG_PAIRS 8 /* said in sockeye.h */

/* A key whose value is NULL may be one that has none: what comes after it may be no argument any more. */
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
	struct sio_host *h = sio_core_host(io);

	out->loop = &h->loop;
	out->engine = h->engine;
	out->broker = h->cluster ? cluster_broker(h->cluster) : NULL;
	out->backends = backends_stats(h->backends);
}

void
server_backend_clients(const struct sio_server *io, struct backend_clients_stats *out)
{
	backends_client_stats(sio_core_host(io)->backends, out);
}
