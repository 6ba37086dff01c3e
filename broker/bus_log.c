/* Sending recorded messages and handling their answers. bus_log_read.c catches up and hears. */
#include "broker/bus_log_internal.h"

#include <stdio.h>

#include "broker/bus_error.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"

#define BATCH_MAX 16		   /* messages in one call of the script */
#define BATCH_BYTES_MAX (64 << 10) /* a call gets no further message beyond this */
#define UNANSWERED_MAX (4 << 20)   /* bytes sent and not answered; further messages wait in the queue */
#define FENCE_MS "3600000"	   /* how long the server remembers a fence; an older connection is gone by then */

/* ------------------------------------------------------------------- life */

static void
log_on_turn_end(struct loop_call *call)
{
	struct bus *bus = container_of(call, struct bus_log, flush)->bus;

	if (bus->state == BUS_UP || (bus->state == BUS_CLOSING && bus->commands.conn != NULL))
		bus_send_waiting(bus);
}

struct bus_log *
bus_log_new(struct bus *bus, const char *key, uint64_t length, bool sealed)
{
	struct bus_log *log = mem_zalloc(sizeof *log);
	size_t size = strlen(key) + sizeof "{-log}-fence#" + BUS_SENDER_LENGTH;

	log->bus = bus;
	log->sealed = sealed;
	log->active = true;
	log->epoch = 1;
	random_id(log->sender, BUS_SENDER_LENGTH);
	/* in a cluster, the braces keep both keys in one slot */
	log->stream = mem_alloc(size);
	snprintf(log->stream, size, "%s-log", key);
	log->fence = mem_alloc(size);
	snprintf(log->fence, size, "{%s-log}-fence#%s", key, log->sender);
	snprintf(log->length, sizeof log->length, "%llu", (unsigned long long)length);
	for (unsigned i = 0; i < LOG_SCRIPT_COUNT; i++)
		log->scripts[i].text = bus_log_script_new(
			(enum bus_log_script)i, i == LOG_SCRIPT_PUBLISH ? log->sender : "..", log->scripts[i].sha);
	list_init(&log->sent);
	list_init(&log->refused);
	list_init(&log->doubtful);
	list_init(&log->held);
	table_init(&log->senders);
	table_init(&log->rooms);
	loop_call_init(&log->flush, log_on_turn_end);
	return log;
}

static void
log_free_all(struct list *publishes)
{
	while (!list_empty(publishes)) {
		struct waiting_publish *first = container_of(publishes->next, struct waiting_publish, link);

		list_remove(&first->link);
		waiting_publish_free(first);
	}
}

void
bus_log_free(struct bus_log *log)
{
	if (log == NULL)
		return;
	loop_call_cancel(&log->flush);
	log_free_all(&log->sent);
	log_free_all(&log->refused);
	log_free_all(&log->doubtful);
	bus_log_forget(log);
	for (unsigned i = 0; i < LOG_SCRIPT_COUNT; i++)
		mem_free(log->scripts[i].text);
	mem_free(log->stream);
	mem_free(log->fence);
	mem_free(log);
}

void
bus_log_write_off(struct bus_log *log)
{
	while (!list_empty(&log->doubtful)) {
		struct waiting_publish *first = container_of(log->doubtful.next, struct waiting_publish, link);

		list_remove(&first->link);
		waiting_publish_free(first);
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
	*name = s->loaded ? text_of(s->sha, LOG_SCRIPT_SHA_LENGTH) : text_from(s->text);
	s->loaded = true;
}

void
bus_log_send_check(struct bus_log *log, struct text nonce)
{
	struct bus *bus = log->bus;
	struct text args[6] = {TEXT_NONE, TEXT_NONE, TEXT("1"), text_from(log->stream), bus->check.name, nonce};

	log_begin_call(log, LOG_SCRIPT_CHECK, &args[0], &args[1]);
	bus_link_send(&bus->commands, 6, args);
	bus_expect(bus, EXPECT_CHECK, 0);
	log->check_sent = bus->loop->now;
	bus->used = bus->loop->now;
}

void
bus_log_send_read(struct bus_log *log)
{
	struct bus *bus = log->bus;
	char from[BUS_POSITION_TEXT_MAX], largest[24];
	struct text args[8] = {TEXT_NONE, TEXT_NONE, TEXT("1"), text_from(log->stream), TEXT_NONE,
		TEXT(LOG_READ_COUNT), TEXT(LOG_READ_BYTES), TEXT_NONE};

	args[4] = text_of(from, bus_position_write(from, log->from));
	args[7] = text_of(largest, (size_t)snprintf(largest, sizeof largest, "%u", (unsigned)WIRE_PAYLOAD_MAX));
	log_begin_call(log, LOG_SCRIPT_READ, &args[0], &args[1]);
	bus_link_send(&bus->commands, 8, args);
	bus_expect(bus, EXPECT_READ, 0);
	log->reads++;
	loop_arm(bus->loop, &bus->timer, bus->timeout_ms);
}

void
bus_log_send_fence(struct bus_log *log)
{
	char epoch[24];
	struct text args[5] = {TEXT("SET"), text_from(log->fence), TEXT_NONE, TEXT("PX"), TEXT(FENCE_MS)};

	args[2] = text_of(epoch, (size_t)snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)log->epoch));
	bus_link_send(&log->bus->commands, 5, args);
	bus_expect(log->bus, EXPECT_FENCE, 0);
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
	return log->sent_bytes < UNANSWERED_MAX && list_empty(&log->refused);
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

static void
log_send_head(struct conn *c, size_t n)
{
	char head[24];

	conn_send_copy(c, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", n));
}

static void
log_send_text(struct bus *bus, struct text text)
{
	log_send_head(bus->commands.conn, text.n);
	conn_send_copy(bus->commands.conn, text.at, text.n);
	conn_send(bus->commands.conn, bus->crlf, 0, bus->crlf->len);
}

/* Sends channel, message and stamp, without copying the message. */
static void
log_send_message(struct bus_log *log, struct waiting_publish *publish)
{
	struct bus *bus = log->bus;
	struct block *payload = publish->payload;
	char stamp[BUS_STAMP_MAX], first;
	size_t n = bus_record_split(text_of((const char *)payload->data, payload->len), publish->kind, &first);

	if (publish->number == 0)
		publish->number = ++log->last_number;
	log_send_text(bus, text_of(publish->channel, publish->n));
	log_send_head(bus->commands.conn, n);
	conn_send_copy(bus->commands.conn, &first, 1);
	conn_send(bus->commands.conn, payload, 1, (uint32_t)n - 1);
	conn_send(bus->commands.conn, bus->crlf, 0, bus->crlf->len);
	log_send_text(bus, text_of(stamp, bus_stamp_write(stamp, publish->kind, log->sender, publish->number)));
}

/* Returns how many publishes at the front of the queue go into one call. */
static unsigned
log_count_batch(const struct bus *bus)
{
	size_t bytes = 0;
	unsigned n = 0;

	for (const struct list *at = bus->waiting.next; at != &bus->waiting && n < BATCH_MAX; at = at->next) {
		const struct waiting_publish *waiting = container_of(at, struct waiting_publish, link);

		if (waiting->kind == 0 || waiting_publish_is_early(bus, waiting) ||
			(n > 0 && bytes >= BATCH_BYTES_MAX))
			break;
		bytes += waiting->payload->len;
		n++;
	}
	return n;
}

void
bus_log_send_waiting(struct bus_log *log)
{
	struct bus *bus = log->bus;
	unsigned n = log_count_batch(bus);
	char head[32], epoch[24];
	struct text command, name;

	/* what other nodes send lies behind the newest position, and so do these messages */
	if (list_empty(&log->sent) && log->known && bus_position_compare(log->position, log->floor) > 0)
		log->floor = log->position;
	log_begin_call(log, LOG_SCRIPT_PUBLISH, &command, &name);
	conn_send_copy(bus->commands.conn, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", 7 + 3 * n));
	log_send_text(bus, command);
	log_send_text(bus, name);
	log_send_text(bus, TEXT("2"));
	log_send_text(bus, text_from(log->stream));
	log_send_text(bus, text_from(log->fence));
	log_send_text(bus, text_from(log->length));
	snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)log->epoch);
	log_send_text(bus, text_from(epoch));
	for (unsigned i = 0; i < n; i++) {
		struct waiting_publish *first = container_of(bus->waiting.next, struct waiting_publish, link);

		log_send_message(log, first);
		bus->waiting_bytes -= waiting_publish_cost(first);
		list_remove(&first->link);
		list_add_tail(&log->sent, &first->link);
		log->sent_bytes += waiting_publish_cost(first);
	}
	bus_expect(bus, EXPECT_RECORDS, n);
	bus->used = bus->loop->now;
	log->flushes = false;
}

/* ----------------------------------------------------------------- answers */

static struct waiting_publish *
log_take_first_sent(struct bus_log *log)
{
	struct waiting_publish *first = container_of(log->sent.next, struct waiting_publish, link);

	list_remove(&first->link);
	log->sent_bytes -= waiting_publish_cost(first);
	return first;
}

void
bus_log_count_published(struct bus_log *log, const struct waiting_publish *publish)
{
	log->bus->stats.published++;
	log->bus->stats.bytes_published += publish->payload->len;
}

/* The server has lost the script: none of these messages was executed. They go out again, with new numbers. */
static void
log_on_script_lost(struct bus_log *log, unsigned records)
{
	log->scripts[LOG_SCRIPT_PUBLISH].loaded = false;
	for (unsigned i = 0; i < records; i++) {
		struct waiting_publish *first = log_take_first_sent(log);

		first->number = 0;
		list_add_tail(&log->refused, &first->link);
	}
}

/* Messages that were refused wait until every answer has come, so that their order is kept. */
static void
log_retry_refused(struct bus_log *log)
{
	struct list refused;

	if (list_empty(&log->refused) || !list_empty(&log->sent))
		return;
	list_init(&refused);
	list_move_all(&refused, &log->refused);
	bus_wait_again(log->bus, &refused);
}

static bool
log_is_script_lost(const struct resp *reply)
{
	return reply->type == RESP_ERROR && text_starts(reply->text, TEXT("NOSCRIPT"));
}

/* A server without scripts or streams, one that hides them by an ACL, or one that keeps the stream elsewhere. */
static bool
log_is_unsupported(struct text error)
{
	return text_starts(error, TEXT("NOPERM")) || text_starts(error, TEXT("MOVED")) ||
	       text_has(error, TEXT("unknown command")) || text_has(error, TEXT("Unknown Redis command")) ||
	       text_has(error, TEXT("can't run this command")) || text_has(error, TEXT("WRONGTYPE"));
}

static bool
log_lose_bus(struct bus_log *log, const char *what, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	bus_error_write(why, what, reply->text, log->bus->commands.password);
	bus_lost(log->bus, why, false);
	return false;
}

static bool
log_on_records_answer(struct bus_log *log, unsigned records, const struct resp *reply)
{
	struct bus *bus = log->bus;

	if (log_is_script_lost(reply)) {
		log_on_script_lost(log, records);
	} else if (reply->type ==
		   RESP_ERROR) { /* some of the messages may have been executed, and so may later ones */
		log->renumber = true;
		return log_lose_bus(log, "publishing refused", reply);
	} else {
		for (unsigned i = 0; i < records; i++) {
			struct waiting_publish *first = log_take_first_sent(log);

			bus_log_count_published(log, first);
			waiting_publish_free(first);
		}
		bus_position_parse(reply->text, &log->floor);
	}
	log_retry_refused(log);
	if (bus->state == BUS_UP || bus->state == BUS_CLOSING)
		bus_send_waiting(bus);
	return true;
}

static bool
log_on_check_answer(struct bus_log *log, const struct resp *reply)
{
	struct bus *bus = log->bus;
	char why[BUS_WHY_MAX];

	if (reply->type != RESP_ERROR || bus->state == BUS_CLOSING)
		return true;
	if (log_is_script_lost(reply)) {
		log->scripts[LOG_SCRIPT_CHECK].loaded = false;
		bus_send_check(bus);
		return true;
	}
	if (bus->state != BUS_PROVING || !log_is_unsupported(reply->text))
		return log_lose_bus(log, "the log is refused", reply);
	bus_error_write(why, "messages are not recorded", reply->text, bus->commands.password);
	log_event(LOG_WARN, "bus", "warning", LOG_STR(why), NULL);
	log->active = false;
	bus_send_check(bus);
	return true;
}

bool
bus_log_on_answer(struct bus_log *log, enum expected_kind kind, unsigned records, const struct resp *reply)
{
	switch (kind) {
	case EXPECT_RECORDS:
		log->bus->answered_publishes++;
		return log_on_records_answer(log, records, reply);
	case EXPECT_CHECK:
		log->bus->answered_publishes++;
		return log_on_check_answer(log, reply);
	case EXPECT_READ:
		if (--log->reads > 0) /* the subscription link was lost while reading, and the log is read anew */
			return true;
		if (log_is_script_lost(reply)) {
			log->scripts[LOG_SCRIPT_READ].loaded = false;
			bus_log_send_read(log);
			return true;
		}
		return reply->type == RESP_ERROR ? log_lose_bus(log, "reading the log refused", reply)
						 : bus_log_on_read(log, reply->text);
	default:
		return reply->type == RESP_ERROR ? log_lose_bus(log, "the fence of the log refused", reply) : true;
	}
}

/* -------------------------------------------------------------------- loss */

void
bus_log_commands_lost(struct bus_log *log)
{
	log->renumber |= !list_empty(&log->refused);
	list_move_all(&log->doubtful, &log->refused);
	list_move_all(&log->doubtful, &log->sent);
	log->sent_bytes = 0;
	log->reading = false;
	log->reads = 0;
	log->flushes = false;
	log->active = true; /* the next connection shows */
	log->epoch++;
	for (unsigned i = 0; i < LOG_SCRIPT_COUNT; i++)
		log->scripts[i].loaded = false;
}
