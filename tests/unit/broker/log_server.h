/*
 * The transactions and scripts of the log, served by the small server of bus_server.h, with the faults that the test
 * sets.
 */
#ifndef TESTS_UNIT_BROKER_LOG_SERVER_H
#define TESTS_UNIT_BROKER_LOG_SERVER_H

#include "tests/unit/broker/bus_server.h"

#include "broker/bus_record.h"

#define ENTRIES_MAX 64
#define OTHER "othersender1"

static struct log_server {
	struct entry {
		uint64_t ms, seq;
		char *records;
		size_t n;
	} entries[ENTRIES_MAX];
	unsigned count;
	uint64_t ms, last_seq;
	int64_t counter;
	unsigned refused_checks, refused_entries; /* so many check messages and XADDs are refused */
	unsigned clients, forget_scripts;	  /* so many calls of scripts are refused with NOSCRIPT */
	unsigned calls, reads;			  /* served so far; calls are transactions with messages */
	char killed[24];			  /* the connection that CLIENT KILL named last */
	char kept[64];				  /* the bound that the last XADD names */
	bool hold_checks;			  /* check messages wait until log_push_check() */
	char check[320];			  /* the check message that waits */
	const char *run_id;
	bool unsupported;
	const char *refusal;	     /* the answer to XADD */
	const char *exec_refusal;    /* the answer to EXEC */
	const char *failure;	     /* the error of XADD within the answer to EXEC */
	const char *counter_failure; /* the error of INCRBY */
	const char *kill_refusal;    /* the answer to CLIENT KILL */
	enum { ANSWER, EXECUTE_AND_CUT, CUT } publishing;
	bool slow;	    /* answers of reads wait until log_answer_read() */
	struct buffer read; /* the answer that waits */
	struct conn *reader;
	const char *read_answer; /* the answer to a read, instead of the log's entries */
	/* the transaction that is being received */
	bool queueing, failed;
	char *records; /* of its XADD */
	size_t records_n;
	unsigned messages;
	struct buffer pushed;
} logged_entries;

#define LOG (&logged_entries)

static inline void
log_append(struct text records)
{
	struct entry *entry = &LOG->entries[LOG->count++];

	assert_in_range(LOG->count, 1, ENTRIES_MAX);
	entry->ms = LOG->ms;
	entry->seq = ++LOG->last_seq;
	entry->records = mem_text(records.at, records.n);
	entry->n = records.n;
}

static inline void
log_trim(unsigned left)
{
	unsigned gone = LOG->count - left;

	for (unsigned i = 0; i < gone; i++)
		mem_free(LOG->entries[i].records);
	memmove(LOG->entries, LOG->entries + gone, left * sizeof *LOG->entries);
	LOG->count = left;
}

static inline void
log_push_message(struct buffer *out, struct text channel, struct text message)
{
	buffer_printf(out, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n", channel.n, (int)channel.n, channel.at,
		message.n);
	buffer_add_text(out, message);
	buffer_add(out, "\r\n", 2);
}

/* Pushes the messages of the entry to the subscriber. */
static inline void
log_push(const struct entry *entry)
{
	struct text records = text_of(entry->records, entry->n);
	struct bus_record record;
	struct buffer out;

	if (server.subscriptions == NULL)
		return;
	buffer_init(&out, 8 << 20);
	while (bus_record_next(&records, false, &record) > 0)
		log_push_message(&out, record.channel, record.message);
	conn_send_copy(server.subscriptions, out.data, out.len);
	buffer_fini(&out);
}

/* Appends a record as another node writes it. `message` is JSON. */
static inline void
log_write_record_at(
	struct buffer *out, struct bus_position position, uint64_t number, struct text channel, struct text message)
{
	const struct bus_stamp stamp = {
		.position = position, .kind = 'j', .sender = text_of(OTHER, BUS_SENDER_LENGTH), .number = number};
	struct bus_stamped stamped;
	char head[BUS_RECORD_HEAD_MAX];

	bus_stamp_add(message, &stamp, &stamped);
	buffer_add(out, head, bus_record_write_head(head, channel.n, bus_stamped_size(&stamped)));
	buffer_add_text(out, channel);
	buffer_add(out, message.at, stamped.end);
	buffer_add(out, stamped.tail, stamped.tail_n);
}

/* Appends a record whose stamp has a position far back. */
static inline void
log_write_record(struct buffer *out, uint64_t number, struct text channel, struct text message)
{
	log_write_record_at(out, (struct bus_position){1, 0}, number, channel, message);
}

/* Another node records a message; `live` pushes it to the subscriber too. */
static inline void
other_records_text(uint64_t number, const char *channel, struct text message, bool live)
{
	struct buffer records;

	buffer_init(&records, 8 << 20);
	log_write_record(&records, number, text_from(channel), message);
	log_append(buffer_text(&records));
	LOG->counter++;
	buffer_fini(&records);
	if (live)
		log_push(&LOG->entries[LOG->count - 1]);
}

static inline void
other_records(uint64_t number, const char *channel, const char *text, bool live)
{
	char message[128];

	snprintf(message, sizeof message, "{\"m\":\"%s\"}", text);
	other_records_text(number, channel, text_from(message), live);
}

/* Pushes the check message that was held. */
static inline void
log_push_check(void)
{
	say(server.subscriptions, "%s", LOG->check);
	LOG->check[0] = '\0';
}

static inline void
log_serve_check(struct conn *c, const struct hub_command *command)
{
	const struct entry *last;
	char payload[128], answer[128];

	if (LOG->count == 0)
		log_append(TEXT(""));
	last = &LOG->entries[LOG->count - 1];
	server.commands = c;
	server.published++;
	snprintf(answer, sizeof answer, "%llu-%llu %lld", (unsigned long long)last->ms, (unsigned long long)last->seq,
		(long long)LOG->counter);
	say(c, "$%zu\r\n%s\r\n", strlen(answer), answer);
	if (server.deaf)
		return;
	snprintf(payload, sizeof payload, "%.*s 1 500000 %llu-%llu", (int)command->args[6].n, command->args[6].at,
		(unsigned long long)last->ms, (unsigned long long)last->seq);
	snprintf(LOG->check, sizeof LOG->check, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n%s\r\n",
		command->args[5].n, (int)command->args[5].n, command->args[5].at, strlen(payload), payload);
	if (!LOG->hold_checks)
		log_push_check();
}

static inline void
log_answer_read(void)
{
	say(LOG->reader, "$%zu\r\n", LOG->read.len);
	conn_send_copy(LOG->reader, LOG->read.data, LOG->read.len);
	conn_send_copy(LOG->reader, "\r\n", 2);
	buffer_reset(&LOG->read);
}

static inline void
log_serve_read(struct conn *c, const struct hub_command *command)
{
	struct bus_position from;
	bool found = false;

	LOG->reads++;
	LOG->reader = c;
	assert_true(bus_position_parse(command->args[4], &from));
	for (unsigned i = 0; i < LOG->count; i++)
		found |= LOG->entries[i].ms == from.ms && LOG->entries[i].seq == from.seq;
	buffer_printf(&LOG->read, "%d0\n", found);
	for (unsigned i = 0; i < LOG->count; i++) {
		const struct entry *entry = &LOG->entries[i];

		if (bus_position_compare((struct bus_position){entry->ms, entry->seq}, from) <= 0)
			continue;
		buffer_printf(&LOG->read, "%llu-%llu %zu\n", (unsigned long long)entry->ms,
			(unsigned long long)entry->seq, entry->n);
		buffer_add(&LOG->read, entry->records, entry->n);
	}
	if (LOG->read_answer != NULL) {
		buffer_reset(&LOG->read);
		buffer_add_text(&LOG->read, text_from(LOG->read_answer));
	}
	if (!LOG->slow)
		log_answer_read();
}

/* A command of a transaction: it is executed with the transaction, or refused. */
static inline void
log_serve_queued(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;
	bool adds = text_is(args[0], TEXT("XADD"));

	if (adds && (LOG->refusal != NULL || LOG->refused_entries > 0)) {
		LOG->refused_entries -= LOG->refused_entries > 0;
		LOG->failed = true;
		say(c, "%s", LOG->refusal != NULL ? LOG->refusal : "-NOPERM this user may not run 'xadd'\r\n");
		return;
	}
	if (adds) {
		bool known = text_is(args[2], TEXT("MINID"));
		const struct text *field = &args[known ? 6 : 8];

		assert_true(known || (text_is(args[2], TEXT("MAXLEN")) && text_is(args[5], TEXT("LIMIT"))));
		assert_true(text_is(field[-1], TEXT("*")) && text_is(field[0], TEXT("m")));
		snprintf(LOG->kept, sizeof LOG->kept, "%s %.*s", known ? "from" : "entries", (int)args[4].n,
			args[4].at);
		LOG->records = mem_text(field[1].at, field[1].n);
		LOG->records_n = field[1].n;
	} else if (text_is(args[0], TEXT("PUBLISH"))) {
		LOG->messages++;
		log_push_message(&LOG->pushed, args[1], args[2]);
	}
	say(c, "+QUEUED\r\n");
}

static inline void
log_execute(struct conn *c)
{
	char id[64];
	struct buffer answer;

	if (LOG->failure == NULL)
		log_append(text_of(LOG->records, LOG->records_n));
	LOG->counter += LOG->messages;
	if (server.subscriptions != NULL)
		conn_send_copy(server.subscriptions, LOG->pushed.data, LOG->pushed.len);
	if (LOG->messages > 0 && LOG->publishing != ANSWER)
		return;
	buffer_init(&answer, 1 << 16);
	snprintf(id, sizeof id, "%llu-%llu", (unsigned long long)LOG->ms, (unsigned long long)LOG->last_seq);
	buffer_printf(&answer, "*%u\r\n", LOG->messages + 2);
	if (LOG->failure != NULL)
		buffer_add_text(&answer, text_from(LOG->failure));
	else
		buffer_printf(&answer, "$%zu\r\n%s\r\n", strlen(id), id);
	for (unsigned i = 0; i < LOG->messages; i++)
		buffer_add_text(&answer, TEXT(":1\r\n"));
	if (LOG->counter_failure != NULL)
		buffer_add_text(&answer, text_from(LOG->counter_failure));
	else
		buffer_printf(&answer, ":%lld\r\n", (long long)LOG->counter);
	conn_send_copy(c, answer.data, answer.len);
	buffer_fini(&answer);
}

static inline void
log_serve_exec(struct conn *c)
{
	LOG->calls += LOG->messages > 0;
	if (LOG->exec_refusal != NULL)
		say(c, "%s", LOG->exec_refusal);
	else if (LOG->failed)
		say(c, "-EXECABORT Transaction discarded because of previous errors.\r\n");
	else if (LOG->messages == 0 || LOG->publishing != CUT)
		log_execute(c);
	if (LOG->messages > 0 && LOG->publishing != ANSWER)
		conn_close(c, REASON_FINISHED);
	mem_free(LOG->records);
	LOG->records = NULL;
	LOG->queueing = false;
	buffer_reset(&LOG->pushed);
}

static inline void
log_serve(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("PSUBSCRIBE"))) {
		say(c, "*3\r\n$10\r\npsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", args[1].n, (int)args[1].n, args[1].at);
	} else if (text_is(args[0], TEXT("INFO"))) {
		say(c, "$%zu\r\n# Server\r\nrun_id:%s\r\n\r\n", strlen(LOG->run_id) + 19, LOG->run_id);
	} else if (text_is(args[0], TEXT("CLIENT")) && text_is(args[1], TEXT("ID"))) {
		say(c, ":%u\r\n", ++LOG->clients);
	} else if (text_is(args[0], TEXT("CLIENT"))) {
		snprintf(LOG->killed, sizeof LOG->killed, "%.*s", (int)args[3].n, args[3].at);
		say(c, "%s", LOG->kill_refusal != NULL ? LOG->kill_refusal : ":0\r\n");
	} else if (text_is(args[0], TEXT("EXEC"))) {
		log_serve_exec(c);
	} else if (text_is(args[0], TEXT("XADD")) || text_is(args[0], TEXT("INCRBY"))) {
		log_serve_queued(c, command);
	} else if (!text_is(args[0], TEXT("EVAL")) && !text_is(args[0], TEXT("EVALSHA"))) {
		return;
	} else if (LOG->unsupported || LOG->forget_scripts > 0) {
		say(c, LOG->unsupported ? "-ERR unknown command 'EVAL'\r\n" : "-NOSCRIPT No matching script.\r\n");
		LOG->forget_scripts -= !LOG->unsupported;
	} else if (command->count == 7 && LOG->refused_checks > 0) {
		LOG->refused_checks--;
		say(c, "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n");
	} else if (command->count == 7) {
		log_serve_check(c, command);
	} else {
		log_serve_read(c, command);
	}
}

/* Serves the commands of transactions before bus_server.h serves any other. */
static inline bool
log_serve_first(struct conn *c, const struct hub_command *command)
{
	if (text_is(command->args[0], TEXT("MULTI"))) {
		LOG->queueing = true;
		LOG->failed = LOG->unsupported;
		LOG->messages = 0;
		say(c, LOG->unsupported ? "-ERR unknown command 'MULTI'\r\n" : "+OK\r\n");
		return true;
	}
	if (!LOG->queueing || !text_is(command->args[0], TEXT("PUBLISH")))
		return false;
	log_serve_queued(c, command);
	return true;
}

static inline int
log_start(void **state)
{
	int rc = start(state);

	memset(LOG, 0, sizeof *LOG);
	LOG->ms = 1000;
	LOG->run_id = "first";
	buffer_init(&LOG->read, 32 << 20);
	buffer_init(&LOG->pushed, 32 << 20);
	serve_first = log_serve_first;
	server.other = log_serve;
	return rc;
}

static inline int
log_stop(void **state)
{
	log_trim(0);
	buffer_fini(&LOG->read);
	buffer_fini(&LOG->pushed);
	mem_free(LOG->records);
	return stop(state);
}

static inline void
log_bus_start(struct bus_bench *b)
{
	static const struct bus_ops ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url url;
	struct bus_options o = {.server = &url,
		.key = "k",
		.max_queue = 16 << 20,
		.log_length = 10,
		.check_ms = 60000,
		.timeout_ms = 5000};
	char error[BUS_ERROR_MAX];

	memset(b, 0, sizeof *b);
	assert_int_equal(bus_url_parse(&url, server.url, error), 0);
	b->bus = bus_open(&bench.loop, &o, &ops, b);
}

static inline struct bus_stats
stats_of(const struct bus_bench *b)
{
	struct bus_stats stats;

	bus_stats(b->bus, &stats);
	return stats;
}

static inline void
record(struct bus_bench *b, const char *text)
{
	char message[128];
	struct block *block;

	snprintf(message, sizeof message, "{\"m\":\"%s\"}", text);
	block = block_copy(message, strlen(message));
	assert_int_equal(bus_record(b->bus, TEXT("news"), block, 0), 0);
	block_unref(block);
}

/* Returns the texts of the messages that a listener has heard, in order. */
static inline const char *
texts_of(const struct listener *l)
{
	static char out[1024];
	struct text rest = buffer_text(&l->got), part;

	out[0] = '\0';
	while (text_cut(&rest, ' ', &part)) {
		const char *at = part.n > 6 ? part.at + 6 : "?\"";

		strncat(out, at, (size_t)((const char *)memchr(at, '"', 16) - at));
		strcat(out, " ");
	}
	return out;
}

/* The bus of most tests, and a listener of the channel that record() uses. */
static struct bus_bench a;
static struct listener news;

static inline void
begin(void)
{
	log_bus_start(&a);
	listen_to(&a, &news, "news", false);
	RUN_UNTIL(ups(&a) == 1);
}

static inline void
close_log_bus(void)
{
	listen_no_more(&a, &news);
	bus_end(&a);
}

/* Returns when the bus has noticed that its subscription link is lost. */
static inline void
lose_subscriptions(void)
{
	unsigned before = a.failures;

	conn_close(server.subscriptions, REASON_FINISHED);
	RUN_UNTIL(a.failures > before);
}

static inline struct text
entry_text(unsigned i)
{
	return text_of(LOG->entries[i].records, LOG->entries[i].n);
}

#define LOG_CASE(name) cmocka_unit_test_setup_teardown(name, log_start, log_stop)

#endif
