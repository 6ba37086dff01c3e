/* The payload codec: whole, cut at each position, round trips, and the cost of many tiny packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/engineio/eio_payload.h"

/* Walks a payload and writes what it contains: "type" or "B", then data in angle brackets; then "!" for an error. */
static void
describe(const char *bytes, size_t n, char *out, size_t size)
{
	uint8_t *copy = malloc(n + 1); /* of the exact size, for the sanitizer */
	struct eio_payload p;
	struct eio_packet packet;
	size_t at = 0;
	int got;

	memcpy(copy, bytes, n);
	copy = realloc(copy, n > 0 ? n : 1);
	eio_payload_init(&p, copy, n);
	out[0] = '\0';
	while ((got = eio_payload_next(&p, &packet)) > 0)
		at += (size_t)snprintf(out + at, size - at, "%c<%.*s>", packet.binary ? 'B' : (char)packet.type,
			(int)packet.n, (const char *)packet.data);
	if (got < 0) {
		assert_int_equal(got, ERROR_SYNTAX);
		snprintf(out + at, size - at, "!");
	}
	assert_int_equal(eio_payload_next(&p, &packet), 0);
	free(copy);
}

static void
test_decode(void **state)
{
	static const struct {
		const char *payload, *expected;
	} rows[] = {
		{"4hello", "4<hello>"},
		{"4hello\x1e"
		 "2\x1e"
		 "4world",
			"4<hello>2<>4<world>"},
		{"4hello\x1e"
		 "bAQIDBA==",
			"4<hello>B<\x01\x02\x03\x04>"},
		{"bAQIDBA", "B<\x01\x02\x03\x04>"}, /* some clients omit the padding */
		{"bAQID\nBA==\n\x1e"
		 "4x",
			"B<\x01\x02\x03\x04>4<x>"}, /* others break lines, and end with a line break */
		{"b-_-_", "B<\xfb\xff\xbf>"},
		{"b AQIDB A==\r\n", "B<\x01\x02\x03\x04>"},
		{"bAQID*BA==", "!"},
		{"bAQIDB", "!"},
		{"\nb", "!"},
		{"b", "B<>"},
		{"4", "4<>"},
		{"0\x1e"
		 "1\x1e"
		 "2probe\x1e"
		 "3\x1e"
		 "5\x1e"
		 "6",
			"0<>1<>2<probe>3<>5<>6<>"},
		{"", "!"},
		{"\x1e", "!"},
		{"4a\x1e", "4<a>!"},
		{"\x1e"
		 "4a",
			"!"},
		{"4a\x1e\x1e"
		 "4b",
			"4<a>!"},
		{"7", "!"},
		{"/", "!"},
		{"abc", "!"},
		{"4a\x1e"
		 "x\x1e"
		 "4b",
			"4<a>!"},
		{"b===", "!"},
		{"b*", "!"},
		{"bA", "!"},
		{"4\xe2\x82\xac\xf0\x9f\x98\x80", "4<\xe2\x82\xac\xf0\x9f\x98\x80>"},
	};
	char found[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		describe(rows[i].payload, strlen(rows[i].payload), found, sizeof(found));
		assert_string_equal(found, rows[i].expected);
	}
}

/* A cut payload yields a prefix of the packets of the whole; its last packet may be shortened or malformed. */
static void
test_cut(void **state)
{
	static const char whole[] = "4hello\x1e"
				    "bAQID\x1e"
				    "3\x1e"
				    "4x";
	static const char *const expected[] = {"!", "4<>", "4<h>", "4<he>", "4<hel>", "4<hell>", "4<hello>",
		"4<hello>!", "4<hello>B<>", "4<hello>!", "4<hello>B<\x01>", "4<hello>B<\x01\x02>",
		"4<hello>B<\x01\x02\x03>", "4<hello>B<\x01\x02\x03>!", "4<hello>B<\x01\x02\x03>3<>",
		"4<hello>B<\x01\x02\x03>3<>!", "4<hello>B<\x01\x02\x03>3<>4<>", "4<hello>B<\x01\x02\x03>3<>4<x>"};
	char found[256];

	(void)state;
	assert_int_equal(sizeof(expected) / sizeof(expected[0]), sizeof(whole));
	for (size_t n = 0; n < sizeof(whole); n++) {
		describe(whole, n, found, sizeof(found));
		assert_string_equal(found, expected[n]);
	}
}

static void
test_encode(void **state)
{
	struct eio_message *m[4] = {eio_message_text(TEXT("one")), eio_message_binary("\x01\x02\x03\x04", 4),
		eio_message_packet('6', TEXT_NONE), eio_message_text2(TEXT("he"), TEXT("ad"))};
	static const char expected[] = "4one\x1e"
				       "bAQIDBA==\x1e"
				       "6\x1e"
				       "4head";
	struct block *b = eio_payload_encode(m, 4);

	(void)state;
	assert_int_equal(b->len, sizeof(expected) - 1);
	assert_memory_equal(b->data, expected, b->len);
	block_unref(b);
	b = eio_payload_encode(m + 1, 1);
	assert_int_equal(b->len, 9);
	assert_int_equal(eio_payload_message_size(m[1]), 9);
	block_unref(b);
	for (unsigned i = 0; i < 4; i++)
		eio_message_unref(m[i]);
}

static void
test_message(void **state)
{
	static const uint8_t text_frame[] = {0x81, 3, '4', 'h', 'i'};
	static const uint8_t binary_frame[] = {0x82, 2, 0xff, 0x00};
	struct eio_message *m = eio_message_text(TEXT("hi"));
	struct text first, again;

	(void)state;
	assert_false(m->binary);
	assert_true(m->frame.compress);
	assert_int_equal(m->frame.block->len - m->frame.frame_at, sizeof(text_frame));
	assert_memory_equal(m->frame.block->data + m->frame.frame_at, text_frame, sizeof(text_frame));
	assert_true(text_is(eio_message_polling(m), TEXT("4hi")));
	assert_ptr_equal(eio_message_ref(m), m);
	eio_message_unref(m);
	assert_int_equal(m->refs, 1);
	eio_message_unref(m);

	m = eio_message_binary("\xff\0", 2);
	assert_true(m->binary);
	assert_memory_equal(m->frame.block->data + m->frame.frame_at, binary_frame, sizeof(binary_frame));
	first = eio_message_polling(m);
	again = eio_message_polling(m);
	assert_true(text_is(first, TEXT("b/wA=")));
	assert_ptr_equal(first.at, again.at); /* encoded once */
	eio_message_unref(m);
	eio_message_unref(NULL);
}

/* CVE-2020-36048: a megabyte of tiny packets takes one walk, not one per packet. */
static void
test_many(void **state)
{
	size_t n = 1000000;
	uint8_t *body = malloc(n);
	struct eio_payload p;
	struct eio_packet packet;
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < n; i++)
		body[i] = i % 2 == 0 ? '3' : EIO_SEPARATOR;
	eio_payload_init(&p, body, n - 1);
	while (eio_payload_next(&p, &packet) > 0)
		count++;
	assert_int_equal(count, n / 2);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
