/* The team chat in one process, without its Redis: login, rate limit by the clock, private messages, kick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sockeye_test.h>
#include <stdio.h>
#include <string.h>

static sio_test *test;

static int start(void **state) {
	test = sio_test_start((const char *const[]){"teamRedisPort", "1", NULL});
	return 0;
}

static int end(void **state) {
	sio_test_end(test);
	return 0;
}

static sio_test_client *login(const char *token) {
	char auth[64];
	snprintf(auth, sizeof auth, "{\"token\":\"%s\"}", token);
	return sio_test_connect(test, "/", auth);
}

/* The database is asked in a thread, which has the true time. */
static void login_by_token(void **state) {
	sio_test_client *ada = login("ada-token"), *bob;
	assert_null(sio_test_refusal(ada));
	assert_int_equal(strlen(sio_test_id(ada)), 20);
	assert_string_equal(sio_test_refusal(login("wrong")), "{\"message\":\"Unauthorized\"}");
	assert_non_null(sio_test_refusal(sio_test_connect(test, NULL, NULL)));
	bob = login("bob-token");
	assert_string_equal(sio_test_next(ada, "joined"), "[\"Bob\"]");
	sio_test_disconnect(bob);
	assert_string_equal(sio_test_next(ada, "left"), "[\"Bob\"]");
}

/* 10 events at once, and 2 per second. */
static void rate_limit(void **state) {
	sio_test_client *ada = login("ada-token");
	for (unsigned i = 0; i < 10; i++)
		assert_string_equal(sio_test_ask(ada, "message", "\"hello\""), "[{\"ok\":true}]");
	assert_string_equal(sio_test_ask(ada, "message", "\"hello\""), "[{\"error\":\"too fast\"}]");
	sio_test_advance(test, 490);
	assert_string_equal(sio_test_ask(ada, "message", "\"hello\""), "[{\"error\":\"too fast\"}]");
	sio_test_advance(test, 20);
	assert_string_equal(sio_test_ask(ada, "message", "\"hello\""), "[{\"ok\":true}]");
}

static void private_messages(void **state) {
	sio_test_client *ada = login("ada-token"), *bob = login("bob-token");
	sio_test_ask_begin(ada, "private", "\"Bob\",\"psst\"");
	assert_string_equal(sio_test_next(bob, "private"), "[{\"from\":\"Ada\",\"text\":\"psst\"}]");
	sio_test_answer(bob, NULL);
	assert_string_equal(sio_test_ask_end(ada), "[[null]]");

	/* a receiver that does not answer is waited for 2 seconds */
	sio_test_ask_begin(ada, "private", "\"Bob\",\"again\"");
	assert_non_null(sio_test_next(bob, "private"));
	sio_test_advance(test, 2100);
	assert_string_equal(sio_test_ask_end(ada), "[[]]");
}

static void kick(void **state) {
	sio_test_client *ada = login("ada-token"), *bob = login("bob-token");
	assert_string_equal(sio_test_ask(bob, "kick", "\"Ada\""), "[{\"ok\":false}]");
	assert_true(sio_test_connected(ada));
	assert_string_equal(sio_test_ask(ada, "kick", "\"Bob\""), "[{\"ok\":true}]");
	assert_string_equal(sio_test_next(bob, "kicked"), "[\"Ada\"]");
	assert_false(sio_test_connected(bob));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(login_by_token, start, end),
		cmocka_unit_test_setup_teardown(rate_limit, start, end),
		cmocka_unit_test_setup_teardown(private_messages, start, end),
		cmocka_unit_test_setup_teardown(kick, start, end),
	};
	return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
