#include "node/socketio/sio_listener.h"

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"

void
sio_listeners_fini(struct sio_listeners *l)
{
	must(l->running == 0);
	mem_free(l->at);
	*l = (struct sio_listeners){0};
}

void
sio_listeners_add(struct sio_listeners *l, sio_any_fn *fn, void *arg)
{
	must(fn != NULL);
	if (l->count == l->size) {
		l->size = l->size == 0 ? 2 : l->size * 2;
		l->at = mem_realloc(l->at, l->size * sizeof *l->at);
	}
	l->at[l->count++] = (struct sio_listener){fn, arg};
}

struct named {
	struct table_node node;
	struct table *events;
	struct sio_listeners list;
	char name[];
};

static void
named_free(struct named *e)
{
	table_remove(e->events, &e->node);
	sio_listeners_fini(&e->list);
	mem_free(e);
}

/* No run is under way. The list is gone afterwards if it had a name and is empty. */
static void
compact(struct sio_listeners *l)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < l->count; i++) {
		if (l->at[i].fn != NULL)
			l->at[kept++] = l->at[i];
	}
	l->count = kept;
	l->holes = false;
	if (kept == 0 && l->named)
		named_free(container_of(l, struct named, list));
	else if (kept == 0)
		sio_listeners_fini(l);
}

bool
sio_listeners_remove(struct sio_listeners *l, sio_any_fn *fn, void *arg)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (l->at[i].fn != fn || l->at[i].arg != arg)
			continue;
		l->at[i].fn = NULL;
		l->holes = true;
		if (l->running == 0)
			compact(l);
		return true;
	}
	return false;
}

void
sio_run_begin(struct sio_run *run, struct sio_listeners *list)
{
	list->running++;
	run->list = list;
	run->next = 0;
	run->end = list->count;
}

const struct sio_listener *
sio_run_next(struct sio_run *run)
{
	while (run->next < run->end) {
		run->now = run->list->at[run->next++];
		if (run->now.fn != NULL)
			return &run->now;
	}
	sio_run_end(run);
	return NULL;
}

void
sio_run_end(struct sio_run *run)
{
	struct sio_listeners *l = run->list;

	must(l->running > 0);
	if (--l->running == 0 && l->holes)
		compact(l);
	run->list = NULL;
}

static struct named *
named_find(const struct table *events, struct text name)
{
	struct table_node *n = table_find(events, name);

	return n != NULL ? container_of(n, struct named, node) : NULL;
}

struct sio_listeners *
sio_event_listeners(const struct table *events, struct text name)
{
	struct named *e = events->count != 0 ? named_find(events, name) : NULL;

	return e != NULL ? &e->list : NULL;
}

void
sio_event_listeners_add(struct table *events, struct text name, sio_any_fn *fn, void *arg)
{
	struct named *e = named_find(events, name);

	if (e == NULL) {
		e = mem_zalloc(sizeof *e + name.n + 1); /* small: the application names it, in its code */
		if (name.n != 0)
			memcpy(e->name, name.at, name.n);
		e->events = events;
		e->list.named = true;
		table_add(events, &e->node, text_of(e->name, name.n));
	}
	sio_listeners_add(&e->list, fn, arg);
}

bool
sio_event_listeners_remove(struct table *events, struct text name, sio_any_fn *fn, void *arg)
{
	struct named *e = named_find(events, name);

	return e != NULL && sio_listeners_remove(&e->list, fn, arg);
}

void
sio_event_listeners_fini(struct table *events)
{
	struct table_cursor cursor = {0};
	struct table_node *n;

	while ((n = table_next(events, &cursor)) != NULL)
		named_free(container_of(n, struct named, node));
	table_fini(events);
}
