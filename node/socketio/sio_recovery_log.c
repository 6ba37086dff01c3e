#include "node/socketio/sio_recovery_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_selector.h"

void
sio_recovery_store_init(struct sio_recovery_store *store, uint64_t max_bytes)
{
	list_init(&store->entries);
	store->count = store->bytes = 0;
	store->max_bytes = max_bytes;
}

struct sio_recovery_log *
sio_recovery_log_new(struct sio_recovery_store *store)
{
	struct sio_recovery_log *log = mem_zalloc(sizeof *log);

	log->store = store;
	list_init(&log->entries);
	list_init(&log->to_all);
	list_init(&log->kept);
	table_init(&log->topics);
	random_id(log->epoch, SIO_EPOCH_LENGTH);
	return log;
}

/* ----------------------------------------------------------------- topics */

/* Returns the topic of a room, or NULL without memory. */
static struct sio_recovery_topic *
topic_of(struct sio_recovery_log *log, struct text room)
{
	struct table_node *node = table_find(&log->topics, room);
	struct sio_recovery_topic *topic;

	if (node != NULL)
		return container_of(node, struct sio_recovery_topic, node);
	topic = mem_try_alloc(sizeof *topic + room.n);
	if (topic == NULL)
		return NULL;
	if (room.n != 0)
		memcpy(topic->name, room.at, room.n);
	list_init(&topic->marks);
	table_add(&log->topics, &topic->node, text_of(topic->name, room.n));
	log->store->bytes += sizeof *topic + room.n;
	return topic;
}

/* Ends the topic with its last entry. */
static void
mark_remove(struct sio_recovery_log *log, struct sio_recovery_mark *mark)
{
	struct sio_recovery_topic *topic = mark->topic;

	list_remove(&mark->link);
	if (topic == NULL || !list_empty(&topic->marks))
		return;
	log->store->bytes -= sizeof *topic + topic->node.key_len;
	table_remove(&log->topics, &topic->node);
	mem_free(topic);
}

static void
entry_unmark(struct sio_recovery_entry *entry)
{
	for (uint32_t i = 0; i < entry->mark_count; i++)
		mark_remove(entry->log, &entry->marks[i]);
}

/* Puts the entry into the lists of the rooms that it names. Returns false without memory; it is in no list then. */
static bool
entry_mark(struct sio_recovery_entry *entry, const struct text *rooms, unsigned count)
{
	struct sio_recovery_mark *mark;

	for (entry->mark_count = 0; entry->mark_count < (count != 0 ? count : 1); entry->mark_count++) {
		mark = &entry->marks[entry->mark_count];
		mark->entry = entry;
		mark->topic = count != 0 ? topic_of(entry->log, rooms[entry->mark_count]) : NULL;
		if (mark->topic == NULL && count != 0) {
			entry_unmark(entry);
			return false;
		}
		list_add_tail(count != 0 ? &mark->topic->marks : &entry->log->to_all, &mark->link);
	}
	return true;
}

static void
entry_free(struct sio_recovery_entry *entry)
{
	struct sio_recovery_store *store = entry->log->store;

	entry_unmark(entry);
	store->bytes -= entry->bytes;
	store->count--;
	list_remove(&entry->link);
	list_remove(&entry->all);
	attachments_fini(&entry->attachments);
	mem_free(entry);
}

bool
sio_recovery_store_drop(struct sio_recovery_store *store)
{
	struct sio_recovery_entry *oldest;

	if (list_empty(&store->entries))
		return false;
	oldest = container_of(store->entries.next, struct sio_recovery_entry, all);
	if (oldest->log->floor < oldest->number)
		oldest->log->floor = oldest->number;
	entry_free(oldest);
	return true;
}

void
sio_recovery_log_free(struct sio_recovery_log *log)
{
	if (log == NULL)
		return;
	while (!list_empty(&log->entries))
		entry_free(container_of(log->entries.next, struct sio_recovery_entry, link));
	table_fini(&log->topics);
	mem_free(log);
}

size_t
sio_recovery_offset_write(const struct sio_recovery_log *log, uint64_t number, char out[SIO_OFFSET_MAX + 1])
{
	memcpy(out, log->epoch, SIO_EPOCH_LENGTH);
	return SIO_EPOCH_LENGTH +
	       (size_t)snprintf(out + SIO_EPOCH_LENGTH, SIO_OFFSET_MAX + 1 - SIO_EPOCH_LENGTH, "%" PRIu64, number);
}

bool
sio_recovery_offset_read(const struct sio_recovery_log *log, struct text offset, uint64_t *number)
{
	char again[SIO_OFFSET_MAX + 1];
	uint64_t n = 0;

	if (offset.n <= SIO_EPOCH_LENGTH || offset.n > SIO_OFFSET_MAX)
		return false;
	for (size_t i = SIO_EPOCH_LENGTH; i < offset.n; i++) {
		if (offset.at[i] < '0' || offset.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(offset.at[i] - '0');
	}
	*number = n;
	/* leading zeros, a number that has overflowed and another epoch do not give the same text again */
	return n <= log->head && text_is(offset, text_of(again, sio_recovery_offset_write(log, n, again)));
}

/* ---------------------------------------------------------------- entries */

static size_t
rooms_size(const struct text *rooms, unsigned count)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += sizeof(uint32_t) + rooms[i].n;
	return bytes;
}

/* An application may send many small attachments, so what a block needs in addition to its bytes counts too. */
static size_t
attachments_cost(const struct attachments *attachments)
{
	size_t each = sizeof(struct block *) + BLOCK_COST;

	return attachments != NULL ? attachments_bytes(attachments) + attachments->count * each : 0;
}

/* Writes the event with its offset, and the excluded rooms. */
static void
entry_write(struct sio_recovery_entry *entry, struct text json, const struct sio_selector *who)
{
	char offset[SIO_OFFSET_MAX + 1], *begin = (char *)(entry->marks + entry->mark_count), *end;

	end = mempcpy(begin, json.at, json.n - 1);
	end = mempcpy(end, ",\"", 2);
	end = mempcpy(end, offset, sio_recovery_offset_write(entry->log, entry->number, offset));
	end = mempcpy(end, "\"]", 2);
	entry->json_n = (uint32_t)(end - begin);
	entry->except_count = who->except_count;
	for (unsigned i = 0; i < who->except_count; i++)
		end = sio_recovery_room_write(end, who->except[i]);
}

struct sio_recovery_entry *
sio_recovery_log_add(struct sio_recovery_log *log, uint64_t at, const struct sio_selector *who, struct text json,
	const struct attachments *attachments, bool compress)
{
	size_t except = rooms_size(who->except, who->except_count);
	size_t marks = (who->rooms_count != 0 ? who->rooms_count : 1) * sizeof(struct sio_recovery_mark);
	struct sio_recovery_entry *entry =
		mem_try_alloc(sizeof *entry + marks + json.n + SIO_OFFSET_MAX + 4 + except);

	must(json.n >= 2 && json.at[json.n - 1] == ']');
	log->head++;
	if (entry != NULL)
		entry->log = log;
	if (entry == NULL || !entry_mark(entry, who->rooms, who->rooms_count)) {
		mem_free(entry);
		log->floor = log->head;
		return NULL;
	}
	entry->number = log->head;
	entry->at = at;
	entry->found = 0;
	entry->compress = compress;
	entry_write(entry, json, who);
	attachments_init(&entry->attachments);
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		attachments_add(&entry->attachments, attachments->blocks[i]);
	entry->bytes = sizeof *entry + marks + entry->json_n + except + attachments_cost(attachments);
	log->store->bytes += entry->bytes;
	log->store->count++;
	list_add_tail(&log->entries, &entry->link);
	list_add_tail(&log->store->entries, &entry->all);
	return entry;
}

/* ----------------------------------------------------------------- search */

#define EXCLUDED_COST 16 /* bytes of `max_bytes` for an entry that excludes the socket */

static bool
entry_excludes(const struct sio_recovery_entry *entry, const struct sio_recovery_rooms *rooms)
{
	const char *at = sio_recovery_entry_json(entry).at + entry->json_n;

	for (uint32_t i = 0; i < entry->except_count; i++) {
		if (sio_recovery_rooms_has(rooms, sio_recovery_room_read(&at)))
			return true;
	}
	return false;
}

/* Returns false without memory. */
static bool
found_add(struct sio_recovery_found *found, const struct sio_recovery_entry *entry)
{
	if (found->count == found->size) {
		unsigned size = found->size != 0 ? 2 * found->size : 16;
		const struct sio_recovery_entry **at = mem_try_realloc(found->at, size * sizeof *at);

		if (at == NULL)
			return false;
		found->at = at;
		found->size = size;
	}
	found->at[found->count++] = entry;
	return true;
}

/* A search under way, and what is left of its limit. */
struct search {
	const struct sio_recovery_rooms *rooms;
	struct sio_recovery_found *out;
	uint64_t after, number, bytes_left;
};

/* Adds what one list has, newest entry first. Passes over entries that another list had. */
static int
search_list(struct search *search, const struct list *marks)
{
	for (struct list *it = marks->prev; it != marks; it = it->prev) {
		struct sio_recovery_entry *entry = container_of(it, struct sio_recovery_mark, link)->entry;
		bool excluded;
		uint64_t cost;

		if (entry->number <= search->after)
			return 0;
		if (entry->found == search->number)
			continue;
		entry->found = search->number;
		excluded = entry_excludes(entry, search->rooms);
		cost = excluded ? EXCLUDED_COST : entry->bytes;
		if (cost > search->bytes_left)
			return ERROR_TOO_BIG;
		search->bytes_left -= cost;
		if (!excluded && !found_add(search->out, entry))
			return ERROR_MEMORY;
	}
	return 0;
}

static int
entry_compare(const void *left, const void *right)
{
	uint64_t a = (*(const struct sio_recovery_entry *const *)left)->number;
	uint64_t b = (*(const struct sio_recovery_entry *const *)right)->number;

	return (a > b) - (a < b);
}

int
sio_recovery_log_find(struct sio_recovery_log *log, uint64_t after, const struct sio_recovery_rooms *rooms,
	uint64_t max_bytes, struct sio_recovery_found *out)
{
	struct search search = {
		.rooms = rooms, .out = out, .after = after, .number = ++log->searches, .bytes_left = max_bytes};
	int rc;

	*out = (struct sio_recovery_found){0};
	rc = search_list(&search, &log->to_all);
	for (uint32_t i = 0; rc == 0 && i < rooms->count; i++) {
		struct table_node *node = table_find(&log->topics, sio_recovery_rooms_at(rooms, i));

		if (node != NULL)
			rc = search_list(&search, &container_of(node, struct sio_recovery_topic, node)->marks);
	}
	if (rc == 0 && out->count > 1)
		qsort(out->at, out->count, sizeof *out->at, entry_compare);
	return rc;
}

void
sio_recovery_found_fini(struct sio_recovery_found *found)
{
	mem_free(found->at);
}
