#include "node/socketio/sio_check.h"

#ifdef SIO_CHECKED

#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/table.h"
#include "common/base/text.h"
#include "common/io/log.h"
#include "node/socketio/sio_value.h"

/* What a pointer is, or was last. Those that were stay here, so that the line can say so; this many at most. */
#define DEAD_MAX 100000
/* How many handles that are gone keep their memory. */
#define RETIRED_MAX 4096

struct handle {
	struct table_node node; /* by `pointer` */
	struct list dead;
	const void *pointer;
	enum sio_kind kind;
	bool alive;
};

static _Thread_local struct {
	struct table handles;
	struct list dead; /* the oldest first */
	unsigned dead_count;
	bool ready;
	void *retired[RETIRED_MAX]; /* a ring */
	unsigned next_retired;
} all;

static const struct {
	const char *name, *gone;
} kinds[] = {
	[SIO_A_SERVER] = {"server", "it was freed"},
	[SIO_A_NSP] = {"namespace", "it went with its last socket (cleanupEmptyChildNamespaces) or its server"},
	[SIO_A_SOCKET] = {"socket", "its disconnect listeners have returned: keep its id and use sio_find()"},
	[SIO_AN_EVENT] = {"event", "its callback has returned: use sio_event_keep(); or it was released"},
	[SIO_A_STEP] = {"step", "it was answered"},
	[SIO_AN_ANSWER] = {"answers", "their callback has returned"},
	[SIO_A_REQUEST] = {"request", "its callback has returned"},
	[SIO_AN_OWNER] = {"value", "the event or other owner that it came from has gone"},
	[SIO_A_FUNCTION] = {"function", ""},
	[SIO_A_CURSOR] = {"cursor", ""},
	[SIO_A_RESULT] = {"result", ""},
};

static _Noreturn void
mistaken(const char *function, enum sio_kind kind, const char *mistake, const char *why)
{
	log_event(LOG_ERROR, "mistake", "function", LOG_STR(function), "argument", LOG_STR(kinds[kind].name),
		"mistake", LOG_STR(mistake), "why", LOG_STR(why), NULL);
	abort();
}

static struct text
key_of(const void *const *pointer)
{
	return text_of((const char *)pointer, sizeof *pointer);
}

static struct handle *
find(const void *pointer)
{
	struct table_node *n = all.ready ? table_find(&all.handles, key_of(&pointer)) : NULL;

	return n != NULL ? container_of(n, struct handle, node) : NULL;
}

void
sio_born(enum sio_kind kind, const void *pointer)
{
	struct handle *h = find(pointer);

	if (!all.ready) {
		table_init(&all.handles);
		list_init(&all.dead);
		all.ready = true;
	}
	if (h == NULL) {
		h = mem_zalloc(sizeof *h);
		h->pointer = pointer;
		list_init(&h->dead);
		table_add(&all.handles, &h->node, key_of(&h->pointer));
	} else if (!h->alive) {
		list_remove(&h->dead);
		all.dead_count--;
	}
	h->kind = kind;
	h->alive = true;
}

void
sio_died(const void *pointer)
{
	struct handle *h = find(pointer);

	if (h == NULL || !h->alive)
		return;
	h->alive = false;
	list_add_tail(&all.dead, &h->dead);
	if (++all.dead_count <= DEAD_MAX)
		return;
	h = container_of(all.dead.next, struct handle, dead);
	list_remove(&h->dead);
	table_remove(&all.handles, &h->node);
	mem_free(h);
	all.dead_count--;
}

void
sio_retire(void *handle)
{
	void **place = &all.retired[all.next_retired++ % RETIRED_MAX];

	mem_free(*place);
	*place = handle;
}

void
sio_check(const char *function, enum sio_kind kind, const void *pointer)
{
	const struct handle *h;

	if (pointer == NULL)
		mistaken(function, kind, "it is NULL", "");
	if (kind >= SIO_A_FUNCTION)
		return;
	h = find(pointer);
	if (h == NULL)
		mistaken(function, kind, "it is something else, or went long ago", "");
	if (h->kind != kind)
		mistaken(function, kind, "it is something else", kinds[h->kind].name);
	if (!h->alive)
		mistaken(function, kind, "it is not good any more", kinds[kind].gone);
}

_Noreturn void
sio_check_failed(const char *function, enum sio_kind kind)
{
	mistaken(function, kind, "it is not good any more", kinds[kind].gone);
}

void
sio_check_value(const char *function, sio_value value)
{
	const struct sio_value_owner *owner = value.owner;
	const struct handle *h = find(owner);

	if (value.n == 0)
		return;
	if (h == NULL || h->kind != SIO_AN_OWNER || !h->alive || value.json < owner->json.at ||
		value.json + value.n > owner->json.at + owner->json.n)
		mistaken(function, SIO_AN_OWNER, "it is not good any more", kinds[SIO_AN_OWNER].gone);
}

#endif
