/* What a Redis server may send, whole, cut anywhere in two, and byte by byte; and invalid input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/resp.h"
#include "common/base/buffer.h"
#include "common/base/error.h"

static struct buffer heard;
static unsigned stop_after;
static struct resp_reader *reader;
static unsigned blocks; /* messages whose payload came in a block */

/* Writes each answer as text: +OK; -ERR; :5; [message|c|x]; */
static bool
on_reply(void *arg, const struct resp *r)
{
	static const char marks[] = {'+', '-'};

	(void)arg;
	if (r->block != NULL) {
		struct text payload = r->items[r->item_count - 1];

		assert_ptr_equal(payload.at, r->block->data);
		assert_true(payload.n >= RESP_LONG && payload.n <= r->block->len);
		blocks++;
	}
	if (r->type == RESP_INTEGER) {
		buffer_printf(&heard, ":%lld;", (long long)r->integer);
	} else if (r->type == RESP_ARRAY) {
		buffer_add_byte(&heard, '[');
		for (unsigned i = 0; i < r->item_count; i++) {
			if (i > 0)
				buffer_add_byte(&heard, '|');
			if (i < RESP_ITEMS_MAX && r->items[i].at != NULL)
				buffer_add_text(&heard, r->items[i]);
			else
				buffer_printf(&heard, "#%lld", (long long)r->integer);
		}
		if (r->text.at != NULL)
			buffer_printf(&heard, "!%.*s", (int)r->text.n, r->text.at);
		buffer_add(&heard, "];", 2);
	} else if (r->type == RESP_NIL) {
		buffer_printf(&heard, "nil;");
	} else if (r->type == RESP_MAP) {
		buffer_printf(&heard, "map;");
	} else {
		buffer_printf(&heard, "%c%.*s;", marks[r->type == RESP_ERROR], (int)r->text.n, r->text.at);
	}
	return stop_after == 0 || --stop_after > 0;
}

static int
start(void **state)
{
	(void)state;
	buffer_init(&heard, 1 << 24);
	reader = resp_reader_new(1 << 20, on_reply, NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	resp_reader_free(reader);
	buffer_fini(&heard);
	return 0;
}

static void
anew(void)
{
	resp_reader_free(reader);
	reader = resp_reader_new(1 << 20, on_reply, NULL);
	buffer_reset(&heard);
	blocks = 0;
}

/* As a connection does: unused bytes are fed again before the next piece. */
static int64_t
feed(struct text in, size_t piece)
{
	struct buffer left;
	int64_t n = 0;

	buffer_init(&left, 1 << 24);
	for (size_t at = 0; at < in.n && n >= 0; at += piece) {
		buffer_add(&left, in.at + at, piece < in.n - at ? piece : in.n - at);
		n = resp_reader_feed(reader, left.data, left.len);
		if (n > 0)
			buffer_drop(&left, (size_t)n);
	}
	if (n >= 0)
		n = (int64_t)left.len;
	buffer_fini(&left);
	return n;
}

static const char stream[] =
	"+OK\r\n:12\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhe\r\no\r\n"
	"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$0\r\n\r\n"
	"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*-1\r\n$-1\r\n:0\r\n-ERR no\r\n*2\r\n$1\r\nx\r\n:-3\r\n"
	"+QUEUED\r\n*6\r\n$3\r\n1-2\r\n:0\r\n:0\r\n:2\r\n$-1\r\n:17\r\n*2\r\n-ERR a\r\n-ERR b\r\n*0\r\n"
	"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nz\r\n";
static const char answers[] =
	"+OK;:12;[message|news|he\r\no];[pmessage|n*|news|];[subscribe|c|#1];nil;nil;:0;-ERR no;[x|#-3];"
	"+QUEUED;[1-2|#17|#17|#17|#17|#17];[#0|#0!ERR a];[];"
	"[message|c|z];";

static void
whole_and_cut(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= sizeof stream; piece++) {
		anew();
		assert_int_equal(feed(text_of(stream, sizeof stream - 1), piece), 0);
		assert_int_equal(heard.len, sizeof answers - 1);
		assert_memory_equal(heard.data, answers, heard.len);
	}
	for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
		int64_t n;

		anew();
		n = feed(text_of(stream, cut), cut ? cut : 1);
		assert_true(n >= 0);
		assert_true(heard.len < sizeof answers - 1);
		assert_memory_equal(heard.data ? (char *)heard.data : answers, answers, heard.len);
	}
}

static const char resp3_stream[] =
	"%2\r\n$6\r\nserver\r\n$5\r\nre\r\ns\r\n+modules\r\n*2\r\n%1\r\n+name\r\n:-3\r\n~0\r\n"
	">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\n>3\r\no\r\n>4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$"
	"1\r\n>"
	"\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\n>\r\n:1\r\n>3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\n>\r\n+OK\r\n-ERR "
	"no\r\n"
	">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nz\r\n";
static const char resp3_answers[] =
	"map;[message|news|>3\r\no];[pmessage|n*|news|>];[subscribe|>|#1];[smessage|c|>];+OK;-ERR no;[message|c|z];";

static void
resp3_whole_and_cut(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= sizeof resp3_stream; piece++) {
		anew();
		assert_int_equal(feed(text_of(resp3_stream, sizeof resp3_stream - 1), piece), 0);
		assert_int_equal(heard.len, sizeof resp3_answers - 1);
		assert_memory_equal(heard.data, resp3_answers, heard.len);
	}
	anew();
	assert_true(feed(TEXT("%1\r\n$1\r\na\r\n?\r\n"), 100) < 0);
	anew();
	assert_true(feed(TEXT("%99999999\r\n"), 100) < 0);
	anew();
	assert_true(feed(TEXT(":1\r\n+OK\r\n?\r\n"), 100) < 0);
}

/* A message of each kind, in pieces of each size: its payload comes in a block that the callee may keep. */
static void
large_messages(void **state)
{
	static const struct {
		const char *head, *heard;
	} kinds[] = {
		{"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n", "[message|c|"},
		{">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n", "[smessage|c|"},
		{"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n", "[pmessage|n*|news|"},
	};
	size_t n = 900 * 1000;
	char *in = malloc(n + 100);

	(void)state;
	for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		size_t head = (size_t)sprintf(in, "%s$%zu\r\n", kinds[kind].head, n),
		       before = strlen(kinds[kind].heard);

		memset(in + head, 'x', n);
		memcpy(in + head + n, "\r\n:7\r\n", 6);
		for (size_t piece = 1000; piece < 200000; piece *= 3) {
			anew();
			assert_int_equal(feed(text_of(in, head + n + 6), piece), 0);
			assert_int_equal(heard.len, before + n + sizeof "];:7;" - 1);
			assert_memory_equal(heard.data, kinds[kind].heard, before);
			assert_memory_equal(heard.data + before, in + head, n);
			assert_int_equal(blocks, 1);
		}
		/* a wrong end is an error, and a reader may be freed in the midst of a message */
		in[head + n] = 'x';
		anew();
		assert_int_equal(feed(text_of(in, head + n + 6), 50000), ERROR_SYNTAX);
		anew();
		assert_int_equal(feed(text_of(in, head + 1000), 50000), 0);
	}
	free(in);
}

/* The bus closes the connection at such input: it must be an error at once, without using much memory. */
static void
malformed_input_is_an_error(void **state)
{
	static const char *const bad[] = {"hello\r\n", "*1000000000\r\n", "*9223372036854775807\r\n",
		"*4294967297\r\n$1\r\nx\r\n", /* CVE-2021-32765 */
		"*65\r\n", "*2\r\n*1\r\n:1\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "$-2\r\n",
		"$abc\r\n", "*-2\r\n", ":abc\r\n",
		/* line ends other than CR LF, lengths that Redis would not write */
		"*3\r\n$9\r\nsubscribe\r\n$99999999999\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1048577\r\nx",
		"*2\r\n$1\r\nxAB$1\r\ny\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nz\r:", "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$01\r\nz\r\n",
		":007\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		anew();
		if (feed(text_from(bad[i]), strlen(bad[i])) >= 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(heard.len, 0);
		anew();
		if (feed(text_from(bad[i]), 1) >= 0)
			fail_msg("taken in pieces: %s", bad[i]);
	}
}

/* Each read searches for the end of the line from its start, so the line's length must be limited. */
static void
a_line_must_end(void **state)
{
	static const char *const heads[] = {"-ERR ", "+", ":", "*", "$", "*2\r\n$", "*2\r\n$1\r\nx\r\n:"};
	size_t n = 1 << 20;
	char *in = malloc(n);

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		memset(in, '7', n);
		memcpy(in, heads[i], strlen(heads[i]));
		in[20] = '\n'; /* LF without CR does not end a line */
		anew();
		if (feed(text_of(in, 100000), 1000) >= 0)
			fail_msg("waited for: %s", heads[i]);
	}
	free(in);
}

/* Memory is bounded by what has arrived, not by the length that the input claims. */
static void
a_claimed_length_allocates_nothing(void **state)
{
	static const char head[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$536870911\r\n";
	size_t n = sizeof head - 1 + (4 << 20);
	char *in = calloc(1, n);

	(void)state;
	memcpy(in, head, sizeof head - 1);
	anew();
	assert_int_equal(feed(text_of(in, n), 1 << 19), ERROR_TOO_BIG);
	free(in);
}

/* Input that begins like a message is waited for, but only up to a limit. */
static void
a_false_message_is_detected(void **state)
{
	static const char head[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*1\r\n:1\r\n";
	size_t n = sizeof head - 1 + RESP_LEFT_MAX;
	char *in = malloc(n);

	(void)state;
	memset(in, ':', n);
	memcpy(in, head, sizeof head - 1);
	anew();
	assert_true(feed(text_of(in, n), 100) < 0);
	free(in);
}

/* CVE-2025-67733: a NUL or a forged line inside a text does not start another answer. */
static void
texts_with_line_ends_do_not_split(void **state)
{
	static const char nul[] = "-ERR a\0:5\r\n:1\r\n";
	static const char bulk[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$8\r\n\r\n+OK\r\n:\r\n:2\r\n";

	(void)state;
	anew();
	feed(text_of(nul, sizeof nul - 1), sizeof nul);
	assert_true(text_ends(buffer_text(&heard), TEXT(":1;")));
	assert_null(memmem(heard.data, heard.len, ":5;", 3));
	anew();
	assert_int_equal(feed(text_of(bulk, sizeof bulk - 1), sizeof bulk), 0);
	assert_true(text_is(buffer_text(&heard), TEXT("[message|c|\r\n+OK\r\n:];:2;")));
}

static void
the_callback_may_stop_it(void **state)
{
	(void)state;
	anew();
	stop_after = 3;
	assert_int_equal(feed(text_of(stream, sizeof stream - 1), sizeof stream), ERROR_CLOSED);
	assert_int_equal(stop_after, 0);
}

static void
commands_are_lists_of_bytes(void **state)
{
	static const char expected[] = "*3\r\n$7\r\nPUBLISH\r\n$3\r\na\0b\r\n$0\r\n\r\n";
	struct text args[] = {TEXT("PUBLISH"), TEXT("a\0b"), TEXT_NONE};
	struct block *b = resp_command(3, args);

	(void)state;
	assert_int_equal(b->len, sizeof expected - 1);
	assert_memory_equal(b->data, expected, b->len);
	block_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_cut),
		cmocka_unit_test(large_messages),
		cmocka_unit_test(resp3_whole_and_cut),
		cmocka_unit_test(malformed_input_is_an_error),
		cmocka_unit_test(a_line_must_end),
		cmocka_unit_test(a_claimed_length_allocates_nothing),
		cmocka_unit_test(a_false_message_is_detected),
		cmocka_unit_test(texts_with_line_ends_do_not_split),
		cmocka_unit_test(the_callback_may_stop_it),
		cmocka_unit_test(commands_are_lists_of_bytes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
