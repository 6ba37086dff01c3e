#include "broker/history_table.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"

size_t
history_id_write(struct history_id id, char out[HISTORY_ID_MAX + 1])
{
	return (size_t)snprintf(
		out, HISTORY_ID_MAX + 1, "%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
}

bool
history_id_read(struct text text, struct history_id *out)
{
	const char *hyphen = text.n > 0 ? memchr(text.at, '-', text.n) : NULL;
	size_t n = hyphen != NULL ? (size_t)(hyphen - text.at) : 0;

	return hyphen != NULL && text_number(text_of(text.at, n), UINT64_MAX, &out->ms) == 0 &&
	       text_number(text_of(hyphen + 1, text.n - n - 1), UINT64_MAX, &out->seq) == 0;
}

/* ----------------------------------------------------------------- entries */

static size_t
entry_cost(const struct history_entry *entry)
{
	return sizeof *entry + BLOCK_COST + entry->payload->len;
}

static size_t
room_cost(const struct history_room *room)
{
	return sizeof *room + room->node.key_len;
}

static struct history_room *
history_room_find(const struct history_table *table, struct text key)
{
	struct table_node *node = table_find(&table->rooms, key);

	return node != NULL ? container_of(node, struct history_room, node) : NULL;
}

/* Frees an entry, and its room if this was the last entry. Returns false if the room was freed. */
static bool
entry_drop(struct history_table *table, struct history_entry *entry)
{
	struct history_room *room = entry->room;

	table->bytes -= entry_cost(entry);
	table->entries--;
	room->count--;
	list_remove(&entry->in_room);
	list_remove(&entry->in_all);
	block_unref(entry->payload);
	mem_free(entry);
	if (room->count > 0)
		return true;
	table->bytes -= room_cost(room);
	table_remove(&table->rooms, &room->node);
	list_remove(&room->turn);
	mem_free(room);
	return false;
}

static struct history_entry *
room_oldest(const struct history_room *room)
{
	return container_of(room->entries.next, struct history_entry, in_room);
}

/* Drops entries that are too old or too many. Returns false if the room was freed. */
static bool
room_trim(struct history_table *table, struct history_room *room, uint64_t now)
{
	uint64_t age = room->limits.age_ms;

	while (room->count > room->limits.count || (age > 0 && now > age && room_oldest(room)->id.ms < now - age)) {
		if (!entry_drop(table, room_oldest(room)))
			return false;
	}
	return true;
}

static struct history_room *
history_room_new(struct history_table *table, struct text key)
{
	struct history_room *room = mem_try_alloc(sizeof *room + key.n + 1);

	if (room == NULL)
		return NULL;
	memset(room, 0, sizeof *room);
	memcpy(room->key, key.at, key.n);
	room->key[key.n] = '\0';
	list_init(&room->entries);
	list_add_tail(&table->turn, &room->turn);
	table_add(&table->rooms, &room->node, text_of(room->key, key.n));
	table->bytes += room_cost(room);
	return room;
}

static struct history_id
next_id(struct history_table *table, uint64_t now)
{
	if (now > table->last.ms)
		table->last = (struct history_id){now, 0};
	else
		table->last.seq++;
	return table->last;
}

int
history_table_append(struct history_table *table, uint64_t now, struct text key, const struct history_limits *limits,
	struct text payload, struct history_id *id)
{
	struct block *block = block_try_copy(payload.at, payload.n);
	struct history_entry *entry = block != NULL ? mem_try_alloc(sizeof *entry) : NULL;
	struct history_room *room = history_room_find(table, key);

	if (room == NULL && entry != NULL)
		room = history_room_new(table, key);
	if (room == NULL || entry == NULL) {
		block_unref(block);
		mem_free(entry);
		return ERROR_MEMORY;
	}
	*id = next_id(table, now);
	*entry = (struct history_entry){.room = room, .id = *id, .payload = block};
	list_add_tail(&room->entries, &entry->in_room);
	list_add_tail(&table->arrivals, &entry->in_all);
	room->count++;
	room->limits = *limits;
	table->entries++;
	table->bytes += entry_cost(entry);
	(void)room_trim(table, room, now);
	while (table->bytes > table->max_bytes && !list_empty(&table->arrivals)) {
		(void)entry_drop(table, container_of(table->arrivals.next, struct history_entry, in_all));
		table->displaced++;
	}
	return 0;
}

/* ------------------------------------------------------------------- reads */

static bool
history_id_is_set(struct history_id id)
{
	return id.ms != 0 || id.seq != 0;
}

static bool
query_wants(const struct history_query *query, const struct history_entry *entry)
{
	return (!history_id_is_set(query->after) || history_id_compare(entry->id, query->after) > 0) &&
	       (!history_id_is_set(query->before) || history_id_compare(entry->id, query->before) < 0);
}

static void
found_reverse(struct history_found *found)
{
	for (unsigned i = 0, j = found->count; i + 1 < j; i++) {
		struct history_found_item swapped = found->at[--j];

		found->at[j] = found->at[i];
		found->at[i] = swapped;
	}
}

int
history_table_read(struct history_table *table, uint64_t now, struct text key, const struct history_query *query,
	struct history_found *out)
{
	struct history_room *room = history_room_find(table, key);
	bool forward = query->from_oldest;
	unsigned most;
	size_t bytes = 0;

	*out = (struct history_found){NULL, 0};
	if (room == NULL || !room_trim(table, room, now))
		return 0;
	most = room->count < query->count ? room->count : query->count;
	out->at = mem_try_alloc(most * sizeof *out->at);
	if (out->at == NULL)
		return ERROR_MEMORY;
	for (struct list *it = forward ? room->entries.next : room->entries.prev;
		it != &room->entries && out->count < most; it = forward ? it->next : it->prev) {
		struct history_entry *entry = container_of(it, struct history_entry, in_room);

		if (!query_wants(query, entry))
			continue;
		bytes += entry->payload->len;
		if (bytes > history_max_bytes(query))
			break;
		out->at[out->count++] =
			(struct history_found_item){.id = entry->id, .payload = block_ref(entry->payload)};
	}
	if (!forward)
		found_reverse(out);
	return 0;
}

void
history_found_fini(struct history_found *found)
{
	for (unsigned i = 0; i < found->count; i++)
		block_unref(found->at[i].payload);
	mem_free(found->at);
	*found = (struct history_found){NULL, 0};
}

void
history_table_set_age(struct history_table *table, struct text key, uint64_t age_ms)
{
	struct history_room *room = history_room_find(table, key);

	if (room != NULL)
		room->limits.age_ms = age_ms;
}

unsigned
history_table_remove(struct history_table *table, struct text key, struct history_id id)
{
	struct history_room *room = history_room_find(table, key);
	struct list *it, *next;
	unsigned removed = 0;

	if (room == NULL)
		return 0;
	list_each(it, next, &room->entries)
	{
		struct history_entry *entry = container_of(it, struct history_entry, in_room);

		if (history_id_is_set(id) && history_id_compare(entry->id, id) != 0)
			continue;
		removed++;
		if (!entry_drop(table, entry))
			break;
	}
	return removed;
}

void
history_table_sweep(struct history_table *table, uint64_t now)
{
	for (unsigned i = 0, n = table->rooms.count; i < n && i < HISTORY_SWEEP; i++) {
		struct history_room *room = container_of(table->turn.next, struct history_room, turn);

		list_remove(&room->turn);
		list_add_tail(&table->turn, &room->turn);
		(void)room_trim(table, room, now);
	}
}

/* -------------------------------------------------------------------- life */

void
history_table_init(struct history_table *table, uint64_t max_bytes)
{
	*table = (struct history_table){.max_bytes = max_bytes};
	table_init(&table->rooms);
	list_init(&table->turn);
	list_init(&table->arrivals);
}

void
history_table_fini(struct history_table *table)
{
	while (!list_empty(&table->arrivals))
		(void)entry_drop(table, container_of(table->arrivals.next, struct history_entry, in_all));
	table_fini(&table->rooms);
}
