/* Which MessagePack counts as plain and is passed on unchanged. Plain MessagePack can also be read as JSON, and means
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/msgpack_plain.h"

static size_t
from_hex(const char *hex, uint8_t *bytes)
{
	size_t n = 0;

	for (; *hex != '\0'; hex += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[n++] = (uint8_t)byte;
	}
	return n;
}

/* Judges bytes in memory of exactly their size. Returns the bytes of the value, or 0. */
static size_t
plain(const uint8_t *bytes, size_t n, unsigned max_depth, unsigned *bins)
{
	uint8_t *exact = malloc(n + (n == 0));
	struct msgpack_input in = {exact, exact + n};
	size_t length;

	assert_non_null(exact);
	if (n > 0)
		memcpy(exact, bytes, n);
	length = msgpack_plain(&in, max_depth, bins) ? (size_t)(in.at - exact) : 0;
	free(exact);
	return length;
}

/* The text of a plain value, made again as MessagePack and as text, stays the same; the value has `bins` attachments.
 */
static void
check_text(const uint8_t *bytes, size_t n, unsigned bins)
{
	struct attachments first, second;
	struct buffer json, again, back;

	attachments_init(&first);
	attachments_init(&second);
	buffer_init(&json, 1 << 20);
	buffer_init(&again, 1 << 20);
	buffer_init(&back, 1 << 20);
	assert_int_equal(msgpack_to_json(bytes, n, JSON_DEPTH_MAX, &first, &json), n);
	assert_int_equal(first.count, bins);
	assert_int_equal(json_check(buffer_text(&json), JSON_DEPTH_MAX), 0);
	assert_int_equal(json_to_msgpack(buffer_text(&json), bins > 0 ? &first : NULL, &again), 0);
	assert_int_equal(msgpack_to_json(again.data, again.len, JSON_DEPTH_MAX, &second, &back), again.len);
	assert_true(text_is(buffer_text(&json), buffer_text(&back)));
	attachments_fini(&first);
	attachments_fini(&second);
	buffer_fini(&json);
	buffer_fini(&again);
	buffer_fini(&back);
}

static void
is_plain(const char *hex, unsigned bins)
{
	uint8_t bytes[512] = {0};
	size_t n = from_hex(hex, bytes);
	unsigned found = 0;

	assert_int_equal(plain(bytes, n, JSON_DEPTH_MAX, &found), n);
	assert_int_equal(found, bins);
	check_text(bytes, n, bins);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(plain(bytes, cut, JSON_DEPTH_MAX, &found), 0);
	found = 0;
	bytes[n] = 0xc1; /* what follows is not read */
	assert_int_equal(plain(bytes, n + 1, JSON_DEPTH_MAX, &found), n);
	assert_int_equal(found, bins);
}

static void
is_not_plain(const char *hex)
{
	uint8_t bytes[512] = {0};
	size_t n = from_hex(hex, bytes);
	unsigned bins;

	assert_int_equal(plain(bytes, n, JSON_DEPTH_MAX, &bins), 0);
}

static void
test_plain(void **state)
{
	static const char *const values[] = {"00", "7f", "e0", "ff", "c0", "c2", "c3", "cc05", "cdffff", "ceffffffff",
		"cfffffffffffffffff", "d080", "d18000", "d280000000", "d38000000000000000", "ca3fc00000",
		"cb3ff8000000000000", "cb8000000000000000", "a0", "a161", "a3e282ac", "d90161", "da000161",
		"db0000000161", "90", "9205a161", "dc000105", "dd0000000105", "80", "81a16105", "de0001a161a162",
		"df00000001d90161c0", "82a16b91c0a16b81a16bc3",
		/* the pieces in which a short text is read */
		"a76162636465c3a9", "a86162636465666768", "a961626364656667c3a9",
		"b06162636465666768616263646566c3a9", "b2616263646566676861626364656667c3a978",
		"81ab5f706c616365686f6c6465c0", "81ac5f506c616365686f6c646572c0"};

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		is_plain(values[i], 0);
	is_plain("c40107", 1);
	is_plain("c500020708", 1);
	is_plain("c60000000107", 1);
	is_plain("93c40081a162c4010705", 2);
}

static void
test_not_plain(void **state)
{
	static const char *const values[] = {"c1", "d40000", "d7000000000000000000", "d6ff00000000", "c7010507",
		"d501ffff", "d8000000000000000000000000000000000000", "c8000105ff", "c90000000105ff",
		/* not finite */
		"ca7f800000", "caffc00000", "cb7ff0000000000000", "cbfff8000000000000",
		/* not UTF-8, at each place of the words */
		"a1ff", "a4616263ff", "a561626364ff", "a8616263646566c3ff", "a9ff6162636465666768", "a3eda080",
		"a2c080", "d901ff", "81a1ffc0",
		/* keys that are not strings, or mean something */
		"8105c0", "81c0c0", "8190c0", "8180c0", "81c40161c0", "81cb3ff8000000000000c0", "81c2c0", "81e0c0",
		"81ac5f706c616365686f6c646572c3", "81d90c5f706c616365686f6c646572c3",
		"9181ac5f706c616365686f6c646572c3", "8182a16105c0",
		/* lengths that exceed the input */
		"ddffffffff", "dfffffffff", "dbffffffff61", "c6ffffffff61", "91ddffffffffc0", "91dfffffffffa161c0"};

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		is_not_plain(values[i]);
}

static void
test_depth(void **state)
{
	uint8_t bytes[JSON_DEPTH_MAX + 2];
	struct attachments attachments;
	struct buffer json;
	unsigned bins = 0;

	(void)state;
	attachments_init(&attachments);
	buffer_init(&json, 1 << 16);
	for (unsigned max = 1; max <= JSON_DEPTH_MAX + 1; max += max < 8 ? 1 : 101) {
		for (unsigned depth = 0; depth <= JSON_DEPTH_MAX; depth += depth < 10 ? 1 : 7) {
			memset(bytes, 0x91, depth);
			for (unsigned bin = 0; bin < 2; bin++) {
				size_t n = depth;
				int64_t read;

				bytes[n++] = bin ? 0xc4 : 0xc0;
				if (bin)
					bytes[n++] = 0;
				read = msgpack_to_json(bytes, n, max, &attachments, &json);
				assert_int_equal(plain(bytes, n, max, &bins) > 0, read > 0);
				attachments_cut(&attachments, 0);
				buffer_reset(&json);
			}
		}
	}
	attachments_fini(&attachments);
	buffer_fini(&json);
}

/* Random bytes, most of them heads of values: what is plain is read as JSON too, to the same byte. */
static void
test_random(void **state)
{
	static const uint8_t likely[] = {0x81, 0x82, 0x91, 0x93, 0xa0, 0xa1, 0xa2, 0xc0, 0xc3, 0xc4, 0xca, 0xcb, 0xcc,
		0xd0, 0xd4, 0xd9, 0xdc, 0xde, 0x05, 0x61};
	unsigned found = 0;

	(void)state;
	srand(13);
	for (unsigned round = 0; round < 200000; round++) {
		uint8_t bytes[24];
		size_t n = 1 + (size_t)(rand() % (int)sizeof bytes), length;
		unsigned bins = 0;

		for (size_t i = 0; i < n; i++)
			bytes[i] = rand() % 4 != 0 ? likely[(size_t)rand() % sizeof likely] : (uint8_t)rand();
		length = plain(bytes, n, JSON_DEPTH_MAX, &bins);
		if (length == 0)
			continue;
		found++;
		check_text(bytes, length, bins);
	}
	assert_true(found > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_not_plain),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
