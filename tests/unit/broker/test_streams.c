/* How nodes that share streams read: order, position, gaps, foreign entries and bad answers. */
#include "broker/bus_stream_store.h"
#include "tests/unit/broker/streams_end.h"

static void
entries_reach_the_others_once_and_in_order(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	for (int i = 1; i <= 3; i++)
		assert_int_equal(emit(&a, i), 0);
	UNTIL_HEARD(&b, "1 2 3 ");
	assert_string_equal(b.last_id, "1003-0");
	emit(&b, 4);
	UNTIL_HEARD(&a, "4 ");
	RUN_UNTIL(stats(&a).published >= 3 && stats(&b).published >= 1);
	assert_int_equal(redis.adds, 4); /* one XADD for each */
	assert_int_equal(stats(&b).gaps, 0);
	close_end(&a);
	close_end(&b);
}

/* After a reconnect, a reader gets the entries added in between. Its other connections stay open. */
static void
the_position_outlives_the_connection(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	for (int i = 2; i < 40; i += 2) {
		for (unsigned k = 0; k < 4; k++) {
			if (redis.readers[k] != NULL)
				conn_close(redis.readers[k], REASON_FINISHED);
		}
		emit(&a, i);
		emit(&a, i + 1);
		RUN_UNTIL(stats(&a).published == (uint64_t)i + 1);
	}
	RUN_UNTIL(has(&b.heard, " 39 "));
	UNTIL_HEARD(&b,
		"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 "
		"37 38 39 ");
	assert_int_equal(stats(&b).gaps, 0);
	assert_int_equal(stats(&b).downs, 0); /* the bus did not go down */
	assert_int_equal(a.heard.len, 0);
	close_end(&a);
	close_end(&b);
}

/*
 * A replica takes the place of the server. It lacks entries that were read already, and whose writer got no answer.
 * The writer adds them again, and readers drop them.
 */
static void
a_message_that_is_added_again_is_heard_once(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	RUN_UNTIL(stats(&a).published == 1);
	redis.mute = true;
	emit(&a, 2);
	emit(&a, 3);
	UNTIL_HEARD(&b, "1 2 3 ");
	streams_drop_newest(2);
	redis.mute = false;
	redis.run_id = "the replica";
	conn_close(redis.writer, REASON_FINISHED);
	RUN_UNTIL(stats(&a).published == 3 && stats(&b).log_repeats == 2);
	emit(&a, 4);
	UNTIL_HEARD(&b, "1 2 3 4 ");
	assert_int_equal(redis.count, 4);
	assert_int_equal(stats(&b).log_repeats, 2);
	assert_int_equal(stats(&b).gaps, 0);
	close_end(&a);
	close_end(&b);
}

/* The message 3 was under way when the server refused the message 2. */
static void
a_message_that_was_refused_comes_behind_later_ones(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	RUN_UNTIL(stats(&a).published == 1);
	redis.refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	redis.refusals = 1;
	emit(&a, 2);
	emit(&a, 3);
	UNTIL_HEARD(&b, "1 3 2 ");
	RUN_UNTIL(stats(&a).published == 3);
	emit(&a, 4);
	UNTIL_HEARD(&b, "1 3 2 4 ");
	assert_int_equal(stats(&b).log_repeats, 0);
	close_end(&a);
	close_end(&b);
}

static void
a_trimmed_stream_is_a_gap(void **state)
{
	struct streams_end a, b;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	RUN_UNTIL(redis.readers[0] != NULL && redis.readers[1] != NULL);
	streams_close_readers();
	for (int i = 2; i <= 5; i++)
		emit(&a, i);
	RUN_UNTIL(redis.count == 5);
	streams_drop_entries(3);
	UNTIL_HEARD(&b, "1 4 5 ");
	assert_int_equal(stats(&b).gaps, 1);
	assert_true(logged("entries may be missing"));

	/* restored from an older copy: the new entries have smaller ids than those read */
	RUN_UNTIL(redis.readers[0] != NULL && redis.readers[1] != NULL);
	streams_close_readers();
	streams_drop_entries(2);
	redis.last = 500;
	RUN_UNTIL(stats(&b).gaps == 2 && redis.readers[0] != NULL && redis.readers[1] != NULL);
	emit(&a, 6);
	UNTIL_HEARD(&b, "1 4 5 6 ");
	close_end(&a);
	close_end(&b);
}

/* A reader that lags behind the trimming notices it without a reconnect. */
static void
a_slow_reader_notices_the_trimming(void **state)
{
	struct streams_end a, b;
	unsigned connects;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	connects = (unsigned)stats(&b).connects;
	RUN_UNTIL(redis.readers[0] != NULL && redis.readers[1] != NULL);
	for (unsigned i = 0; i < 30; i++)
		streams_add_entry(TEXT("s"), "$1\r\na\r\n$1\r\nb\r\n", 14, 2);
	streams_wake_readers();	  /* ten entries each */
	streams_drop_entries(15); /* before they ask for the next */
	RUN_UNTIL(stats(&b).gaps == 1 && stats(&b).received == 25);
	assert_int_equal(stats(&b).connects, connects);
	close_end(&a);
	close_end(&b);
}

static void
a_silent_server_is_left(void **state)
{
	struct streams_end a, b;
	uint64_t connects;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	open_end(&b, "bbbbbbbbbbbbbbbb");
	connects = stats(&b).connects;
	redis.silent = true;
	emit(&a, 1); /* ends the reads under way */
	UNTIL_HEARD(&b, "1 ");
	RUN_UNTIL(stats(&b).connects > connects); /* the answer is late: block_ms and timeout_ms have passed */
	redis.silent = false;
	emit(&a, 2);
	UNTIL_HEARD(&b, "1 2 ");
	assert_true(logged("timed out waiting for an answer"));
	close_end(&a);
	close_end(&b);
}

/* All nodes lose the server at the same moment, and come back one after the other. */
static void
others_are_awaited_after_an_outage(void **state)
{
	struct streams_end a;
	uint64_t ups;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	assert_true(bus_streams.stream_store->gathered(a.end));
	ups = stats(&a).ups;
	conn_close(server.subscriptions, REASON_FINISHED);
	RUN_UNTIL(!stats(&a).up);
	assert_false(bus_streams.stream_store->gathered(a.end));
	RUN_UNTIL(stats(&a).ups > ups);
	assert_false(bus_streams.stream_store->gathered(a.end));
	bench.loop.now += 3000;
	assert_true(bus_streams.stream_store->gathered(a.end));
	close_end(&a);
}

static int set_error;
static unsigned set_ends;
static bool set_refused; /* with an error of the server */

static void
on_set(struct bus_stream_question *question, int error, const struct resp_item *answer)
{
	(void)question;
	set_error = error;
	set_refused = answer != NULL && answer->type == RESP_ERROR && text_starts(answer->text, TEXT("OOM "));
	set_ends++;
}

/* Otherwise a session that begins while Redis starts would not be stored. */
static void
what_a_server_cannot_store_now_is_stored_later(void **state)
{
	static const struct text args[] = {TEXT("SET"), TEXT("key"), TEXT("value")};
	struct bus_stream_question question = {
		.repeatable = true, .reported = true, .wait_ms = 60000, .on_end = on_set};
	struct streams_end a;

	(void)state;
	set_ends = 0;
	redis.loading = "-LOADING Redis is loading the dataset in memory\r\n";
	open_end(&a, "aaaaaaaaaaaaaaaa");
	bus_streams.stream_store->open(a.end);
	assert_int_equal(bus_streams.stream_store->ask(a.end, NULL, 3, args), 0);
	assert_int_equal(bus_streams.stream_store->ask(a.end, &question, 3, args), 0);
	RUN_UNTIL(redis.sets >= 4);
	assert_int_equal(set_ends, 0);
	assert_true(logged("the server cannot be used now: LOADING"));
	redis.loading = NULL;
	RUN_UNTIL(set_ends == 1);
	assert_int_equal(set_error, 0);
	redis.loading = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	assert_int_equal(bus_streams.stream_store->ask(a.end, &question, 3, args), 0);
	RUN_UNTIL(set_ends == 2);
	assert_int_equal(set_error, ERROR_CLOSED);
	assert_true(set_refused);
	assert_false(logged("command for recovery refused"));
	close_end(&a);
}

static void
namespaces_have_streams(void **state)
{
	struct bus_form_options o = streams_options();
	struct streams_end a, b;

	(void)state;
	o.stream.count = 4;
	open_end_with(&a, "aaaaaaaaaaaaaaaa", "/my-namespace", &o);
	open_end_with(&b, "bbbbbbbbbbbbbbbb", "/my-namespace", &o);
	RUN_UNTIL(stats(&a).up && stats(&b).up);
	emit(&a, 1);
	UNTIL_HEARD(&b, "1 ");
	assert_string_equal(redis.added_to, "s--3");
	assert_true(logged("Node.js servers write to a stream for this namespace that they do not read"));
	close_end(&a);
	close_end(&b);
}

/* Entries without the expected fields, for an unknown namespace, or without data do not disturb the reader. */
static void
foreign_entries_are_passed_over(void **state)
{
	static const char *const entries[] = {
		"$1\r\na\r\n$1\r\nb\r\n",
		"$3\r\nnsp\r\n$2\r\n/x\r\n",
		"$3\r\nnsp\r\n$1\r\n/\r\n",
	};
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	for (unsigned i = 0; i < 3; i++)
		streams_add_entry(TEXT("s"), entries[i], strlen(entries[i]), 2);
	streams_wake_readers();
	RUN_UNTIL(stats(&a).received == 3);
	assert_true(text_is(buffer_text(&a.heard), TEXT("() "))); /* empty, for the broker to count */
	close_end(&a);
}

static void
a_namespace_settles_although_the_stream_is_denied(void **state)
{
	struct bus_form_options o = streams_options();
	struct streams_end a;

	(void)state;
	redis.denial = "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
	open_end_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	assert_true(bus_streams.awaits(a.end, &a.member));
	RUN_UNTIL(a.settled == 1);
	RUN_UNTIL(logged("reading the stream refused"));
	assert_false(bus_streams.awaits(a.end, &a.member));
	assert_false(stats(&a).up);
	assert_true(logged("event=bus state=down server=streams reason=\"reading the stream refused: NOPERM"));
	redis.denial = NULL;
	RUN_UNTIL(stats(&a).up);
	assert_true(logged("event=bus state=up server=streams"));
	close_end(&a);
}

static void
strange_answers_end_the_connection(void **state)
{
	static const char *const answers[] = {
		"+OK\r\n", ":1\r\n", "*1\r\n:1\r\n", "hello\r\n", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*1\r\n"};
	struct streams_end a;

	(void)state;
	open_end(&a, "aaaaaaaaaaaaaaaa");
	for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
		uint64_t malformed = stats(&a).malformed;

		RUN_UNTIL(redis.readers[0] != NULL);
		say(redis.readers[0], "%s", answers[i]);
		RUN_UNTIL(stats(&a).malformed == malformed + 1);
		RUN_UNTIL(stats(&a).up);
		redis.readers[0] = NULL;
		emit(&a, 1);
		RUN_UNTIL(stats(&a).published == i + 1);
		RUN_UNTIL(redis.writer != NULL && redis.readers[0] != NULL);
		malformed = stats(&a).malformed;
		say(redis.writer, "%s", answers[i]);
		RUN_UNTIL(stats(&a).malformed == malformed + 1);
		RUN_UNTIL(stats(&a).up);
	}
	close_end(&a);
}

/* After a password change, the connection accepts only the answer to AUTH. */
static void
an_id_instead_of_the_answer_to_a_renewal_ends_the_connection(void **state)
{
	char path[] = "/tmp/sockeye-streams-XXXXXX";
	struct bus_form_options o = streams_options();
	struct streams_end a;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "first\n", 6), 6);
	o.access.password_file = path;
	open_end_with(&a, "aaaaaaaaaaaaaaaa", "/", &o);
	RUN_UNTIL(stats(&a).up);
	emit(&a, 1);
	RUN_UNTIL(stats(&a).published == 1);
	server.watched = redis.writer;
	server.auth = "";
	assert_int_equal(pwrite(fd, "other\n", 6, 0), 6);
	RUN_UNTIL(server.logged_in);
	say(redis.writer, "$3\r\n9-9\r\n");
	RUN_UNTIL(stats(&a).malformed == 1);
	server.auth = "+OK\r\n";
	RUN_UNTIL(stats(&a).up);
	close_end(&a);
	close(fd);
	unlink(path);
}

#define STREAMS_CASE(name) cmocka_unit_test_setup_teardown(name, start_streams, stop_streams)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STREAMS_CASE(entries_reach_the_others_once_and_in_order),
		STREAMS_CASE(the_position_outlives_the_connection),
		STREAMS_CASE(a_message_that_is_added_again_is_heard_once),
		STREAMS_CASE(a_message_that_was_refused_comes_behind_later_ones),
		STREAMS_CASE(a_trimmed_stream_is_a_gap),
		STREAMS_CASE(a_slow_reader_notices_the_trimming),
		STREAMS_CASE(a_silent_server_is_left),
		STREAMS_CASE(others_are_awaited_after_an_outage),
		STREAMS_CASE(what_a_server_cannot_store_now_is_stored_later),
		STREAMS_CASE(namespaces_have_streams),
		STREAMS_CASE(foreign_entries_are_passed_over),
		STREAMS_CASE(a_namespace_settles_although_the_stream_is_denied),
		STREAMS_CASE(strange_answers_end_the_connection),
		STREAMS_CASE(an_id_instead_of_the_answer_to_a_renewal_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
