#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/zip.h"

/* zlib detects the format by its header. `end` is the part that must remain unread. */
static void
check_unzips(struct text zipped, const uint8_t *plain, size_t n)
{
	uint8_t *back = mem_alloc(n + 1);
	z_stream s = {0};

	assert_int_equal(inflateInit2(&s, MAX_WBITS + 32), Z_OK);
	s.next_in = (Bytef *)(uintptr_t)zipped.at;
	s.avail_in = (uInt)zipped.n;
	s.next_out = back;
	s.avail_out = (uInt)n + 1;
	assert_int_equal(inflate(&s, Z_FINISH), Z_STREAM_END);
	assert_int_equal(s.avail_in, 0);
	assert_int_equal(s.total_out, n);
	assert_memory_equal(back, plain, n);
	inflateEnd(&s);
	mem_free(back);
}

static void
check_header(enum zip_format format, struct text zipped)
{
	const uint8_t *at = (const uint8_t *)zipped.at;

	if (format == ZIP_GZIP)
		assert_true(at[0] == 0x1f && at[1] == 0x8b && at[2] == 8);
	else
		assert_true(at[0] == 0x78 && (at[0] * 256 + at[1]) % 31 == 0);
}

static uint8_t plain[200000];

static void
fill(bool repetitive)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < sizeof plain; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = repetitive ? "hello, "[i % 7] : (uint8_t)(x >> 24);
	}
}

static void
test_round_trip(void **state)
{
	static const size_t lengths[] = {0, 1, 2, 100, 16383, 16384, 16385, 65536, sizeof plain};

	(void)state;
	for (int level = -1; level <= 9; level++) {
		struct zip *z = zip_new(level);

		for (unsigned i = 0; i < 4 * sizeof lengths / sizeof lengths[0]; i++) {
			enum zip_format format = i % 2 ? ZIP_GZIP : ZIP_DEFLATE;
			size_t n = lengths[i / 4];
			struct buffer out;

			/* the streams are used again: a text must leave no trace in the next */
			fill(i & 2);
			buffer_init(&out, 1000000);
			buffer_add_text(&out, TEXT("before"));
			assert_int_equal(zip_text(z, format, n ? plain : NULL, n, &out), 0);
			assert_memory_equal(out.data, "before", 6);
			buffer_drop(&out, 6);
			check_header(format, buffer_text(&out));
			check_unzips(buffer_text(&out), plain, n);
			if ((i & 2) && level > 0 && n > 10000)
				assert_true(out.len < n / 50);
			buffer_fini(&out);
		}
		zip_free(z);
	}
	zip_free(NULL);
}

static void
test_once(void **state)
{
	struct buffer out;

	(void)state;
	fill(true);
	for (int format = 0; format < ZIP_FORMATS; format++) {
		buffer_init(&out, 10000);
		assert_int_equal(zip_compress((enum zip_format)format, plain, 5000, 6, &out), 0);
		check_header((enum zip_format)format, buffer_text(&out));
		check_unzips(buffer_text(&out), plain, 5000);
		buffer_fini(&out);
	}
}

/* For each maximum, the result either fits completely, or the buffer keeps its content and reports the error. */
static void
test_the_buffers_maximum_holds(void **state)
{
	struct zip *z = zip_new(6);
	struct buffer out;
	size_t need;

	(void)state;
	fill(false);
	buffer_init(&out, 100000);
	assert_int_equal(zip_text(z, ZIP_GZIP, plain, 500, &out), 0);
	need = out.len;
	buffer_fini(&out);
	for (size_t max = 0; max < need + 5; max++) {
		buffer_init(&out, max + 3);
		buffer_add(&out, "abc", 3);
		if (max < need) {
			assert_int_equal(zip_text(z, ZIP_GZIP, plain, 500, &out), ERROR_TOO_BIG);
			assert_int_equal(buffer_error(&out), ERROR_TOO_BIG);
			assert_int_equal(out.len, 3);
		} else {
			assert_int_equal(zip_text(z, ZIP_GZIP, plain, 500, &out), 0);
			assert_int_equal(out.len, need + 3);
		}
		assert_memory_equal(out.data, "abc", 3);
		buffer_fini(&out);
	}
	zip_free(z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_the_buffers_maximum_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
