/*
 * The form that shares streams (bus_streams.c) against a small server that keeps entries as Redis does, and loses
 * answers, entries and connections as the test asks.
 */
#include "tests/unit/broker/bus_server.h"

#include "broker/streams_reader.h"
#include "broker/wire_stream.h"

/* --------------------------------------------------------------- the server */

#define ENTRIES_MAX 4096

static struct {
	struct {
		char stream[32];
		struct wire_stream_id id;
		struct buffer fields; /* in RESP, with their number */
	} entries[ENTRIES_MAX];
	unsigned count;
	uint64_t last; /* milliseconds of the newest id */
	const char *run_id;
	struct conn *readers[4], *writer; /* blocked in XREAD; the latest to add */
	char waits[4][512];		  /* what they wait for */
	char added_to[32];		  /* the stream of the last XADD */
	unsigned reads, adds, clients, killed, answers_lost;
	bool mute;	     /* accepts entries, but their answers are lost with the connection */
	bool dead;	     /* does not even read what is added */
	const char *refusal; /* of XADD */
	const char *denial;  /* of XREVRANGE */
	bool silent;	     /* does not answer XREAD */
	bool holds;	     /* the next answer to an XRANGE with COUNT stops behind its first entry */
	struct conn *held;   /* got such an answer; `rest` is what is missing */
	struct buffer rest;
} redis;

static void
add_entry(struct text stream, const char *fields, size_t n, unsigned items)
{
	unsigned i = redis.count++;

	assert_true(i < ENTRIES_MAX);
	snprintf(redis.entries[i].stream, sizeof redis.entries[i].stream, "%.*s", (int)stream.n, stream.at);
	redis.entries[i].id = (struct wire_stream_id){++redis.last, 0};
	buffer_init(&redis.entries[i].fields, 1 << 20);
	buffer_printf(&redis.entries[i].fields, "*%u\r\n", items);
	buffer_add(&redis.entries[i].fields, fields, n);
}

static void
drop_entries(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buffer_fini(&redis.entries[i].fields);
	redis.count -= n;
	memmove(redis.entries, redis.entries + n, redis.count * sizeof *redis.entries);
}

static void
add_entries_of(struct buffer *out, struct text stream, struct wire_stream_id from, struct wire_stream_id to,
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

static struct wire_stream_id
id_of(struct text text)
{
	struct wire_stream_id id;

	if (text_is(text, TEXT("-")))
		return (struct wire_stream_id){0, 0};
	if (text_is(text, TEXT("+")))
		return (struct wire_stream_id){UINT64_MAX, UINT64_MAX};
	assert_int_equal(wire_stream_id_parse(text, &id), 0);
	return id;
}

static void
answer_range(struct conn *c, struct text stream, struct wire_stream_id from, struct wire_stream_id to, unsigned max)
{
	struct buffer out;
	unsigned n;

	buffer_init(&out, 64 << 20);
	add_entries_of(&out, stream, from, to, max, &n);
	say(c, "*%u\r\n", n);
	if (n > 0)
		conn_send_copy(c, out.data, out.len);
	buffer_fini(&out);
}

/* Answers with the head and the first entry only; the test sends the rest, `redis.rest`. */
static void
answer_first(struct conn *c, struct text stream, struct wire_stream_id from)
{
	const struct wire_stream_id last = {UINT64_MAX, UINT64_MAX};
	struct buffer first;
	unsigned n;

	buffer_init(&first, 1 << 20);
	add_entries_of(&first, stream, from, last, 1, &n);
	assert_int_equal(n, 1);
	add_entries_of(&redis.rest, stream, from, last, ENTRIES_MAX, &n);
	say(c, "*%u\r\n", n);
	conn_send_copy(c, first.data, first.len);
	buffer_drop(&redis.rest, first.len);
	buffer_fini(&first);
	redis.holds = false;
	redis.held = c;
}

/* Answers a blocked XREAD if there are entries: "<count> <stream> <id> ...". Returns false if there are none. */
static bool
answer_read(struct conn *c, const char *waits)
{
	unsigned max = (unsigned)atoi(waits), streams = 0, n;
	struct text rest = text_from(strchr(waits, ' ') + 1), stream, id;
	struct buffer out, one;

	buffer_init(&out, 64 << 20);
	buffer_init(&one, 64 << 20);
	while (text_cut(&rest, ' ', &stream) && text_cut(&rest, ' ', &id)) {
		buffer_reset(&one);
		add_entries_of(&one, stream, wire_stream_id_next(id_of(id)), id_of(TEXT("+")), max, &n);
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

static void
wake_readers(void)
{
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] != NULL && answer_read(redis.readers[i], redis.waits[i]))
			redis.readers[i] = NULL;
	}
}

static void
serve_read(struct conn *c, const struct hub_command *command)
{
	unsigned streams = (command->count - 6) / 2;
	char waits[512];
	int n = snprintf(waits, sizeof waits, "%.*s", (int)command->args[4].n, command->args[4].at);

	redis.reads++;
	for (unsigned i = 0; i < streams; i++)
		n += snprintf(waits + n, sizeof waits - (size_t)n, " %.*s %.*s", (int)command->args[6 + i].n,
			command->args[6 + i].at, (int)command->args[6 + streams + i].n,
			command->args[6 + streams + i].at);
	if (redis.silent || answer_read(c, waits))
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

static void
serve_add(struct conn *c, const struct hub_command *command)
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
		return;
	}
	assert_true(text_is(command->args[2], TEXT("MAXLEN")) && text_is(command->args[3], TEXT("~")) &&
		    text_is(command->args[4], TEXT("1000")) && text_is(command->args[5], TEXT("*")));
	fields = first->at - strlen("$3\r\n");
	n = (size_t)(command->args[command->count - 1].at + command->args[command->count - 1].n + 2 - fields);
	snprintf(redis.added_to, sizeof redis.added_to, "%.*s", (int)command->args[1].n, command->args[1].at);
	add_entry(command->args[1], fields, n, command->count - 6);
	if (redis.mute)
		redis.answers_lost++;
	else
		say(c, "$%d\r\n%llu-0\r\n", snprintf(NULL, 0, "%llu-0", (unsigned long long)redis.last),
			(unsigned long long)redis.last);
	wake_readers();
}

static void
serve_streams(struct conn *c, const struct hub_command *command)
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
	} else if (text_is(args[0], TEXT("XADD"))) {
		serve_add(c, command);
	} else if (text_is(args[0], TEXT("XREAD"))) {
		serve_read(c, command);
	} else if (text_is(args[0], TEXT("XRANGE")) && redis.holds && command->count > 5) {
		answer_first(c, args[1], id_of(args[2]));
	} else if (text_is(args[0], TEXT("XRANGE"))) {
		answer_range(c, args[1], id_of(args[2]), id_of(args[3]),
			command->count > 5 ? (unsigned)atoi(args[5].at) : ENTRIES_MAX);
	} else if (text_is(args[0], TEXT("XREVRANGE")) && redis.denial != NULL) {
		say(c, "%s", redis.denial);
	} else if (text_is(args[0], TEXT("XREVRANGE"))) {
		struct wire_stream_id last = {0, 0};

		for (unsigned i = 0; i < redis.count; i++) {
			if (text_is(text_from(redis.entries[i].stream), args[1]))
				last = redis.entries[i].id;
		}
		answer_range(c, args[1], last, last, 1);
	} else if (!text_is(args[0], TEXT("UNSUBSCRIBE"))) {
		fail_msg("unknown command %.*s", (int)args[0].n, args[0].at);
	}
}

static void
forget_conn(struct conn *c)
{
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] == c)
			redis.readers[i] = NULL;
	}
	if (redis.writer == c)
		redis.writer = NULL;
}

static int
start_streams(void **state)
{
	start(state);
	memset(&redis, 0, sizeof redis);
	redis.run_id = "0123456789abcdef0123456789abcdef01234567";
	redis.last = 1000;
	buffer_init(&redis.rest, 1 << 20);
	server.other = serve_streams;
	server.closed = forget_conn;
	return 0;
}

static int
stop_streams(void **state)
{
	int rc = stop(state);

	drop_entries(redis.count);
	buffer_fini(&redis.rest);
	return rc;
}

/* ------------------------------------------------------------------ the form */

struct end {
	struct bus_end *end;
	struct bus_member member;
	struct buffer heard; /* the first argument of each event, and a blank */
	char last_id[WIRE_STREAM_ID_SIZE];
	unsigned settled, answers;
	bool closed;
};

static void
on_message(struct bus_member *member, const struct bus_message *message)
{
	struct end *end = container_of(member, struct end, member);
	struct text payload = message->payload;
	const char *at = payload.n > 0 ? memmem(payload.at, payload.n, "\"news\",", 7) : NULL;

	end->answers += message->kind == BUS_RESPONSE;
	snprintf(end->last_id, sizeof end->last_id, "%.*s", (int)message->id.n,
		message->id.at != NULL ? message->id.at : "");
	if (at != NULL)
		buffer_printf(&end->heard, "%d ", atoi(at + 7));
	else
		buffer_printf(&end->heard, "(%.*s) ", (int)payload.n, payload.at != NULL ? payload.at : "");
}

static void
on_settled(struct bus_member *member)
{
	container_of(member, struct end, member)->settled++;
}

static const struct bus_form_ops form_ops = {on_message, on_settled};

static void
on_closed(void *arg)
{
	((struct end *)arg)->closed = true;
}

static struct bus_form_options
options(void)
{
	return (struct bus_form_options){.server = server.url,
		.key = "k",
		.max_queue = 2000,
		.check_ms = 100,
		.timeout_ms = 300,
		.stream = {.name = "s", .count = 1, .max_len = 1000, .read_count = 10, .block_ms = 300}};
}

static void
open_with(struct end *end, const char *uid, const char *nsp, const struct bus_form_options *o)
{
	char error[BUS_ERROR_MAX];

	memset(end, 0, sizeof *end);
	buffer_init(&end->heard, 1 << 20);
	if (bus_streams.open(&end->end, &bench.loop, o, &form_ops, error) < 0)
		fail_msg("%s", error);
	end->member = (struct bus_member){.name = text_from(nsp), .uid = text_from(uid)};
	bus_streams.subscribe(end->end, &end->member);
}

static struct bus_stats
stats(const struct end *end)
{
	struct bus_stats out;

	bus_streams.stats(end->end, &out);
	return out;
}

static void
open_end(struct end *end, const char *uid)
{
	struct bus_form_options o = options();

	open_with(end, uid, "/", &o);
	RUN_UNTIL(stats(end).up);
}

static void
close_end(struct end *end)
{
	bus_streams.unsubscribe(end->end, &end->member);
	bus_streams.close(end->end, 500, on_closed, end);
	RUN_UNTIL(end->closed);
	buffer_fini(&end->heard);
}

static int
publish_text(struct end *end, enum bus_kind kind, const char *text)
{
	struct block *block = block_copy(text, strlen(text));
	int rc = bus_streams.publish(end->end, &end->member, kind, TEXT_NONE, block);

	block_unref(block);
	return rc;
}

static int
emit(struct end *end, int n)
{
	char text[256];

	snprintf(text, sizeof text,
		"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"news\",%d]},\"opts\":{\"rooms\":[],"
		"\"except\":[],"
		"\"flags\":{}}},\"uid\":\"%.*s\",\"nsp\":\"%.*s\"}",
		n, (int)end->member.uid.n, end->member.uid.at, (int)end->member.name.n, end->member.name.at);
	return publish_text(end, BUS_BROADCAST, text);
}

static bool
has(const struct buffer *buffer, const char *text)
{
	return text_ends(buffer_text(buffer), text_from(text));
}

#define UNTIL_HEARD(end, text)                                                                                       \
	do {                                                                                                         \
		RUN_UNTIL(has(&(end)->heard, text) || (end)->heard.len > 4000);                                      \
		if (!text_is(buffer_text(&(end)->heard), text_from(text)))                                           \
			fail_msg("heard \"%.*s\"", (int)(end)->heard.len, (char *)(end)->heard.data);                \
	} while (0)

/* ------------------------------------------------------------------ the tests */

static void
entries_reach_the_others_once_and_in_order(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	for (int i = 1; i <= 3; i++)
		assert_int_equal(emit(&a, i), 0);
	UNTIL_HEARD(&b, "1 2 3 ");
	assert_string_equal(b.last_id, "1003-0");
	emit(&b, 4);
	UNTIL_HEARD(&a, "4 ");
	RUN_UNTIL(stats(&a).published >= 3);
	assert_int_equal(stats(&b).gaps, 0);
	close_end(&a);
	close_end(&b);
}

/* What is added while the reader is away is read afterwards. The other links stay as they are. */
static void
the_position_outlives_the_connection(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	for (int i = 2; i < 40; i += 2) {
		for (unsigned k = 0; k < 4; k++) {
			if (redis.readers[k] != NULL)
				conn_close(redis.readers[k], REASON_FINISHED);
		}
		emit(&a, i);
		emit(&a, i + 1);
		RUN_UNTIL(stats(&a).published == (uint64_t)i + 1);
	}
	RUN_UNTIL(has(&b.heard, " 39 "));
	UNTIL_HEARD(&b,
		"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 "
		"37 38 39 ");
	assert_int_equal(stats(&b).gaps, 0);
	assert_int_equal(stats(&b).downs, 0); /* of the bus */
	assert_int_equal(a.heard.len, 0);
	close_end(&a);
	close_end(&b);
}

/* Messages whose answers were lost are looked for, and those that are not there are sent again. */
static void
nothing_is_added_twice_or_lost_with_the_answers(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	emit(&a, 2);
	emit(&a, 3);
	RUN_UNTIL(redis.answers_lost == 2);
	redis.dead = true;
	emit(&a, 4);
	emit(&a, 5);
	run_turn();
	loop_finish_turn(&bench.loop);
	redis.mute = redis.dead = false;
	redis.killed = 0;
	conn_close(redis.writer, REASON_FINISHED);
	emit(&a, 6);
	UNTIL_HEARD(&b, "1 2 3 4 5 6 ");
	RUN_UNTIL(stats(&a).published == 6);
	assert_int_equal(redis.count, 6);
	assert_int_equal(redis.killed, 1); /* the first connection that asked for its number */
	assert_int_equal(stats(&a).uncertain, 0);

	/* another process has taken the place of the server: its connections have other numbers */
	redis.mute = true;
	emit(&a, 7);
	RUN_UNTIL(redis.answers_lost == 3);
	redis.run_id = "another process";
	redis.mute = false;
	redis.killed = 0;
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).published == 7);
	assert_int_equal(redis.killed, 0);
	UNTIL_HEARD(&b, "1 2 3 4 5 6 7 ");
	close_end(&a);
	close_end(&b);
}

/* The stream was trimmed behind the last answer: nobody can tell, so the messages are not sent again. */
static void
messages_that_cannot_be_found_are_uncertain(void **state)
{
	struct end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	emit(&a, 2);
	emit(&a, 3);
	RUN_UNTIL(redis.answers_lost == 2);
	redis.mute = false;
	drop_entries(2);
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).published == 2); /* 3 was found */
	assert_int_equal(stats(&a).uncertain, 1);
	assert_true(logged("cannot tell whether messages were written"));
	emit(&a, 4);
	RUN_UNTIL(stats(&a).published == 3);
	assert_int_equal(redis.count, 2);
	close_end(&a);
}

/* The search goes on behind the message found last, which must not be one that the full queue has dropped since. */
static void
the_queue_may_drop_messages_that_are_looked_for(void **state)
{
	struct end a;
	uint64_t sent = 4;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	for (int i = 2; i <= 4; i++)
		emit(&a, i);
	RUN_UNTIL(redis.answers_lost == 3);
	redis.mute = false;
	redis.holds = true;
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(redis.held != NULL && stats(&a).published == 2); /* the first of them is found */
	while (stats(&a).dropped == 0)
		emit(&a, (int)++sent);
	conn_send_copy(redis.held, redis.rest.data, redis.rest.len);
	RUN_UNTIL(stats(&a).queue_bytes == 0);
	assert_int_equal(stats(&a).dropped, 1);
	assert_int_equal(stats(&a).published, sent - 1);
	assert_int_equal(redis.count, sent); /* the dropped message had been added */
	close_end(&a);
}

/* The last answer is so old that its entry is gone, but the node has read newer entries since. */
static void
a_node_that_seldom_sends_can_tell_too(void **state)
{
	struct end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	add_entry(TEXT("s"), "$1\r\na\r\n$1\r\nb\r\n", 14, 2);
	wake_readers();
	RUN_UNTIL(stats(&a).received == 2);
	drop_entries(1);
	redis.dead = true;
	redis.writer = NULL;
	emit(&a, 2);
	RUN_UNTIL(redis.writer != NULL);
	redis.dead = false;
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).queue_bytes == 0);
	assert_int_equal(stats(&a).uncertain, 0);
	assert_int_equal(stats(&a).published, 2);
	close_end(&a);
}

static void
close_readers(void)
{
	for (unsigned i = 0; i < 4; i++) {
		if (redis.readers[i] != NULL)
			conn_close(redis.readers[i], REASON_FINISHED);
	}
}

static void
a_trimmed_stream_is_a_gap(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	RUN_UNTIL(redis.readers[0] != NULL && redis.readers[1] != NULL);
	close_readers();
	for (int i = 2; i <= 5; i++)
		emit(&a, i);
	RUN_UNTIL(redis.count == 5);
	drop_entries(3);
	UNTIL_HEARD(&b, "1 4 5 ");
	assert_int_equal(stats(&b).gaps, 1);
	assert_true(logged("entries may be missing"));

	/* restored from an older copy: the new entries have smaller ids than those read */
	RUN_UNTIL(redis.readers[0] != NULL && redis.readers[1] != NULL);
	close_readers();
	drop_entries(2);
	redis.last = 500;
	RUN_UNTIL(stats(&b).gaps == 2 && redis.readers[0] != NULL && redis.readers[1] != NULL);
	emit(&a, 6);
	UNTIL_HEARD(&b, "1 4 5 6 ");
	close_end(&a);
	close_end(&b);
}

/* A reader that lags behind the trimming notices it without a reconnect. */
static void
a_slow_reader_notices_the_trimming(void **state)
{
	struct end a, b;
	unsigned connects;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	connects = (unsigned)stats(&b).connects;
	RUN_UNTIL(redis.readers[0] != NULL && redis.readers[1] != NULL);
	for (unsigned i = 0; i < 30; i++)
		add_entry(TEXT("s"), "$1\r\na\r\n$1\r\nb\r\n", 14, 2);
	wake_readers();	  /* ten entries each */
	drop_entries(15); /* before they ask for the next */
	RUN_UNTIL(stats(&b).gaps == 1 && stats(&b).received == 25);
	assert_int_equal(stats(&b).connects, connects);
	close_end(&a);
	close_end(&b);
}

static void
what_the_server_refuses_waits(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	redis.refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	emit(&a, 1);
	emit(&a, 2);
	RUN_UNTIL(logged("writing to the stream refused"));
	emit(&a, 3);
	assert_false(stats(&a).up);
	assert_false(bus_streams.flows(a.end));
	redis.adds = 0;
	RUN_UNTIL(redis.adds == 2); /* one at a time */
	redis.refusal = NULL;
	UNTIL_HEARD(&b, "1 2 3 ");
	RUN_UNTIL(stats(&a).up);
	assert_int_equal(stats(&a).dropped + stats(&a).uncertain, 0);
	close_end(&a);
	close_end(&b);
}

static void
the_queue_has_limits(void **state)
{
	struct bus_form_options o = options();
	char *big = calloc(1, 4001);
	uint64_t refused;
	struct end a, b;

	(void)state;
	o.max_age_ms = 300;
	open_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	RUN_UNTIL(stats(&a).up);
	open_end(&b, "bbbbbbbbbbbbbbbb");
	redis.refusal = "-NOPERM no\r\n";
	for (int i = 1; i <= 10; i++)
		emit(&a, i);
	RUN_UNTIL(!stats(&a).up);
	for (int i = 11; i <= 20; i++)
		emit(&a, i);
	assert_in_range(stats(&a).dropped, 1, 19);
	assert_in_range(stats(&a).queue_bytes, 1, 2000);
	memset(big, 'x', 4000);
	memcpy(big, "{\"type\":3,\"data\":", 17);
	strcpy(big + 4000 - 38, ",\"uid\":\"aaaaaaaaaaaaaaaa\",\"nsp\":\"/\"}");
	assert_int_equal(publish_text(&a, BUS_BROADCAST, big), ERROR_TOO_BIG);
	assert_int_equal(stats(&a).refused, 1);
	/* too old when the server accepts messages again */
	refused = bench_clock();
	RUN_UNTIL(bench_clock() > refused + 350);
	redis.refusal = NULL;
	RUN_UNTIL(stats(&a).expired > 0 && stats(&a).queue_bytes == 0);
	emit(&a, 21);
	UNTIL_HEARD(&b, "21 ");
	close_end(&a);
	close_end(&b);
	free(big);
}

static void
a_silent_server_is_left(void **state)
{
	struct end a, b;
	uint64_t connects;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	connects = stats(&b).connects;
	redis.silent = true;
	emit(&a, 1); /* ends the reads under way */
	UNTIL_HEARD(&b, "1 ");
	RUN_UNTIL(stats(&b).connects > connects); /* the answer is late: block_ms and timeout_ms have passed */
	redis.silent = false;
	emit(&a, 2);
	UNTIL_HEARD(&b, "1 2 ");
	assert_true(logged("timed out waiting for an answer"));
	close_end(&a);
	close_end(&b);
}

static void
questions_and_answers_are_published(void **state)
{
	static const char fetch[] = "{\"type\":7,\"data\":{},\"uid\":\"aaaaaaaaaaaaaaaa\",\"nsp\":\"/\"}";
	static const char join[] = "{\"type\":4,\"data\":{},\"uid\":\"aaaaaaaaaaaaaaaa\",\"nsp\":\"/\"}";
	struct end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	assert_true(text_is(bus_streams.channel(a.end, &a.member, BUS_BROADCAST, TEXT("room")), TEXT("k#/#")));
	assert_true(text_is(bus_streams.channel(a.end, &a.member, BUS_RESPONSE, TEXT("u")), TEXT("k#/#u#")));
	assert_true(text_is(
		bus_streams.channel(a.end, &a.member, BUS_OWN_RESPONSE, TEXT_NONE), TEXT("k#/#aaaaaaaaaaaaaaaa#")));
	publish_text(&a, BUS_REQUEST, fetch);
	RUN_UNTIL(a.heard.len > 0); /* the server of the test delivers to the publisher */
	assert_int_equal(redis.adds, 0);
	publish_text(&a, BUS_REQUEST, join);
	RUN_UNTIL(redis.adds == 1);
	assert_string_equal(redis.added_to, "s");
	close_end(&a);
}

static void
namespaces_have_streams(void **state)
{
	struct bus_form_options o = options();
	struct end a, b;

	(void)state;
	o.stream.count = 4;
	open_with(&a, "aaaaaaaaaaaaaaaa", "/my-namespace", &o);
	open_with(&b, "bbbbbbbbbbbbbbbb", "/my-namespace", &o);
	RUN_UNTIL(stats(&a).up && stats(&b).up);
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	assert_string_equal(redis.added_to, "s--3");
	assert_true(logged("Node.js servers write to a stream for this namespace that they do not read"));
	close_end(&a);
	close_end(&b);
}

/* Foreign entries do not disturb: no fields, no such namespace, data that is no message. */
static void
foreign_entries_are_passed_over(void **state)
{
	static const char *const entries[] = {
		"$1\r\na\r\n$1\r\nb\r\n",
		"$3\r\nnsp\r\n$2\r\n/x\r\n",
		"$3\r\nnsp\r\n$1\r\n/\r\n",
	};
	struct end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	for (unsigned i = 0; i < 3; i++)
		add_entry(TEXT("s"), entries[i], strlen(entries[i]), 2);
	wake_readers();
	RUN_UNTIL(stats(&a).received == 3);
	assert_true(text_is(buffer_text(&a.heard), TEXT("() "))); /* empty, for the broker to count */
	close_end(&a);
}

static void
a_namespace_settles_although_the_stream_is_denied(void **state)
{
	struct bus_form_options o = options();
	struct end a;

	(void)state;
	redis.denial = "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
	open_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	assert_true(bus_streams.awaits(a.end, &a.member));
	RUN_UNTIL(a.settled == 1);
	RUN_UNTIL(logged("reading the stream refused"));
	assert_false(bus_streams.awaits(a.end, &a.member));
	assert_false(stats(&a).up);
	redis.denial = NULL;
	RUN_UNTIL(stats(&a).up);
	close_end(&a);
}

static void
closing_waits_for_the_answers(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	for (int i = 1; i <= 5; i++)
		emit(&a, i);
	close_end(&a);
	UNTIL_HEARD(&b, "1 2 3 4 5 ");
	redis.dead = true;
	emit(&b, 6);
	close_end(&b); /* gives up after its time */
}

static void
strange_answers_end_the_connection(void **state)
{
	static const char *const answers[] = {
		"+OK\r\n", ":1\r\n", "*1\r\n:1\r\n", "hello\r\n", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*1\r\n"};
	struct end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
		uint64_t malformed = stats(&a).malformed;

		RUN_UNTIL(redis.readers[0] != NULL);
		say(redis.readers[0], "%s", answers[i]);
		RUN_UNTIL(stats(&a).malformed == malformed + 1);
		RUN_UNTIL(stats(&a).up);
		redis.readers[0] = NULL;
		emit(&a, 1);
		RUN_UNTIL(stats(&a).published == i + 1);
		RUN_UNTIL(redis.writer != NULL && redis.readers[0] != NULL);
		malformed = stats(&a).malformed;
		say(redis.writer, "%s", answers[i]);
		RUN_UNTIL(stats(&a).malformed == malformed + 1);
		RUN_UNTIL(stats(&a).up);
	}
	close_end(&a);
}

/* An AUTH for a new password waits for its answer, and nothing else does. */
static void
an_id_instead_of_the_answer_to_a_renewal_ends_the_connection(void **state)
{
	char path[] = "/tmp/sockeye-streams-XXXXXX";
	struct bus_form_options o = options();
	struct end a;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "first\n", 6), 6);
	o.access.password_file = path;
	open_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	RUN_UNTIL(stats(&a).up);
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	server.watched = redis.writer;
	server.auth = "";
	assert_int_equal(pwrite(fd, "other\n", 6, 0), 6);
	RUN_UNTIL(server.logged_in);
	say(redis.writer, "$3\r\n9-9\r\n");
	RUN_UNTIL(stats(&a).malformed == 1);
	server.auth = "+OK\r\n";
	RUN_UNTIL(stats(&a).up);
	close_end(&a);
	close(fd);
	unlink(path);
}

#define STREAMS_CASE(name) cmocka_unit_test_setup_teardown(name, start_streams, stop_streams)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STREAMS_CASE(entries_reach_the_others_once_and_in_order),
		STREAMS_CASE(the_position_outlives_the_connection),
		STREAMS_CASE(nothing_is_added_twice_or_lost_with_the_answers),
		STREAMS_CASE(messages_that_cannot_be_found_are_uncertain),
		STREAMS_CASE(a_node_that_seldom_sends_can_tell_too),
		STREAMS_CASE(the_queue_may_drop_messages_that_are_looked_for),
		STREAMS_CASE(a_trimmed_stream_is_a_gap),
		STREAMS_CASE(a_slow_reader_notices_the_trimming),
		STREAMS_CASE(what_the_server_refuses_waits),
		STREAMS_CASE(the_queue_has_limits),
		STREAMS_CASE(a_silent_server_is_left),
		STREAMS_CASE(questions_and_answers_are_published),
		STREAMS_CASE(namespaces_have_streams),
		STREAMS_CASE(foreign_entries_are_passed_over),
		STREAMS_CASE(a_namespace_settles_although_the_stream_is_denied),
		STREAMS_CASE(closing_waits_for_the_answers),
		STREAMS_CASE(strange_answers_end_the_connection),
		STREAMS_CASE(an_id_instead_of_the_answer_to_a_renewal_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
