#include "node/socketio/sio_check.h"

#ifdef SIO_CHECKED

#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/table.h"
#include "common/base/text.h"
#include "common/io/log.h"
#include "node/socketio/sio_value.h"

/* Destroyed handles stay registered, up to this number, so that the error line can say that they were valid. */
#define DEAD_MAX 100000
/* Number of destroyed handles whose memory is kept. */
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
	struct list dead; /* oldest first */
	unsigned dead_count;
	bool ready;
	void *retired[RETIRED_MAX]; /* a ring */
	unsigned next_retired;
} registry;

static const struct {
	const char *name, *gone;
} kinds[] = {
	[SIO_A_SERVER] = {"server", "it was freed"},
	[SIO_A_NSP] = {"namespace", "its last socket left (cleanupEmptyChildNamespaces) or its server was freed"},
	[SIO_A_SOCKET] = {"socket", "its disconnect listeners have returned; keep its id and use sio_find()"},
	[SIO_AN_EVENT] = {"event", "its callback has returned (use sio_event_keep()), or it was released"},
	[SIO_A_STEP] = {"step", "it was already answered"},
	[SIO_AN_ANSWER] = {"answers", "their callback has returned"},
	[SIO_A_REQUEST] = {"request", "its callback has returned"},
	[SIO_A_LIST] = {"list", "the callback that made it has returned"},
	[SIO_AN_OWNER] = {"value", "the event, or other owner, that it came from is gone"},
	[SIO_A_FUNCTION] = {"function", ""},
	[SIO_A_CURSOR] = {"cursor", ""},
	[SIO_A_RESULT] = {"result", ""},
};

static _Noreturn void
abort_misuse(const char *function, enum sio_kind kind, const char *mistake, const char *why)
{
	log_event(LOG_ERROR, "mistake", "function", LOG_STR(function), "argument", LOG_STR(kinds[kind].name),
		"mistake", LOG_STR(mistake), "why", LOG_STR(why), NULL);
	abort();
}

static struct text
handle_key(const void *const *pointer)
{
	return text_of((const char *)pointer, sizeof *pointer);
}

static struct handle *
handle_find(const void *pointer)
{
	struct table_node *node = registry.ready ? table_find(&registry.handles, handle_key(&pointer)) : NULL;

	return node != NULL ? container_of(node, struct handle, node) : NULL;
}

void
sio_born(enum sio_kind kind, const void *pointer)
{
	struct handle *handle = handle_find(pointer);

	if (!registry.ready) {
		table_init(&registry.handles);
		list_init(&registry.dead);
		registry.ready = true;
	}
	if (handle == NULL) {
		handle = mem_zalloc(sizeof *handle);
		handle->pointer = pointer;
		list_init(&handle->dead);
		table_add(&registry.handles, &handle->node, handle_key(&handle->pointer));
	} else if (!handle->alive) {
		list_remove(&handle->dead);
		registry.dead_count--;
	}
	handle->kind = kind;
	handle->alive = true;
}

void
sio_died(const void *pointer)
{
	struct handle *handle = handle_find(pointer);

	if (handle == NULL || !handle->alive)
		return;
	handle->alive = false;
	list_add_tail(&registry.dead, &handle->dead);
	if (++registry.dead_count <= DEAD_MAX)
		return;
	handle = container_of(registry.dead.next, struct handle, dead);
	list_remove(&handle->dead);
	table_remove(&registry.handles, &handle->node);
	mem_free(handle);
	registry.dead_count--;
}

void
sio_retire(void *handle)
{
	void **place = &registry.retired[registry.next_retired++ % RETIRED_MAX];

	mem_free(*place);
	*place = handle;
}

void
sio_check(const char *function, enum sio_kind kind, const void *pointer)
{
	const struct handle *handle;

	if (pointer == NULL)
		abort_misuse(function, kind, "it is NULL", "");
	if (kind >= SIO_A_FUNCTION)
		return;
	handle = handle_find(pointer);
	if (handle == NULL)
		abort_misuse(function, kind, "it is something else, or was destroyed long ago", "");
	if (handle->kind != kind)
		abort_misuse(function, kind, "it is something else", kinds[handle->kind].name);
	if (!handle->alive)
		abort_misuse(function, kind, "it is no longer valid", kinds[kind].gone);
}

_Noreturn void
sio_check_failed(const char *function, enum sio_kind kind)
{
	abort_misuse(function, kind, "it is no longer valid", kinds[kind].gone);
}

void
sio_check_value(const char *function, sio_value value)
{
	const struct sio_value_owner *owner = value.owner;
	const struct handle *handle = handle_find(owner);

	if (owner == NULL)
		return;
	if (handle == NULL || handle->kind != SIO_AN_OWNER || !handle->alive ||
		(value.n != 0 &&
			(value.json < owner->json.at || value.json + value.n > owner->json.at + owner->json.n)))
		abort_misuse(function, SIO_AN_OWNER, "it is no longer valid", kinds[SIO_AN_OWNER].gone);
}

#endif
