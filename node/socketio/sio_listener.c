#include "node/socketio/sio_listener.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"

void
sio_listeners_fini(struct sio_listeners *list)
{
	must(list->running == 0);
	mem_free(list->at);
	*list = (struct sio_listeners){0};
}

static void
listeners_grow(struct sio_listeners *list)
{
	if (list->count < list->size)
		return;
	list->size = list->size == 0 ? 2 : list->size * 2;
	list->at = mem_realloc(list->at, list->size * sizeof *list->at);
}

void
sio_listeners_add(struct sio_listeners *list, sio_any_fn *fn, void *arg)
{
	must(fn != NULL);
	listeners_grow(list);
	list->at[list->count++] = (struct sio_listener){.fn = fn, .arg = arg};
}

void
sio_listeners_prepend(struct sio_listeners *list, sio_any_fn *fn, void *arg)
{
	must(fn != NULL);
	listeners_grow(list);
	memmove(list->at + 1, list->at, list->count * sizeof *list->at);
	list->at[0] = (struct sio_listener){.fn = fn, .arg = arg};
	list->count++;
	if (list->running > 0)
		list->shifted++;
}

struct named {
	struct table_node node;
	struct table *events;
	struct sio_listeners list;
	char name[];
};

static void
named_free(struct named *named)
{
	table_remove(named->events, &named->node);
	sio_listeners_fini(&named->list);
	mem_free(named);
}

/* Removes the holes. Requires that no run is under way. Frees a named list that has become empty. */
static void
listeners_compact(struct sio_listeners *list)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < list->count; i++) {
		if (list->at[i].fn != NULL)
			list->at[kept++] = list->at[i];
	}
	list->count = kept;
	list->holes = false;
	list->shifted = 0;
	if (kept == 0 && list->named)
		named_free(container_of(list, struct named, list));
	else if (kept == 0)
		sio_listeners_fini(list);
}

bool
sio_listeners_remove(struct sio_listeners *list, sio_any_fn *fn, void *arg)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (fn == NULL || list->at[i].fn != fn || list->at[i].arg != arg) /* NULL would match a hole */
			continue;
		list->at[i].fn = NULL;
		list->holes = true;
		if (list->running == 0)
			listeners_compact(list);
		return true;
	}
	return false;
}

bool
sio_listeners_have(const struct sio_listeners *list, const struct sio_listener *listener)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->at[i].fn == listener->fn && list->at[i].arg == listener->arg)
			return true;
	return false;
}

void
sio_run_begin(struct sio_run *run, struct sio_listeners *list)
{
	list->running++;
	run->list = list;
	run->next = 0;
	run->end = list->count;
	run->shifted = list->shifted;
}

const struct sio_listener *
sio_run_next(struct sio_run *run)
{
	struct sio_listeners *list = run->list;

	while (run->next < run->end) {
		struct sio_listener *at = &list->at[run->next++ + list->shifted - run->shifted];

		run->now = *at;
		if (at->fn != NULL && at->once) {
			at->fn = NULL;
			list->holes = true;
		}
		if (run->now.fn != NULL)
			return &run->now;
	}
	sio_run_end(run);
	return NULL;
}

void
sio_run_end(struct sio_run *run)
{
	struct sio_listeners *list = run->list;

	run->list = NULL;
	must(list->running > 0);
	if (--list->running > 0)
		return;
	list->shifted = 0;
	if (list->holes)
		listeners_compact(list);
}

static struct named *
named_find(const struct table *events, struct text name)
{
	struct table_node *node = table_find(events, name);

	return node != NULL ? container_of(node, struct named, node) : NULL;
}

struct sio_listeners *
sio_event_listeners(const struct table *events, struct text name)
{
	struct named *named = events->count != 0 ? named_find(events, name) : NULL;

	return named != NULL ? &named->list : NULL;
}

static struct sio_listeners *
event_listeners_make(struct table *events, struct text name)
{
	struct named *named = named_find(events, name);

	if (named == NULL) {
		named = mem_zalloc(
			sizeof *named + name.n + 1); /* small: the name is part of the application's code */
		if (name.n != 0)
			memcpy(named->name, name.at, name.n);
		named->events = events;
		named->list.named = true;
		table_add(events, &named->node, text_of(named->name, name.n));
	}
	return &named->list;
}

void
sio_event_listeners_add(struct table *events, struct text name, sio_any_fn *fn, void *arg)
{
	sio_listeners_add(event_listeners_make(events, name), fn, arg);
}

void
sio_event_listeners_add_once(struct table *events, struct text name, sio_any_fn *fn, void *arg)
{
	struct sio_listeners *list = event_listeners_make(events, name);

	sio_listeners_add(list, fn, arg);
	list->at[list->count - 1].once = true;
}

bool
sio_event_listeners_remove(struct table *events, struct text name, sio_any_fn *fn, void *arg)
{
	struct named *named = named_find(events, name);

	return named != NULL && sio_listeners_remove(&named->list, fn, arg);
}

void
sio_event_listeners_fini(struct table *events)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(events, &cursor)) != NULL)
		named_free(container_of(node, struct named, node));
	table_fini(events);
}
