/* A bus with sharded publish and subscribe, against a real Redis 7. */
#include "tests/unit/broker/bus_server.h"

static void
messages_are_sharded(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_bench a, b, plain;
	struct listener at_b, mine, at_plain, ended;

	(void)state;
	redis_start(&r, NULL);
	bus_start_sharded(&a, r.url);
	bus_start_sharded(&b, r.url);
	bus_start(&plain, r.url, 1 << 20);
	listen_to(&b, &at_b, "one", false);
	listen_to(&a, &mine, "two", false);
	listen_to(&b, &ended, "three", false);
	listen_to(&plain, &at_plain, "one", false);
	RUN_UNTIL(ups(&a) == 1 && ups(&b) == 1 && ups(&plain) == 1);
	assert_int_equal(bus_subscribers(&a, "one"), 1);
	assert_int_equal(bus_subscribers(&a, "nobody"), 0);
	publish(&a, "one", "1");
	publish(&a, "two", "2"); /* comes back to its sender */
	RUN_UNTIL(at_b.messages == 1 && mine.messages == 1);
	assert_string_equal(at_b.channel, "one");
	publish(&plain, "one", "3");
	RUN_UNTIL(at_plain.messages == 1);
	listen_no_more(&b, &ended);
	RUN_UNTIL(bus_subscribers(&a, "three") == 0);
	assert_true(text_is(buffer_text(&at_b.got), TEXT("1 ")));
	assert_true(text_is(buffer_text(&mine.got), TEXT("2 ")));
	assert_true(text_is(buffer_text(&at_plain.got), TEXT("3 ")));
	listen_no_more(&b, &at_b);
	listen_no_more(&a, &mine);
	listen_no_more(&plain, &at_plain);
	bus_end(&a);
	bus_end(&b);
	bus_end(&plain);
	redis_stop(&r);
}

static void
subscriptions_are_renewed(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_bench a;
	struct listener l;

	(void)state;
	redis_start(&r, NULL);
	bus_start_sharded(&a, r.url);
	listen_to(&a, &l, "one", false);
	RUN_UNTIL(ups(&a) == 1);
	redis_stop(&r);
	RUN_UNTIL(downs(&a) == 1);
	publish(&a, "one", "waits");
	redis_start(&r, NULL);
	RUN_UNTIL(ups(&a) == 2 && l.messages == 1);
	listen_no_more(&a, &l);
	bus_end(&a);
	redis_stop(&r);
}

/* Redis 6 does not know the command; a Redis 7 that has renamed it answers with the same error. */
static void
an_old_redis_is_named(void **state)
{
	static const char *const more[] = {"--rename-command", "SSUBSCRIBE", "", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a;

	(void)state;
	redis_start(&r, more);
	bus_start_sharded(&a, r.url);
	RUN_UNTIL(a.failures > 0);
	assert_int_equal(ups(&a), 0);
	assert_true(logged("sharded mode needs Redis 7 or later"));
	bus_end(&a);
	redis_stop(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_CASE(messages_are_sharded),
		SERVER_CASE(subscriptions_are_renewed),
		SERVER_CASE(an_old_redis_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
