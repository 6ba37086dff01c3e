#include "node/socketio/sio_recovery_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
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
	random_id(log->epoch, SIO_EPOCH_LENGTH);
	return log;
}

static void
entry_free(struct sio_recovery_entry *entry)
{
	struct sio_recovery_store *store = entry->log->store;

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

static char *
rooms_write(char *at, const struct text *rooms, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t n = (uint32_t)rooms[i].n;

		at = mempcpy(at, &n, sizeof n);
		if (n != 0)
			at = mempcpy(at, rooms[i].at, n);
	}
	return at;
}

/* Reads the room at `*at` and moves on to the next. */
static struct text
rooms_read(const char **at)
{
	uint32_t n;
	struct text room;

	memcpy(&n, *at, sizeof n);
	room = text_of(*at + sizeof n, n);
	*at += sizeof n + n;
	return room;
}

struct sio_recovery_entry *
sio_recovery_log_add(struct sio_recovery_log *log, uint64_t at, const struct sio_selector *who, struct text json,
	const struct attachments *attachments, bool compress)
{
	size_t rooms = rooms_size(who->rooms, who->rooms_count) + rooms_size(who->except, who->except_count);
	struct sio_recovery_entry *entry = mem_try_alloc(sizeof *entry + json.n + SIO_OFFSET_MAX + 4 + rooms);
	char offset[SIO_OFFSET_MAX + 1], *end;

	must(json.n >= 2 && json.at[json.n - 1] == ']');
	log->head++;
	if (entry == NULL) {
		log->floor = log->head;
		return NULL;
	}
	entry->log = log;
	entry->number = log->head;
	entry->at = at;
	entry->compress = compress;
	entry->room_count = who->rooms_count;
	entry->except_count = who->except_count;
	end = mempcpy(entry->json, json.at, json.n - 1);
	end = mempcpy(end, ",\"", 2);
	end = mempcpy(end, offset, sio_recovery_offset_write(log, log->head, offset));
	end = mempcpy(end, "\"]", 2);
	entry->json_n = (uint32_t)(end - entry->json);
	end = rooms_write(end, who->rooms, who->rooms_count);
	rooms_write(end, who->except, who->except_count);
	attachments_init(&entry->attachments);
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		attachments_add(&entry->attachments, attachments->blocks[i]);
	entry->bytes = sizeof *entry + entry->json_n + rooms + attachments_bytes(attachments);
	log->store->bytes += entry->bytes;
	log->store->count++;
	list_add_tail(&log->entries, &entry->link);
	list_add_tail(&log->store->entries, &entry->all);
	return entry;
}

bool
sio_recovery_entry_is_for(
	const struct sio_recovery_entry *entry, bool (*in_room)(void *arg, struct text room), void *arg)
{
	const char *at = entry->json + entry->json_n;
	bool wanted = entry->room_count == 0;

	for (uint32_t i = 0; i < entry->room_count; i++) {
		struct text room = rooms_read(&at);

		wanted = wanted || in_room(arg, room);
	}
	for (uint32_t i = 0; wanted && i < entry->except_count; i++)
		wanted = !in_room(arg, rooms_read(&at));
	return wanted;
}

struct sio_recovery_entry *
sio_recovery_log_after(const struct sio_recovery_log *log, uint64_t number)
{
	const struct list *it = &log->entries;

	while (it->prev != &log->entries && container_of(it->prev, struct sio_recovery_entry, link)->number > number)
		it = it->prev;
	return it != &log->entries ? container_of((struct list *)it, struct sio_recovery_entry, link) : NULL;
}

struct sio_recovery_entry *
sio_recovery_log_next(const struct sio_recovery_entry *entry)
{
	return entry->link.next != &entry->log->entries
		       ? container_of(entry->link.next, struct sio_recovery_entry, link)
		       : NULL;
}
