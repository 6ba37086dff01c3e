/*
 * A Redis server with streams, served by the small server of bus_server.h. It keeps the entries that it receives,
 * answers XREAD, XRANGE and XREVRANGE from them, and loses answers, entries and connections when the test says so.
 */
#ifndef TESTS_UNIT_BROKER_STREAMS_SERVER_H
#define TESTS_UNIT_BROKER_STREAMS_SERVER_H

#include "tests/unit/broker/bus_server.h"

#include "broker/wire_stream.h"

#define ENTRIES_MAX 4096

static struct streams_server {
	struct {
		char stream[32];
		struct wire_stream_id id;
		struct buffer fields; /* the array of names and values, in RESP */
	} entries[ENTRIES_MAX];
	unsigned count;
	uint64_t last; /* milliseconds of the newest id */
	const char *run_id;
	struct conn *readers[4]; /* connections blocked in XREAD */
	char waits[4][512];	 /* the request of each: "<count> <stream> <id> ..." */
	struct conn *writer;	 /* the connection that sent the last XADD */
	char added_to[32];	 /* the stream of the last XADD */
	unsigned reads, adds;	 /* commands received */
	unsigned clients;	 /* the number given to the last CLIENT ID */
	unsigned killed;	 /* the number that CLIENT KILL named last */
	unsigned answers_lost;
	bool mute;	     /* the server keeps entries, but does not answer XADD */
	bool dead;	     /* the server ignores XADD */
	const char *refusal; /* the answer to XADD instead of an id, */
	unsigned refusals;   /* to so many; 0: to all */
	const char *denial;  /* the answer to XREVRANGE instead of an entry */
	bool silent;	     /* the server does not answer XREAD */
	const char *loading; /* the answer to SET instead of OK */
	unsigned sets;	     /* received */
	bool holds;	     /* the answer to the next XRANGE with COUNT stops after its first entry */
	struct conn *held;   /* the connection that got such an answer */
	struct buffer rest;  /* the missing part of that answer, for the test to send */
} redis;

/* Appends an entry. `fields` holds `items` names and values as bulk strings in RESP. */
static inline void
streams_add_entry(struct text stream, const char *fields, size_t n, unsigned items)
{
	unsigned i = redis.count++;

	assert_true(i < ENTRIES_MAX);
	snprintf(redis.entries[i].stream, sizeof redis.entries[i].stream, "%.*s", (int)stream.n, stream.at);
	redis.entries[i].id = (struct wire_stream_id){++redis.last, 0};
	buffer_init(&redis.entries[i].fields, 1 << 20);
	buffer_printf(&redis.entries[i].fields, "*%u\r\n", items);
	buffer_add(&redis.entries[i].fields, fields, n);
}

/* Trims the `n` oldest entries of all streams. */
static inline void
streams_drop_entries(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buffer_fini(&redis.entries[i].fields);
	redis.count -= n;
	memmove(redis.entries, redis.entries + n, redis.count * sizeof *redis.entries);
}

/* Forgets the `n` newest entries, but not their ids. */
static inline void
streams_drop_newest(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buffer_fini(&redis.entries[--redis.count].fields);
}

/* Appends the entries of `stream` from `from` to `to`, at most `max`, to `out` in RESP, and sets *n to their count.
 */
static inline void
streams_write_entries(struct buffer *out, struct text stream, struct wire_stream_id from, struct wire_stream_id to,
	unsigned max, unsigned *n)
{
	char id[WIRE_STREAM_ID_SIZE];

	*n = 0;
	for (unsigned i = 0; i < redis.count && *n < max; i++) {
		if (!text_is(text_from(redis.entries[i].stream), stream) ||
			wire_stream_id_compare(redis.entries[i].id, from) < 0 ||
			wire_stream_id_compare(redis.entries[i].id, to) > 0)
			continue;
		wire_stream_id_write(redis.entries[i].id, id);
		buffer_printf(out, "*2\r\n$%zu\r\n%s\r\n", strlen(id), id);
		buffer_add_text(out, buffer_text(&redis.entries[i].fields));
		++*n;
	}
}

static inline struct wire_stream_id
streams_id(struct text text)
{
	struct wire_stream_id id;

	if (text_is(text, TEXT("-")))
		return (struct wire_stream_id){0, 0};
	if (text_is(text, TEXT("+")))
		return (struct wire_stream_id){UINT64_MAX, UINT64_MAX};
	assert_int_equal(wire_stream_id_parse(text, &id), 0);
	return id;
}

static inline void
streams_answer_range(
	struct conn *c, struct text stream, struct wire_stream_id from, struct wire_stream_id to, unsigned max)
{
	struct buffer out;
	unsigned n;

	buffer_init(&out, 64 << 20);
	streams_write_entries(&out, stream, from, to, max, &n);
	say(c, "*%u\r\n", n);
	if (n > 0)
		conn_send_copy(c, out.data, out.len);
	buffer_fini(&out);
}

/* Answers with the head and the first entry only, and keeps the other entries in redis.rest for the test to send. */
static inline void
streams_answer_first(struct conn *c, struct text stream, struct wire_stream_id from)
{
	const struct wire_stream_id last = {UINT64_MAX, UINT64_MAX};
	struct buffer first;
	unsigned n;

	buffer_init(&first, 1 << 20);
	streams_write_entries(&first, stream, from, last, 1, &n);
	assert_int_equal(n, 1);
	streams_write_entries(&redis.rest, stream, from, last, ENTRIES_MAX, &n);
	say(c, "*%u\r\n", n);
	conn_send_copy(c, first.data, first.len);
	buffer_drop(&redis.rest, first.len);
	buffer_fini(&first);
	redis.holds = false;
	redis.held = c;
}

/* Answers an XREAD for `waits`, "<count> <stream> <id> ...". Returns false, without an answer, if there are no
 * entries. */
static inline bool
streams_answer_read(struct conn *c, const char *waits)
{
	unsigned max = (unsigned)atoi(waits), streams = 0, n;
	struct text rest = text_from(strchr(waits, ' ') + 1), stream, id;
	struct buffer out, one;

	buffer_init(&out, 64 << 20);
	buffer_init(&one, 64 << 20);
	while (text_cut(&rest, ' ', &stream) && text_cut(&rest, ' ', &id)) {
		buffer_reset(&one);
		streams_write_entries(
			&one, stream, wire_stream_id_next(streams_id(id)), streams_id(TEXT("+")), max, &n);
		if (n == 0)
			continue;
		streams++;
		buffer_printf(&out, "*2\r\n$%zu\r\n%.*s\r\n*%u\r\n", stream.n, (int)stream.n, stream.at, n);
		buffer_add_text(&out, buffer_text(&one));
	}
	if (streams > 0) {
		say(c, "*%u\r\n", streams);
		conn_send_copy(c, out.data, out.len);
	}
	buffer_fini(&out);
	buffer_fini(&one);
	return streams > 0;
}

static inline void
streams_wake_readers(void)
{
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] != NULL && streams_answer_read(redis.readers[i], redis.waits[i]))
			redis.readers[i] = NULL;
	}
}

static inline void
streams_serve_read(struct conn *c, const struct hub_command *command)
{
	unsigned streams = (command->count - 6) / 2;
	char waits[512];
	int n = snprintf(waits, sizeof waits, "%.*s", (int)command->args[4].n, command->args[4].at);

	redis.reads++;
	for (unsigned i = 0; i < streams; i++)
		n += snprintf(waits + n, sizeof waits - (size_t)n, " %.*s %.*s", (int)command->args[6 + i].n,
			command->args[6 + i].at, (int)command->args[6 + streams + i].n,
			command->args[6 + streams + i].at);
	if (redis.silent || streams_answer_read(c, waits))
		return;
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] == NULL) {
			redis.readers[i] = c;
			memcpy(redis.waits[i], waits, sizeof waits);
			return;
		}
	}
	fail_msg("too many readers");
}

static inline void
streams_serve_add(struct conn *c, const struct hub_command *command)
{
	const struct text *first = &command->args[6];
	const char *fields;
	size_t n = 0;

	redis.writer = c;
	if (redis.dead)
		return;
	redis.adds++;
	if (redis.refusal != NULL) {
		say(c, "%s", redis.refusal);
		if (redis.refusals > 0 && --redis.refusals == 0)
			redis.refusal = NULL;
		return;
	}
	assert_true(text_is(command->args[2], TEXT("MAXLEN")) && text_is(command->args[3], TEXT("~")) &&
		    text_is(command->args[4], TEXT("1000")) && text_is(command->args[5], TEXT("*")));
	fields = first->at - strlen("$3\r\n");
	n = (size_t)(command->args[command->count - 1].at + command->args[command->count - 1].n + 2 - fields);
	snprintf(redis.added_to, sizeof redis.added_to, "%.*s", (int)command->args[1].n, command->args[1].at);
	streams_add_entry(command->args[1], fields, n, command->count - 6);
	if (redis.mute)
		redis.answers_lost++;
	else
		say(c, "$%d\r\n%llu-0\r\n", snprintf(NULL, 0, "%llu-0", (unsigned long long)redis.last),
			(unsigned long long)redis.last);
	streams_wake_readers();
}

static inline void
streams_serve(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("INFO"))) {
		say(c, "$%zu\r\n# Server\r\nrun_id:%s\r\n\r\n", strlen(redis.run_id) + 19, redis.run_id);
	} else if (text_is(args[0], TEXT("CLIENT")) && text_is(args[1], TEXT("ID"))) {
		say(c, ":%u\r\n", ++redis.clients);
	} else if (text_is(args[0], TEXT("CLIENT"))) {
		assert_true(text_is(args[1], TEXT("KILL")) && text_is(args[2], TEXT("ID")));
		redis.killed = (unsigned)atoi(args[3].at);
		say(c, ":1\r\n");
	} else if (text_is(args[0], TEXT("SET"))) {
		redis.sets++;
		say(c, "%s", redis.loading != NULL ? redis.loading : "+OK\r\n");
	} else if (text_is(args[0], TEXT("XADD"))) {
		streams_serve_add(c, command);
	} else if (text_is(args[0], TEXT("XREAD"))) {
		streams_serve_read(c, command);
	} else if (text_is(args[0], TEXT("XRANGE")) && redis.holds && command->count > 5) {
		streams_answer_first(c, args[1], streams_id(args[2]));
	} else if (text_is(args[0], TEXT("XRANGE"))) {
		streams_answer_range(c, args[1], streams_id(args[2]), streams_id(args[3]),
			command->count > 5 ? (unsigned)atoi(args[5].at) : ENTRIES_MAX);
	} else if (text_is(args[0], TEXT("XREVRANGE")) && redis.denial != NULL) {
		say(c, "%s", redis.denial);
	} else if (text_is(args[0], TEXT("XREVRANGE"))) {
		struct wire_stream_id last = {0, 0};

		for (unsigned i = 0; i < redis.count; i++) {
			if (text_is(text_from(redis.entries[i].stream), args[1]))
				last = redis.entries[i].id;
		}
		streams_answer_range(c, args[1], last, last, 1);
	} else if (!text_is(args[0], TEXT("UNSUBSCRIBE"))) {
		fail_msg("unknown command %.*s", (int)args[0].n, args[0].at);
	}
}

static inline void
streams_forget_conn(struct conn *c)
{
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] == c)
			redis.readers[i] = NULL;
	}
	if (redis.writer == c)
		redis.writer = NULL;
}

static inline void
streams_close_readers(void)
{
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] != NULL)
			conn_close(redis.readers[i], REASON_FINISHED);
	}
}

static inline int
start_streams(void **state)
{
	start(state);
	memset(&redis, 0, sizeof redis);
	redis.run_id = "0123456789abcdef0123456789abcdef01234567";
	redis.last = 1000;
	buffer_init(&redis.rest, 1 << 20);
	server.other = streams_serve;
	server.closed = streams_forget_conn;
	return 0;
}

static inline int
stop_streams(void **state)
{
	int rc = stop(state);

	streams_drop_entries(redis.count);
	buffer_fini(&redis.rest);
	return rc;
}

#endif
