#include "node/process/admin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/http/http.h"
#include "node/http/http_query.h"
#include "node/socketio/sio_keeper.h"
#include "node/process/admin_page.h"
#include "node/process/metrics.h"
#include "node/process/metrics_node.h"

#define CONNECTIONS_MAX 64  /* enough for a few scrapers and probes */
#define CONNECTIONS_API 512 /* with the HTTP API: enough for its clients too */
#define KEY_MAX 320	    /* a port and a host */
#define TEXT_MAX                                                                                                     \
	(64u << 20) /* bytes of all metrics: twice the size for 512 workers with 64 namespaces and 24 events each */

struct admin {
	struct loop *loop;
	struct listener *listener;
	struct http_server server;
	struct conn_limits conn_limits;
	struct http_limits http_limits;
	const struct stats_page *pages;
	struct stats *snapshot;
	unsigned count;
	const struct exec_stats *exec;
	struct log_control *log;
	struct api *api;		     /* NULL: the HTTP API is off */
	struct admin_page *page;	     /* NULL: the admin UI is off */
	const struct hub *hub;		     /* NULL: no hub subscribes at Redis */
	const struct hub_life *life;	     /* NULL: no hub */
	const struct sio_keeper *keeper;     /* NULL: the hub keeps nothing */
	const struct history_table *history; /* NULL: the hub keeps none */
};

/* ----------------------------------------------------------------- answers */

static void
admin_reply(struct http_request *request, int status, const char *type, struct text body)
{
	http_add_header(request, "Cache-Control", TEXT("no-store"));
	http_reply(request, status, type, body, true);
}

static void
admin_serve_health(struct admin *admin, struct http_request *request)
{
	(void)admin;
	admin_reply(request, 200, "text/plain; charset=utf-8", TEXT("ok\n"));
}

/* The server's own metrics must be served whatever the application's names and labels take. */
static void
admin_add_app_metrics(const struct admin *admin, struct buffer *out)
{
	struct buffer app;

	buffer_init(&app, TEXT_MAX / 2);
	app_metrics_write(&app, &admin->pages->app, admin->count, sizeof *admin->pages);
	if (buffer_error(&app) == 0)
		buffer_add_text(out, buffer_text(&app));
	else
		log_event(LOG_WARN, "metrics", "error", LOG_STR("the text of the application's metrics is too long"),
			NULL);
	buffer_fini(&app);
}

static void
admin_serve_metrics(struct admin *admin, struct http_request *request)
{
	struct sio_recovery_stats kept;
	struct hub_stats hub;
	struct buffer out;

	buffer_init(&out, TEXT_MAX);
	metrics_write(&out, admin->pages, admin->snapshot, admin->count, admin->loop->now);
	admin_add_app_metrics(admin, &out);
	api_metrics(admin->api, &out);
	if (admin->exec)
		metrics_write_exec(&out, admin->exec);
	if (admin->life)
		metrics_write_hub_life(&out, admin->life);
	if (admin->hub) {
		hub_stats(admin->hub, &hub);
		metrics_write_hub(&out, &hub);
	}
	if (admin->keeper) {
		sio_keeper_stats(admin->keeper, admin->loop->now, &kept);
		metrics_write_keeper(&out, &kept);
	}
	if (admin->history)
		metrics_write_history(&out, admin->history);
	if (buffer_error(&out) == 0)
		admin_reply(request, 200, METRICS_CONTENT_TYPE, buffer_text(&out));
	else
		admin_reply(request, 500, "text/plain; charset=utf-8", text_from(error_text(buffer_error(&out))));
	buffer_fini(&out);
}

/* Returns true if the worker's bus is up, or if no other workers can exist. */
static bool
stats_reaches_others(const struct stats *stats)
{
	return stats->broker.form == BUS_FORM_ALONE || stats->broker.bus.up;
}

/* What admin_serve_ready() sums up over the workers. */
struct readiness {
	unsigned starting, accepting, draining;
	unsigned reaching; /* accepting workers whose bus is up */
	unsigned serving;  /* accepting workers that have, or once had, an application */
	uint64_t links, orphans;
	bool has_backends;
	enum bus_form_id form;
};

static void
readiness_add_worker(struct readiness *readiness, const struct stats *stats, uint64_t now)
{
	readiness->starting += stats->state == STATS_STARTING;
	readiness->draining += stats->state == STATS_DRAINING;
	if (stats->broker.form != BUS_FORM_ALONE)
		readiness->form = stats->broker.form;
	readiness->has_backends = readiness->has_backends || stats->has_backends;
	readiness->links += stats->backends.ready;
	readiness->orphans += stats->behind.orphans;
	if (!stats_accepts(stats, now))
		return;
	readiness->accepting++;
	readiness->reaching += stats_reaches_others(stats);
	readiness->serving += !stats->has_backends || stats->behind.ever;
}

/*
 * While no backend has ever come, clients would get no answer here, so the node is not ready. Afterwards it stays
 * ready: its clients are connected and wait for the next backend.
 */
static void
admin_serve_ready(struct admin *admin, struct http_request *request)
{
	static const char *const forms[] = {[BUS_FORM_ALONE] = "none",
		[BUS_FORM_HUB] = "hub",
		[BUS_FORM_REDIS] = "redis",
		[BUS_FORM_SHARDED] = "sharded",
		[BUS_FORM_STREAMS] = "streams"};
	struct readiness readiness = {.form = BUS_FORM_ALONE};
	struct buffer out;
	bool whole;

	for (unsigned i = 0; i < admin->count; i++) {
		if (stats_read(&admin->pages[i], &admin->snapshot[i]))
			readiness_add_worker(&readiness, &admin->snapshot[i], admin->loop->now);
	}
	whole = readiness.accepting == admin->count && readiness.reaching == readiness.accepting &&
		readiness.serving == readiness.accepting && readiness.orphans == 0;
	buffer_init(&out, 1024);
	buffer_printf(&out,
		"{\"ready\":%s,\"degraded\":%s,\"workers\":%u,\"starting\":%u,\"accepting\":%u,\"draining\":%u,"
		"\"bus\":\"%s\",\"busUp\":%u",
		readiness.serving > 0 ? "true" : "false", whole ? "false" : "true", admin->count, readiness.starting,
		readiness.accepting, readiness.draining, forms[readiness.form], readiness.reaching);
	if (readiness.has_backends)
		buffer_printf(&out, ",\"backends\":%llu,\"orphans\":%llu", (unsigned long long)readiness.links,
			(unsigned long long)readiness.orphans);
	buffer_add_text(&out, TEXT("}\n"));
	admin_reply(request, readiness.serving > 0 ? 200 : 503, "application/json", buffer_text(&out));
	buffer_fini(&out);
}

/*
 * Returns the worker that knows most about the cluster: the first that reaches it, or else the first that has a view.
 */
static const struct stats *
admin_find_view(struct admin *admin)
{
	const struct stats *view = NULL;

	for (unsigned i = 0; i < admin->count; i++) {
		const struct stats *stats = &admin->snapshot[i];

		if (!stats_read(&admin->pages[i], &admin->snapshot[i]) || !stats->has_broker)
			continue;
		if (stats_reaches_others(stats))
			return stats;
		if (view == NULL)
			view = stats;
	}
	return view;
}

static void
admin_write_member(
	struct buffer *out, const struct stats_member *member, const struct stats_member *self, uint64_t now)
{
	const struct beat_about *about = &member->about;
	uint64_t ago = now > member->heard_ms ? now - member->heard_ms : 0;

	buffer_printf(out,
		"{\"id\":\"%s\",\"state\":\"%s\",\"self\":%s,\"local\":%s,\"node\":%u,\"worker\":%u,\"host\":",
		about->id, member_state_name(member->state), member->self ? "true" : "false",
		self != NULL && strcmp(about->instance, self->about.instance) == 0 ? "true" : "false", about->node,
		about->worker);
	json_write_string(out, text_from(about->host));
	buffer_printf(out, ",\"port\":%u,\"version\":", about->port);
	json_write_string(out, text_from(about->version));
	buffer_printf(out, ",\"mode\":");
	json_write_string(out, text_from(about->mode));
	buffer_printf(out, ",\"db\":%u,\"clients\":%llu,\"started\":%llu,\"heard\":%llu}", about->db,
		(unsigned long long)about->clients, (unsigned long long)about->started_ms, (unsigned long long)ago);
}

static void
admin_write_cluster(struct buffer *out, const struct stats *view, uint64_t now)
{
	const struct members_stats *members = &view->broker.members;
	const struct stats_member *self = NULL;
	const char *comma = "";
	uint64_t total = 0;

	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->members[i].self)
			self = &view->members[i];
	}
	for (unsigned i = 0; i < MEMBER_STATE_COUNT; i++)
		total += members->count[i];
	buffer_printf(out, "{\"form\":\"%s\",\"mode\":\"%s\",\"up\":%s,\"id\":\"%s\",\"members\":[",
		bus_form_of((unsigned)view->broker.form)->name, self != NULL ? self->about.mode : "",
		stats_reaches_others(view) ? "true" : "false", self != NULL ? self->about.id : "");
	for (unsigned i = 0; i < view->member_count; i++) {
		buffer_add_text(out, i > 0 ? TEXT(",") : TEXT(""));
		admin_write_member(out, &view->members[i], self, now);
	}
	buffer_printf(out, "],\"truncated\":%s,\"foreign\":", total > view->member_count ? "true" : "false");
	if (members->foreign >= 0)
		buffer_printf(out, "%lld", (long long)members->foreign);
	else
		buffer_add_text(out, TEXT("null"));
	buffer_add_text(out, TEXT(",\"conflicts\":["));
	for (unsigned i = 0; i < CONFLICT_COUNT; i++) {
		if ((members->conflicts >> i & 1) == 0)
			continue;
		buffer_printf(out, "%s\"%s\"", comma, member_conflict_name(i));
		comma = ",";
	}
	buffer_add_text(out, TEXT("]}\n"));
}

static void
admin_serve_cluster(struct admin *admin, struct http_request *request)
{
	const struct stats *view = admin_find_view(admin);
	struct buffer out;

	if (view == NULL) {
		admin_reply(request, 503, "text/plain; charset=utf-8", TEXT("no worker is ready\n"));
		return;
	}
	buffer_init(&out, TEXT_MAX);
	admin_write_cluster(&out, view, admin->loop->now);
	if (buffer_error(&out) == 0)
		admin_reply(request, 200, "application/json", buffer_text(&out));
	else
		admin_reply(request, 500, "text/plain; charset=utf-8", text_from(error_text(buffer_error(&out))));
	buffer_fini(&out);
}

/* Sets *value to NULL if the parameter is absent. Returns false if it is malformed or too long for `room`. */
static bool
admin_log_parameter(
	const struct http_request *request, const char *name, char room[LOG_FILTER_MAX], const char **value)
{
	int n = http_query_get(request->query, name, room, LOG_FILTER_MAX);

	*value = n == ERROR_NOT_FOUND ? NULL : room;
	return n >= 0 || n == ERROR_NOT_FOUND;
}

static void
admin_serve_log(struct admin *admin, struct http_request *request)
{
	char rooms[2][LOG_FILTER_MAX];
	const char *level, *filter;
	struct buffer out;

	if (request->method == HTTP_PUT && (!admin_log_parameter(request, "level", rooms[0], &level) ||
						   !admin_log_parameter(request, "filter", rooms[1], &filter) ||
						   log_control_set(admin->log, level, filter) < 0)) {
		admin_reply(request, 400, "text/plain; charset=utf-8",
			TEXT("bad request (use level=error, warn, info or debug; filter=sid=X, address=X or "
			     "namespace=X)\n"));
		return;
	}
	buffer_init(&out, 8 * LOG_FILTER_MAX);
	buffer_printf(&out, "{\"level\":\"%s\",\"filter\":", log_control_level(admin->log));
	json_write_string(&out, text_from(admin->log->filter));
	buffer_add_text(&out, TEXT("}\n"));
	admin_reply(request, 200, "application/json", buffer_text(&out));
	buffer_fini(&out);
}

static const struct route {
	struct text path;
	bool put; /* PUT is allowed besides GET and HEAD. Pages of other sites cannot make a browser send PUT, which
		     is not a simple method. */
	void (*serve)(struct admin *admin, struct http_request *request);
} routes[] = {
	{{"/healthz", 8}, false, admin_serve_health},
	{{"/readyz", 7}, false, admin_serve_ready},
	{{"/metrics", 8}, false, admin_serve_metrics},
	{{"/cluster", 8}, false, admin_serve_cluster},
	{{"/log", 4}, true, admin_serve_log},
};

static const struct route *
admin_find_route(struct text path)
{
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (text_is(path, routes[i].path))
			return &routes[i];
	}
	return NULL;
}

static void
admin_on_request(void *arg, struct http_request *request)
{
	const struct route *route = admin_find_route(request->path);
	struct admin *admin = arg;

	if (admin->listener == NULL) /* so that the next request reaches the program that listens now */
		http_close_after(request);
	if (api_matches(request->path)) {
		api_handle(admin->api, request);
	} else if (admin_page_matches(request->path)) {
		admin_page_handle(admin->page, request);
	} else if (!route) {
		admin_reply(request, 404, "text/plain; charset=utf-8",
			TEXT("Not found (use /healthz, /readyz, /metrics, /cluster, /log, /api or /ui/)\n"));
	} else if (request->method == HTTP_GET || request->method == HTTP_HEAD ||
		   (route->put && request->method == HTTP_PUT)) {
		route->serve(admin, request);
	} else {
		http_add_header(request, "Allow", route->put ? TEXT("GET, HEAD, PUT") : TEXT("GET, HEAD"));
		admin_reply(request, 405, "text/plain; charset=utf-8", TEXT("Method not allowed\n"));
	}
}

/* -------------------------------------------------------------------- life */

/* Writes the key by which inherited sockets are found: they fit if they were opened with these options. */
static void
admin_key(const struct admin_options *options, char key[KEY_MAX])
{
	snprintf(key, KEY_MAX, "%u@%s", (unsigned)options->port, options->host ? options->host : "");
}

int
admin_listen(struct listener_set *out, const struct admin_options *options, const struct inherited *inherited,
	char error[ADMIN_ERROR_MAX])
{
	struct listener_options lo = {.host = options->host, .port = (uint16_t)options->port};
	char key[KEY_MAX];
	int result = 0;

	admin_key(options, key);
	if (!inherited_take(inherited_find(inherited, INHERITED_ADMIN, key), out))
		result = listener_set_open(out, &lo, error);
	if (result == 0)
		log_event(LOG_INFO, "admin", "address",
			LOG_STR(options->host && *options->host ? options->host : "*"), "port",
			LOG_INT(listener_set_port(out)), NULL);
	return result;
}

void
admin_hand_on(const struct listener_set *set, const struct admin_options *options, struct buffer *out)
{
	char key[KEY_MAX];

	admin_key(options, key);
	inherited_write(out, INHERITED_ADMIN, key, set->fds, set->count);
}

static void
admin_on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct admin *admin = arg;
	struct conn *c;

	if (http_server_count(&admin->server) >= (admin->api != NULL ? CONNECTIONS_API : CONNECTIONS_MAX)) {
		close(fd);
		return;
	}
	c = conn_new(admin->loop, fd, peer, peer_len, NULL, &admin->conn_limits, NULL, NULL);
	conn_set_service(c);
	http_conn_start(c, &admin->server);
}

struct admin *
admin_new(struct loop *l, struct listener_set *set, const struct stats_page *pages, unsigned count,
	const struct exec_stats *exec, struct log_control *log, struct api *api)
{
	struct admin *admin = mem_zalloc(sizeof *admin);

	admin->loop = l;
	admin->pages = pages;
	admin->count = count;
	admin->exec = exec;
	admin->log = log;
	admin->api = api;
	admin->snapshot = mem_zalloc(count * sizeof *admin->snapshot);
	admin->conn_limits =
		(struct conn_limits){.max_queue = TEXT_MAX, .max_kept = 16384, .stall_ms = 5000, .linger_ms = 1000};
	admin->http_limits = (struct http_limits){.max_head = 8192,
		.max_headers = 64,
		.max_body = 1024,
		.head_ms = 5000,
		.body_ms = api != NULL ? 30000 : 5000, /* bodies of the API have up to apiMaxBody bytes */
		.idle_ms = 60000,
		.gzip_threshold = 1024};
	http_server_init(&admin->server, &admin->http_limits, admin_on_request, admin);
	admin->listener = listener_start(l, set, 0, admin_on_accept, admin);
	listener_set_service(admin->listener);
	return admin;
}

void
admin_set_keeper(struct admin *admin, const struct sio_keeper *keeper)
{
	admin->keeper = keeper;
}

void
admin_set_history(struct admin *admin, const struct history_table *table)
{
	admin->history = table;
}

void
admin_set_hub(struct admin *admin, const struct hub *hub)
{
	admin->hub = hub;
}

void
admin_set_hub_life(struct admin *admin, const struct hub_life *life)
{
	admin->life = life;
}

void
admin_serve_page(struct admin *admin, const struct adminui_options *options)
{
	admin->page = admin_page_new(options);
}

unsigned
admin_connections(const struct admin *admin)
{
	return admin != NULL ? http_server_count(&admin->server) : 0;
}

void
admin_stop(struct admin *admin)
{
	if (admin == NULL)
		return;
	listener_free(admin->listener);
	admin->listener = NULL;
}

void
admin_free(struct admin *admin)
{
	if (admin == NULL)
		return;
	http_server_cut(&admin->server);
	loop_finish_turn(admin->loop);
	listener_free(admin->listener);
	admin_page_free(admin->page);
	mem_free(admin->snapshot);
	mem_free(admin);
}
