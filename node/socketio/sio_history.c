#include "node/socketio/sio_history.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_history_given.h"
#include "node/socketio/sio_history_join.h"
#include "node/socketio/sio_history_place.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_target.h"

#define KEY_MAX (1 << 20) /* maximum bytes of a namespace's name and a room's name */
#define RULES_ERROR_MAX 512

/* ----------------------------------------------------------------- storing */

static void
history_drop(struct sio_history *history, const struct sio_nsp *nsp, const char *why)
{
	history->stats.dropped++;
	if (log_allow(&history->log_limit, 1, history->io->loop->now))
		log_event(LOG_WARN, "history", "error", LOG_STR("an event is not stored"), "reason", LOG_STR(why),
			"nsp", LOG_STR(nsp->name), NULL);
}

/*
 * Copies the excluded rooms. Members of an excluded room do not get the entry. Excluded sockets do get it: a sender
 * that excluded itself must see its own event when it comes back. Returns false if there are too many rooms.
 */
static bool
history_take_except(const struct sio_history_event *event, struct sio_history_entry *out)
{
	for (unsigned i = 0; i < event->who->except_count; i++) {
		struct text room = event->who->except[i];

		if (sio_rooms_own(event->nsp, room))
			continue;
		if (out->except_count == SIO_HISTORY_EXCEPT_MAX)
			return false;
		out->except[out->except_count++] = room;
	}
	return true;
}

/* Writes the entry to history->entry. Returns false if the event cannot be stored. */
static bool
history_write(struct sio_history *history, struct sio_history_event *event)
{
	struct sio_history_entry entry = {.mark = {history->origin, history->number + 1}};
	struct sio_content what = *event->what;
	int rc;

	if (!history_take_except(event, &entry)) {
		history_drop(history, event->nsp, "it excludes more than 16 rooms");
		return false;
	}
	buffer_reset(&history->entry);
	rc = sio_content_write(&what);
	if (rc == 0)
		rc = sio_history_entry_write(&history->entry, &entry, what.json, what.attachments);
	if (rc != 0) {
		history_drop(history, event->nsp,
			rc == ERROR_TOO_BIG ? "it is larger than 64 KB" : "it cannot be encoded as MessagePack");
		return false;
	}
	history->number++;
	event->mark = entry.mark;
	return true;
}

static void
history_store(struct sio_history *history, struct sio_history_event *event)
{
	struct text nsp = sio_nsp_text(event->nsp);

	if (history->store == NULL || (event->flags & (SIO_FLAG_VOLATILE | SIO_FLAG_LOCAL)) != 0)
		return;
	for (unsigned i = 0; i < event->who->rooms_count; i++) {
		struct text room = event->who->rooms[i];
		const struct history_limits *limits = sio_history_rules_find(&history->rules, nsp, room);

		if (limits == NULL)
			continue;
		if (event->mark.origin == 0 && !history_write(history, event))
			return;
		history_append(
			history->store, sio_history_key(history, nsp, room), limits, buffer_text(&history->entry));
	}
}

/* ---------------------------------------------------------------- decoding */

int
sio_history_decode(struct sio_history *history, const struct history_item *items, unsigned count, size_t max_bytes,
	struct sio_history_records *out)
{
	unsigned from = count;

	*out = (struct sio_history_records){.count = 0};
	for (size_t bytes = 0; from > 0 && bytes + items[from - 1].payload.n <= max_bytes; from--)
		bytes += items[from - 1].payload.n;
	out->cut = from > 0;
	if (from == count)
		return 0;
	out->at = mem_try_alloc((count - from) * sizeof *out->at);
	out->texts = mem_try_alloc((count - from) * sizeof *out->texts);
	out->attachments = mem_try_alloc((count - from) * sizeof *out->attachments);
	if (out->at == NULL || out->texts == NULL || out->attachments == NULL)
		return ERROR_MEMORY;
	for (; from < count; from++) {
		struct sio_history_record *record = &out->at[out->count];
		struct buffer *text = &out->texts[out->count];
		struct attachments *attachments = &out->attachments[out->count];

		buffer_init(text, SIZE_MAX / 2);
		attachments_init(attachments);
		if (sio_history_entry_read(items[from].payload, &record->entry, text, attachments) != 0) {
			history->stats.malformed++;
			buffer_fini(text);
			attachments_fini(attachments);
			continue;
		}
		record->id = items[from].id;
		record->json = buffer_text(text);
		record->attachments = attachments->count > 0 ? attachments : NULL;
		out->count++;
	}
	return 0;
}

void
sio_history_records_fini(struct sio_history_records *records)
{
	for (unsigned i = 0; i < records->count; i++) {
		buffer_fini(&records->texts[i]);
		attachments_fini(&records->attachments[i]);
	}
	mem_free(records->at);
	mem_free(records->texts);
	mem_free(records->attachments);
	*records = (struct sio_history_records){.count = 0};
}

/* ----------------------------------------------------------------- reading */

struct history_read {
	struct list link; /* in history->reads */
	struct history_ask ask;
	struct sio_history *history;
	sio_history_records_fn *fn;
	void *arg;
};

int
sio_history_error(int error)
{
	switch (error) {
	case 0:
		return 0;
	case ERROR_UNSUPPORTED:
		return SIO_ERR_REFUSED;
	case ERROR_TIMEOUT:
	case ERROR_CLOSED:
		return SIO_ERR_TIMEOUT;
	default:
		return SIO_ERR_SYSTEM;
	}
}

static void
read_on_answer(struct history_ask *ask, int error, const struct history_item *items, unsigned count)
{
	struct history_read *read = container_of(ask, struct history_read, ask);
	struct sio_history *history = read->history;
	struct sio_history_records records = {.count = 0};
	struct sio_underway before;

	if (error == 0 && items != NULL)
		error = sio_history_decode(history, items, count, HISTORY_ANSWER_MAX, &records);
	if (error == ERROR_MEMORY)
		loop_count_no_memory(history->io->loop);
	history->asks--;
	list_remove(&read->link);
	before = sio_underway_enter(&history->io->underway, NULL, "history");
	read->fn(
		read->arg, sio_history_error(error), records.at, error == 0 && items == NULL ? count : records.count);
	sio_underway_leave(&history->io->underway, before);
	sio_history_records_fini(&records);
	mem_free(read);
}

/* Returns 0 and the limits of the room, or an error of sockeye.h. */
static int
history_find(
	const struct sio_history *history, struct text nsp, struct text room, const struct history_limits **limits)
{
	*limits = history != NULL ? sio_history_rules_find(&history->rules, nsp, room) : NULL;
	if (*limits == NULL)
		return SIO_ERR_NOT_FOUND;
	if (history->store == NULL)
		return SIO_ERR_STATE;
	return history->asks < SIO_HISTORY_ASKS_MAX ? 0 : SIO_ERR_TOO_MANY;
}

static struct history_read *
read_new(struct sio_history *history, sio_history_records_fn *fn, void *arg)
{
	struct history_read *read = mem_zalloc(sizeof *read);

	read->ask.on_answer = read_on_answer;
	read->history = history;
	read->fn = fn;
	read->arg = arg;
	list_add_tail(&history->reads, &read->link);
	history->asks++;
	return read;
}

int
sio_history_read_named(struct sio_server *io, struct text nsp, struct text room, const struct history_query *query,
	sio_history_records_fn *fn, void *arg)
{
	struct sio_history *history = io->history;
	const struct history_limits *limits;
	int rc = history_find(history, nsp, room, &limits);

	if (rc != 0)
		return rc;
	history_read(
		history->store, sio_history_key(history, nsp, room), limits, query, &read_new(history, fn, arg)->ask);
	return 0;
}

int
sio_history_remove_named(struct sio_server *io, struct text nsp, struct text room, struct history_id id,
	sio_history_records_fn *fn, void *arg)
{
	struct sio_history *history = io->history;
	const struct history_limits *limits;
	int rc = history_find(history, nsp, room, &limits);

	if (rc != 0)
		return rc;
	history_remove(history->store, sio_history_key(history, nsp, room), id, &read_new(history, fn, arg)->ask);
	return 0;
}

int
sio_history_read_raw(struct sio_nsp *nsp, struct text room, const struct history_query *query,
	sio_history_records_fn *fn, void *arg)
{
	return sio_history_read_named(nsp->io, sio_nsp_text(nsp), room, query, fn, arg);
}

int
sio_history_remove_raw(
	struct sio_nsp *nsp, struct text room, struct history_id id, sio_history_records_fn *fn, void *arg)
{
	return sio_history_remove_named(nsp->io, sio_nsp_text(nsp), room, id, fn, arg);
}

/* ---------------------------------------------------------- the public API */

struct public_read {
	sio_server *io;
	sio_history_fn *fn;
	sio_history_removed_fn *removed;
	void *arg;
};

struct public_entry {
	struct sio_stored *args;
	struct buffer name;
	char id[HISTORY_ID_MAX + 1];
};

/* Copies the arguments without the event's name: "[" and the text after the name. Returns NULL if memory is short. */
static struct sio_stored *
public_args(const struct sio_history_record *record)
{
	struct text rest = record->json, name;
	struct sio_stored *stored;
	struct buffer list;

	(void)json_array_next(&rest, &name);
	rest = text_of(name.at + name.n, (size_t)(record->json.at + record->json.n - name.at) - name.n);
	while (rest.n > 0 &&
		(*rest.at == ' ' || *rest.at == ',' || *rest.at == '\t' || *rest.at == '\n' || *rest.at == '\r'))
		rest = text_of(rest.at + 1, rest.n - 1);
	buffer_init(&list, record->json.n + 1);
	buffer_add_byte(&list, '[');
	buffer_add_text(&list, rest);
	stored = buffer_error(&list) == 0 ? sio_stored_new(buffer_text(&list), record->attachments) : NULL;
	buffer_fini(&list);
	return stored;
}

/* Returns false if memory is short. */
static bool
public_fill(const struct sio_history_record *record, struct public_entry *own, sio_history_entry *out)
{
	struct text rest = record->json, quoted, name;

	buffer_init(&own->name, record->json.n + 1);
	own->args = public_args(record);
	(void)json_array_next(&rest, &quoted);
	name = sio_event_name_of(&own->name, quoted);
	if (name.at == NULL || own->args == NULL)
		return false;
	history_id_write(record->id, own->id);
	*out = (sio_history_entry){
		.id = own->id, .time = record->id.ms, .event = name.at, .args = sio_stored_value(own->args)};
	return true;
}

static void
public_on_records(void *arg, int error, const struct sio_history_record *records, unsigned count)
{
	struct public_read *read = arg;
	struct public_entry *own = count > 0 ? mem_try_alloc(count * sizeof *own) : NULL;
	sio_history_entry *entries = count > 0 ? mem_try_alloc(count * sizeof *entries) : NULL;
	unsigned filled = 0;
	bool good = count == 0 || (own != NULL && entries != NULL);

	while (good && filled < count) {
		good = public_fill(&records[filled], &own[filled], &entries[filled]);
		filled++;
	}
	if (!good)
		loop_count_no_memory(read->io->loop);
	read->fn(read->io, good ? error : SIO_ERR_SYSTEM, good ? entries : NULL, good ? count : 0, read->arg);
	while (filled > 0) {
		sio_stored_unref(own[--filled].args);
		buffer_fini(&own[filled].name);
	}
	mem_free(own);
	mem_free(entries);
	mem_free(read);
}

int
sio_history(sio_nsp *nsp, const char *room, unsigned count, const char *before, const char *after, sio_history_fn *fn,
	void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct history_query query = {.count = count > 0 && count < HISTORY_COUNT_MAX ? count : HISTORY_COUNT_MAX,
		.from_oldest = after != NULL && before == NULL};
	struct public_read *read;
	int rc;

	if (nsp->family != NULL || !sio_is_name(room) ||
		(before != NULL && !history_id_read(text_from(before), &query.before)) ||
		(after != NULL && !history_id_read(text_from(after), &query.after)))
		return sio_misused(__func__, room, NULL, NULL, SIO_ERR_ARGUMENT);
	read = mem_alloc(sizeof *read);
	*read = (struct public_read){nsp->io, fn, NULL, arg};
	rc = sio_history_read_raw(nsp, text_from(room), &query, public_on_records, read);
	if (rc != 0)
		mem_free(read);
	return rc;
}

static void
public_on_removed(void *arg, int error, const struct sio_history_record *records, unsigned count)
{
	struct public_read *read = arg;

	(void)records;
	if (read->removed != NULL)
		read->removed(read->io, error, count, read->arg);
	mem_free(read);
}

static int
public_remove(const char *function, sio_nsp *nsp, const char *room, struct history_id id, sio_history_removed_fn *fn,
	void *arg)
{
	struct public_read *read;
	int rc;

	if (nsp->family != NULL || !sio_is_name(room))
		return sio_misused(function, room, NULL, NULL, SIO_ERR_ARGUMENT);
	read = mem_alloc(sizeof *read);
	*read = (struct public_read){nsp->io, NULL, fn, arg};
	rc = sio_history_remove_raw(nsp, text_from(room), id, public_on_removed, read);
	if (rc != 0)
		mem_free(read);
	return rc;
}

int
sio_history_remove(sio_nsp *nsp, const char *room, const char *id, sio_history_removed_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	struct history_id parsed;

	if (!sio_is_pointer(id) || !history_id_read(text_from(id), &parsed) || (parsed.ms == 0 && parsed.seq == 0))
		return sio_misused(__func__, room, NULL, NULL, SIO_ERR_ARGUMENT);
	return public_remove(__func__, nsp, room, parsed, fn, arg);
}

int
sio_history_clear(sio_nsp *nsp, const char *room, sio_history_removed_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return public_remove(__func__, nsp, room, (struct history_id){0, 0}, fn, arg);
}

/* -------------------------------------------------------------------- life */

/* Job: ends the reads that were cut off, then calls back for ended joins. A new read in these calls fails. */
static void
history_on_job(struct sio_job *job)
{
	struct sio_history *history = container_of(job, struct sio_history, ending_job);
	struct list now;

	list_init(&now);
	if (history->cut)
		list_move_all(&now, &history->reads);
	history->cut = false;
	while (!list_empty(&now)) {
		struct history_read *read = container_of(now.next, struct history_read, link);
		struct sio_underway before = sio_underway_enter(&history->io->underway, NULL, "history");

		list_remove(&read->link);
		history->asks--;
		read->fn(read->arg, SIO_ERR_STATE, NULL, 0);
		sio_underway_leave(&history->io->underway, before);
		mem_free(read);
	}
	sio_history_join_ended(history);
}

static const struct sio_history_work history_work = {.store = history_store,
	.hold = sio_history_join_hold,
	.left = sio_history_join_left,
	.waits = sio_history_place_waits,
	.covers = sio_history_given_covers,
	.give = sio_history_given_write,
	.adopt = sio_history_join_adopt};

static void
history_make(struct sio_server *io, const char *rules)
{
	struct sio_history *history = mem_zalloc(sizeof *history);
	char error[RULES_ERROR_MAX];

	must(sio_history_rules_parse(&history->rules, rules, error, sizeof error) == 0);
	history->io = io;
	history->work = &history_work;
	random_bytes(&history->origin, sizeof history->origin);
	history->origin |= 1;
	list_init(&history->reads);
	list_init(&history->ending);
	table_init(&history->groups);
	buffer_init(&history->key, KEY_MAX);
	buffer_init(&history->entry, HISTORY_PAYLOAD_MAX);
	sio_job_init(&history->ending_job, history_on_job);
	io->history = history;
	io->joins_leaving = sio_history_place_leaving;
}

void
sio_history_start(struct sio_server *io)
{
	if (io->history == NULL && io->options.history != NULL && io->options.history[0] != '\0')
		history_make(io, io->options.history);
}

struct sio_history *
sio_history_get(struct sio_server *io)
{
	if (io->history == NULL)
		history_make(io, "");
	return io->history;
}

void
sio_history_set_store(struct sio_history *history, struct history *store)
{
	struct list *it, *next;

	if (store == NULL && history->store != NULL) {
		list_each(it, next, &history->reads)
			history_cancel(history->store, &container_of(it, struct history_read, link)->ask);
		history->cut = true;
		sio_turn_defer(&history->io->turn, &history->ending_job);
	}
	if (store == NULL)
		sio_history_join_end_all(history);
	history->store = store;
}

void
sio_history_free(struct sio_history *history)
{
	if (history == NULL)
		return;
	must(list_empty(&history->reads) && list_empty(&history->ending) && history->groups.count == 0);
	sio_job_cancel(&history->ending_job);
	table_fini(&history->groups);
	buffer_fini(&history->key);
	buffer_fini(&history->entry);
	sio_history_rules_fini(&history->rules);
	mem_free(history);
}

void
sio_history_stats(const struct sio_history *history, struct sio_history_stats *out)
{
	struct history_stats store = {.entries = 0};

	*out = history->stats;
	if (history->store != NULL)
		history_stats(history->store, &store);
	out->stored = store.appended;
	out->dropped += store.dropped;
	out->displaced = store.displaced;
	out->reads = store.asks;
	out->failed = store.failed;
	out->entries = store.entries;
	out->bytes = store.bytes;
	out->rooms = store.rooms;
}
