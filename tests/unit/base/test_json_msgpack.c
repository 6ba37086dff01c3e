/* JSON text to MessagePack bytes. */
#include <time.h>

#include "tests/unit/base/json_bench.h"

/* The MessagePack of `json` equals `want`, and msgpack-c reads it and packs it to the same bytes. */
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

/* Headers are written after their content: each size class of array and map, alone and nested. */
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
		assert_int_equal(json_to_msgpack(TEXT(json), NULL, &out), max < sizeof bytes - 1 ? ERROR_TOO_BIG : 0);
		buffer_fini(&out);
	}
	for (size_t max = 0; max <= sizeof json - 1; max++) {
		size_t need = strlen("[1,\"two\",{\"three\":[4.5,null]},\"\xc3\xa9\"]");

		buffer_init(&out, max);
		assert_int_equal(msgpack_to_json(BYTES(bytes), 10, NULL, &out),
			max < need ? ERROR_TOO_BIG : (int)(sizeof bytes - 1));
		buffer_fini(&out);
	}
	/* the space for later headers counts too */
	buffer_init(&out, 18);
	assert_int_equal(json_to_msgpack(TEXT("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]"), NULL, &out), ERROR_TOO_BIG);
	buffer_fini(&out);
	buffer_init(&out, 19);
	assert_int_equal(json_to_msgpack(TEXT("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]"), NULL, &out), 0);
	assert_bytes(&out, "\xdc\x00\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00\x01\x02\x03\x04\x05\x06", 19);
	buffer_fini(&out);
}

/* Nested large containers must not move every byte once per level. */
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
	assert_int_equal(json_to_msgpack(buffer_text(&json), NULL, &out), ERROR_TOO_DEEP);
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
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
