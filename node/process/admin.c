#include "node/process/admin.h"

#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/http/http.h"
#include "node/http/http_query.h"
#include "node/process/metrics.h"

#define CONNECTIONS_MAX 64   /* a few scrapers and probes */
#define CONNECTIONS_API 512  /* and those of the API's clients */
#define TEXT_MAX (16u << 20) /* of all metrics: 512 workers with 64 namespaces each take about half */

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
	struct api *api; /* NULL: none */
};

/* ----------------------------------------------------------------- answers */

static void
answer(struct http_request *r, int status, const char *type, struct text body)
{
	http_add_header(r, "Cache-Control", TEXT("no-store"));
	http_reply(r, status, type, body, true);
}

static void
serve_health(struct admin *a, struct http_request *r)
{
	(void)a;
	answer(r, 200, "text/plain; charset=utf-8", TEXT("ok\n"));
}

static void
serve_metrics(struct admin *a, struct http_request *r)
{
	struct buffer out;

	buffer_init(&out, TEXT_MAX);
	metrics_write(&out, a->pages, a->snapshot, a->count, a->loop->now);
	api_metrics(a->api, &out);
	if (a->exec)
		metrics_write_exec(&out, a->exec);
	if (buffer_error(&out) == 0)
		answer(r, 200, METRICS_CONTENT_TYPE, buffer_text(&out));
	else
		answer(r, 500, "text/plain; charset=utf-8", text_from(error_text(buffer_error(&out))));
	buffer_fini(&out);
}

/* What serve_ready() adds up. */
struct readiness {
	unsigned starting, accepting, draining;
	unsigned reaching; /* of those that accept: the bus is up */
	unsigned serving;  /* of those that accept: an application is there, or was */
	uint64_t links, orphans;
	bool has_backends;
	enum bus_form_id form;
};

static void
add_worker(struct readiness *all, const struct stats *s, uint64_t now)
{
	all->starting += s->state == STATS_STARTING;
	all->draining += s->state == STATS_DRAINING;
	if (s->broker.form == BUS_FORM_HUB || s->broker.form == BUS_FORM_REDIS)
		all->form = s->broker.form;
	all->has_backends = all->has_backends || s->has_backends;
	all->links += s->backends.ready;
	all->orphans += s->behind.orphans;
	if (!stats_accepts(s, now))
		return;
	all->accepting++;
	all->reaching += s->broker.form == BUS_FORM_ALONE || s->broker.bus.up;
	all->serving += !s->has_backends || s->behind.ever;
}

/*
 * Without a backend that ever came, nobody answers clients here: they had better go elsewhere. Later a node stays
 * ready, as its clients are connected and wait for the next one.
 */
static void
serve_ready(struct admin *a, struct http_request *r)
{
	static const char *const forms[] = {
		[BUS_FORM_ALONE] = "none", [BUS_FORM_HUB] = "hub", [BUS_FORM_REDIS] = "redis"};
	struct readiness all = {.form = BUS_FORM_ALONE};
	struct buffer out;
	bool whole;

	for (unsigned i = 0; i < a->count; i++) {
		if (stats_read(&a->pages[i], &a->snapshot[i]))
			add_worker(&all, &a->snapshot[i], a->loop->now);
	}
	whole = all.accepting == a->count && all.reaching == all.accepting && all.serving == all.accepting &&
		all.orphans == 0;
	buffer_init(&out, 1024);
	buffer_printf(&out,
		"{\"ready\":%s,\"degraded\":%s,\"workers\":%u,\"starting\":%u,\"accepting\":%u,\"draining\":%u,"
		"\"bus\":\"%s\",\"busUp\":%u",
		all.serving > 0 ? "true" : "false", whole ? "false" : "true", a->count, all.starting, all.accepting,
		all.draining, forms[all.form], all.reaching);
	if (all.has_backends)
		buffer_printf(&out, ",\"backends\":%llu,\"orphans\":%llu", (unsigned long long)all.links,
			(unsigned long long)all.orphans);
	buffer_add_text(&out, TEXT("}\n"));
	answer(r, all.serving > 0 ? 200 : 503, "application/json", buffer_text(&out));
	buffer_fini(&out);
}

/* NULL: the parameter is not there. False: it is not a text, or too long for `room`. */
static bool
parameter(const struct http_request *r, const char *name, char room[LOG_FILTER_MAX], const char **value)
{
	int n = http_query_get(r->query, name, room, LOG_FILTER_MAX);

	*value = n == ERROR_NOT_FOUND ? NULL : room;
	return n >= 0 || n == ERROR_NOT_FOUND;
}

static void
serve_log(struct admin *a, struct http_request *r)
{
	char rooms[2][LOG_FILTER_MAX];
	const char *level, *filter;
	struct buffer out;

	if (r->method == HTTP_PUT &&
		(!parameter(r, "level", rooms[0], &level) || !parameter(r, "filter", rooms[1], &filter) ||
			log_control_set(a->log, level, filter) < 0)) {
		answer(r, 400, "text/plain; charset=utf-8",
			TEXT("level: error, warn, info or debug; filter: sid=, address= or namespace=\n"));
		return;
	}
	buffer_init(&out, 8 * LOG_FILTER_MAX);
	buffer_printf(&out, "{\"level\":\"%s\",\"filter\":", log_control_level(a->log));
	json_write_string(&out, text_from(a->log->filter));
	buffer_add_text(&out, TEXT("}\n"));
	answer(r, 200, "application/json", buffer_text(&out));
	buffer_fini(&out);
}

static const struct route {
	struct text path;
	bool put; /* beside GET and HEAD. A page of another site cannot make a browser send it: it is not a simple
		     method */
	void (*serve)(struct admin *a, struct http_request *r);
} routes[] = {
	{{"/healthz", 8}, false, serve_health},
	{{"/readyz", 7}, false, serve_ready},
	{{"/metrics", 8}, false, serve_metrics},
	{{"/log", 4}, true, serve_log},
};

static const struct route *
find_route(struct text path)
{
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (text_is(path, routes[i].path))
			return &routes[i];
	}
	return NULL;
}

static void
on_request(void *arg, struct http_request *r)
{
	const struct route *route = find_route(r->path);
	struct admin *a = arg;

	if (api_matches(r->path)) {
		api_handle(a->api, r);
	} else if (!route) {
		answer(r, 404, "text/plain; charset=utf-8",
			TEXT("Not found: /healthz, /readyz, /metrics, /log, /api\n"));
	} else if (r->method == HTTP_GET || r->method == HTTP_HEAD || (route->put && r->method == HTTP_PUT)) {
		route->serve(a, r);
	} else {
		http_add_header(r, "Allow", route->put ? TEXT("GET, HEAD, PUT") : TEXT("GET, HEAD"));
		answer(r, 405, "text/plain; charset=utf-8", TEXT("Method not allowed\n"));
	}
}

/* -------------------------------------------------------------------- life */

int
admin_listen(struct listener_set *out, const struct admin_options *o, char error[ADMIN_ERROR_MAX])
{
	struct listener_options lo = {.host = o->host, .port = (uint16_t)o->port};
	int result = listener_set_open(out, &lo, error);

	if (result == 0)
		log_event(LOG_INFO, "admin", "address", LOG_STR(o->host && *o->host ? o->host : "*"), "port",
			LOG_INT(listener_set_port(out)), NULL);
	return result;
}

static void
on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct admin *a = arg;
	struct conn *c;

	if (http_server_count(&a->server) >= (a->api != NULL ? CONNECTIONS_API : CONNECTIONS_MAX)) {
		close(fd);
		return;
	}
	c = conn_new(a->loop, fd, peer, peer_len, NULL, &a->conn_limits, NULL, NULL);
	conn_set_service(c);
	http_conn_start(c, &a->server);
}

struct admin *
admin_new(struct loop *l, struct listener_set *set, const struct stats_page *pages, unsigned count,
	const struct exec_stats *exec, struct log_control *log, struct api *api)
{
	struct admin *a = mem_zalloc(sizeof *a);

	a->loop = l;
	a->pages = pages;
	a->count = count;
	a->exec = exec;
	a->log = log;
	a->api = api;
	a->snapshot = mem_zalloc(count * sizeof *a->snapshot);
	a->conn_limits =
		(struct conn_limits){.max_queue = TEXT_MAX, .max_kept = 16384, .stall_ms = 5000, .linger_ms = 1000};
	a->http_limits = (struct http_limits){.max_head = 8192,
		.max_headers = 64,
		.max_body = 1024,
		.head_ms = 5000,
		.body_ms = api != NULL ? 30000 : 5000, /* of the API up to apiMaxBody */
		.idle_ms = 60000,
		.gzip_threshold = 1024};
	http_server_init(&a->server, &a->http_limits, on_request, a);
	a->listener = listener_start(l, set, 0, on_accept, a);
	listener_set_service(a->listener);
	return a;
}

void
admin_free(struct admin *a)
{
	if (a == NULL)
		return;
	http_server_cut(&a->server);
	loop_finish_turn(a->loop);
	listener_free(a->listener);
	mem_free(a->snapshot);
	mem_free(a);
}
