/* The history of rooms in the memory of this process. Answers asks at the end of the turn. */
#include "broker/history_table.h"
#include "common/base/error.h"
#include "common/base/mem.h"

#define SWEEP_MS 1000

enum local_kind { LOCAL_READ, LOCAL_REMOVE };

struct local_ask {
	struct list link; /* in history_local.asks */
	struct history_ask *ask;
	enum local_kind kind;
	struct history_query query;
	struct history_id id;
	size_t key_n;
	char key[];
};

struct history_local {
	struct history base;
	struct history_table table;
	struct list asks;
	unsigned asks_count;
	struct loop_call call;
	struct wheel_entry timer;
	struct history_stats stats;
};

static struct history_local *
local_of(struct history *history)
{
	return container_of(history, struct history_local, base);
}

static void
local_on_sweep(struct wheel_entry *entry)
{
	struct history_local *local = container_of(entry, struct history_local, timer);

	history_table_sweep(&local->table, loop_wall_ms());
	if (local->table.entries > 0)
		loop_arm(local->base.loop, &local->timer, SWEEP_MS);
}

static void
local_append(struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	struct history_local *local = local_of(history);
	struct history_id id;

	if (history_table_append(&local->table, loop_wall_ms(), key, limits, payload, &id) < 0) {
		local->stats.dropped++;
		loop_count_no_memory(history->loop);
		return;
	}
	local->stats.appended++;
	if (!wheel_armed(&local->timer))
		loop_arm(history->loop, &local->timer, SWEEP_MS);
}

/* -------------------------------------------------------------------- asks */

static void
local_ask_free(struct history_local *local, struct local_ask *asked)
{
	asked->ask->pending = NULL;
	list_remove(&asked->link);
	local->asks_count--;
	mem_free(asked);
}

static void
local_fail(struct history_local *local, struct history_ask *ask, int error)
{
	local->stats.failed++;
	ask->on_answer(ask, error, NULL, 0);
}

static void
local_answer_read(struct history_local *local, const struct local_ask *asked, struct history_ask *ask)
{
	struct history_item *items = NULL;
	struct history_found found;
	int rc = history_table_read(
		&local->table, loop_wall_ms(), text_of(asked->key, asked->key_n), &asked->query, &found);

	if (rc == 0 && found.count > 0) {
		items = mem_try_alloc(found.count * sizeof *items);
		rc = items == NULL ? ERROR_MEMORY : 0;
	}
	for (unsigned i = 0; items != NULL && i < found.count; i++)
		items[i] = (struct history_item){
			found.at[i].id, text_of((const char *)found.at[i].payload->data, found.at[i].payload->len)};
	if (rc < 0) {
		loop_count_no_memory(local->base.loop);
		local_fail(local, ask, rc);
	} else {
		local->stats.read += found.count;
		ask->on_answer(ask, 0, items, found.count);
	}
	mem_free(items);
	history_found_fini(&found);
}

/*
 * A callee may ask again; the new ask waits for the end of the next turn. A callee may also cancel other asks of
 * this list.
 */
static void
local_on_turn_end(struct loop_call *call)
{
	struct history_local *local = container_of(call, struct history_local, call);

	for (unsigned n = local->asks_count; n > 0 && !list_empty(&local->asks); n--) {
		struct local_ask *asked = container_of(local->asks.next, struct local_ask, link);
		struct history_ask *ask = asked->ask;
		unsigned removed;

		list_remove(&asked->link);
		list_init(&asked->link);
		local->asks_count--;
		ask->pending = NULL;
		if (asked->kind == LOCAL_READ) {
			local_answer_read(local, asked, ask);
		} else {
			removed = history_table_remove(&local->table, text_of(asked->key, asked->key_n), asked->id);
			ask->on_answer(ask, 0, NULL, removed);
		}
		mem_free(asked);
	}
	if (!list_empty(&local->asks))
		loop_defer_next(local->base.loop, &local->call);
}

static struct local_ask *
local_ask_new(struct history_local *local, struct text key, struct history_ask *ask)
{
	struct local_ask *asked = mem_alloc(sizeof *asked + key.n);

	*asked = (struct local_ask){.ask = ask, .key_n = key.n};
	memcpy(asked->key, key.at, key.n);
	ask->pending = asked;
	list_add_tail(&local->asks, &asked->link);
	local->asks_count++;
	loop_defer(local->base.loop, &local->call);
	return asked;
}

static void
local_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *query, struct history_ask *ask)
{
	struct history_local *local = local_of(history);
	struct local_ask *asked = local_ask_new(local, key, ask);

	(void)limits; /* the table has the limits of the room */
	asked->kind = LOCAL_READ;
	asked->query = *query;
	local->stats.asks++;
}

static void
local_remove(struct history *history, struct text key, struct history_id id, struct history_ask *ask)
{
	struct local_ask *asked = local_ask_new(local_of(history), key, ask);

	asked->kind = LOCAL_REMOVE;
	asked->id = id;
}

static void
local_cancel(struct history *history, struct history_ask *ask)
{
	local_ask_free(local_of(history), ask->pending);
}

/* -------------------------------------------------------------------- life */

static void
local_stats(const struct history *history, struct history_stats *out)
{
	const struct history_local *local = container_of(history, struct history_local, base);

	*out = local->stats;
	out->entries = local->table.entries;
	out->bytes = local->table.bytes;
	out->rooms = local->table.rooms.count;
	out->displaced = local->table.displaced;
}

static void
local_free(struct history *history)
{
	struct history_local *local = local_of(history);

	while (!list_empty(&local->asks))
		local_ask_free(local, container_of(local->asks.next, struct local_ask, link));
	loop_call_cancel(&local->call);
	loop_disarm(history->loop, &local->timer);
	history_table_fini(&local->table);
	mem_free(local);
}

static const struct history_form local_form = {
	local_append, local_read, local_remove, local_cancel, local_stats, local_free};

struct history *
history_local_new(struct loop *l, uint64_t max_bytes)
{
	struct history_local *local = mem_zalloc(sizeof *local);

	local->base = (struct history){&local_form, l};
	history_table_init(&local->table, max_bytes);
	list_init(&local->asks);
	loop_call_init(&local->call, local_on_turn_end);
	wheel_entry_init(&local->timer, local_on_sweep);
	return &local->base;
}
