/* The log of a bus, and what servers and other senders do wrong: refusals, late messages, forged stamps. */
#include "tests/unit/broker/log_server.h"

#include "broker/bus_log_internal.h"

/* Pushes a message of another node whose stamp has this position. */
static void
push_from_other(const char *position, uint64_t number, const char *pattern, const char *channel)
{
	char message[128];
	size_t n = (size_t)snprintf(message, sizeof message, "{\"m\":\"%llu\",\"position\":\"%s/j" OTHER "/%llu\"}",
		(unsigned long long)number, position, (unsigned long long)number);

	if (pattern != NULL)
		say(server.subscriptions, "*4\r\n$8\r\npmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
			strlen(pattern), pattern, strlen(channel), channel, n, message);
	else
		say(server.subscriptions, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(channel),
			channel, n, message);
}

/* ---------------------------------------------------------------- trimming */

/* The connection's first entry has a bound, so the stream does not grow even if every worker ends soon. */
static void
the_stream_is_bounded_from_the_first_entry_on(void **state)
{
	(void)state;
	begin();
	assert_string_equal(LOG->kept, "entries 20");
	close_log_bus();
}

/* The subscription link is slower than the command link: check messages come after newer answers. */
static void
late_check_messages_do_not_stop_the_trimming(void **state)
{
	(void)state;
	begin();
	LOG->hold_checks = true;
	for (unsigned i = 1; i <= 40; i++) {
		if (i % 5 == 0)
			bus_send_check(a.bus);
		record(&a, "1");
		RUN_UNTIL(stats_of(&a).published == i);
		if (i % 5 == 0) {
			log_push_check();
			RUN_UNTIL(!a.bus->checking);
		}
		if (i > 20)
			assert_true(text_starts(text_from(LOG->kept), TEXT("from ")));
	}
	close_log_bus();
}

/* The key of the counter holds something that cannot be incremented. The messages are recorded all the same. */
static void
a_useless_counter_does_not_stop_the_log(void **state)
{
	static const char *const failures[] = {"-ERR increment or decrement would overflow\r\n",
		"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", NULL};

	(void)state;
	LOG->counter = -5;
	LOG->counter_failure = failures[0];
	begin();
	for (unsigned i = 0; i < 3; i++) {
		LOG->counter_failure = failures[i];
		bus_send_check(a.bus);
		record(&a, "1");
		RUN_UNTIL(!a.bus->checking && news.messages == i + 1 && stats_of(&a).published == i + 1);
		assert_string_equal(LOG->kept, "entries 20");
	}
	assert_int_equal(stats_of(&a).log_active, 1);
	assert_int_equal(downs(&a), 0);
	close_log_bus();
}

/* ------------------------------------------------------------------ stamps */

/* A node cannot verify a position that another node names, so it does not pass the position on. */
static void
a_false_position_does_not_spread(void **state)
{
	(void)state;
	begin();
	push_from_other("18446744073709551615-0", 1, NULL, "news");
	RUN_UNTIL(news.messages == 1);
	record(&a, "2");
	RUN_UNTIL(stats_of(&a).published == 1);
	assert_true(text_has(entry_text(1), TEXT("\"position\":\"1000-1/j")));
	bus_send_check(a.bus);
	RUN_UNTIL(!a.bus->checking);
	lose_subscriptions();
	other_records(2, "news", "3", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_string_equal(texts_of(&news), "1 2 3 ");
	assert_int_equal(stats_of(&a).log_gaps, 0);
	close_log_bus();
}

/* Two subscriptions hear one message. If its sender sends the message again, the repetition has another position. */
static void
a_repeat_is_not_taken_for_a_copy(void **state)
{
	struct listener room, all;

	(void)state;
	begin();
	listen_to(&a, &room, "k#/#room#", false);
	listen_to(&a, &all, "k#/#", true);
	RUN_UNTIL(room.s.confirmed && all.s.confirmed);
	for (unsigned i = 1; i <= 2; i++) {
		const char *position = i == 1 ? "1-1" : "1-2";

		push_from_other(position, 7, NULL, "k#/#room#");
		push_from_other(position, 7, "k#/#*", "k#/#room#");
	}
	push_from_other("1-2", 8, NULL, "news");
	RUN_UNTIL(news.messages == 1);
	assert_int_equal(room.messages, 1);
	assert_int_equal(all.messages, 1);
	assert_in_range(stats_of(&a).log_repeats, 1, 2);
	listen_no_more(&a, &room);
	listen_no_more(&a, &all);
	close_log_bus();
}

/* An entry with more messages than a node writes is refused, so that one answer does not take more than a turn. */
static void
an_entry_with_too_many_messages_is_unusable(void **state)
{
	struct buffer records;

	(void)state;
	begin();
	lose_subscriptions();
	buffer_init(&records, 1 << 16);
	for (unsigned i = 1; i <= LOG_BATCH_MAX + 1; i++)
		log_write_record(&records, i, TEXT("news"), TEXT("{\"m\":\"x\"}"));
	log_append(buffer_text(&records));
	buffer_fini(&records);
	other_records(LOG_BATCH_MAX + 2, "news", "1", false);
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(stats_of(&a).log_unusable, 1);
	assert_string_equal(texts_of(&news), "1 ");
	close_log_bus();
}

/* --------------------------------------------------------------- the server */

/* EXEC runs the other commands if one fails: the messages are out, and sending them again would repeat them. */
static void
published_messages_that_were_not_stored_are_not_sent_again(void **state)
{
	(void)state;
	begin();
	LOG->failure = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
	record(&a, "1");
	record(&a, "2");
	RUN_UNTIL(downs(&a) == 1);
	assert_true(logged("publishing refused: WRONGTYPE"));
	LOG->failure = NULL;
	RUN_UNTIL(ups(&a) == 2);
	record(&a, "3");
	RUN_UNTIL(news.messages >= 3 && stats_of(&a).published == 3);
	assert_string_equal(texts_of(&news), "1 2 3 ");
	assert_int_equal(stats_of(&a).log_resent, 0);
	close_log_bus();
}

/* The ACL allows every command but EXEC, whose answer names the reason at its end. */
static void
a_server_that_refuses_exec_alone_is_used_without_the_log(void **state)
{
	(void)state;
	LOG->exec_refusal = "-EXECABORT Transaction discarded because of: NOPERM this user may not run 'exec'\r\n";
	begin();
	assert_true(logged("messages are not recorded: EXECABORT"));
	assert_int_equal(stats_of(&a).log_active, 0);
	record(&a, "1");
	RUN_UNTIL(news.messages == 1);
	close_log_bus();
}

/* If EXEC refuses a transaction, or answers it without a result, the transaction was not executed. */
static void
a_transaction_that_was_not_executed_is_sent_again(void **state)
{
	static const char *const refusals[] = {
		"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "*-1\r\n", "$-1\r\n"};

	(void)state;
	begin();
	for (unsigned i = 1; i <= 3; i++) {
		LOG->exec_refusal = refusals[i - 1];
		record(&a, "1");
		RUN_UNTIL(downs(&a) == i);
		LOG->exec_refusal = NULL;
		RUN_UNTIL(ups(&a) == i + 1 && news.messages == i);
		assert_int_equal(stats_of(&a).log_resent, i);
		assert_int_equal(stats_of(&a).uncertain, 0);
	}
	close_log_bus();
}

/* The node hears the others, and its own messages wait. */
static void
a_node_that_only_listens_is_up_while_the_server_stores_nothing(void **state)
{
	static const char *const refusals[] = {"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
		"-MISCONF Redis is configured to save RDB snapshots\r\n",
		"-NOREPLICAS Not enough good replicas to write.\r\n"};

	(void)state;
	LOG->refusal = refusals[0];
	other_records(1, "news", "before", false);
	begin();
	for (unsigned i = 1; i <= 3; i++) {
		LOG->refusal = refusals[i - 1];
		lose_subscriptions();
		conn_close(server.commands, REASON_FINISHED);
		other_records(i + 1, "news", "missed", false);
		RUN_UNTIL(ups(&a) == i + 1 && news.messages == i);
	}
	assert_int_equal(stats_of(&a).log_active, 1);
	record(&a, "own");
	RUN_UNTIL(downs(&a) == 4);
	LOG->refusal = NULL;
	RUN_UNTIL(news.messages == 4);
	assert_string_equal(texts_of(&news), "missed missed missed own ");
	close_log_bus();
}

/* A replica that hides its role: what it publishes reaches nobody. */
static void
a_replica_is_not_used(void **state)
{
	(void)state;
	LOG->refusal = "-READONLY You can't write against a read only replica.\r\n";
	log_bus_start(&a);
	listen_to(&a, &news, "news", false);
	RUN_UNTIL(a.failures >= 2);
	assert_int_equal(ups(&a), 0);
	assert_true(logged("the log is refused: READONLY"));
	close_log_bus();
}

/* The lost master's clock was ahead, so the new master's positions are lower. */
static void
a_message_is_found_on_a_server_whose_clock_is_behind(void **state)
{
	(void)state;
	LOG->ms = 5000;
	begin();
	record(&a, "1");
	RUN_UNTIL(stats_of(&a).published == 1);
	log_trim(0);
	LOG->ms = 1000;
	LOG->run_id = "second";
	other_records(1, "elsewhere", "x", false);
	conn_close(server.subscriptions, REASON_FINISHED);
	conn_close(server.commands, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2);
	LOG->publishing = EXECUTE_AND_CUT;
	record(&a, "2");
	RUN_UNTIL(downs(&a) == 2);
	LOG->publishing = ANSWER;
	RUN_UNTIL(ups(&a) == 3);
	assert_int_equal(stats_of(&a).log_found, 1);
	assert_int_equal(stats_of(&a).log_resent, 0);
	assert_string_equal(texts_of(&news), "1 2 ");
	close_log_bus();
}

/* A refused message that will not be sent again gets no new number, and later lost messages keep theirs. */
static void
messages_written_off_do_not_renumber_later_ones(void **state)
{
	(void)state;
	begin();
	LOG->refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	LOG->unsupported = true;
	RUN_UNTIL(ups(&a) == 2 && stats_of(&a).uncertain == 1);
	LOG->unsupported = false;
	LOG->refusal = NULL;
	conn_close(server.commands, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 3);
	LOG->publishing = CUT;
	record(&a, "2");
	RUN_UNTIL(downs(&a) == 3);
	LOG->publishing = ANSWER;
	RUN_UNTIL(ups(&a) == 4 && stats_of(&a).published == 1);
	assert_true(text_ends(entry_text(LOG->count - 1), TEXT("/2\"}")));
	close_log_bus();
}

static void
an_old_connection_that_cannot_be_ended_is_logged(void **state)
{
	(void)state;
	begin();
	LOG->kill_refusal = "-NOPERM this user has no permissions to run the 'client|kill' command\r\n";
	LOG->publishing = CUT;
	record(&a, "1");
	RUN_UNTIL(downs(&a) == 1);
	LOG->publishing = ANSWER;
	RUN_UNTIL(ups(&a) == 2 && news.messages == 1);
	assert_int_equal(times_logged("cannot end the old connection: NOPERM"), 1);
	LOG->publishing = CUT;
	record(&a, "2");
	RUN_UNTIL(downs(&a) == 2);
	LOG->publishing = ANSWER;
	LOG->run_id = "";
	RUN_UNTIL(ups(&a) == 3 && news.messages == 2);
	assert_int_equal(times_logged("cannot end the old connection: the server hides its run_id"), 1);
	close_log_bus();
}

static int script_error;

static void
on_script_answer(struct bus_call *call, int error, struct text value)
{
	(void)call, (void)value;
	script_error = error;
}

/* A script that a server cannot run now, for example while a slot is moving, is called again soon. */
static void
a_script_that_cannot_run_now_is_not_refused(void **state)
{
	static const struct {
		struct text answer;
		int error;
	} cases[] = {
		{TEXT("TRYAGAIN Multiple keys request during rehashing of slot"), ERROR_CLOSED},
		{TEXT("ASK 866 127.0.0.1:1"), ERROR_CLOSED},
		{TEXT("LOADING Redis is loading the dataset in memory"), ERROR_CLOSED},
		{TEXT("NOSCRIPT No matching script."), ERROR_CLOSED},
		{TEXT("OOM command not allowed when used memory > 'maxmemory'."), ERROR_UNSUPPORTED},
	};
	struct bus_script script = {.connection = 1};
	struct bus bus = {.cluster = NULL};
	struct bus_call call;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct resp reply = {.type = RESP_ERROR, .text = cases[i].answer};

		bus_call_init(&call, on_script_answer);
		assert_true(bus_store_on_answer(&bus, &call, &script, &reply));
		assert_int_equal(script_error, cases[i].error);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_CASE(the_stream_is_bounded_from_the_first_entry_on),
		LOG_CASE(late_check_messages_do_not_stop_the_trimming),
		LOG_CASE(a_useless_counter_does_not_stop_the_log),
		LOG_CASE(a_false_position_does_not_spread),
		LOG_CASE(a_repeat_is_not_taken_for_a_copy),
		LOG_CASE(an_entry_with_too_many_messages_is_unusable),
		LOG_CASE(published_messages_that_were_not_stored_are_not_sent_again),
		LOG_CASE(a_server_that_refuses_exec_alone_is_used_without_the_log),
		LOG_CASE(a_transaction_that_was_not_executed_is_sent_again),
		LOG_CASE(a_node_that_only_listens_is_up_while_the_server_stores_nothing),
		LOG_CASE(a_replica_is_not_used),
		LOG_CASE(a_message_is_found_on_a_server_whose_clock_is_behind),
		LOG_CASE(messages_written_off_do_not_renumber_later_ones),
		LOG_CASE(an_old_connection_that_cannot_be_ended_is_logged),
		cmocka_unit_test(a_script_that_cannot_run_now_is_not_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
