/* Session ids: the worker's place can be read back, and the rest is random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_sid.h"

#define MANY 100000

static void
test_round_trip(void **state)
{
	static const unsigned places[] = {0, 1, 63, 64, 2048, 4094, 4095};
	unsigned node, worker;
	char sid[EIO_SID_LENGTH];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		for (size_t j = 0; j < 7; j++) {
			eio_sid_make(sid, places[i], places[j]);
			assert_int_equal(eio_sid_parse(text_of(sid, sizeof(sid)), &node, &worker), 0);
			assert_int_equal(node, places[i]);
			assert_int_equal(worker, places[j]);
		}
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {"", "__proto__", "constructor", "AAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAA=", "AAAA AAAAAAAAAAAAAAA", "+AAAAAAAAAAAAAAAAAAA",
		"\xffGAAAAAAAAAAAAAAAAAA"};
	unsigned node, worker;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(eio_sid_parse(text_from(bad[i]), &node, &worker), ERROR_SYNTAX);
	assert_int_equal(eio_sid_parse(TEXT("__--AAAAAAAAAAAAAAAA"), &node, &worker), 0);
	assert_int_equal(node, 4095);
	assert_int_equal(worker, 62 << 6 | 62);
}

/* The application's part stands behind node and worker. Any other text than 16 characters of base64url is refused. */
static void
test_of_the_application(void **state)
{
	static const char *const bad[] = {"", "AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAA=", "AAAA AAAAAAAAAAA", "+AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA/", "AAAAAAA\xffGAAAAAAA",
		"\"AAAAAAAAAAAAAAA"};
	char sid[EIO_SID_LENGTH], before[EIO_SID_LENGTH];
	unsigned node, worker;

	(void)state;
	assert_int_equal(eio_sid_make_of(sid, 4095, 64, TEXT("azAZ09-_azAZ09-_")), 0);
	assert_memory_equal(sid, "__BAazAZ09-_azAZ09-_", EIO_SID_LENGTH);
	assert_int_equal(eio_sid_parse(text_of(sid, sizeof sid), &node, &worker), 0);
	assert_int_equal(node, 4095);
	assert_int_equal(worker, 64);
	memcpy(before, sid, sizeof sid);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(eio_sid_make_of(sid, 1, 1, text_from(bad[i])), ERROR_SYNTAX);
	assert_int_equal(eio_sid_make_of(sid, 1, 1, text_of("AAAAAAA\0AAAAAAAA", 16)), ERROR_SYNTAX);
	assert_memory_equal(sid, before, sizeof sid);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, EIO_SID_LENGTH);
}

/* CVE-2017-16031: no two ids are equal, and each position of the random part has each value about equally often. */
static void
test_entropy(void **state)
{
	char *sids = malloc(MANY * EIO_SID_LENGTH);
	unsigned seen[EIO_SID_LENGTH][256];

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < MANY; i++) {
		char *sid = sids + i * EIO_SID_LENGTH;

		eio_sid_make(sid, 5, 7);
		for (size_t at = 0; at < EIO_SID_LENGTH; at++)
			seen[at][(unsigned char)sid[at]]++;
	}
	for (size_t at = 4; at < EIO_SID_LENGTH; at++) {
		unsigned values = 0;

		for (size_t c = 0; c < 256; c++) {
			values += seen[at][c] > 0;
			assert_true(seen[at][c] == 0 ||
				    (seen[at][c] > MANY / 64 * 8 / 10 && seen[at][c] < MANY / 64 * 12 / 10));
		}
		assert_int_equal(values, 64);
	}
	qsort(sids, MANY, EIO_SID_LENGTH, compare);
	for (size_t i = 1; i < MANY; i++)
		assert_true(compare(sids + (i - 1) * EIO_SID_LENGTH, sids + i * EIO_SID_LENGTH) != 0);
	free(sids);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_of_the_application),
		cmocka_unit_test(test_entropy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
