/*
 * Writing recorded messages and handling the answers. The messages of one call leave as one transaction. No command
 * of another client comes between its commands:
 *
 *   MULTI
 *   XADD stream MINID ~ <oldest position to be kept> * m <records>   (bus_record.h)
 *   PUBLISH <channel> <message>                                      for each message
 *   INCRBY counter <messages>                                        (log_marks.h)
 *   EXEC
 *
 * If the server refuses one of the commands when it comes, it executes none of them. If one of them fails when the
 * transaction is executed, the server executes the others all the same.
 *
 * As long as the oldest position to be kept is unknown, the XADD says MAXLEN ~ <entries> LIMIT <entries> instead, so
 * that the stream has a bound, too, when each worker lives only shortly. An entry has at least one message, so twice
 * the log's length in entries never trims too much. Redis has LIMIT since the version that has MINID, 6.2, so the
 * first transaction of a connection shows whether the server can do both.
 *
 * One entry for all messages of a call, and commands instead of a script, cost the server far less than a script that
 * adds an entry for each message. The price is that each message goes to the server twice.
 */
#include "broker/bus_log_internal.h"

#include <stdio.h>

#include "broker/bus_cluster.h"
#include "broker/bus_error.h"
#include "broker/server_info.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define NUMBER_MAX 24
#define TRIM_LIMIT 10000 /* entries that one XADD trims at most */

/* ----------------------------------------------------------------- sending */

static void
log_send_line(struct conn *c, char type, size_t n)
{
	char line[NUMBER_MAX + 4];

	conn_send_copy(c, line, (size_t)snprintf(line, sizeof line, "%c%zu\r\n", type, n));
}

static void
log_send_text(struct bus *bus, struct text text)
{
	log_send_line(bus->commands.conn, '$', text.n);
	conn_send_copy(bus->commands.conn, text.at, text.n);
	conn_send(bus->commands.conn, bus->crlf, 0, bus->crlf->len);
}

static void
log_send_number(struct bus *bus, uint64_t number)
{
	char text[NUMBER_MAX];

	log_send_text(bus, text_of(text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number)));
}

/* Sends a message with its stamp, without copying the message. */
static void
log_send_stamped(struct conn *c, const struct waiting_publish *publish, const struct bus_stamped *stamped)
{
	conn_send_copy(c, &stamped->first, 1);
	conn_send(c, publish->payload, 1, (uint32_t)stamped->end - 1);
	conn_send_copy(c, stamped->tail, stamped->tail_n);
}

/* Returns how many publishes at the front of the queue go into one call. */
static unsigned
log_count_batch(const struct bus *bus)
{
	size_t bytes = 0;
	unsigned n = 0;

	for (const struct list *at = bus->waiting.next; at != &bus->waiting && n < LOG_BATCH_MAX; at = at->next) {
		const struct waiting_publish *waiting = container_of(at, struct waiting_publish, link);

		if (waiting->kind == 0 || waiting_publish_is_early(bus, waiting) ||
			(n > 0 && bytes >= LOG_BATCH_BYTES_MAX))
			break;
		bytes += waiting->n + waiting->payload->len;
		n++;
	}
	return n;
}

/* Sends the beginning of an XADD, up to the id of the entry. */
static void
log_send_trimming(struct bus_log *log)
{
	struct bus *bus = log->bus;
	struct conn *c = bus->commands.conn;
	struct bus_position kept = log_marks_kept(&log->marks, log->length);
	char text[BUS_POSITION_TEXT_MAX];
	bool known = kept.ms > 0 || kept.seq > 0;

	log_send_line(c, '*', known ? 8 : 10);
	log_send_text(bus, TEXT("XADD"));
	log_send_text(bus, text_from(log->stream));
	if (known) {
		conn_send_copy(c, "$5\r\nMINID\r\n$1\r\n~\r\n", 18);
		log_send_text(bus, text_of(text, bus_position_write(text, kept)));
	} else {
		conn_send_copy(c, "$6\r\nMAXLEN\r\n$1\r\n~\r\n", 19);
		log_send_number(bus, 2 * log->length);
		log_send_text(bus, TEXT("LIMIT"));
		log_send_number(bus, TRIM_LIMIT);
	}
}

static void
log_send_entry(struct bus_log *log, const struct list *first, const struct bus_stamped *stamped, unsigned n)
{
	struct bus *bus = log->bus;
	struct conn *c = bus->commands.conn;
	char heads[LOG_BATCH_MAX][BUS_RECORD_HEAD_MAX];
	const struct list *at = first;
	size_t size = 0;

	for (unsigned i = 0; i < n; i++, at = at->next) {
		const struct waiting_publish *publish = container_of(at, struct waiting_publish, link);

		size += bus_record_write_head(heads[i], publish->n, bus_stamped_size(&stamped[i])) + publish->n +
			bus_stamped_size(&stamped[i]);
	}
	log_send_trimming(log);
	conn_send_copy(c, "$1\r\n*\r\n$1\r\nm\r\n", 14);
	log_send_line(c, '$', size);
	for (unsigned i = 0; i < n; i++, first = first->next) {
		const struct waiting_publish *publish = container_of(first, struct waiting_publish, link);

		conn_send_copy(c, heads[i], strlen(heads[i]));
		conn_send_copy(c, publish->channel, publish->n);
		log_send_stamped(c, publish, &stamped[i]);
	}
	conn_send(c, bus->crlf, 0, bus->crlf->len);
}

/* Numbers a message that is sent for the first time, or needs a new number. */
static void
log_number(struct bus_log *log, struct waiting_publish *publish)
{
	if (publish->number != 0)
		return;
	publish->number = ++log->last_number;
	if (publish->event <= log->last_event)
		return; /* it is sent again, or it is not an event */
	publish->hole = log->hole || publish->event != log->last_event + 1;
	log->last_event = publish->event;
	log->hole = false;
}

/* Sends the first `n` messages of the queue, which may be none. */
static void
log_send_transaction(struct bus_log *log, unsigned n)
{
	struct bus *bus = log->bus;
	struct conn *c = bus->commands.conn;
	struct bus_stamp stamp = {.position = log->latest, .sender = text_of(log->sender, BUS_SENDER_LENGTH)};
	struct bus_stamped stamped[LOG_BATCH_MAX];
	const struct list *at = bus->waiting.next;

	for (unsigned i = 0; i < n; i++, at = at->next) {
		struct waiting_publish *publish = container_of(at, struct waiting_publish, link);

		log_number(log, publish);
		stamp.kind = publish->kind;
		stamp.number = publish->number;
		stamp.event = publish->event;
		stamp.hole = publish->hole;
		bus_stamp_add(
			text_of((const char *)publish->payload->data, publish->payload->len), &stamp, &stamped[i]);
	}
	conn_send_copy(c, "*1\r\n$5\r\nMULTI\r\n", 15);
	log_send_entry(log, bus->waiting.next, stamped, n);
	at = bus->waiting.next;
	for (unsigned i = 0; i < n; i++, at = at->next) {
		const struct waiting_publish *publish = container_of(at, struct waiting_publish, link);

		conn_send_copy(c, "*3\r\n$7\r\nPUBLISH\r\n", 17);
		log_send_text(bus, text_of(publish->channel, publish->n));
		log_send_line(c, '$', bus_stamped_size(&stamped[i]));
		log_send_stamped(c, publish, &stamped[i]);
		conn_send(c, bus->crlf, 0, bus->crlf->len);
	}
	conn_send_copy(c, "*3\r\n$6\r\nINCRBY\r\n", 16);
	log_send_text(bus, text_from(log->counter));
	log_send_number(bus, n);
	conn_send_copy(c, "*1\r\n$4\r\nEXEC\r\n", 14);
	bus_expect(bus, EXPECT_QUEUED, n + 3);
	bus_expect(bus, EXPECT_RECORDS, n);
	bus->used = bus->loop->now;
}

void
bus_log_send_waiting(struct bus_log *log)
{
	struct bus *bus = log->bus;
	unsigned n = log_count_batch(bus);

	/* the entries of these messages will come after the newest position that this node has handled */
	if (list_empty(&log->sent) && log->known && bus_position_compare(log->position, log->floor) > 0)
		log->floor = log->position;
	log_send_transaction(log, n);
	for (unsigned i = 0; i < n; i++) {
		struct waiting_publish *first = container_of(bus->waiting.next, struct waiting_publish, link);

		bus->waiting_bytes -= waiting_publish_cost(first);
		list_remove(&first->link);
		list_add_tail(&log->sent, &first->link);
		log->sent_bytes += waiting_publish_cost(first);
	}
	log->flushes = false;
}

/* Asks which process the server is and which connection this one is, and tries whether it records. */
void
bus_log_introduce(struct bus_log *log)
{
	static const struct text server[] = {TEXT("INFO"), TEXT("server")}, client[] = {TEXT("CLIENT"), TEXT("ID")};
	struct bus *bus = log->bus;

	log->introduced = true;
	bus_link_send(&bus->commands, 2, server);
	bus_expect(bus, EXPECT_SERVER, 0);
	bus_link_send(&bus->commands, 2, client);
	bus_expect(bus, EXPECT_CLIENT, 0);
	log_send_transaction(log, 0);
}

static void
log_warn_of_old_connection(const struct bus_log *log, struct text error)
{
	char why[BUS_WHY_MAX];

	bus_error_write(why, "cannot end the old connection", error, log->bus->commands.password);
	log_event(LOG_WARN, "bus", "warning", LOG_STR(why), "advice",
		LOG_STR("allow INFO, CLIENT ID and CLIENT KILL: otherwise the server may execute commands of the old "
			"connection late, and publish messages twice"),
		NULL);
}

void
bus_log_end_old_connection(struct bus_log *log)
{
	char id[NUMBER_MAX];
	struct text args[] = {TEXT("CLIENT"), TEXT("KILL"), TEXT("ID"), TEXT_NONE};

	if (log->doubtful_client == 0 || log->run_id[0] == '\0' || log->doubtful_run_id[0] == '\0') {
		log_warn_of_old_connection(log, TEXT("the server hides its run_id or the number of the connection"));
		return;
	}
	if (strcmp(log->run_id, log->doubtful_run_id) != 0)
		return; /* the server is another process now and never had that connection */
	args[3] = text_of(id, (size_t)snprintf(id, sizeof id, "%lld", (long long)log->doubtful_client));
	bus_link_send(&log->bus->commands, 4, args);
	bus_expect(log->bus, EXPECT_KILL, 0);
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

static bool
log_is_script_lost(const struct resp *reply)
{
	return reply->type == RESP_ERROR && text_starts(reply->text, TEXT("NOSCRIPT"));
}

/*
 * Returns true for the errors of a server that lacks scripts, streams or transactions, hides them by an ACL, or has
 * another kind of value under a key of the log; and of a member of a Redis Cluster that does not own the slot of the
 * log, if the URL names this member as a single server.
 */
static bool
log_is_unsupported(const struct bus_log *log, struct text error)
{
	return text_has(error, TEXT("NOPERM")) || (text_starts(error, TEXT("MOVED")) && log->bus->cluster == NULL) ||
	       text_has(error, TEXT("unknown command")) || text_has(error, TEXT("Unknown Redis command")) ||
	       text_has(error, TEXT("can't run this command")) || text_has(error, TEXT("WRONGTYPE"));
}

/*
 * A transaction that is not supported may also end with a general error: a server that is too old for LIMIT takes
 * that word for the id of the entry. Errors that pass have codes of their own instead of ERR.
 */
static bool
log_is_transaction_unsupported(const struct bus_log *log, struct text error)
{
	return log_is_unsupported(log, error) || text_starts(error, TEXT("ERR "));
}

/* Returns true if the server refuses to store, but still publishes: it is out of memory, disk or replicas. */
static bool
log_is_store_full(struct text error)
{
	return text_starts(error, TEXT("OOM ")) || text_starts(error, TEXT("MISCONF ")) ||
	       text_starts(error, TEXT("NOREPLICAS "));
}

static bool
log_lose_bus(struct bus_log *log, const char *what, struct text error)
{
	char why[BUS_WHY_MAX];

	bus_error_write(why, what, error, log->bus->commands.password);
	if (log->bus->cluster != NULL)
		bus_cluster_redirect(log->bus->cluster, error);
	bus_lost(log->bus, why, false);
	return false;
}

/*
 * The server refuses the log. The first refusal is not final, because the server may refuse every command for a
 * moment: see bus_log_checks_again().
 */
static void
log_do_without_server(struct bus_log *log, struct text error)
{
	char why[BUS_WHY_MAX];

	if (log->refused) {
		bus_error_write(why, "messages are not recorded", error, log->bus->commands.password);
		log_event(LOG_WARN, "bus", "warning", LOG_STR(why), NULL);
	}
	log->active = log->introduced = false;
}

/*
 * The check message of the script may have come before, or not at all. A server that stores nothing for the time
 * being is used, so that this node hears the others; the bus is lost when this node has a message to be recorded.
 */
static bool
log_on_introduction_refused(struct bus_log *log, struct text error)
{
	struct bus *bus = log->bus;

	if (bus->state == BUS_CLOSING || !log->active)
		return true;
	if (log_is_store_full(error))
		return bus_log_on_introduced(log);
	if (!log_is_transaction_unsupported(log, error))
		return log_lose_bus(log, "the log is refused", error);
	if (log->waits && !log->refused) {
		log->refused = true;
		bus_log_introduce(log);
		return true;
	}
	log_do_without_server(log, error);
	if (log->waits)
		return bus_log_on_introduced(log);
	if (bus->state == BUS_PROVING)
		bus_send_check(bus);
	return true;
}

/* Keeps the first error of a transaction. That of EXEC says only that there was one before. */
static void
log_note_error(struct bus_log *log, struct text error)
{
	if (log->error[0] == '\0' && error.n > 0)
		snprintf(log->error, sizeof log->error, "%.*s", (int)error.n, error.at);
}

/* The server has executed the transaction, so its messages are published, and the next answers are not for them. */
static void
log_on_executed(struct bus_log *log, unsigned records)
{
	for (unsigned i = 0; i < records; i++) {
		struct waiting_publish *first = log_take_first_sent(log);

		bus_log_count_published(log, first);
		waiting_publish_free(log->bus, first);
	}
}

/* `count`: the counter's value, or negative if it is unknown. */
static bool
log_on_recorded(struct bus_log *log, unsigned records, struct bus_position position, int64_t count)
{
	struct bus *bus = log->bus;

	log->latest = position;
	log_marks_add(&log->marks, position, count, log->length);
	if (records == 0)
		return bus_log_on_introduced(log);
	log->floor = position;
	if (bus->state == BUS_UP || bus->state == BUS_CLOSING)
		bus_send_waiting(bus);
	return true;
}

/* Handles the answer to EXEC. The answers to the commands before it have come already. */
static bool
log_on_records_answer(struct bus_log *log, unsigned records, const struct resp *reply)
{
	struct bus_position position;
	char error[sizeof log->error];

	if (reply->type == RESP_ARRAY)
		log_on_executed(log, records);
	else
		log->renumber |= records > 0; /* later messages may have been executed */
	if (reply->type == RESP_ARRAY && reply->item_count == records + 2 && log->error[0] == '\0' &&
		bus_position_parse(reply->items[0], &position))
		return log_on_recorded(log, records, position, reply->text.at == NULL ? reply->integer : -1);
	log_note_error(log, reply->text.n > 0 ? reply->text : TEXT("unexpected answer to EXEC"));
	memcpy(error, log->error, sizeof error);
	log->error[0] = '\0';
	return records == 0 ? log_on_introduction_refused(log, text_from(error))
			    : log_lose_bus(log, "publishing refused", text_from(error));
}

/* The script that checks returns the newest position and the counter. */
static void
log_on_checked(struct bus_log *log, struct text rest)
{
	struct bus_position position;
	struct text part;
	uint64_t count;

	if (!text_cut(&rest, ' ', &part) || !bus_position_parse(part, &position))
		return;
	log->latest = position;
	log_marks_add(
		&log->marks, position, text_number(rest, INT64_MAX, &count) == 0 ? (int64_t)count : -1, log->length);
}

static bool
log_on_check_answer(struct bus_log *log, const struct resp *reply)
{
	struct bus *bus = log->bus;

	if (reply->type == RESP_BULK)
		log_on_checked(log, reply->text);
	if (!log->active || reply->type != RESP_ERROR || bus->state == BUS_CLOSING)
		return true;
	if (log_is_script_lost(reply)) {
		log->scripts[LOG_SCRIPT_CHECK].loaded = false;
		bus_send_check(bus);
		return true;
	}
	if (bus->state != BUS_PROVING || !log_is_unsupported(log, reply->text))
		return log_lose_bus(log, "the log is refused", reply->text);
	log_do_without_server(log, reply->text);
	bus_send_check(bus);
	return true;
}

bool
bus_log_checks_again(struct bus_log *log)
{
	if (log->active || log->refused)
		return false;
	log->refused = log->active = true;
	log->answered = false;
	return true;
}

static bool
log_on_read_answer(struct bus_log *log, const struct resp *reply)
{
	if (--log->reads > 0) /* the subscription link was lost while reading, and the log is read again */
		return true;
	if (log_is_script_lost(reply)) {
		log->scripts[LOG_SCRIPT_READ].loaded = false;
		bus_log_send_read(log);
		return true;
	}
	return reply->type == RESP_ERROR ? log_lose_bus(log, "reading the log refused", reply->text)
					 : bus_log_on_read(log, reply->text);
}

bool
bus_log_on_answer(struct bus_log *log, enum expected_kind kind, unsigned records, const struct resp *reply)
{
	struct text run_id;

	switch (kind) {
	case EXPECT_QUEUED:
		if (reply->type == RESP_ERROR)
			log_note_error(log, reply->text);
		return true;
	case EXPECT_RECORDS:
		log->bus->answered_publishes++;
		return log_on_records_answer(log, records, reply);
	case EXPECT_CHECK:
		log->bus->answered_publishes++;
		return log_on_check_answer(log, reply);
	case EXPECT_READ:
		return log_on_read_answer(log, reply);
	case EXPECT_SERVER:
		run_id = reply->type == RESP_BULK ? server_info_value(reply->text, TEXT("run_id:")) : TEXT_NONE;
		if (run_id.n < sizeof log->run_id)
			snprintf(log->run_id, sizeof log->run_id, "%.*s", (int)run_id.n, run_id.at);
		return true;
	case EXPECT_CLIENT:
		log->client = reply->type == RESP_INTEGER ? reply->integer : 0;
		return true;
	default: /* EXPECT_KILL: an integer says whether the connection was still there */
		if (reply->type == RESP_ERROR)
			log_warn_of_old_connection(log, reply->text);
		return true;
	}
}

/* -------------------------------------------------------------------- loss */

void
bus_log_commands_lost(struct bus_log *log)
{
	if (!list_empty(&log->sent)) {
		log->doubtful_client = log->client;
		memcpy(log->doubtful_run_id, log->run_id, sizeof log->run_id);
	}
	list_move_all(&log->doubtful, &log->sent);
	log->sent_bytes = 0;
	log->reading = false;
	log->reads = 0;
	log->flushes = false;
	log->active = true; /* until the introduction on the next connection shows otherwise */
	log->introduced = log->answered = log->waits = log->refused = false;
	log->client = 0;
	log->latest = (struct bus_position){0};
	log->run_id[0] = log->error[0] = '\0';
	for (unsigned i = 0; i < LOG_SCRIPT_COUNT; i++)
		log->scripts[i].loaded = false;
}
