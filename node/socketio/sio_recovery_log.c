#include "node/socketio/sio_recovery_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/stream_number.h"
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

/* Returns the topic of a room, or NULL if memory is short. */
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

/* Removes the mark, and frees its topic if that has no other marks. */
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

/* Puts the entry into the lists of its rooms. If memory is short, leaves it out of all of them and returns false. */
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
sio_recovery_offset_place(const struct sio_recovery_log *log, bool own, char *out, size_t n)
{
	if (log->placer == NULL)
		return n;
	out[n++] = ':';
	return n + log->placer->write(log->placer, own, out + n);
}

size_t
sio_recovery_offset_write(
	const struct sio_recovery_log *log, uint64_t number, bool own, char out[SIO_OFFSET_LONG + 1])
{
	struct sio_recovery_position position = {log->heard, number - log->heard, log->origin};

	if (log->by_entries)
		return wire_stream_id_write(stream_number_id(number), out);
	if (log->origin != 0)
		return sio_recovery_offset_place(
			log, own, out, sio_recovery_position_write(log->epoch, &position, out));
	memcpy(out, log->epoch, SIO_EPOCH_LENGTH);
	return SIO_EPOCH_LENGTH +
	       (size_t)snprintf(out + SIO_EPOCH_LENGTH, SIO_OFFSET_MAX + 1 - SIO_EPOCH_LENGTH, "%" PRIu64, number);
}

size_t
sio_recovery_position_write(const char epoch[SIO_EPOCH_LENGTH], const struct sio_recovery_position *position,
	char out[SIO_OFFSET_MAX + 1])
{
	char origin[SIO_ORIGIN_LENGTH];

	memcpy(out, epoch, SIO_EPOCH_LENGTH);
	memcpy(origin, &position->origin, sizeof origin);
	return SIO_EPOCH_LENGTH + (size_t)snprintf(out + SIO_EPOCH_LENGTH, SIO_OFFSET_MAX + 1 - SIO_EPOCH_LENGTH,
					  "%" PRIu64 ".%.*s%" PRIu64, position->heard, SIO_ORIGIN_LENGTH, origin,
					  position->local);
}

/* Reads the digits at the start of `in`. Returns their number. */
static size_t
digits_read(struct text in, uint64_t *number)
{
	size_t n = 0;

	for (*number = 0; n < in.n && n < 20 && in.at[n] >= '0' && in.at[n] <= '9'; n++)
		*number = *number * 10 + (uint64_t)(in.at[n] - '0');
	return n;
}

bool
sio_recovery_position_read(
	const char epoch[SIO_EPOCH_LENGTH], struct text offset, struct sio_recovery_position *position)
{
	char again[SIO_OFFSET_MAX + 1];
	size_t at = SIO_EPOCH_LENGTH;

	if (offset.n <= SIO_EPOCH_LENGTH || offset.n > SIO_OFFSET_MAX)
		return false;
	at += digits_read(text_of(offset.at + at, offset.n - at), &position->heard);
	if (offset.n - at <= 1 + SIO_ORIGIN_LENGTH)
		return false;
	memcpy(&position->origin, offset.at + at + 1, SIO_ORIGIN_LENGTH);
	at += 1 + SIO_ORIGIN_LENGTH;
	(void)digits_read(text_of(offset.at + at, offset.n - at), &position->local);
	/* leading zeros, a number that has overflowed and another epoch do not give the same text again */
	return memchr(&position->origin, 0, SIO_ORIGIN_LENGTH) == NULL && position->heard < UINT64_MAX / 4 &&
	       position->local < UINT64_MAX / 4 &&
	       text_is(offset, text_of(again, sio_recovery_position_write(epoch, position, again)));
}

bool
sio_recovery_offset_read(const struct sio_recovery_log *log, struct text offset, uint64_t *number)
{
	char again[SIO_OFFSET_LONG + 1];
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
	return n <= log->head && text_is(offset, text_of(again, sio_recovery_offset_write(log, n, false, again)));
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

/* Counts the overhead of each block as well, because an application may send many small attachments. */
static size_t
attachments_cost(const struct attachments *attachments)
{
	size_t each = sizeof(struct block *) + BLOCK_COST;

	return attachments != NULL ? attachments_bytes(attachments) + attachments->count * each : 0;
}

/*
 * Makes an entry with space for a text of `size` bytes, and puts it into the lists of its rooms. If memory is short,
 * raises the floor to the number and returns NULL.
 */
static struct sio_recovery_entry *
entry_new(struct sio_recovery_log *log, uint64_t number, const struct sio_selector *who, size_t size)
{
	size_t marks = (who->rooms_count != 0 ? who->rooms_count : 1) * sizeof(struct sio_recovery_mark);
	size_t except = rooms_size(who->except, who->except_count);
	struct sio_recovery_entry *entry = mem_try_alloc(sizeof *entry + marks + size + except);

	if (entry != NULL)
		entry->log = log;
	if (entry == NULL || !entry_mark(entry, who->rooms, who->rooms_count)) {
		mem_free(entry);
		log->floor = number;
		return NULL;
	}
	entry->number = number;
	entry->origin = entry->local = 0;
	entry->found = 0;
	entry->compress = true;
	attachments_init(&entry->attachments);
	entry->bytes = sizeof *entry + marks + except;
	return entry;
}

/* Writes the excluded rooms after the text, which ends at `end`, and adds the entry to the log. */
static void
entry_add(struct sio_recovery_entry *entry, uint64_t at, char *end, const struct sio_selector *who)
{
	struct sio_recovery_log *log = entry->log;

	entry->at = at;
	entry->json_n = (uint32_t)(end - (char *)(entry->marks + entry->mark_count));
	entry->except_count = who->except_count;
	for (unsigned i = 0; i < who->except_count; i++)
		end = sio_recovery_room_write(end, who->except[i]);
	entry->bytes += entry->json_n + attachments_cost(&entry->attachments);
	log->store->bytes += entry->bytes;
	log->store->count++;
	list_add_tail(&log->entries, &entry->link);
	list_add_tail(&log->store->entries, &entry->all);
}

struct sio_recovery_entry *
sio_recovery_log_add(struct sio_recovery_log *log, uint64_t at, const struct sio_selector *who, struct text json,
	const struct attachments *attachments, bool compress)
{
	char offset[SIO_OFFSET_LONG + 1], *end;
	struct sio_recovery_entry *entry;

	must(json.n >= 2 && json.at[json.n - 1] == ']');
	log->head++;
	entry = entry_new(log, log->head, who, json.n + sio_recovery_offset_max(log) + 4);
	if (entry == NULL)
		return NULL;
	entry->compress = compress;
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		attachments_add(&entry->attachments, attachments->blocks[i]);
	end = mempcpy((char *)(entry->marks + entry->mark_count), json.at, json.n - 1);
	end = mempcpy(end, ",\"", 2);
	end = mempcpy(end, offset, sio_recovery_offset_write(log, entry->number, true, offset));
	end = mempcpy(end, "\"]", 2);
	entry_add(entry, at, end, who);
	return entry;
}

struct sio_recovery_entry *
sio_recovery_log_keep(struct sio_recovery_log *log, uint64_t at, uint64_t number, uint64_t origin, uint64_t local,
	const struct sio_selector *who, struct text body)
{
	struct sio_recovery_entry *entry = entry_new(log, number, who, body.n);

	log->head = number;
	if (entry == NULL)
		return NULL;
	entry->origin = origin;
	entry->local = local;
	entry_add(entry, at, mempcpy((char *)(entry->marks + entry->mark_count), body.at, body.n), who);
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

/* Returns false if memory is short. */
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

/* A search under way, and the rest of its limit. */
struct search {
	const struct sio_recovery_rooms *rooms;
	struct sio_recovery_found *out;
	uint64_t after, number, bytes_left;
};

/* Adds the entries of one list, newest first. Skips entries that another list has already given. */
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
