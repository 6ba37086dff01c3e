/* A server without the log, or one that refuses it: messages are published without it. */
#include "tests/unit/broker/log_server.h"

static void
a_server_without_scripts_is_used_without_the_log(void **state)
{
	(void)state;
	LOG->unsupported = true;
	begin();
	assert_true(logged("messages are not recorded: ERR unknown command"));
	assert_int_equal(stats_of(&a).log_active, 0);
	record(&a, "1");
	RUN_UNTIL(news.messages == 1);
	assert_int_equal(LOG->count, 0);
	LOG->unsupported = false; /* the server was upgraded */
	conn_close(server.commands, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).log_active, 1);
	close_log_bus();
}

/*
 * Redis 6.0 has neither MINID nor LIMIT, and notices that when it executes the transaction. Its check message comes
 * before or after the answer.
 */
static void
a_server_that_is_too_old_is_used_without_the_log(void **state)
{
	(void)state;
	LOG->failure = "-ERR Invalid stream ID specified as stream command argument\r\n";
	begin();
	assert_true(logged("messages are not recorded: ERR Invalid stream ID"));
	assert_int_equal(stats_of(&a).log_active, 0);
	record(&a, "1");
	RUN_UNTIL(news.messages == 1);
	assert_int_equal(downs(&a), 0);
	lose_subscriptions();
	RUN_UNTIL(ups(&a) == 2);
	close_log_bus();
}

/* The server refuses the log for a moment: the transaction that tries it, the check message, or both. */
static void
a_refusal_that_is_over_costs_nothing(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 1; i <= 3; i++) {
		LOG->publishing = CUT;
		record(&a, "1");
		RUN_UNTIL(downs(&a) == i);
		LOG->publishing = ANSWER;
		LOG->refused_checks = i & 1;
		LOG->refused_entries = i >> 1;
		RUN_UNTIL(ups(&a) == i + 1 && news.messages == i);
		assert_int_equal(LOG->refused_checks + LOG->refused_entries, 0);
		assert_int_equal(stats_of(&a).log_active, 1);
		assert_int_equal(stats_of(&a).uncertain, 0);
		assert_int_equal(stats_of(&a).log_resent, i);
	}
	close_log_bus();
}

static void
a_refusal_of_the_log_alone_is_lasting(void **state)
{
	(void)state;
	LOG->refused_checks = 2;
	LOG->refused_entries = 1;
	begin();
	assert_true(logged("messages are not recorded: NOPERM"));
	assert_int_equal(stats_of(&a).log_active, 0);
	assert_int_equal(downs(&a), 0);
	close_log_bus();
}

/* One refused publish at a time is tried without the log, too, so the others stay in the queue. */
static void
without_the_log_a_refused_publish_is_tried_alone(void **state)
{
	uint64_t lost;

	(void)state;
	LOG->unsupported = true;
	begin();
	server.refused = "news";
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	lost = stats_of(&a).dropped + stats_of(&a).uncertain;
	record(&a, "2");
	record(&a, "3");
	RUN_UNTIL(downs(&a) == 3);
	assert_int_equal(stats_of(&a).dropped + stats_of(&a).uncertain, lost);
	server.refused = NULL;
	RUN_UNTIL(news.messages == 2);
	assert_string_equal(texts_of(&news), "2 3 ");
	close_log_bus();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_CASE(a_server_without_scripts_is_used_without_the_log),
		LOG_CASE(a_server_that_is_too_old_is_used_without_the_log),
		LOG_CASE(a_refusal_that_is_over_costs_nothing),
		LOG_CASE(a_refusal_of_the_log_alone_is_lasting),
		LOG_CASE(without_the_log_a_refused_publish_is_tried_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
