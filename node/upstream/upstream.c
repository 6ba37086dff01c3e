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
find_target(const struct upstream *u, const struct upstream_address *address)
{
	for (struct list *at = u->targets.next; at != &u->targets; at = at->next) {
		struct upstream_target *target = list_entry(at, struct upstream_target, link);

		if (upstream_address_same(&target->address, address))
			return target;
	}
	return NULL;
}

int
upstream_add(struct upstream *u, struct text url, char *error)
{
	struct upstream_address address;
	struct upstream_target *target;
	char line[OPTION_ERROR_MAX];

	if (upstream_address_read(&address, url, error ? error : line) < 0)
		return ERROR_ARGUMENT;
	u->active = true;
	target = find_target(u, &address);
	if (target) {
		target->added++;
		return 0;
	}
	target = mem_zalloc(sizeof *target);
	target->address = address;
	target->refs = target->added = 1;
	list_add_tail(&u->targets, &target->link);
	u->target_count++;
	if (!list_empty(&u->waiting))
		loop_defer(u->loop, &u->serve);
	return 0;
}

static void
close_idle(struct upstream *u, const struct upstream_target *of)
{
	struct list *at, *next;

	list_each(at, next, &u->idle)
	{
		struct upstream_link *link = list_entry(at, struct upstream_link, idle);

		if (link->target != of)
			continue;
		list_remove(&link->idle);
		conn_close(link->c, REASON_UPSTREAM_DONE);
	}
}

static void
remove_target(struct upstream *u, struct upstream_target *target)
{
	list_remove(&target->link);
	u->target_count--;
	close_idle(u, target);
	upstream_target_unref(target);
}

void
upstream_remove(struct upstream *u, struct text url)
{
	char line[OPTION_ERROR_MAX];
	struct upstream_address address;
	struct upstream_target *target;

	if (upstream_address_read(&address, url, line) < 0)
		return;
	target = find_target(u, &address);
	if (target && --target->added == 0)
		remove_target(u, target);
}

/* The next target in turn. Targets that could not be connected to shortly before are the last choice. */
static struct upstream_target *
next_target(struct upstream *u)
{
	struct upstream_target *target = NULL;

	for (unsigned i = 0; i < u->target_count; i++) {
		target = list_entry(u->targets.next, struct upstream_target, link);
		list_remove(&target->link);
		list_add_tail(&u->targets, &target->link);
		if (target->down_until <= u->loop->now)
			break;
	}
	return target;
}

/* --------------------------------------------------------------------- pool */

/* Prefers the connection that was used last, because the upstream is least likely to have closed it. */
static struct upstream_link *
idle_link(const struct upstream *u, const struct upstream_target *target)
{
	for (struct list *at = u->idle.prev; at != &u->idle; at = at->prev) {
		struct upstream_link *link = list_entry(at, struct upstream_link, idle);

		if (link->target == target && !conn_dead(link->c))
			return link;
	}
	return NULL;
}

enum upstream_failure
upstream_lack(const struct upstream *u)
{
	return u->target_count > 0 ? UPSTREAM_BUSY : UPSTREAM_NONE;
}

static void
wait_for_place(struct upstream_exchange *exchange)
{
	struct upstream *u = exchange->u;

	if (u->waiting_count >= u->options->max_connections) {
		upstream_exchange_fail(exchange, upstream_lack(u));
		return;
	}
	list_add_tail(&u->waiting, &exchange->waiting);
	u->waiting_count++;
	upstream_exchange_wait(exchange);
}

void
upstream_assign(struct upstream_exchange *exchange)
{
	struct upstream *u = exchange->u;
	struct upstream_target *target = next_target(u);
	struct upstream_link *link = target && !exchange->fresh ? idle_link(u, target) : NULL;

	if (!target) /* the upstream may be starting again */
		wait_for_place(exchange);
	else if (link) {
		upstream_link_use(link, exchange);
		upstream_exchange_attach(exchange, link);
	} else if (u->places < u->options->max_connections) {
		u->places++;
		upstream_exchange_dial(exchange, target);
	} else {
		if (!list_empty(&u->idle)) { /* closing another target's idle connection frees its place at the end of
						the turn */
			link = list_entry(u->idle.next, struct upstream_link, idle);
			list_remove(&link->idle);
			conn_close(link->c, REASON_UPSTREAM_DONE);
		}
		wait_for_place(exchange);
	}
}

void
upstream_unwait(struct upstream_exchange *exchange)
{
	if (list_empty(&exchange->waiting))
		return;
	list_remove(&exchange->waiting);
	exchange->u->waiting_count--;
}

void
upstream_place_free(struct upstream *u)
{
	must(u->places > 0);
	u->places--;
	if (!list_empty(&u->waiting))
		loop_defer(u->loop, &u->serve);
}

static bool
has_place(const struct upstream *u)
{
	return u->target_count > 0 && (u->places < u->options->max_connections || !list_empty(&u->idle));
}

static void
upstream_on_serve(struct loop_call *call)
{
	struct upstream *u = container_of(call, struct upstream, serve);

	/* Each waiting request goes on, waits again at the end of the queue, or ends. One pass per turn. */
	for (unsigned n = u->waiting_count; n > 0 && has_place(u) && !list_empty(&u->waiting); n--) {
		struct upstream_exchange *exchange = list_entry(u->waiting.next, struct upstream_exchange, waiting);

		upstream_unwait(exchange);
		upstream_assign(exchange);
	}
}

/* ---------------------------------------------------------------- interface */

struct upstream *
upstream_new(struct loop *l, const struct upstream_options *options)
{
	struct text rest = text_from(options->upstream ? options->upstream : ""), one;
	struct upstream *u = mem_zalloc(sizeof *u);
	char line[OPTION_ERROR_MAX];

	u->loop = l;
	u->options = options;
	list_init(&u->targets);
	list_init(&u->links);
	list_init(&u->idle);
	list_init(&u->waiting);
	loop_call_init(&u->serve, upstream_on_serve);
	u->limits = (struct conn_limits){
		.max_queue = 4 * UPSTREAM_WINDOW + 2 * CONN_PUT_BACK_MAX,
		.stall_ms = options->timeout,
		.linger_ms = LINGER_MS,
	};
	while (text_cut(&rest, ',', &one))
		must(upstream_add(u, text_trim(one), line) == 0);
	return u;
}

bool
upstream_is_active(const struct upstream *u)
{
	return u->active;
}

void
upstream_handle(struct upstream *u, struct http_request *r)
{
	upstream_exchange_start(u, r);
}

unsigned
upstream_running(const struct upstream *u)
{
	return u->running;
}

void
upstream_close(struct upstream *u)
{
	struct list *link, *next;

	u->closing = true;
	list_each(link, next, &u->links)
		conn_close(list_entry(link, struct upstream_link, all)->c, REASON_UPSTREAM_DONE);
}

bool
upstream_is_gone(const struct upstream *u)
{
	return !u || (u->running == 0 && list_empty(&u->links));
}

void
upstream_free(struct upstream *u)
{
	if (!u)
		return;
	must(upstream_is_gone(u));
	while (!list_empty(&u->targets))
		remove_target(u, list_entry(u->targets.next, struct upstream_target, link));
	loop_call_cancel(&u->serve);
	mem_free(u);
}
