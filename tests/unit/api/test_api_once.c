#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/api/api_once.h"

static struct api_once once;

static enum api_once_state
ask(const char *key, const char *what, uint64_t now, struct api_once_entry **e)
{
	struct sha256 digest = sha256_of(text_from(what), TEXT_NONE);

	return api_once_begin(&once, text_from(key), &digest, now, e);
}

static void
test_answers_are_kept_for_their_time(void **state)
{
	struct api_once_entry *e, *again;

	(void)state;
	api_once_init(&once, 1000, 1 << 20);
	assert_int_equal(ask("k", "a", 100, &e), API_ONCE_NEW);
	assert_int_equal(ask("k", "a", 150, &again), API_ONCE_RUNNING);
	assert_null(again);
	assert_int_equal(ask("k", "b", 150, &again), API_ONCE_OTHER);
	api_once_done(&once, e, 200, TEXT("answer"));
	assert_int_equal(ask("k", "a", 1099, &again), API_ONCE_KNOWN);
	assert_int_equal(again->status, 200);
	assert_true(text_is(text_of(again->body, again->body_n), TEXT("answer")));
	assert_int_equal(ask("k", "b", 1099, &again), API_ONCE_OTHER);
	assert_int_equal(ask("other", "a", 1099, &e), API_ONCE_NEW);
	api_once_undone(&once, e);
	assert_int_equal(ask("other", "b", 1099, &e), API_ONCE_NEW);
	api_once_done(&once, e, 200, TEXT(""));
	assert_int_equal(ask("k", "b", 1100, &e), API_ONCE_NEW);
	/* an entry that still runs is kept however long it takes */
	assert_int_equal(ask("k", "b", 9000, &again), API_ONCE_RUNNING);
	assert_int_equal(once.by_key.count, 1);
	api_once_undone(&once, e);
	assert_int_equal(once.bytes, 0);
	assert_int_equal(once.forgotten, 0);
	api_once_fini(&once);
}

static void
test_the_oldest_make_room(void **state)
{
	struct api_once_entry *e, *runs;
	char key[16], big[900] = "";

	(void)state;
	api_once_init(&once, 1000000, 10000);
	memset(big, 'x', sizeof big - 1);
	assert_int_equal(ask("runs", "a", 0, &runs), API_ONCE_NEW);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "k%u", i);
		assert_int_equal(ask(key, "a", i, &e), API_ONCE_NEW);
		api_once_done(&once, e, 200, text_from(big));
		assert_true(once.bytes <= 10000);
	}
	assert_true(once.forgotten > 80 && once.forgotten + once.by_key.count == 101);
	assert_int_equal(ask("k99", "a", 100, &e), API_ONCE_KNOWN);
	assert_int_equal(ask("runs", "a", 100, &e), API_ONCE_RUNNING);
	api_once_done(&once, runs, 200, TEXT("{}"));
	/* larger than all the space */
	assert_int_equal(ask("huge", "a", 100, &e), API_ONCE_NEW);
	{
		static char huge[20000];

		api_once_done(&once, e, 200, text_of(huge, sizeof huge));
	}
	assert_int_equal(ask("huge", "a", 100, &e), API_ONCE_NEW);
	api_once_undone(&once, e);
	api_once_fini(&once);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_are_kept_for_their_time), cmocka_unit_test(test_the_oldest_make_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
