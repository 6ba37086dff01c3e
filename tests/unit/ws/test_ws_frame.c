#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/error.h"
#include "node/ws/ws_frame.h"

static void
test_headers_round_trip(void **state)
{
	static const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, UINT32_MAX, INT64_MAX};
	static const enum ws_opcode opcodes[] = {WS_CONTINUATION, WS_TEXT, WS_BINARY};
	uint8_t out[WS_SERVER_HEADER_MAX];
	struct ws_frame f;
	size_t i, o, cut;
	unsigned bits;

	(void)state;
	for (i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		for (o = 0; o < 3; o++) {
			for (bits = 0; bits < 4; bits++) {
				unsigned n = ws_frame_write(out, opcodes[o], bits & 1, bits & 2, lengths[i]);

				assert_int_equal(n, ws_frame_header_size(lengths[i]));
				for (cut = 0; cut < n; cut++)
					assert_int_equal(ws_frame_parse(&f, out, cut), 0);
				assert_int_equal(ws_frame_parse(&f, out, n), n);
				assert_int_equal(f.payload, lengths[i]);
				assert_int_equal(f.opcode, opcodes[o]);
				assert_int_equal(f.fin, bits & 1);
				assert_int_equal(f.rsv1, bits >> 1);
				assert_false(f.masked || f.rsv2 || f.rsv3);
			}
		}
	}
}

static void
test_masked_header(void **state)
{
	static const uint8_t head[] = {0xb2, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 8, 7, 6};
	struct ws_frame f;
	size_t cut;

	(void)state;
	for (cut = 0; cut < sizeof head; cut++)
		assert_int_equal(ws_frame_parse(&f, head, cut), 0);
	assert_int_equal(ws_frame_parse(&f, head, sizeof head), WS_FRAME_HEADER_MAX);
	assert_true(f.masked && f.rsv2 && f.rsv3 && f.fin);
	assert_false(f.rsv1);
	assert_int_equal(f.payload, 65536);
	assert_memory_equal(f.mask, head + 10, 4);
}

static void
test_bad_headers(void **state)
{
	static const struct {
		uint8_t bytes[14];
		size_t n;
	} bad[] = {
		{{0x82, 126, 0, 125}, 4}, /* 16 bits for 125 */
		{{0x82, 126, 0, 0}, 4},
		{{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 10}, /* 64 bits for 65535 */
		{{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, 10},	 /* top bit */
		{{0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 252, 0, 0, 0, 0}, 14},
		{{0x89, 126}, 2}, /* long ping */
		{{0x88, 0xff}, 2},
		{{0x09}, 1}, /* fragmented control */
		{{0x08}, 1},
		{{0x83}, 1},
		{{0x84}, 1},
		{{0x85}, 1},
		{{0x86}, 1},
		{{0x87}, 1}, /* reserved opcodes */
		{{0x8b}, 1},
		{{0x8c}, 1},
		{{0x8d}, 1},
		{{0x8e}, 1},
		{{0x8f}, 1},
	};
	struct ws_frame f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(ws_frame_parse(&f, bad[i].bytes, bad[i].n), ERROR_SYNTAX);
		assert_int_equal(ws_frame_parse(&f, bad[i].bytes, bad[i].n - 1), 0);
	}
}

static void
test_unmask_any_length_and_offset(void **state)
{
	static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
	uint8_t data[48], want[48];
	size_t from, n, i;
	uint64_t offset;

	(void)state;
	for (from = 0; from < 8; from++) {
		for (n = 0; n + from <= 40; n++) {
			for (offset = 0; offset < 5; offset++) {
				for (i = 0; i < sizeof data; i++)
					data[i] = want[i] = (uint8_t)(i * 7);
				for (i = 0; i < n; i++)
					want[from + i] ^= mask[(offset + i) % 4];
				ws_frame_unmask(data + from, n, mask, offset);
				assert_memory_equal(data, want, sizeof data);
			}
		}
	}
}

static void
test_close_codes(void **state)
{
	static const uint16_t good[] = {
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
	static const uint16_t bad[] = {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(ws_close_code_valid(good[i]));
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(ws_close_code_valid(bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_round_trip),
		cmocka_unit_test(test_masked_header),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_unmask_any_length_and_offset),
		cmocka_unit_test(test_close_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
