#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"

#define MAX 10000000

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static void
assert_bytes(const struct buffer *b, const void *want, size_t n)
{
	assert_int_equal(b->len, n);
	assert_memory_equal(b->data, want, n);
}

static void
assert_text(const struct buffer *b, const char *want)
{
	if (!text_is(buffer_text(b), text_from(want)))
		fail_msg("got %.*s, want %s", (int)b->len, b->data ? (char *)b->data : "", want);
}

/* json to MessagePack gives `want`; what msgpack-c makes of it, it packs to the same bytes. */
static void
assert_packs(struct text json, const void *want, size_t n)
{
	struct buffer out;
	msgpack_unpacked unpacked;
	msgpack_sbuffer again;
	msgpack_packer packer;
	size_t off = 0;

	buffer_init(&out, MAX);
	assert_int_equal(json_check(json, JSON_DEPTH_MAX), 0);
	assert_int_equal(json_to_msgpack(json, NULL, &out), 0);
	if (want)
		assert_bytes(&out, want, n);
	msgpack_unpacked_init(&unpacked);
	assert_int_equal(msgpack_unpack_next(&unpacked, (char *)out.data, out.len, &off), MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(off, out.len);
	msgpack_sbuffer_init(&again);
	msgpack_packer_init(&packer, &again, msgpack_sbuffer_write);
	msgpack_pack_object(&packer, unpacked.data);
	assert_bytes(&out, again.data, again.size);
	msgpack_sbuffer_destroy(&again);
	msgpack_unpacked_destroy(&unpacked);
	buffer_fini(&out);
}

#define packs(json, bytes) assert_packs(TEXT(json), bytes, sizeof(bytes) - 1)

static void
test_scalars(void **state)
{
	(void)state;
	packs("null", "\xc0");
	packs(" true ", "\xc3");
	packs("false", "\xc2");
	packs("0", "\x00");
	packs("-0", "\x00");
	packs("127", "\x7f");
	packs("128", "\xcc\x80");
	packs("255", "\xcc\xff");
	packs("256", "\xcd\x01\x00");
	packs("65535", "\xcd\xff\xff");
	packs("65536", "\xce\x00\x01\x00\x00");
	packs("4294967295", "\xce\xff\xff\xff\xff");
	packs("4294967296", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00");
	packs("18446744073709551615", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	packs("18446744073709551616", "\xcb\x43\xf0\x00\x00\x00\x00\x00\x00");
	packs("-1", "\xff");
	packs("-32", "\xe0");
	packs("-33", "\xd0\xdf");
	packs("-128", "\xd0\x80");
	packs("-129", "\xd1\xff\x7f");
	packs("-32768", "\xd1\x80\x00");
	packs("-32769", "\xd2\xff\xff\x7f\xff");
	packs("-2147483648", "\xd2\x80\x00\x00\x00");
	packs("-2147483649", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
	packs("-9223372036854775808", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
	packs("-9223372036854775809", "\xcb\xc3\xe0\x00\x00\x00\x00\x00\x00");
	packs("1e3", "\xcd\x03\xe8");
	packs("5.0", "\x05");
	packs("1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
	packs("1e999999", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00");
	packs("\"\"", "\xa0");
	packs("\"a\\u00e9\\n\"", "\xa4"
				 "a\xc3\xa9\n");
	packs("\"a\\u0000b\"", "\xa3"
			       "a\0b");
	packs("\"\\ud800\"", "\xa3\xef\xbf\xbd");
}

static void
test_containers(void **state)
{
	(void)state;
	packs("[]", "\x90");
	packs("{}", "\x80");
	packs("[1,\"a\",[{}],null]", "\x94\x01\xa1"
				     "a\x91\x80\xc0");
	packs("{ \"type\" : 2 , \"data\" : [\"x\"] , \"nsp\":\"/\"}", "\x83\xa4type\x02\xa4"
								      "data\x91\xa1x\xa3nsp\xa1/");
	packs("{\"a\":1,\"a\":2}", "\x82\xa1"
				   "a\x01\xa1"
				   "a\x02");
	packs("{\"_placeholder\":true,\"num\":0}", "\x82\xac_placeholder\xc3\xa3num\x00");
}

static void
write_many(struct buffer *json, unsigned count, const char *element, bool object)
{
	buffer_add_byte(json, object ? '{' : '[');
	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			buffer_add_byte(json, ',');
		if (object)
			buffer_printf(json, "\"%u\":", i);
		buffer_add_text(json, text_from(element));
	}
	buffer_add_byte(json, object ? '}' : ']');
}

/* Headers are put in afterwards: every size class of array and map, alone and within one another. */
static void
test_counts(void **state)
{
	static const unsigned counts[] = {0, 1, 14, 15, 16, 17, 100, 65535, 65536, 65537};
	struct buffer inner, outer;

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		for (int object = 0; object < 2; object++) {
			buffer_init(&inner, MAX);
			write_many(&inner, counts[i], "7", object);
			assert_packs(buffer_text(&inner), NULL, 0);
			buffer_fini(&inner);
		}
	}
	for (unsigned i = 14; i < 19; i++) {
		for (unsigned k = 14; k < 19; k++) {
			buffer_init(&inner, MAX);
			buffer_init(&outer, MAX);
			write_many(&inner, i, "\"x\"", k % 2);
			buffer_add_byte(&inner, 0);
			write_many(&outer, k, (char *)inner.data, i % 2);
			assert_packs(buffer_text(&outer), NULL, 0);
			buffer_fini(&inner);
			buffer_fini(&outer);
		}
	}
}

static void
test_string_lengths(void **state)
{
	static const size_t lengths[] = {31, 32, 255, 256, 65535, 65536, 70000};

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		char *text = mem_alloc(lengths[i] + 2);

		memset(text, 'x', lengths[i] + 2);
		text[0] = text[lengths[i] + 1] = '"';
		assert_packs(text_of(text, lengths[i] + 2), NULL, 0);
		mem_free(text);
	}
}

/* MessagePack to JSON without attachments. */
static void
assert_unpacks(const uint8_t *bytes, size_t n, const char *want)
{
	uint8_t *copy = mem_copy(bytes, n); /* exact, for the sanitizer */
	struct attachments a;
	struct buffer out;

	attachments_init(&a);
	buffer_init(&out, MAX);
	assert_int_equal(msgpack_to_json(copy, n, JSON_DEPTH_MAX, NULL, &out), n);
	assert_text(&out, want);
	assert_int_equal(json_check(buffer_text(&out), JSON_DEPTH_MAX), 0);
	/* cut anywhere: nothing is read, nothing is left behind */
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
	/* keys of other types, as JavaScript names them */
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
	/* half a millisecond before 1970: cut off towards zero */
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

/* Against the C library's calendar, day by day over 800 years. */
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

/* With attachments: `want` is the text, `count` blocks came, the last one holds `last`. */
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
	assert_int_equal(msgpack_to_json(bytes, n, JSON_DEPTH_MAX, NULL, &out), ERR_UNSUPPORTED);
	assert_int_equal(out.len, 0);
	attachments_fini(&a);
	buffer_fini(&out);
}

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

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
	assert_int_equal(msgpack_to_json(BYTES("\xc1"), 10, &a, &out), ERR_SYNTAX);
	assert_int_equal(msgpack_to_json(BYTES("\x92\x01\xc1"), 10, &a, &out), ERR_SYNTAX);
	assert_int_equal(msgpack_to_json(BYTES("\x81\x90\x01"), 10, &a, &out), ERR_UNSUPPORTED);
	assert_int_equal(msgpack_to_json(BYTES("\x81\xd4\x05\x00\x01"), 10, &a, &out), ERR_UNSUPPORTED);
	assert_int_equal(msgpack_to_json(BYTES("\x91\x91\x91\x01"), 2, &a, &out), ERR_TOO_DEEP);
	assert_int_equal(msgpack_to_json(BYTES("\x91\x91\x01"), 2, &a, &out), 3);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xc4\x00"), 1, &a, &out), ERR_TOO_DEEP);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xc4\x00"), 2, &a, &out), 3);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xd4\x05\x00"), 2, &a, &out), ERR_TOO_DEEP);
	assert_int_equal(msgpack_to_json(BYTES("\x91\xd4\x05\x00"), 3, &a, &out), 4);
	deep = mem_alloc(10000);
	for (int map = 0; map < 2; map++) {
		memset(deep, map ? 0x81 : 0x91, 10000);
		for (unsigned i = 1; map && i < 10000; i += 2)
			deep[i] = 0x00; /* the key */
		assert_int_equal(msgpack_to_json(deep, 10000, 100000, &a, &out), ERR_TOO_DEEP);
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
	assert_int_equal(msgpack_to_json(bytes, n, 10, &a, &out), ERR_TOO_MANY);
	assert_int_equal(a.count, 0);
	assert_int_equal(out.len, 0);
	bytes[2]--;
	assert_int_equal(msgpack_to_json(bytes, n, 10, &a, &out), n - 2);
	assert_int_equal(a.count, MSGPACK_ATTACHMENTS_MAX);
	attachments_fini(&a);
	buffer_fini(&out);
	mem_free(bytes);
}

static void
test_overflow(void **state)
{
	static const char json[] = "[1,\"two\",{\"three\":[4.5,null]},\"\\u00e9\"]";
	static const char bytes[] =
		"\x94\x01\xa3two\x81\xa5three\x92\xcb\x40\x12\x00\x00\x00\x00\x00\x00\xc0\xa2\xc3\xa9";
	struct buffer out;

	(void)state;
	for (size_t max = 0; max <= sizeof bytes - 1; max++) {
		buffer_init(&out, max);
		assert_int_equal(json_to_msgpack(TEXT(json), NULL, &out), max < sizeof bytes - 1 ? ERR_TOO_BIG : 0);
		buffer_fini(&out);
	}
	for (size_t max = 0; max <= sizeof json - 1; max++) {
		size_t need = strlen("[1,\"two\",{\"three\":[4.5,null]},\"\xc3\xa9\"]");

		buffer_init(&out, max);
		assert_int_equal(msgpack_to_json(BYTES(bytes), 10, NULL, &out),
			max < need ? ERR_TOO_BIG : (int)(sizeof bytes - 1));
		buffer_fini(&out);
	}
	/* the room for late headers counts too */
	buffer_init(&out, 18);
	assert_int_equal(json_to_msgpack(TEXT("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]"), NULL, &out), ERR_TOO_BIG);
	buffer_fini(&out);
	buffer_init(&out, 19);
	assert_int_equal(json_to_msgpack(TEXT("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]"), NULL, &out), 0);
	assert_bytes(&out, "\xdc\x00\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00\x01\x02\x03\x04\x05\x06", 19);
	buffer_fini(&out);
}

/* Three attachments "A", "BB", "CCC". */
static void
make_attachments(struct attachments *a)
{
	attachments_init(a);
	for (unsigned i = 0; i < 3; i++) {
		struct block *b = block_copy(&"A\0\0BB\0CCC"[i * 3], i + 1);

		attachments_add(a, b);
		block_unref(b);
	}
}

static void
assert_packs_binary(const char *json, int error, const void *want, size_t n)
{
	struct attachments a;
	struct buffer out;

	make_attachments(&a);
	buffer_init(&out, MAX);
	assert_int_equal(json_check(text_from(json), JSON_DEPTH_MAX), 0);
	assert_int_equal(json_to_msgpack(text_from(json), &a, &out), error);
	if (!error)
		assert_bytes(&out, want, n);
	assert_int_equal(json_placeholders_check(text_from(json), 3), error);
	buffer_fini(&out);
	attachments_fini(&a);
}

#define packs_binary(json, bytes) assert_packs_binary(json, 0, bytes, sizeof(bytes) - 1)
#define refuses_binary(json) assert_packs_binary(json, ERR_SYNTAX, NULL, 0)

static void
test_placeholders(void **state)
{
	(void)state;
	packs_binary(P(0), "\xc4\x01"
			   "A");
	packs_binary("[" P(2) "," P(0) "," P(2) "]", "\x93\xc4\x03"
						     "CCC\xc4\x01"
						     "A\xc4\x03"
						     "CCC");
	packs_binary("{\"a\":{\"b\":" P(1) "},\"c\":1}", "\x82\xa1"
							 "a\x81\xa1"
							 "b\xc4\x02"
							 "BB\xa1"
							 "c\x01");
	packs_binary("[{ \"num\" : 1.0 , \"\\u005fplaceholder\" : true , \"x\" : [9] }]", "\x91\xc4\x02"
											  "BB");
	/* not one: not true, or the last says so */
	packs_binary("{\"_placeholder\":false,\"num\":9}", "\x82\xac_placeholder\xc2\xa3num\x09");
	packs_binary("{\"_placeholder\":1}", "\x81\xac_placeholder\x01");
	packs_binary("{\"_placeholder\":\"true\"}", "\x81\xac_placeholder\xa4true");
	packs_binary("{\"_placeholder\":true,\"_placeholder\":[]}", "\x82\xac_placeholder\xc3\xac_placeholder\x90");
	packs_binary("[\"_placeholder\",true,\"num\",9]", "\x94\xac_placeholder\xc3\xa3num\x09");
	packs_binary("{\"_placeholder\":{\"a\":true}}", "\x81\xac_placeholder\x81\xa1"
							"a\xc3");
	/* the last number counts */
	packs_binary("{\"_placeholder\":true,\"num\":7,\"num\":0}", "\xc4\x01"
								    "A");
	refuses_binary("{\"_placeholder\":true,\"num\":0,\"num\":7}");
	refuses_binary("{\"_placeholder\":true}");
	refuses_binary(P(3));
	refuses_binary(P(-1));
	refuses_binary(P(0.5));
	refuses_binary(P("0"));
	refuses_binary(P([0]));
	refuses_binary(P({}));
	refuses_binary(P(null));
	refuses_binary(P(1e99));
	refuses_binary(P(4294967296));
	refuses_binary(P(18446744073709551616));
	refuses_binary("[[{\"a\":" P(9) "}],1]");
	/* what a placeholder holds beside is not looked at */
	packs_binary("{\"_placeholder\":true,\"num\":0,\"x\":[" P(9) ",{\"y\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]}]}",
		"\xc4\x01"
		"A");
	packs_binary("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,{\"_placeholder\":true,\"num\":0,"
		     "\"x\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]}]",
		"\xdc\x00\x11\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xc4\x01"
		"A");
	assert_int_equal(json_placeholders_check(TEXT("[1,\"plain\"]"), 0), 0);
	assert_int_equal(json_placeholders_check(TEXT(P(0)), 0), ERR_SYNTAX);
}

static void
test_placeholder(void **state)
{
	unsigned num = 9;

	(void)state;
	assert_true(json_placeholder(TEXT(P(1)), 2, &num));
	assert_int_equal(num, 1);
	assert_false(json_placeholder(TEXT(P(2)), 2, &num));
	assert_false(json_placeholder(TEXT("{\"_placeholder\":true}"), 2, &num));
	assert_false(json_placeholder(TEXT("{\"num\":0}"), 2, &num));
	assert_false(json_placeholder(TEXT("{}"), 2, &num));
	assert_true(json_maybe_placeholders(TEXT(P(1))));
	assert_false(json_maybe_placeholders(TEXT("[\"_place\\nholder\"]")));
}

/* Copied behind other text, into a packet that has `before` attachments of its own. */
static void
assert_copies(const char *json, unsigned before, const char *want)
{
	struct attachments from, to;
	struct buffer out;
	struct block *other;

	make_attachments(&from);
	attachments_init(&to);
	for (unsigned i = 0; i < before; i++) {
		attachments_add(&to, other = block_copy("other", 5));
		block_unref(other);
	}
	buffer_init(&out, MAX);
	buffer_add_text(&out, TEXT("before "));
	assert_int_equal(json_placeholders_copy(text_from(json), &from, &to, &out), 0);
	buffer_drop(&out, 7);
	assert_text(&out, want);
	buffer_fini(&out);
	attachments_fini(&to);
	attachments_fini(&from);
}

static void
test_copy_behind_others(void **state)
{
	struct attachments from, to;
	struct buffer out;

	(void)state;
	assert_copies("[ 1, " P(0) " , {\"a\":" P(2) "}]", 5, "[ 1, " P(5) " , {\"a\":" P(6) "}]");
	assert_copies(P(0), 2, P(2));
	assert_copies("[ \"x\" ]", 7, "[ \"x\" ]");
	assert_copies("1," P(1) ",\"\\u0041\"", 1, "1," P(1) ",\"\\u0041\"");
	assert_copies("[" P(0) "]", 0, "[" P(0) "]");
	/* what is nested in a placeholder goes, also where it had been copied already */
	assert_copies("[1,{\"x\":" P(1) ",\"_placeholder\":true,\"num\":0},2]", 1, "[1," P(1) ",2]");
	assert_copies("[" P(0) ",{\"x\":[" P(1) "],\"_placeholder\":true,\"num\":2},2]", 1, "[" P(1) "," P(2) ",2]");
	make_attachments(&from);
	attachments_init(&to);
	buffer_init(&out, MAX);
	assert_int_equal(json_placeholders_copy(TEXT(P(-1)), &from, &to, &out), ERR_SYNTAX);
	buffer_fini(&out);
	buffer_init(&out, 10);
	assert_int_equal(json_placeholders_copy(TEXT(P(1)), &from, &to, &out), ERR_TOO_BIG);
	buffer_fini(&out);
	attachments_fini(&to);
	attachments_fini(&from);
}

static void
test_copy(void **state)
{
	struct attachments from, to;
	struct buffer out;

	(void)state;
	make_attachments(&from);
	attachments_init(&to);
	buffer_init(&out, MAX);
	assert_int_equal(json_placeholders_copy(TEXT("[" P(2) ",1]"), &from, &to, &out), 0);
	assert_text(&out, "[" P(0) ",1]");
	assert_int_equal(to.count, 1);
	assert_ptr_equal(to.blocks[0], from.blocks[2]);
	assert_int_equal(from.blocks[2]->refs, 2);
	buffer_reset(&out);
	assert_int_equal(json_placeholders_copy(TEXT("[" P(0) "," P(2) "," P(0) "]"), &from, &to, &out), 0);
	assert_text(&out, "[" P(1) "," P(0) "," P(1) "]");
	assert_int_equal(to.count, 2);
	/* one that goes with the placeholder around it is not attached */
	buffer_reset(&out);
	assert_int_equal(
		json_placeholders_copy(TEXT("{\"x\":" P(1) ",\"_placeholder\":true,\"num\":0}"), &from, &to, &out),
		0);
	assert_text(&out, P(1));
	assert_int_equal(to.count, 2);
	buffer_reset(&out);
	assert_int_equal(json_placeholders_copy(TEXT(P(3)), &from, &to, &out), ERR_SYNTAX);
	buffer_reset(&out);
	assert_int_equal(json_placeholders_copy(TEXT(P(3)), NULL, &to, &out), 0);
	assert_text(&out, P(3));
	attachments_fini(&to);
	assert_int_equal(from.blocks[2]->refs, 1);
	attachments_fini(&from);
	buffer_fini(&out);
}

/* Many large containers within one another must not make every byte move once per level. */
static void
test_linear(void **state)
{
	struct buffer json, out;
	clock_t start;

	(void)state;
	buffer_init(&json, 100000000);
	buffer_init(&out, 100000000);
	for (unsigned i = 0; i < JSON_DEPTH_MAX - 1; i++)
		buffer_add_text(&json, TEXT("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"));
	write_many(&json, 1000000, "0", false);
	for (unsigned i = 0; i < JSON_DEPTH_MAX - 1; i++)
		buffer_add_byte(&json, ']');
	start = clock();
	assert_int_equal(json_to_msgpack(buffer_text(&json), NULL, &out), 0);
	assert_true(clock() - start < CLOCKS_PER_SEC);
	buffer_reset(&json);
	assert_int_equal(msgpack_to_json(out.data, out.len, JSON_DEPTH_MAX, NULL, &json), out.len);
	buffer_reset(&json);
	for (unsigned i = 0; i <= JSON_DEPTH_MAX; i++)
		buffer_add_byte(&json, '[');
	assert_int_equal(json_to_msgpack(buffer_text(&json), NULL, &out), ERR_TOO_DEEP);
	buffer_fini(&json);
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_string_lengths),
		cmocka_unit_test(test_read_scalars),
		cmocka_unit_test(test_read_containers),
		cmocka_unit_test(test_read_dates),
		cmocka_unit_test(test_read_calendar),
		cmocka_unit_test(test_read_binary),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_too_many_attachments),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_placeholder),
		cmocka_unit_test(test_copy_behind_others),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
