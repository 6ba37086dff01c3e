/*
 * Entries of streams against the commands of the real adapter (tests/data/wire/streams.txt, made by streams.mjs):
 * they are written byte for byte the same. Ids, names of streams, limits, and answers that come in pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "broker/streams_parser.h"
#include "broker/wire_stream.h"
#include "common/base/error.h"
#include "tests/unit/broker/vectors.h"

#define VECTORS "tests/data/wire/streams.txt"
static struct buffer out, message;

static int
start(void **state)
{
	(void)state;
	buffer_init(&out, 200 << 20);
	buffer_init(&message, 200 << 20);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	buffer_fini(&out);
	buffer_fini(&message);
	return 0;
}

static bool
same(struct text text, const char *expected)
{
	return text_is(text, text_from(expected));
}

/* Turns an XADD command into the entry that the server returns for it. */
static struct text
entry_of_command(struct text command, const char *id)
{
	const char *fields = memmem(command.at, command.n, "$1\r\n*\r\n", 7);
	unsigned items = 0;

	assert_non_null(fields);
	fields += 7;
	assert_int_equal(sscanf(command.at, "*%u", &items), 1);
	buffer_reset(&out);
	buffer_printf(&out, "*2\r\n$%zu\r\n%s\r\n*%u\r\n", strlen(id), id, items - 6);
	buffer_add(&out, fields, command.n - (size_t)(fields - command.at));
	return buffer_text(&out);
}

static void
entries_are_those_of_the_adapter(void **state)
{
	static const struct {
		const char *name, *nsp, *type, *data;
	} cases[] = {
		{"broadcast", "/", "3",
			"{\"packet\":{\"type\":2,\"data\":[\"news\",1,\"two\",{\"three\":[3]}]},"
			"\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}}"},
		{"broadcast-binary", "/", "3", NULL},
		{"broadcast-rooms", "/", "3", NULL},
		{"broadcast-flags", "/", "3", NULL},
		{"broadcast-nsp", "/n s", "3", NULL},
		{"join", "/", "4", NULL},
		{"leave", "/", "5", NULL},
		{"disconnect", "/", "6",
			"{\"opts\":{\"rooms\":[\"red\"],\"except\":[],\"flags\":{}},\"close\":true}"},
	};
	struct wire_stream_entry entry;
	char expected[512];
	size_t fields;

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct text command = vector_of(VECTORS, cases[i].name);
		struct text in = entry_of_command(command, "1700000000000-7");

		assert_int_equal(wire_stream_entry_parse(in, &entry), in.n);
		assert_true(entry.id.ms == 1700000000000 && entry.id.seq == 7);
		assert_int_equal(entry.uid.n, 16);
		assert_true(same(entry.nsp, cases[i].nsp) && same(entry.type, cases[i].type));
		assert_null(entry.seal.at);
		buffer_reset(&message);
		assert_int_equal(wire_stream_message(&message, &entry), 0);
		assert_int_equal(wire_stream_type(buffer_text(&message)), atoi(cases[i].type));
		if (cases[i].data != NULL) {
			snprintf(expected, sizeof expected,
				"{\"type\":%s,\"data\":%s,\"uid\":\"%.16s\",\"nsp\":\"/\"}", cases[i].type,
				cases[i].data, entry.uid.at);
			assert_true(same(buffer_text(&message), expected));
		}
		/* what the broker writes becomes the same command again */
		struct buffer again;

		buffer_init(&again, 1 << 20);
		assert_int_equal(wire_stream_add(&again, TEXT("socket.io"), 10000, buffer_text(&message), entry.uid,
					 entry.nsp, 0, (struct wire_stream_order){0}, &fields),
			0);
		assert_true(text_is(buffer_text(&again), command));
		assert_true(text_is(text_of((char *)again.data + fields, again.len - fields), entry.fields));
		buffer_fini(&again);
		/* an entry that ends early needs more bytes, wherever it ends */
		for (size_t n = 0; n < in.n; n++)
			assert_int_equal(wire_stream_entry_parse(text_of(in.at, n), &entry), 0);
	}
}

/* An entry with binary values is MessagePack, whose event is not converted. */
static void
events_keep_their_form(void **state)
{
	static const char event[] = "\x93\xa3"
				    "bin\xc4\x03\0\1\xff\x81\xa4"
				    "deep\x92\xc4\0\xa1s";
	struct text in = entry_of_command(vector_of(VECTORS, "broadcast-binary"), "1-1");
	struct wire_stream_entry entry;
	struct wire_message decoded;

	(void)state;
	wire_message_init(&decoded);
	assert_int_equal(wire_stream_entry_parse(in, &entry), in.n);
	assert_int_equal(wire_stream_message(&message, &entry), 0);
	assert_int_equal(wire_stream_codec.read_broadcast(&decoded, buffer_text(&message)), 0);
	assert_true(text_is(decoded.event.array, text_of(event, sizeof event - 1)));
	assert_int_equal(decoded.event.values.bins, 2);
	in = entry_of_command(vector_of(VECTORS, "broadcast"), "1-1");
	assert_int_equal(wire_stream_entry_parse(in, &entry), in.n);
	buffer_reset(&message);
	assert_int_equal(wire_stream_message(&message, &entry), 0);
	assert_int_equal(wire_stream_codec.read_broadcast(&decoded, buffer_text(&message)), 0);
	assert_true(same(decoded.data, "[\"news\",1,\"two\",{\"three\":[3]}]"));
	wire_message_fini(&decoded);
}

static void
a_seal_travels_in_a_field_of_its_own(void **state)
{
	static const char text[] = "{\"type\":3,\"uid\":\"0123456789abcdef\",\"nsp\":\"/\"}0123456789ABCDEF";
	struct text uid = TEXT("0123456789abcdef"), sealed = TEXT(text), command;
	struct wire_stream_entry entry;
	size_t fields;

	(void)state;
	assert_int_equal(wire_stream_add(&message, TEXT("s"), 1, sealed, uid, TEXT("/"), 16,
				 (struct wire_stream_order){0}, &fields),
		0);
	command = buffer_text(&message);
	command = entry_of_command(command, "1-1");
	assert_int_equal(wire_stream_entry_parse(command, &entry), command.n);
	assert_null(entry.data.at);
	assert_null(entry.number.at);
	assert_true(same(entry.seal, "MDEyMzQ1Njc4OUFCQ0RFRg=="));
	buffer_reset(&message);
	assert_int_equal(wire_stream_message(&message, &entry), 0);
	assert_true(text_is(buffer_text(&message), sealed));
}

static void
a_number_is_the_last_field(void **state)
{
	static const char text[] = "{\"type\":3,\"uid\":\"0123456789abcdef\",\"nsp\":\"/\"}";
	struct text uid = TEXT("0123456789abcdef"), command;
	struct wire_stream_entry entry;
	size_t fields;

	(void)state;
	assert_int_equal(wire_stream_add(&message, TEXT("s"), 1, TEXT(text), uid, TEXT("/"), 0,
				 (struct wire_stream_order){UINT64_MAX, true}, &fields),
		0);
	command = buffer_text(&message);
	assert_true(text_ends(command, TEXT("$6\r\nnumber\r\n$20\r\n18446744073709551615\r\n")));
	command = entry_of_command(command, "1-1");
	assert_int_equal(wire_stream_entry_parse(command, &entry), command.n);
	assert_true(same(entry.number, "18446744073709551615"));
	assert_null(entry.order.at);
	assert_true(wire_stream_entry_number(&entry) == UINT64_MAX);
	buffer_reset(&message);
	assert_int_equal(wire_stream_message(&message, &entry), 0);
	assert_true(same(buffer_text(&message), text));

	/* the node does not wait for the event */
	buffer_reset(&message);
	assert_int_equal(wire_stream_add(&message, TEXT("s"), 1, TEXT(text), uid, TEXT("/"), 0,
				 (struct wire_stream_order){7, false}, &fields),
		0);
	command = buffer_text(&message);
	assert_true(text_ends(command, TEXT("$5\r\norder\r\n$1\r\n7\r\n")));
	command = entry_of_command(command, "1-1");
	assert_int_equal(wire_stream_entry_parse(command, &entry), command.n);
	assert_null(entry.number.at);
	assert_true(wire_stream_entry_number(&entry) == 7);
	entry.order = TEXT("18446744073709551616");
	assert_true(wire_stream_entry_number(&entry) == 0);
}

static void
a_message_of_another_form_is_not_added(void **state)
{
	static const char *const bad[] = {"", "{", "{\"type\":3", "{\"type\":3}",
		"{\"type\":\"3\",\"uid\":\"u\",\"nsp\":\"/\"}", "{\"type\":3,\"data\":,\"uid\":\"u\",\"nsp\":\"/\"}",
		"{\"type\":3,\"uid\":\"x\",\"nsp\":\"/\"}", "{\"type\":3,\"uid\":\"u\",\"nsp\":\"/a\"}",
		"\x84\xa4type", "\x84\xa4type\x03"};
	size_t fields;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(wire_stream_add(&out, TEXT("s"), 1, text_from(bad[i]), TEXT("u"), TEXT("/"), 0,
					 (struct wire_stream_order){0}, &fields),
			ERROR_SYNTAX);
	assert_int_equal(wire_stream_add(&out, TEXT("s"), 1, TEXT("short"), TEXT("u"), TEXT("/"), 16,
				 (struct wire_stream_order){0}, &fields),
		ERROR_SYNTAX);
	assert_int_equal(wire_stream_type(TEXT("{\"type\":x")), -1);
	assert_int_equal(wire_stream_type(TEXT("[]")), -1);
}

static void
entries_have_limits(void **state)
{
	static const char *const bad[] = {"*1\r\n", "*3\r\n", "$1\r\na\r\n", ":1\r\n", "x", "*2\r\n$3\r\n1-1",
		"*2\r\n$1\r\n1\r\n", "*2\r\n$3\r\na-1\r\n", "*2\r\n$3\r\n1-1\r\n*0\r\n",
		"*2\r\n$3\r\n1-1\r\n*1\r\n$1\r\na\r\n", "*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\naX\r", "*2\r\n$23\r\n18446744073709551616-0xx\r\n"};
	struct wire_stream_entry entry;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t n = wire_stream_entry_parse(text_from(bad[i]), &entry);

		if (i == 5)
			assert_int_equal(n, 0);
		else
			assert_int_equal(n, ERROR_SYNTAX);
	}
	buffer_printf(&out, "*2\r\n$3\r\n5-6\r\n*2\r\n$4\r\ndata\r\n$%u\r\n", WIRE_STREAM_ENTRY_MAX);
	assert_int_equal(wire_stream_entry_parse(buffer_text(&out), &entry), ERROR_TOO_BIG);
	assert_true(entry.id.ms == 5 && entry.id.seq == 6);
	assert_int_equal(wire_stream_entry_parse(TEXT("*2\r\n$3\r\n5-6\r\n*130\r\n"), &entry), ERROR_TOO_BIG);
	/* fields that are missing or malformed */
	entry = (struct wire_stream_entry){.uid = TEXT("u"), .nsp = TEXT("/"), .type = TEXT("3"), .data = TEXT("%%")};
	assert_int_equal(wire_stream_message(&message, &entry), ERROR_SYNTAX);
	entry.data = TEXT("{}");
	entry.type = TEXT("256");
	assert_int_equal(wire_stream_message(&message, &entry), ERROR_SYNTAX);
	entry.type = TEXT("3");
	entry.nsp = TEXT_NONE;
	assert_int_equal(wire_stream_message(&message, &entry), ERROR_SYNTAX);
}

static void
ids_are_ordered_and_written_as_they_are_read(void **state)
{
	char text[WIRE_STREAM_ID_SIZE];
	struct wire_stream_id a, b;

	(void)state;
	assert_int_equal(wire_stream_id_parse(TEXT("18446744073709551615-18446744073709551615"), &a), 0);
	assert_int_equal(wire_stream_id_write(a, text), WIRE_STREAM_ID_SIZE - 1);
	assert_string_equal(text, "18446744073709551615-18446744073709551615");
	assert_int_equal(wire_stream_id_parse(TEXT("5-18446744073709551615"), &b), 0);
	assert_true(wire_stream_id_compare(b, a) < 0 && wire_stream_id_compare(a, b) > 0);
	b = wire_stream_id_next(b);
	assert_true(b.ms == 6 && b.seq == 0 && !wire_stream_id_is_zero(b));
	for (unsigned i = 0; i < 6; i++) {
		static const char *const bad[] = {"", "1", "1-", "-1", "1-1-1", "1-18446744073709551616"};

		assert_int_equal(wire_stream_id_parse(text_from(bad[i]), &a), ERROR_SYNTAX);
	}
}

/* The values were computed by hashCode() of the adapter in Node.js. */
static void
a_namespace_has_the_stream_that_node_gives_it(void **state)
{
	static const struct {
		const char *nsp;
		int32_t hash;
		int of4;
	} cases[] = {{"/", 47, 3}, {"/my-namespace", -1403629527, -3}, {"/chat", 46457863, 3},
		{"/ünï🐟", 1583576496, 0}, {"", 0, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(wire_stream_hash(text_from(cases[i].nsp)), cases[i].hash);
		assert_int_equal(wire_stream_number(text_from(cases[i].nsp), 4), cases[i].of4);
	}
	assert_int_equal(wire_stream_numbers(1), 1);
	assert_int_equal(wire_stream_numbers(4), 7);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(wire_stream_index_of(4, wire_stream_number_at(4, i)), i);
	assert_int_equal(wire_stream_number_at(4, 6), -3);
	wire_stream_name(&out, TEXT("socket.io"), 1, 0);
	assert_true(same(buffer_text(&out), "socket.io"));
	buffer_reset(&out);
	wire_stream_name(&out, TEXT("socket.io"), 4, -3);
	assert_true(same(buffer_text(&out), "socket.io--3"));
}

/* ------------------------------------------------------------------ answers */

static struct {
	enum streams_shape shape;
	struct buffer seen;
	bool stop;
} heard;

static enum streams_shape
on_expects(void *arg)
{
	(void)arg;
	return heard.shape;
}

static bool
on_stream(void *arg, struct text name, unsigned entries)
{
	(void)arg;
	buffer_printf(&heard.seen, "%.*s(%u) ", (int)name.n, name.at, entries);
	return true;
}

static bool
on_entry(void *arg, const struct wire_stream_entry *entry)
{
	(void)arg;
	buffer_printf(&heard.seen, "%u ", (unsigned)entry->id.ms);
	return !heard.stop;
}

static bool
on_too_big(void *arg, struct wire_stream_id id)
{
	(void)arg;
	buffer_printf(&heard.seen, "big%u ", (unsigned)id.ms);
	return true;
}

static bool
on_answer(void *arg, const struct resp_item *answer)
{
	(void)arg;
	buffer_printf(&heard.seen, "=%u.%u ", (unsigned)answer->type,
		answer->type == RESP_ARRAY ? (unsigned)answer->integer : 0);
	return true;
}

static const struct streams_parser_ops ops = {on_expects, on_stream, on_entry, on_too_big, on_answer};

static void
feed(struct streams_parser *parser, const char *bytes, size_t piece, int expected)
{
	size_t n = strlen(bytes);
	int rc = 0;

	for (size_t at = 0; at < n && rc == 0; at += piece)
		rc = streams_parser_feed(parser, (const uint8_t *)bytes + at, n - at < piece ? n - at : piece);
	assert_int_equal(rc, expected);
}

#define ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"

static void
answers_are_read_in_pieces_of_any_size(void **state)
{
	static const char read[] =
		"*2\r\n*2\r\n$1\r\ns\r\n*2\r\n" ENTRY("1-0") ENTRY("2-0") "*2\r\n$1\r\nt\r\n*1\r\n" ENTRY("3-0");
	struct streams_parser parser;

	(void)state;
	buffer_init(&heard.seen, 1 << 20);
	heard.stop = false;
	streams_parser_init(&parser, &ops, NULL);
	for (size_t piece = 1; piece <= sizeof read; piece++) {
		heard.shape = STREAMS_READ;
		feed(&parser, read, piece, 0);
		assert_true(same(buffer_text(&heard.seen), "s(2) 1 2 t(1) 3 =3.2 "));
		buffer_reset(&heard.seen);
		feed(&parser, "*-1\r\n-ERR no\r\n", piece, 0);
		heard.shape = STREAMS_ENTRIES;
		feed(&parser, "*0\r\n*1\r\n" ENTRY("9-1"), piece, 0);
		heard.shape = STREAMS_SCALAR;
		feed(&parser, ":5\r\n$3\r\n1-1\r\n+OK\r\n", piece, 0);
		assert_true(same(buffer_text(&heard.seen), "=5.0 =1.0 =3.0 9 =3.1 =2.0 =4.0 =0.0 "));
		buffer_reset(&heard.seen);
	}
	streams_parser_fini(&parser);
	buffer_fini(&heard.seen);
}

static void
an_entry_that_is_too_big_is_skipped(void **state)
{
	struct streams_parser parser;
	uint8_t *much = calloc(1, 1 << 20);
	size_t left = (size_t)WIRE_STREAM_ENTRY_MAX + 5;

	(void)state;
	buffer_init(&heard.seen, 1 << 20);
	heard.stop = false;
	heard.shape = STREAMS_ENTRIES;
	streams_parser_init(&parser, &ops, NULL);
	buffer_printf(&out, "*2\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$4\r\ndata\r\n$%zu\r\n", left);
	assert_int_equal(streams_parser_feed(&parser, out.data, out.len), 0);
	for (; left > 0; left -= left < 1 << 20 ? left : 1 << 20)
		assert_int_equal(streams_parser_feed(&parser, much, left < 1 << 20 ? left : 1 << 20), 0);
	assert_int_equal(parser.partial.size, 0); /* nothing was kept */
	feed(&parser, "\r\n" ENTRY("8-1"), 3, 0);
	assert_true(same(buffer_text(&heard.seen), "big7 8 =3.2 "));
	streams_parser_fini(&parser);
	buffer_fini(&heard.seen);
	free(much);
}

static void
other_bytes_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		enum streams_shape shape;
	} bad[] = {{"x", STREAMS_SCALAR}, {":1\r\n", STREAMS_NOTHING}, {"*1\r\n", STREAMS_SCALAR},
		{"*1\r\n:1\r\n", STREAMS_ENTRIES}, {"*1\r\n*3\r\n$1\r\ns\r\n*0\r\n", STREAMS_READ},
		{"*1\r\n*2\r\n:1\r\n*0\r\n", STREAMS_READ}, {"$-2\r\n", STREAMS_SCALAR}, {":1x\r\n", STREAMS_SCALAR},
		{"*1\r\n*2\r\n$3\r\n1-1\r\n*200\r\n:1\r\n", STREAMS_ENTRIES}};
	struct streams_parser parser;

	(void)state;
	buffer_init(&heard.seen, 1 << 20);
	streams_parser_init(&parser, &ops, NULL);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		heard.shape = bad[i].shape;
		feed(&parser, bad[i].bytes, 1000, ERROR_SYNTAX);
		streams_parser_reset(&parser);
	}
	heard.shape = STREAMS_ENTRIES;
	heard.stop = true;
	feed(&parser, "*1\r\n" ENTRY("1-1"), 1000, ERROR_CLOSED);
	heard.stop = false;
	streams_parser_fini(&parser);
	buffer_fini(&heard.seen);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(entries_are_those_of_the_adapter),
		CASE(events_keep_their_form),
		CASE(a_seal_travels_in_a_field_of_its_own),
		CASE(a_number_is_the_last_field),
		CASE(a_message_of_another_form_is_not_added),
		CASE(entries_have_limits),
		CASE(ids_are_ordered_and_written_as_they_are_read),
		CASE(a_namespace_has_the_stream_that_node_gives_it),
		CASE(answers_are_read_in_pieces_of_any_size),
		CASE(an_entry_that_is_too_big_is_skipped),
		CASE(other_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
