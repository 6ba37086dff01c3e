/* Life of the log, and the scripts that check and read it. bus_log_internal.h says what the other files do. */
#include "broker/bus_log_internal.h"

#include <stdio.h>

#include "broker/cluster_map.h"
#include "common/base/mem.h"
#include "common/base/random.h"

#define UNANSWERED_MAX (4 << 20) /* bytes sent and not answered; further messages wait in the queue */
#define NUMBER_MAX 24		 /* characters of a number, and a NUL */
#define SENDERS_MAX 4096	 /* the last senders that are remembered */

/* ------------------------------------------------------------------- life */

static void
log_on_turn_end(struct loop_call *call)
{
	struct bus *bus = container_of(call, struct bus_log, flush)->bus;

	if (bus->state == BUS_UP || (bus->state == BUS_CLOSING && bus->commands.conn != NULL))
		bus_send_waiting(bus);
}

static char *
log_stream_key(const char *key)
{
	size_t size = strlen(key) + sizeof "-log";
	char *stream = mem_alloc(size);

	snprintf(stream, size, "%s-log", key);
	return stream;
}

static bool
log_share_slot(const char *stream, const char *counter)
{
	return cluster_slot(text_from(stream)) == cluster_slot(text_from(counter));
}

/*
 * A Redis Cluster stores keys with the same text in braces in one slot. If `key` has such braces, both keys share
 * them. Otherwise the counter has the stream's name in braces.
 */
char *
bus_log_counter(const char *key)
{
	size_t size = strlen(key) + sizeof "{-log}" COUNTER_END;
	char *counter = mem_alloc(size), *stream = log_stream_key(key);

	snprintf(counter, size, "{%s-log}" COUNTER_END, key);
	if (!log_share_slot(stream, counter))
		snprintf(counter, size, "%s-log" COUNTER_END, key);
	mem_free(stream);
	return counter;
}

bool
bus_log_has_slot(const char *key)
{
	char *stream = log_stream_key(key), *counter = bus_log_counter(key);
	bool shared = log_share_slot(stream, counter);

	mem_free(stream);
	mem_free(counter);
	return shared;
}

struct bus_log *
bus_log_new(struct bus *bus, const char *key, uint64_t length, bool sealed)
{
	struct bus_log *log = mem_zalloc(sizeof *log);

	log->bus = bus;
	log->sealed = sealed;
	log->active = true;
	random_id(log->sender, BUS_SENDER_LENGTH);
	log->stream = log_stream_key(key);
	log->counter = bus_log_counter(key);
	log->length = length;
	for (unsigned i = 0; i < LOG_SCRIPT_COUNT; i++)
		log->scripts[i].text = bus_log_script((enum bus_log_script)i, log->scripts[i].sha);
	list_init(&log->sent);
	list_init(&log->doubtful);
	list_init(&log->held);
	bus_senders_init(&log->senders, SENDERS_MAX);
	table_init(&log->rooms);
	loop_call_init(&log->flush, log_on_turn_end);
	return log;
}

static void
log_free_all(struct bus_log *log, struct list *publishes)
{
	while (!list_empty(publishes)) {
		struct waiting_publish *first = container_of(publishes->next, struct waiting_publish, link);

		list_remove(&first->link);
		waiting_publish_free(log->bus, first);
	}
}

void
bus_log_free(struct bus_log *log)
{
	if (log == NULL)
		return;
	loop_call_cancel(&log->flush);
	log_free_all(log, &log->sent);
	log_free_all(log, &log->doubtful);
	bus_log_forget(log);
	mem_free(log->stream);
	mem_free(log->counter);
	mem_free(log);
}

void
bus_log_write_off(struct bus_log *log)
{
	log->renumber = false;
	while (!list_empty(&log->doubtful)) {
		struct waiting_publish *first = container_of(log->doubtful.next, struct waiting_publish, link);

		list_remove(&first->link);
		log->hole |= first->event != 0;
		waiting_publish_free(log->bus, first);
		log->bus->stats.uncertain++;
	}
}

void
bus_log_stats(const struct bus_log *log, struct bus_stats *out)
{
	out->log_held_bytes = log->held_bytes;
	out->log_active = log->active;
}

/* ----------------------------------------------------------------- scripts */

/* Returns the name of the script, or sends its text with the first call on each connection. */
static void
log_begin_call(struct bus_log *log, enum bus_log_script script, struct text *command, struct text *name)
{
	struct log_script *s = &log->scripts[script];

	*command = s->loaded ? TEXT("EVALSHA") : TEXT("EVAL");
	*name = s->loaded ? text_of(s->sha, LOG_SCRIPT_SHA_LENGTH) : s->text;
	s->loaded = true;
}

void
bus_log_send_check(struct bus_log *log, struct text nonce)
{
	struct bus *bus = log->bus;
	struct text args[7] = {TEXT_NONE, TEXT_NONE, TEXT("2"), text_from(log->stream), text_from(log->counter),
		bus->check.name, nonce};

	if (!log->introduced)
		bus_log_introduce(log);
	log_begin_call(log, LOG_SCRIPT_CHECK, &args[0], &args[1]);
	bus_link_send(&bus->commands, 7, args);
	bus_expect(bus, EXPECT_CHECK, 0);
	log->check_sent = bus->loop->now;
	bus->used = bus->loop->now;
}

void
bus_log_send_read(struct bus_log *log)
{
	struct bus *bus = log->bus;
	char from[BUS_POSITION_TEXT_MAX], count[NUMBER_MAX], bytes[NUMBER_MAX], largest[NUMBER_MAX];
	struct text args[8] = {
		TEXT_NONE, TEXT_NONE, TEXT("1"), text_from(log->stream), TEXT_NONE, TEXT_NONE, TEXT_NONE, TEXT_NONE};

	args[4] = text_of(from, bus_position_write(from, log->from));
	args[5] = text_of(count, (size_t)snprintf(count, sizeof count, "%u", log->read_count));
	args[6] = text_of(bytes, (size_t)snprintf(bytes, sizeof bytes, "%u", (unsigned)LOG_READ_BYTES));
	args[7] = text_of(largest, (size_t)snprintf(largest, sizeof largest, "%u", (unsigned)LOG_ENTRY_MAX));
	log_begin_call(log, LOG_SCRIPT_READ, &args[0], &args[1]);
	bus_link_send(&bus->commands, 8, args);
	bus_expect(bus, EXPECT_READ, 0);
	log->reads++;
	loop_arm(bus->loop, &bus->timer, bus->timeout_ms);
}

/* --------------------------------------------------------------- publishing */

bool
bus_log_active(const struct bus_log *log)
{
	return log->active;
}

bool
bus_log_may_send(const struct bus_log *log)
{
	return log->sent_bytes < UNANSWERED_MAX;
}

char
bus_log_kind(const struct bus_log *log, struct text message)
{
	return bus_record_kind(message, log->sealed);
}

void
bus_log_flush_later(struct bus_log *log)
{
	loop_defer(log->bus->loop, &log->flush);
	log->flushes = true;
}

bool
bus_log_flushes(const struct bus_log *log)
{
	return log->flushes && log->active && bus_log_may_send(log);
}
