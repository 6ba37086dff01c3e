/* The targets, the connections to them that are open, and the requests that wait for one. */
#include "node/upstream/upstream.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/upstream/upstream_internal.h"
#include "node/upstream/upstream_tables.h"

#define LINGER_MS 2000 /* of a tunnel's end */

/* ------------------------------------------------------------------ targets */

void
upstream_target_ref(struct upstream_target *t)
{
	t->refs++;
}

void
upstream_target_unref(struct upstream_target *t)
{
	if (--t->refs > 0)
		return;
	list_remove(&t->link);
	mem_free(t);
}

static struct upstream_target *
find_target(const struct upstream *u, const struct upstream_address *address)
{
	for (struct list *at = u->targets.next; at != &u->targets; at = at->next) {
		struct upstream_target *t = list_entry(at, struct upstream_target, link);

		if (upstream_address_same(&t->address, address))
			return t;
	}
	return NULL;
}

int
upstream_add(struct upstream *u, struct text url, char *error)
{
	struct upstream_address address;
	struct upstream_target *t;
	char line[OPTION_ERROR_MAX];

	if (upstream_address_read(&address, url, error ? error : line) < 0)
		return ERROR_ARGUMENT;
	u->active = true;
	t = find_target(u, &address);
	if (t) {
		t->added++;
		return 0;
	}
	t = mem_zalloc(sizeof *t);
	t->address = address;
	t->refs = t->added = 1;
	list_add_tail(&u->targets, &t->link);
	u->target_count++;
	if (!list_empty(&u->waiting))
		loop_defer(u->loop, &u->serve);
	return 0;
}

static void
close_idle(struct upstream *u, const struct upstream_target *of)
{
	struct list *link, *next;

	list_each(link, next, &u->idle)
	{
		struct upstream_link *k = list_entry(link, struct upstream_link, idle);

		if (k->target != of)
			continue;
		list_remove(&k->idle);
		conn_close(k->c, REASON_UPSTREAM_DONE);
	}
}

static void
remove_target(struct upstream *u, struct upstream_target *t)
{
	list_remove(&t->link);
	u->target_count--;
	close_idle(u, t);
	upstream_target_unref(t);
}

void
upstream_remove(struct upstream *u, struct text url)
{
	char line[OPTION_ERROR_MAX];
	struct upstream_address address;
	struct upstream_target *t;

	if (upstream_address_read(&address, url, line) < 0)
		return;
	t = find_target(u, &address);
	if (t && --t->added == 0)
		remove_target(u, t);
}

/* The next one in turn, after those that could not be connected to a moment ago. */
static struct upstream_target *
next_target(struct upstream *u)
{
	struct upstream_target *t = NULL;

	for (unsigned i = 0; i < u->target_count; i++) {
		t = list_entry(u->targets.next, struct upstream_target, link);
		list_remove(&t->link);
		list_add_tail(&u->targets, &t->link);
		if (t->down_until <= u->loop->now)
			break;
	}
	return t;
}

/* --------------------------------------------------------------------- pool */

/* The one that was used last is the least likely to be closed by now. */
static struct upstream_link *
idle_link(const struct upstream *u, const struct upstream_target *t)
{
	for (struct list *at = u->idle.prev; at != &u->idle; at = at->prev) {
		struct upstream_link *k = list_entry(at, struct upstream_link, idle);

		if (k->target == t && !conn_dead(k->c))
			return k;
	}
	return NULL;
}

enum upstream_failure
upstream_lack(const struct upstream *u)
{
	return u->target_count > 0 ? UPSTREAM_BUSY : UPSTREAM_NONE;
}

static void
wait_for_place(struct upstream_exchange *x)
{
	struct upstream *u = x->u;

	if (u->waiting_count >= u->options->max_connections) {
		upstream_exchange_fail(x, upstream_lack(u));
		return;
	}
	list_add_tail(&u->waiting, &x->waiting);
	u->waiting_count++;
	upstream_exchange_wait(x);
}

void
upstream_assign(struct upstream_exchange *x)
{
	struct upstream *u = x->u;
	struct upstream_target *t = next_target(u);
	struct upstream_link *k = t && !x->fresh ? idle_link(u, t) : NULL;

	if (!t) /* it is being started again */
		wait_for_place(x);
	else if (k) {
		upstream_link_use(k, x);
		upstream_exchange_attach(x, k);
	} else if (u->places < u->options->max_connections) {
		u->places++;
		upstream_exchange_dial(x, t);
	} else {
		if (!list_empty(&u->idle)) { /* another target's: its place is free at the end of the turn */
			k = list_entry(u->idle.next, struct upstream_link, idle);
			list_remove(&k->idle);
			conn_close(k->c, REASON_UPSTREAM_DONE);
		}
		wait_for_place(x);
	}
}

void
upstream_unwait(struct upstream_exchange *x)
{
	if (list_empty(&x->waiting))
		return;
	list_remove(&x->waiting);
	x->u->waiting_count--;
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
on_serve(struct loop_call *call)
{
	struct upstream *u = container_of(call, struct upstream, serve);

	/* each of those that waited goes on, waits at the end again, or ends; so many and no more in one turn */
	for (unsigned n = u->waiting_count; n > 0 && has_place(u) && !list_empty(&u->waiting); n--) {
		struct upstream_exchange *x = list_entry(u->waiting.next, struct upstream_exchange, waiting);

		upstream_unwait(x);
		upstream_assign(x);
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
	loop_call_init(&u->serve, on_serve);
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
