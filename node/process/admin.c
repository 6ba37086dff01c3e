#include "node/process/admin.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "node/http/http.h"
#include "node/process/metrics.h"

#define CONNECTIONS_MAX 256
#define TEXT_MAX (16u << 20)
#define HUNG_MS 10000 /* a worker that wrote nothing for so long hangs */

struct admin {
	struct loop *loop;
	struct listener *listener;
	struct http_server server;
	struct conn_limits conn_limits;
	struct http_limits http_limits;
	const struct stats_page *pages;
	struct stats *snapshot;
	unsigned count;
};

/* ----------------------------------------------------------------- answers */

static void
answer(struct http_request *r, int status, const char *type, struct text body)
{
	http_add_header(r, "Cache-Control", TEXT("no-store"));
	http_reply(r, status, type, body, true);
}

static void
serve_metrics(struct admin *a, struct http_request *r)
{
	struct buffer out;

	buffer_init(&out, TEXT_MAX);
	metrics_write(&out, a->pages, a->snapshot, a->count);
	if (buffer_error(&out) == 0)
		answer(r, 200, METRICS_CONTENT_TYPE, buffer_text(&out));
	else
		answer(r, 500, "text/plain; charset=utf-8", TEXT("too large\n"));
	buffer_fini(&out);
}

static bool
is_accepting(const struct stats *s, uint64_t now)
{
	return s->state == STATS_ACCEPTING && s->beat_ms + HUNG_MS > now;
}

static void
serve_ready(struct admin *a, struct http_request *r)
{
	unsigned accepting = 0, draining = 0, reaching = 0;
	enum broker_form form = BROKER_ALONE;
	struct buffer out;

	for (unsigned i = 0; i < a->count; i++) {
		struct stats *s = &a->snapshot[i];

		if (!stats_read(&a->pages[i], s))
			continue;
		accepting += is_accepting(s, a->loop->now);
		draining += s->state == STATS_DRAINING;
		reaching += is_accepting(s, a->loop->now) && (s->broker.form == BROKER_ALONE || s->broker.bus.up);
		if (s->broker.form != BROKER_ALONE)
			form = s->broker.form;
	}
	buffer_init(&out, 1024);
	buffer_printf(&out,
		"{\"ready\":%s,\"degraded\":%s,\"workers\":%u,\"accepting\":%u,\"draining\":%u,\"bus\":\"%s\","
		"\"busUp\":%u}\n",
		accepting > 0 ? "true" : "false", accepting == a->count && reaching == accepting ? "false" : "true",
		a->count, accepting, draining,
		form == BROKER_ALONE ? "none"
		: form == BROKER_HUB ? "hub"
				     : "redis",
		reaching);
	answer(r, accepting > 0 ? 200 : 503, "application/json", buffer_text(&out));
	buffer_fini(&out);
}

static void
on_request(void *arg, struct http_request *r)
{
	struct admin *a = arg;

	if (!text_is(r->path, TEXT("/healthz")) && !text_is(r->path, TEXT("/readyz")) &&
		!text_is(r->path, TEXT("/metrics"))) {
		answer(r, 404, "text/plain; charset=utf-8", TEXT("Not found: /healthz, /readyz, /metrics\n"));
	} else if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
		http_add_header(r, "Allow", TEXT("GET, HEAD"));
		answer(r, 405, "text/plain; charset=utf-8", TEXT("Method not allowed\n"));
	} else if (text_is(r->path, TEXT("/metrics"))) {
		serve_metrics(a, r);
	} else if (text_is(r->path, TEXT("/readyz"))) {
		serve_ready(a, r);
	} else {
		answer(r, 200, "text/plain; charset=utf-8", TEXT("ok\n"));
	}
}

/* -------------------------------------------------------------------- life */

int
admin_listen(struct listener_set *out, const struct admin_options *o, char error[ADMIN_ERROR_MAX])
{
	struct listener_options lo = {.host = o->host, .port = (uint16_t)o->port};

	return listener_set_open(out, &lo, error);
}

static void
on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct admin *a = arg;
	struct conn *c = conn_new(a->loop, fd, peer, peer_len, NULL, &a->conn_limits, NULL, NULL);

	conn_set_service(c);
	http_conn_start(c, &a->server);
}

struct admin *
admin_new(struct loop *l, struct listener_set *set, const struct stats_page *pages, unsigned count)
{
	struct admin *a = mem_zalloc(sizeof *a);

	a->loop = l;
	a->pages = pages;
	a->count = count;
	a->snapshot = mem_zalloc(count * sizeof *a->snapshot);
	a->conn_limits =
		(struct conn_limits){.max_queue = TEXT_MAX, .max_kept = 16384, .stall_ms = 5000, .linger_ms = 1000};
	a->http_limits = (struct http_limits){.max_head = 8192,
		.max_headers = 64,
		.max_body = 1024,
		.head_ms = 5000,
		.body_ms = 5000,
		.idle_ms = 60000,
		.gzip_threshold = 1024};
	http_server_init(&a->server, &a->http_limits, on_request, a);
	a->listener = listener_start(l, set, 0, on_accept, a);
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
