/* MessagePack bytes to JSON text. */
#include <time.h>

#include "tests/unit/base/json_bench.h"

/* Converts MessagePack without attachments to JSON. */
static void
assert_unpacks(const uint8_t *bytes, size_t n, const char *want)
{
	uint8_t *copy = mem_copy(bytes, n); /* of the exact size, for the sanitizer */
	struct attachments a;
	struct buffer out;

	attachments_init(&a);
	buffer_init(&out, MAX);
	assert_int_equal(msgpack_to_json(copy, n, JSON_DEPTH_MAX, NULL, &out), n);
	assert_text(&out, want);
	assert_int_equal(json_check(buffer_text(&out), JSON_DEPTH_MAX), 0);
	/* a message that is cut anywhere is refused and leaves nothing in the buffer */
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *part = mem_copy(bytes, cut);

		buffer_reset(&out);
		buffer_add_text(&out, TEXT("kept"));
		assert_int_equal(msgpack_to_json(part, cut, JSON_DEPTH_MAX, &a, &out), 0);
		assert_text(&out, "kept");
		assert_int_equal(a.count, 0);
		mem_free(part);
	}
	attachments_fini(&a);
	buffer_fini(&out);
	mem_free(copy);
}

#define unpacks(bytes, json) assert_unpacks(BYTES(bytes), json)

static void
test_read_scalars(void **state)
{
	(void)state;
	unpacks("\xc0", "null");
	unpacks("\xc2", "false");
	unpacks("\xc3", "true");
	unpacks("\x7f", "127");
	unpacks("\xe0", "-32");
	unpacks("\xcc\xff", "255");
	unpacks("\xcd\xff\xfe", "65534");
	unpacks("\xce\xff\xff\xff\xff", "4294967295");
	unpacks("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
	unpacks("\xcf\x80\x00\x00\x00\x00\x00\x00\x00", "9223372036854775808");
	unpacks("\xcf\x00\x00\x00\x00\x00\x00\x00\x01", "1");
	unpacks("\xd0\x80", "-128");
	unpacks("\xd0\x7f", "127");
	unpacks("\xd1\x80\x00", "-32768");
	unpacks("\xd2\x80\x00\x00\x00", "-2147483648");
	unpacks("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808");
	unpacks("\xca\x3f\xc0\x00\x00", "1.5");
	unpacks("\xca\x3d\xcc\xcc\xcd", "0.10000000149011612");
	unpacks("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5");
	unpacks("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null");
	unpacks("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null");
	unpacks("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "null");
	unpacks("\xcb\x80\x00\x00\x00\x00\x00\x00\x00", "0");
	unpacks("\xa0", "\"\"");
	unpacks("\xa3"
		"a\"\n",
		"\"a\\\"\\n\"");
	unpacks("\xd9\x02\xc3\xa9", "\"\xc3\xa9\"");
	unpacks("\xda\x00\x01z", "\"z\"");
	unpacks("\xdb\x00\x00\x00\x01z", "\"z\"");
	unpacks("\xa2\xff\x00", "\"\xef\xbf\xbd\\u0000\"");
}

static void
test_read_containers(void **state)
{
	(void)state;
	unpacks("\x90", "[]");
	unpacks("\x80", "{}");
	unpacks("\xdc\x00\x00", "[]");
	unpacks("\xdf\x00\x00\x00\x00", "{}");
	unpacks("\x93\x01\x92\x90\x80\xc0", "[1,[[],{}],null]");
	unpacks("\xdc\x00\x02\x01\x02", "[1,2]");
	unpacks("\xdd\x00\x00\x00\x01\x01", "[1]");
	unpacks("\xde\x00\x01\xa1"
		"a\x81\xa1"
		"b\x90",
		"{\"a\":{\"b\":[]}}");
	unpacks("\x82\xa1"
		"a\x91\x80\xa1"
		"b\x02",
		"{\"a\":[{}],\"b\":2}");
	unpacks("\x82\xa1"
		"a\x01\xa1"
		"a\x02",
		"{\"a\":1,\"a\":2}");
	/* keys of other types, in JavaScript's notation */
	unpacks("\x86\x01\x00\xff\x00\xc0\x00\xc3\x00\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x00\xcb\x7f\xf8\x00\x00\x00"
		"\x00\x00\x00\x00",
		"{\"1\":0,\"-1\":0,\"null\":0,\"true\":0,\"1.5\":0,\"NaN\":0}");
	unpacks("\x81\xc4\x02\"x\x01", "{\"\\\"x\":1}");
}

static void
test_read_dates(void **state)
{
	(void)state;
	unpacks("\xd6\xff\x00\x00\x00\x00", "\"1970-01-01T00:00:00.000Z\"");
	unpacks("\xd6\xff\xff\xff\xff\xff", "\"2106-02-07T06:28:15.000Z\"");
	unpacks("\xd6\xff\x65\xe0\x6e\x80", "\"2024-02-29T11:46:08.000Z\"");
	/* 30 bits of nanoseconds: 999 ms; 34 bits of seconds */
	unpacks("\xd7\xff\xee\x2e\x1f\x00\x65\xe0\x6e\x80", "\"2024-02-29T11:46:08.999Z\"");
	unpacks("\xc7\x0c\xff\x1d\xcd\x65\x00\xff\xff\xff\xff\xff\xff\xff\xff", "\"1969-12-31T23:59:59.500Z\"");
	/* half a millisecond before 1970 is cut towards zero */
	unpacks("\xc7\x0c\xff\x3b\x93\x28\xe0\xff\xff\xff\xff\xff\xff\xff\xff", "\"1970-01-01T00:00:00.000Z\"");
	/* notepack 2: int64 milliseconds in fixext8 of type 0 */
	unpacks("\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff", "\"1969-12-31T23:59:59.999Z\"");
	unpacks("\xd7\x00\x00\x1e\xb2\x08\xc2\xdc\x00\x00", "\"+275760-09-13T00:00:00.000Z\"");
	unpacks("\xd7\x00\x00\x1e\xb2\x08\xc2\xdc\x00\x01", "null");
	unpacks("\xd7\x00\xff\xe1\x4d\xf7\x3d\x24\x00\x00", "\"-271821-04-20T00:00:00.000Z\"");
	unpacks("\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "null");
	unpacks("\xd7\x00\x80\x00\x00\x00\x00\x00\x00\x00", "null");
	unpacks("\xc7\x0c\xff\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\x00\x00", "null");
	unpacks("\xc7\x0c\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "null");
	unpacks("\xd4\x00\x00", "null"); /* undefined */
}

/* Compares with the C library's calendar, day by day over 800 years. */
static void
test_read_calendar(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out, 64);
	for (int64_t day = -146097; day <= 146097; day++) {
		int64_t ms = day * 86400000 + 45296789;
		time_t seconds = (time_t)(day * 86400 + 45296);
		uint8_t bytes[10] = {0xd7, 0};
		char want[64];
		struct tm tm;

		for (unsigned i = 0; i < 8; i++)
			bytes[2 + i] = (uint8_t)((uint64_t)ms >> (56 - 8 * i));
		buffer_reset(&out);
		assert_int_equal(msgpack_to_json(bytes, sizeof bytes, 1, NULL, &out), sizeof bytes);
		gmtime_r(&seconds, &tm);
		snprintf(want, sizeof want, "\"%04d-%02d-%02dT12:34:56.789Z\"", tm.tm_year + 1900, tm.tm_mon + 1,
			tm.tm_mday);
		assert_text(&out, want);
	}
	buffer_fini(&out);
}

/* With attachments: `want` is the text, `count` the number of blocks, `last` the content of the last block. */
static void
assert_unpacks_binary(const uint8_t *bytes, size_t n, const char *want, unsigned count, struct text last)
{
	struct attachments a;
	struct buffer out;

	attachments_init(&a);
	buffer_init(&out, MAX);
	assert_int_equal(msgpack_to_json(bytes, n, JSON_DEPTH_MAX, &a, &out), n);
	assert_text(&out, want);
	assert_int_equal(a.count, count);
	assert_true(text_is(text_of((char *)a.blocks[count - 1]->data, a.blocks[count - 1]->len), last));
	for (size_t cut = 0; cut < n; cut++) {
		buffer_reset(&out);
		assert_int_equal(msgpack_to_json(bytes, cut, JSON_DEPTH_MAX, &a, &out), 0);
		assert_int_equal(out.len, 0);
		assert_int_equal(a.count, count);
	}
	buffer_reset(&out);
	assert_int_equal(msgpack_to_json(bytes, n, JSON_DEPTH_MAX, NULL, &out), ERROR_UNSUPPORTED);
	assert_int_equal(out.len, 0);
	attachments_fini(&a);
	buffer_fini(&out);
}

static void
test_read_binary(void **state)
{
	(void)state;
	assert_unpacks_binary(BYTES("\xc4\x00"), P(0), 1, TEXT(""));
	assert_unpacks_binary(BYTES("\x92\xc4\x01x\xc5\x00\x02yz"), "[" P(0) "," P(1) "]", 2, TEXT("yz"));
	assert_unpacks_binary(BYTES("\x81\xa1"
				    "a\xc6\x00\x00\x00\x01\xff"),
		"{\"a\":" P(0) "}", 1, TEXT("\xff"));
	/* extensions: an ArrayBuffer of type 0, [type, bytes] for unknown ones */
	assert_unpacks_binary(BYTES("\xc7\x03\x00"
				    "abc"),
		P(0), 1, TEXT("abc"));
	/* notepack writes undefined and Date as fixext of type 0, and an ArrayBuffer of 1 or 8 bytes as ext 8 */
	assert_unpacks_binary(BYTES("\xc7\x01\x00\x01"), P(0), 1, TEXT("\x01"));
	assert_unpacks_binary(BYTES("\xc7\x08\x00"
				    "12345678"),
		P(0), 1, TEXT("12345678"));
	assert_unpacks_binary(BYTES("\xc8\x00\x02\x05xy"), "[5," P(0) "]", 1, TEXT("xy"));
	assert_unpacks_binary(BYTES("\xc9\x00\x00\x00\x01\x80z"), "[-128," P(0) "]", 1, TEXT("z"));
	assert_unpacks_binary(BYTES("\xd4\x07"
				    "1"),
		"[7," P(0) "]", 1, TEXT("1"));
	assert_unpacks_binary(BYTES("\xd5\x07"
				    "12"),
		"[7," P(0) "]", 1, TEXT("12"));
	assert_unpacks_binary(BYTES("\xd6\x07"
				    "1234"),
		"[7," P(0) "]", 1, TEXT("1234"));
	assert_unpacks_binary(BYTES("\xd7\x07"
				    "12345678"),
		"[7," P(0) "]", 1, TEXT("12345678"));
	assert_unpacks_binary(BYTES("\xd8\xff"
				    "1234567812345678"),
		"[-1," P(0) "]", 1, TEXT("1234567812345678"));
	/* the key after a binary value is a key again */
	assert_unpacks_binary(BYTES("\x82\xa1"
				    "a\xc4\x01x\xa1"
				    "b\x02"),
		"{\"a\":" P(0) ",\"b\":2}", 1, TEXT("x"));
}

static void
test_hostile(void **state)
{
	static const char *const cut[] = {"\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
		"\xdd\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff"};
	struct attachments a;
	struct buffer out;
	uint8_t *deep;

	(void)state;
	attachments_init(&a);
	buffer_init(&out, MAX);
	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
		uint8_t *bytes = mem_copy(cut[i], 5);

		assert_int_equal(msgpack_to_json(bytes, 5, JSON_DEPTH_MAX, &a, &out), 0);
		assert_true(out.size <= 4096);
		mem_free(bytes);
	}
	assert_int_equal(msgpack_to_json(BYTES("\xc1"), 10, &a, &out), ERROR_SYNTAX);
	assert_int_equal(msgpack_to_json(BYTES("\x92\x01\xc1"), 10, &a, &out), ERROR_SYNTAX);
	assert_int_equal(msgpack_to_json(BYTES("\x81\x90\x01"), 10, &a, &out), ERROR_UNSUPPORTED);
	assert_int_equal(msgpack_to_json(BYTES("\x81\xd4\x05\x00\x01"), 10, &a, &out), ERROR_UNSUPPORTED);
	assert_int_equal(msgpack_to_json(BYTES("\x91\x91\x91\x01"), 2, &a, &out), ERROR_TOO_DEEP);
	assert_int_equal(msgpack_to_json(BYTES("\x91\x91\x01"), 2, &a, &out), 3);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xc4\x00"), 1, &a, &out), ERROR_TOO_DEEP);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xc4\x00"), 2, &a, &out), 3);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xd4\x05\x00"), 2, &a, &out), ERROR_TOO_DEEP);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xd4\x05\x00"), 3, &a, &out), 4);
	deep = mem_alloc(10000);
	for (int map = 0; map < 2; map++) {
		memset(deep, map ? 0x81 : 0x91, 10000);
		for (unsigned i = 1; map && i < 10000; i += 2)
			deep[i] = 0x00; /* the key */
		assert_int_equal(msgpack_to_json(deep, 10000, 100000, &a, &out), ERROR_TOO_DEEP);
	}
	mem_free(deep);
	attachments_fini(&a);
	buffer_fini(&out);
}

static void
test_too_many_attachments(void **state)
{
	size_t n = 3 + 2 * (MSGPACK_ATTACHMENTS_MAX + 1);
	uint8_t *bytes = mem_alloc(n);
	struct attachments a;
	struct buffer out;

	(void)state;
	attachments_init(&a);
	buffer_init(&out, MAX);
	bytes[0] = 0xdc;
	bytes[1] = (MSGPACK_ATTACHMENTS_MAX + 1) >> 8;
	bytes[2] = (MSGPACK_ATTACHMENTS_MAX + 1) & 255;
	for (size_t i = 3; i < n; i += 2) {
		bytes[i] = 0xc4;
		bytes[i + 1] = 0;
	}
	assert_int_equal(msgpack_to_json(bytes, n, 10, &a, &out), ERROR_TOO_MANY);
	assert_int_equal(a.count, 0);
	assert_int_equal(out.len, 0);
	bytes[2]--;
	assert_int_equal(msgpack_to_json(bytes, n, 10, &a, &out), n - 2);
	assert_int_equal(a.count, MSGPACK_ATTACHMENTS_MAX);
	attachments_fini(&a);
	buffer_fini(&out);
	mem_free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_scalars),
		cmocka_unit_test(test_read_containers),
		cmocka_unit_test(test_read_dates),
		cmocka_unit_test(test_read_calendar),
		cmocka_unit_test(test_read_binary),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_too_many_attachments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
