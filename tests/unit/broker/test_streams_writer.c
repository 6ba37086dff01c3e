/* How nodes that share streams write: what is kept, looked for, dropped or given up when the server loses an answer
 * or refuses an entry. */
#include "tests/unit/broker/streams_end.h"

/* A writer that lost answers searches the stream for its messages and sends again those that it does not find. */
static void
nothing_is_added_twice_or_lost_with_the_answers(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	emit(&a, 2);
	emit(&a, 3);
	RUN_UNTIL(redis.answers_lost == 2);
	redis.dead = true;
	emit(&a, 4);
	emit(&a, 5);
	run_turn();
	loop_finish_turn(&bench.loop);
	redis.mute = redis.dead = false;
	redis.killed = 0;
	conn_close(redis.writer, REASON_FINISHED);
	emit(&a, 6);
	UNTIL_HEARD(&b, "1 2 3 4 5 6 ");
	RUN_UNTIL(stats(&a).published == 6);
	assert_int_equal(redis.count, 6);
	assert_int_equal(redis.killed, 1); /* the number of the first connection, which asked for it by CLIENT ID */
	assert_int_equal(stats(&a).uncertain, 0);

	/* another process has taken the place of the server: its connections have other numbers */
	redis.mute = true;
	emit(&a, 7);
	RUN_UNTIL(redis.answers_lost == 3);
	redis.run_id = "another process";
	redis.mute = false;
	redis.killed = 0;
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).published == 7);
	assert_int_equal(redis.killed, 0);
	UNTIL_HEARD(&b, "1 2 3 4 5 6 7 ");
	close_end(&a);
	close_end(&b);
}

/* Replaces the server by another process, which lacks this many of the oldest and of the newest entries. */
static void
replace_server(const char *run_id, unsigned oldest, unsigned newest)
{
	streams_drop_entries(oldest);
	streams_drop_newest(newest);
	redis.run_id = run_id;
	conn_close(redis.writer, REASON_FINISHED);
}

/* A replica that is promoted may lack entries that the writer has answers for. Readers that have read these entries
 * drop the copies. */
static void
answered_messages_that_another_server_lacks_are_added_again(void **state)
{
	struct streams_end a, b;

	struct bus_form_options o = streams_options();

	(void)state;
	o.max_queue = 100000;
	open_end_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	open_end(&b, "bbbbbbbbbbbbbbbb");
	RUN_UNTIL(stats(&a).up);
	for (int i = 1; i <= 3; i++)
		emit(&a, i);
	RUN_UNTIL(stats(&a).published == 3);
	UNTIL_HEARD(&b, "1 2 3 ");
	replace_server("a replica", 0, 2);
	emit(&a, 4);
	RUN_UNTIL(stats(&a).published == 4);
	UNTIL_HEARD(&b, "1 2 3 4 ");
	assert_int_equal(redis.count, 4);

	/* the server has started again and lacks only its oldest entries: nothing is added */
	replace_server("the replica again", 2, 0);
	emit(&a, 5);
	RUN_UNTIL(stats(&a).published == 5);
	assert_int_equal(redis.count, 3);

	/* the oldest is trimmed, the newest is missing: the writer adds what is missing behind an entry that it finds
	 */
	replace_server("a third one", 1, 1);
	emit(&a, 6);
	RUN_UNTIL(stats(&a).published == 6);
	UNTIL_HEARD(&b, "1 2 3 4 5 6 ");
	assert_int_equal(redis.count, 3); /* the messages 4, 5 (written again) and 6 */
	assert_int_equal(stats(&a).uncertain, 0);
	close_end(&a);
	close_end(&b);
}

/* The other server has only newer entries, so nothing shows whether it has had the entries of the first server. */
static void
answered_messages_that_cannot_be_found_are_uncertain(void **state)
{
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa"); /* this end keeps about three messages */
	for (int i = 1; i <= 8; i++)
		emit(&a, i);
	RUN_UNTIL(stats(&a).published == 8);
	streams_add_entry(TEXT("s"), "$1\r\na\r\n$1\r\nb\r\n", 14, 2);
	replace_server("another process", 8, 0);
	RUN_UNTIL(stats(&a).uncertain > 0);
	assert_in_range(stats(&a).uncertain, 1, 7);
	emit(&a, 9);
	RUN_UNTIL(stats(&a).published == 9);
	assert_int_equal(redis.count, 2);
	close_end(&a);
}

/* The entries after the last answer are trimmed. Whether the messages were written is unknown, so they are not sent
 * again. */
static void
messages_that_cannot_be_found_are_uncertain(void **state)
{
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	emit(&a, 2);
	emit(&a, 3);
	RUN_UNTIL(redis.answers_lost == 2);
	redis.mute = false;
	streams_drop_entries(2);
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).published == 2); /* 3 was found */
	assert_int_equal(stats(&a).uncertain, 1);
	assert_true(logged("cannot tell whether messages were written"));
	emit(&a, 4);
	RUN_UNTIL(stats(&a).published == 3);
	assert_int_equal(redis.count, 2);
	close_end(&a);
}

/* The search continues after the last message found, although the full queue has dropped that message since. */
static void
the_queue_may_drop_messages_that_are_looked_for(void **state)
{
	struct streams_end a;
	uint64_t sent = 4;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	for (int i = 2; i <= 4; i++)
		emit(&a, i);
	RUN_UNTIL(redis.answers_lost == 3);
	redis.mute = false;
	redis.holds = true;
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(redis.held != NULL && stats(&a).published == 2); /* the first of them is found */
	while (stats(&a).dropped == 0)
		emit(&a, (int)++sent);
	conn_send_copy(redis.held, redis.rest.data, redis.rest.len);
	RUN_UNTIL(stats(&a).queue_bytes == 0);
	assert_int_equal(stats(&a).dropped, 1);
	assert_int_equal(stats(&a).published, sent - 1);
	assert_int_equal(redis.count, sent); /* the dropped message had been added */
	close_end(&a);
}

/* The entry of the last answer has been trimmed, but the node has read newer entries since and searches from there.
 */
static void
a_node_that_seldom_sends_can_tell_too(void **state)
{
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	streams_add_entry(TEXT("s"), "$1\r\na\r\n$1\r\nb\r\n", 14, 2);
	streams_wake_readers();
	RUN_UNTIL(stats(&a).received == 2);
	streams_drop_entries(1);
	redis.dead = true;
	redis.writer = NULL;
	emit(&a, 2);
	RUN_UNTIL(redis.writer != NULL);
	redis.dead = false;
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).queue_bytes == 0);
	assert_int_equal(stats(&a).uncertain, 0);
	assert_int_equal(stats(&a).published, 2);
	close_end(&a);
}

static void
what_the_server_refuses_waits(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	redis.refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	emit(&a, 1);
	emit(&a, 2);
	RUN_UNTIL(logged("writing to the stream refused"));
	emit(&a, 3);
	assert_false(stats(&a).up);
	assert_false(bus_streams.flows(a.end));
	redis.adds = 0;
	RUN_UNTIL(redis.adds == 2); /* the writer tries one entry at a time */
	assert_true(logged("event=bus state=down server=streams reason=\"writing to the stream refused: OOM"));
	assert_int_equal(times_logged("state=down server=streams"), 1); /* however often it is refused */
	assert_true(stats(&a).downs >= 1);
	redis.refusal = NULL;
	UNTIL_HEARD(&b, "1 2 3 ");
	RUN_UNTIL(stats(&a).up);
	assert_true(logged("event=bus state=up server=streams"));
	assert_int_equal(times_logged("writer=up"), 3);
	assert_true(stats(&a).ups >= 2);
	assert_int_equal(stats(&a).dropped + stats(&a).uncertain, 0);
	close_end(&a);
	close_end(&b);
}

/* While Redis loads its data, it refuses what the writer asks before it writes. The node need not send anything. */
static void
a_node_that_sends_nothing_writes_again_after_a_refused_question(void **state)
{
	struct bus_form_options o = streams_options();
	struct streams_end a;

	(void)state;
	redis.denial = "-LOADING Redis is loading the dataset in memory\r\n";
	open_end_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	RUN_UNTIL(logged("writing to the stream refused: LOADING"));
	assert_false(stats(&a).up);
	assert_false(logged("writer=up"));
	redis.denial = NULL;
	RUN_UNTIL(stats(&a).up);
	assert_int_equal(times_logged("writer=up"), 1);
	close_end(&a);
}

static void
a_member_of_a_cluster_that_is_named_as_a_single_server_refuses(void **state)
{
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	redis.refusal = "-MOVED 5395 127.0.0.1:7001\r\n";
	emit(&a, 1);
	RUN_UNTIL(logged("writing to the stream refused"));
	assert_true(logged("event=bus state=down server=streams reason=\"writing to the stream refused: MOVED"));
	redis.refusal = NULL;
	RUN_UNTIL(stats(&a).up);
	close_end(&a);
}

static void
the_queue_has_limits(void **state)
{
	struct bus_form_options o = streams_options();
	char *big = calloc(1, 4001);
	uint64_t refused;
	struct streams_end a, b;

	(void)state;
	o.max_age_ms = 300;
	open_end_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	RUN_UNTIL(stats(&a).up);
	open_end(&b, "bbbbbbbbbbbbbbbb");
	redis.refusal = "-NOPERM no\r\n";
	for (int i = 1; i <= 10; i++)
		emit(&a, i);
	RUN_UNTIL(!stats(&a).up);
	for (int i = 11; i <= 20; i++)
		emit(&a, i);
	assert_in_range(stats(&a).dropped, 1, 19);
	assert_in_range(stats(&a).queue_bytes, 1, 2000);
	memset(big, 'x', 4000);
	memcpy(big, "{\"type\":3,\"data\":", 17);
	strcpy(big + 4000 - 38, ",\"uid\":\"aaaaaaaaaaaaaaaa\",\"nsp\":\"/\"}");
	assert_int_equal(publish_text(&a, BUS_BROADCAST, big), ERROR_TOO_BIG);
	assert_int_equal(stats(&a).refused, 1);
	/* too old when the server accepts messages again */
	refused = bench_clock();
	RUN_UNTIL(bench_clock() > refused + 350);
	redis.refusal = NULL;
	RUN_UNTIL(stats(&a).expired > 0 && stats(&a).queue_bytes == 0);
	emit(&a, 21);
	UNTIL_HEARD(&b, "21 ");
	close_end(&a);
	close_end(&b);
	free(big);
}

static void
questions_and_answers_are_published(void **state)
{
	static const char fetch[] = "{\"type\":7,\"data\":{},\"uid\":\"aaaaaaaaaaaaaaaa\",\"nsp\":\"/\"}";
	static const char join[] = "{\"type\":4,\"data\":{},\"uid\":\"aaaaaaaaaaaaaaaa\",\"nsp\":\"/\"}";
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	assert_true(text_is(bus_streams.channel(a.end, &a.member, BUS_BROADCAST, TEXT("room")), TEXT("k#/#")));
	assert_true(text_is(bus_streams.channel(a.end, &a.member, BUS_RESPONSE, TEXT("u")), TEXT("k#/#u#")));
	assert_true(text_is(
		bus_streams.channel(a.end, &a.member, BUS_OWN_RESPONSE, TEXT_NONE), TEXT("k#/#aaaaaaaaaaaaaaaa#")));
	publish_text(&a, BUS_REQUEST, fetch);
	RUN_UNTIL(a.heard.len > 0); /* the server of the test delivers to the publisher */
	assert_int_equal(redis.adds, 0);
	publish_text(&a, BUS_REQUEST, join);
	RUN_UNTIL(redis.adds == 1);
	assert_string_equal(redis.added_to, "s");
	close_end(&a);
}

static void
closing_waits_for_the_answers(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	for (int i = 1; i <= 5; i++)
		emit(&a, i);
	close_end(&a);
	UNTIL_HEARD(&b, "1 2 3 4 5 ");
	redis.dead = true;
	emit(&b, 6);
	close_end(&b); /* gives up after its time */
}

#define STREAMS_CASE(name) cmocka_unit_test_setup_teardown(name, start_streams, stop_streams)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STREAMS_CASE(nothing_is_added_twice_or_lost_with_the_answers),
		STREAMS_CASE(answered_messages_that_another_server_lacks_are_added_again),
		STREAMS_CASE(answered_messages_that_cannot_be_found_are_uncertain),
		STREAMS_CASE(messages_that_cannot_be_found_are_uncertain),
		STREAMS_CASE(the_queue_may_drop_messages_that_are_looked_for),
		STREAMS_CASE(a_node_that_seldom_sends_can_tell_too),
		STREAMS_CASE(what_the_server_refuses_waits),
		STREAMS_CASE(a_node_that_sends_nothing_writes_again_after_a_refused_question),
		STREAMS_CASE(a_member_of_a_cluster_that_is_named_as_a_single_server_refuses),
		STREAMS_CASE(the_queue_has_limits),
		STREAMS_CASE(questions_and_answers_are_published),
		STREAMS_CASE(closing_waits_for_the_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
