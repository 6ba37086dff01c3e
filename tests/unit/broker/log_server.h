/* The scripts of the log, served by the small server of bus_server.h, with the faults that the test sets. */
#ifndef TESTS_UNIT_BROKER_LOG_SERVER_H
#define TESTS_UNIT_BROKER_LOG_SERVER_H

#include "tests/unit/broker/bus_server.h"

#include "broker/bus_record.h"

#define ENTRIES_MAX 64
#define OTHER "othersender1"

static struct log_server {
	struct entry {
		uint64_t ms, seq;
		char channel[32], stamp[64];
		char *message; /* as the sender passed it */
		size_t n;
	} entries[ENTRIES_MAX];
	unsigned count;
	uint64_t ms, last_seq;
	unsigned calls, reads, fences; /* served so far */
	unsigned forget_script;	       /* so many calls are refused with NOSCRIPT */
	bool unsupported;
	const char *refusal; /* the answer to publishes */
	enum { ANSWER, EXECUTE_AND_CUT, CUT } publishing;
	bool slow;	    /* answers of reads wait until log_answer_read() */
	struct buffer read; /* such an answer */
	struct conn *reader;
	const char *read_answer; /* instead of the log */
} logged_entries;

#define LOG (&logged_entries)

static inline void
log_append(struct text channel, struct text message, struct text stamp)
{
	struct entry *entry = &LOG->entries[LOG->count++];

	assert_in_range(LOG->count, 1, ENTRIES_MAX);
	entry->ms = LOG->ms;
	entry->seq = ++LOG->last_seq;
	snprintf(entry->channel, sizeof entry->channel, "%.*s", (int)channel.n, channel.at);
	snprintf(entry->stamp, sizeof entry->stamp, "%.*s", (int)stamp.n, stamp.at);
	entry->message = mem_text(message.at, message.n);
	entry->n = message.n;
}

static inline void
log_trim(unsigned left)
{
	unsigned gone = LOG->count - left;

	for (unsigned i = 0; i < gone; i++)
		mem_free(LOG->entries[i].message);
	memmove(LOG->entries, LOG->entries + gone, left * sizeof *LOG->entries);
	LOG->count = left;
}

/* The message as it is published; all messages of the tests are JSON. */
static inline void
log_complete(struct buffer *out, const struct entry *entry)
{
	buffer_add(out, entry->message, entry->n);
	buffer_printf(out, ",\"position\":\"%llu-%llu/%s\"}", (unsigned long long)entry->ms,
		(unsigned long long)entry->seq, entry->stamp);
}

/* Pushes the entry to the subscriber. */
static inline void
log_push(const struct entry *entry)
{
	struct buffer whole;

	if (server.subscriptions == NULL)
		return;
	buffer_init(&whole, 8 << 20);
	log_complete(&whole, entry);
	say(server.subscriptions, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(entry->channel),
		entry->channel, whole.len);
	conn_send_copy(server.subscriptions, whole.data, whole.len);
	conn_send_copy(server.subscriptions, "\r\n", 2);
	buffer_fini(&whole);
}

/* Another node records a message; `live` pushes it to the subscriber too. */
static inline void
other_records(uint64_t number, const char *channel, const char *text, bool live)
{
	char message[128], stamp[64];

	snprintf(message, sizeof message, "{\"m\":\"%s\"", text);
	snprintf(stamp, sizeof stamp, "j%s/%llu", OTHER, (unsigned long long)number);
	log_append(text_from(channel), text_from(message), text_from(stamp));
	if (live)
		log_push(&LOG->entries[LOG->count - 1]);
}

static inline void
log_serve_check(struct conn *c, const struct hub_command *command)
{
	const struct entry *last;
	char payload[256];

	if (LOG->count == 0)
		log_append(TEXT(""), TEXT(""), TEXT(""));
	last = &LOG->entries[LOG->count - 1];
	server.commands = c;
	server.published++;
	say(c, "$3\r\n1-1\r\n");
	if (server.deaf)
		return;
	snprintf(payload, sizeof payload, "%.*s 1 500000 %llu-%llu", (int)command->args[5].n, command->args[5].at,
		(unsigned long long)last->ms, (unsigned long long)last->seq);
	say(server.subscriptions, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n%s\r\n", command->args[4].n,
		(int)command->args[4].n, command->args[4].at, strlen(payload), payload);
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
	struct buffer whole;

	LOG->reads++;
	LOG->reader = c;
	assert_true(bus_position_parse(command->args[4], &from));
	for (unsigned i = 0; i < LOG->count; i++)
		found |= LOG->entries[i].ms == from.ms && LOG->entries[i].seq == from.seq;
	buffer_init(&whole, 8 << 20);
	buffer_printf(&LOG->read, "%d0\n", found);
	for (unsigned i = 0; i < LOG->count; i++) {
		const struct entry *entry = &LOG->entries[i];

		if (bus_position_compare((struct bus_position){entry->ms, entry->seq}, from) <= 0)
			continue;
		buffer_printf(
			&LOG->read, "%llu-%llu ", (unsigned long long)entry->ms, (unsigned long long)entry->seq);
		buffer_reset(&whole);
		log_complete(&whole, entry);
		if (entry->stamp[0] == '\0')
			buffer_add_text(&LOG->read, TEXT("-\n"));
		else
			buffer_printf(&LOG->read, "%zu %zu\n%s", strlen(entry->channel), whole.len, entry->channel);
		if (entry->stamp[0] != '\0')
			buffer_add_text(&LOG->read, buffer_text(&whole));
	}
	buffer_fini(&whole);
	if (LOG->read_answer != NULL) {
		buffer_reset(&LOG->read);
		buffer_add_text(&LOG->read, text_from(LOG->read_answer));
	}
	if (!LOG->slow)
		log_answer_read();
}

static inline void
log_serve_publish(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	LOG->calls++;
	if (LOG->forget_script > 0) {
		LOG->forget_script--;
		say(c, "-NOSCRIPT No matching script.\r\n");
		return;
	}
	if (LOG->refusal != NULL) {
		say(c, "%s", LOG->refusal);
		return;
	}
	for (unsigned i = 7; LOG->publishing != CUT && i + 2 < command->count; i += 3) {
		log_append(args[i], args[i + 1], args[i + 2]);
		log_push(&LOG->entries[LOG->count - 1]);
	}
	if (LOG->publishing == ANSWER)
		say(c, "$%d\r\n%llu-%llu\r\n",
			snprintf(
				NULL, 0, "%llu-%llu", (unsigned long long)LOG->ms, (unsigned long long)LOG->last_seq),
			(unsigned long long)LOG->ms, (unsigned long long)LOG->last_seq);
	else
		conn_close(c, REASON_FINISHED);
}

static inline void
log_serve(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("SET"))) {
		LOG->fences++;
		say(c, "+OK\r\n");
		return;
	}
	if (text_is(args[0], TEXT("PSUBSCRIBE")))
		say(c, "*3\r\n$10\r\npsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", args[1].n, (int)args[1].n, args[1].at);
	if (!text_is(args[0], TEXT("EVAL")) && !text_is(args[0], TEXT("EVALSHA")))
		return;
	if (LOG->unsupported)
		say(c, "-ERR unknown command 'EVAL'\r\n");
	else if (text_is(args[2], TEXT("2")))
		log_serve_publish(c, command);
	else if (command->count == 6)
		log_serve_check(c, command);
	else
		log_serve_read(c, command);
}

static inline int
log_start(void **state)
{
	int rc = start(state);

	memset(LOG, 0, sizeof *LOG);
	LOG->ms = 1000;
	buffer_init(&LOG->read, 32 << 20);
	server.other = log_serve;
	return rc;
}

static inline int
log_stop(void **state)
{
	log_trim(0);
	buffer_fini(&LOG->read);
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
		.log_length = 1000,
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
	assert_int_equal(bus_record(b->bus, TEXT("news"), block), 0);
	block_unref(block);
}

/* The texts of the messages that a listener has heard, in order. */
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

#define LOG_CASE(name) cmocka_unit_test_setup_teardown(name, log_start, log_stop)

#endif
