/* The targets, the pool of open connections to them, and the requests that wait for a connection. */
#include "node/upstream/upstream.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/upstream/upstream_internal.h"
#include "node/upstream/upstream_tables.h"

#define LINGER_MS 2000 /* for the end of a tunnel */

/* ------------------------------------------------------------------ targets */

void
upstream_target_ref(struct upstream_target *target)
{
	target->refs++;
}

void
upstream_target_unref(struct upstream_target *target)
{
	if (--target->refs > 0)
		return;
	list_remove(&target->link);
	mem_free(target);
}

static struct upstream_target *
upstream_find_target(const struct upstream *upstream, const struct upstream_address *address)
{
	for (struct list *at = upstream->targets.next; at != &upstream->targets; at = at->next) {
		struct upstream_target *target = list_entry(at, struct upstream_target, link);

		if (upstream_address_same(&target->address, address))
			return target;
	}
	return NULL;
}

static void
upstream_serve_later(struct upstream *upstream)
{
	if (!list_empty(&upstream->waiting))
		loop_defer(upstream->loop, &upstream->serve);
}

int
upstream_add(struct upstream *upstream, struct text url, char *error)
{
	struct upstream_address address;
	struct upstream_target *target;
	char line[OPTION_ERROR_MAX];

	if (upstream_address_read(&address, url, error ? error : line) < 0)
		return ERROR_ARGUMENT;
	upstream->active = true;
	target = upstream_find_target(upstream, &address);
	if (target) {
		target->added++;
		return 0;
	}
	target = mem_zalloc(sizeof *target);
	target->address = address;
	target->refs = target->added = 1;
	list_add_tail(&upstream->targets, &target->link);
	upstream->target_count++;
	upstream_serve_later(upstream);
	return 0;
}

static void
upstream_close_idle(struct upstream *upstream, const struct upstream_target *of)
{
	struct list *at, *next;

	list_each(at, next, &upstream->idle)
	{
		struct upstream_link *link = list_entry(at, struct upstream_link, idle);

		if (link->target != of)
			continue;
		list_remove(&link->idle);
		conn_close(link->c, REASON_UPSTREAM_DONE);
	}
}

static void
upstream_remove_target(struct upstream *upstream, struct upstream_target *target)
{
	list_remove(&target->link);
	upstream->target_count--;
	upstream_close_idle(upstream, target);
	upstream_target_unref(target);
	upstream_serve_later(upstream);
}

void
upstream_remove(struct upstream *upstream, struct text url)
{
	char line[OPTION_ERROR_MAX];
	struct upstream_address address;
	struct upstream_target *target;

	if (upstream_address_read(&address, url, line) < 0)
		return;
	target = upstream_find_target(upstream, &address);
	if (target && --target->added == 0)
		upstream_remove_target(upstream, target);
}

/* Returns the next target in turn. A target that could not be connected to shortly before is the last choice. */
static struct upstream_target *
upstream_next_target(struct upstream *upstream)
{
	struct upstream_target *target = NULL;

	for (unsigned i = 0; i < upstream->target_count; i++) {
		target = list_entry(upstream->targets.next, struct upstream_target, link);
		list_remove(&target->link);
		list_add_tail(&upstream->targets, &target->link);
		if (target->down_until <= upstream->loop->now)
			break;
	}
	return target;
}

/* --------------------------------------------------------------------- pool */

/* Prefers the connection that was used last, because the upstream is least likely to have closed it. */
static struct upstream_link *
upstream_find_idle(const struct upstream *upstream, const struct upstream_target *target)
{
	for (struct list *at = upstream->idle.prev; at != &upstream->idle; at = at->prev) {
		struct upstream_link *link = list_entry(at, struct upstream_link, idle);

		if (link->target == target && !conn_dead(link->c))
			return link;
	}
	return NULL;
}

enum upstream_failure
upstream_lack(const struct upstream *upstream)
{
	return upstream->target_count > 0 ? UPSTREAM_BUSY : UPSTREAM_NONE;
}

static void
upstream_wait_for_place(struct upstream_exchange *exchange)
{
	struct upstream *upstream = exchange->upstream;

	if (upstream->waiting_count >= upstream->options->max_connections) {
		upstream_exchange_fail(exchange, upstream_lack(upstream));
		return;
	}
	list_add_tail(&upstream->waiting, &exchange->waiting);
	upstream->waiting_count++;
	upstream_exchange_wait(exchange);
}

void
upstream_assign(struct upstream_exchange *exchange)
{
	struct upstream *upstream = exchange->upstream;
	struct upstream_target *target = upstream_next_target(upstream);
	struct upstream_link *link = target && !exchange->fresh ? upstream_find_idle(upstream, target) : NULL;

	if (!target && upstream->draining)
		upstream_exchange_fail(exchange, UPSTREAM_NONE);
	else if (!target) /* the upstream may be starting again */
		upstream_wait_for_place(exchange);
	else if (link) {
		upstream_link_use(link, exchange);
		upstream_exchange_attach(exchange, link);
	} else if (upstream->places < upstream->options->max_connections) {
		upstream->places++;
		upstream_exchange_dial(exchange, target);
	} else {
		if (!list_empty(&upstream->idle)) {
			/* closing an idle connection frees its place at the end of the turn */
			link = list_entry(upstream->idle.next, struct upstream_link, idle);
			list_remove(&link->idle);
			conn_close(link->c, REASON_UPSTREAM_DONE);
		}
		upstream_wait_for_place(exchange);
	}
}

void
upstream_unwait(struct upstream_exchange *exchange)
{
	if (list_empty(&exchange->waiting))
		return;
	list_remove(&exchange->waiting);
	exchange->upstream->waiting_count--;
}

void
upstream_place_free(struct upstream *upstream)
{
	must(upstream->places > 0);
	upstream->places--;
	upstream_serve_later(upstream);
}

/* Returns true if a waiting request can go on: there is a place for it, or there will never be a target. */
static bool
upstream_can_go_on(const struct upstream *upstream)
{
	if (upstream->target_count == 0)
		return upstream->draining;
	return upstream->places < upstream->options->max_connections || !list_empty(&upstream->idle);
}

static void
upstream_on_serve(struct loop_call *call)
{
	struct upstream *upstream = container_of(call, struct upstream, serve);

	/* Each waiting request goes on, waits again at the end of the queue, or ends. One pass per turn. */
	for (unsigned n = upstream->waiting_count;
		n > 0 && upstream_can_go_on(upstream) && !list_empty(&upstream->waiting); n--) {
		struct upstream_exchange *exchange =
			list_entry(upstream->waiting.next, struct upstream_exchange, waiting);

		upstream_unwait(exchange);
		upstream_assign(exchange);
	}
}

/* ---------------------------------------------------------------- interface */

struct upstream *
upstream_new(struct loop *l, const struct upstream_options *options)
{
	struct text rest = text_from(options->upstream ? options->upstream : ""), one;
	struct upstream *upstream = mem_zalloc(sizeof *upstream);
	char line[OPTION_ERROR_MAX];

	upstream->loop = l;
	upstream->options = options;
	list_init(&upstream->targets);
	list_init(&upstream->links);
	list_init(&upstream->idle);
	list_init(&upstream->waiting);
	loop_call_init(&upstream->serve, upstream_on_serve);
	upstream->limits = (struct conn_limits){
		.max_queue = 4 * UPSTREAM_WINDOW + 2 * CONN_PUT_BACK_MAX,
		.stall_ms = options->timeout,
		.linger_ms = LINGER_MS,
	};
	while (text_cut(&rest, ',', &one))
		must(upstream_add(upstream, text_trim(one), line) == 0);
	return upstream;
}

bool
upstream_is_active(const struct upstream *upstream)
{
	return upstream->active;
}

void
upstream_handle(struct upstream *upstream, struct http_request *request)
{
	upstream_exchange_start(upstream, request);
}

void
upstream_drain(struct upstream *upstream)
{
	upstream->draining = true;
	upstream_serve_later(upstream);
}

unsigned
upstream_running(const struct upstream *upstream)
{
	return upstream->running;
}

void
upstream_close(struct upstream *upstream)
{
	struct list *link, *next;

	upstream->closing = true;
	list_each(link, next, &upstream->links)
		conn_close(list_entry(link, struct upstream_link, all)->c, REASON_UPSTREAM_DONE);
}

bool
upstream_is_gone(const struct upstream *upstream)
{
	return !upstream || (upstream->running == 0 && list_empty(&upstream->links));
}

void
upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	must(upstream_is_gone(upstream));
	while (!list_empty(&upstream->targets))
		upstream_remove_target(upstream, list_entry(upstream->targets.next, struct upstream_target, link));
	loop_call_cancel(&upstream->serve);
	mem_free(upstream);
}
