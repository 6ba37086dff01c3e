/*
 * The hub as its workers see it, over real Unix sockets in one loop; and its codec with input cut and changed at each
 * byte.
 */
#include "tests/unit/broker/hub_workers.h"

#include "broker/hub_command.h"
#include "broker/hub_topics.h"
#include "common/base/error.h"

static int
start(void **state)
{
	static const struct hub_options options = {.max_queue = 1 << 20, .max_message = 1 << 20};

	bench_start(state);
	hub_fd = hub_listen(hub_name);
	assert_true(hub_fd >= 0);
	hub = hub_new(&bench.loop, hub_fd, &options);
	return 0;
}

static int
stop(void **state)
{
	hub_free(hub);
	return bench_stop(state);
}

static void
channels_and_prefixes_receive_their_messages(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_say(a, "SUBSCRIBE news other");
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:2\r\n");
	worker_say(b, "PSUBSCRIBE ne* sio\\*x* *");
	hears(b, "*3\r\n$10\r\npsubscribe\r\n$3\r\nne*\r\n:1\r\n*3\r\n$10\r\npsubscribe\r\n$7\r\nsio\\*x*\r\n:2\r\n"
		 "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:3\r\n");
	worker_say(a, "PUBLISH news hello");
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n:3\r\n");
	hears(b, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nne*\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
	worker_say(a, "PUBLISH sio*xyz 1");
	hears(a, ":2\r\n");
	hears(b, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$7\r\nsio*xyz\r\n$1\r\n1\r\n"
		 "*4\r\n$8\r\npmessage\r\n$7\r\nsio\\*x*\r\n$7\r\nsio*xyz\r\n$1\r\n1\r\n");
	worker_say(b, "PUNSUBSCRIBE * sio\\*x* gone*");
	hears(b, "*3\r\n$12\r\npunsubscribe\r\n$1\r\n*\r\n:2\r\n*3\r\n$12\r\npunsubscribe\r\n$7\r\nsio\\*x*\r\n:1\r\n"
		 "*3\r\n$12\r\npunsubscribe\r\n$5\r\ngone*\r\n:1\r\n");
	worker_say(a, "UNSUBSCRIBE news");
	hears(a, "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n");
	worker_say(b, "PUBLISH news again");
	hears(b, "*4\r\n$8\r\npmessage\r\n$3\r\nne*\r\n$4\r\nnews\r\n$5\r\nagain\r\n:1\r\n");
	close(a);
	close(b);
}

static void
subscribers_are_counted_until_their_connection_ends(void **state)
{
	struct hub_stats stats;
	int a = worker(), b = worker();

	(void)state;
	worker_say(a, "SUBSCRIBE x y x");
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\ny\r\n:2\r\n"
		 "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:2\r\n");
	worker_say(b, "SUBSCRIBE x");
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
	worker_say(b, "PUBSUB NUMSUB x y none");
	hears(b, "*6\r\n$1\r\nx\r\n:2\r\n$1\r\ny\r\n:1\r\n$4\r\nnone\r\n:0\r\n");
	worker_say(b, "PING");
	hears(b, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	close(a);
	RUN_UNTIL((hub_stats(hub, &stats), stats.clients == 1));
	assert_int_equal(stats.subscriptions, 1);
	worker_say(b, "pubsub numsub x y");
	hears(b, "*4\r\n$1\r\nx\r\n:1\r\n$1\r\ny\r\n:0\r\n");
	close(b);
	RUN_UNTIL((hub_stats(hub, &stats), stats.clients == 0));
	assert_int_equal(stats.subscriptions, 0);
}

static void
unknown_commands_are_errors_and_malformed_ones_end_the_connection(void **state)
{
	static const char *const bad[] = {"GET x\r\n", "*1\r\n:1\r\n", "*0\r\n", "*-1\r\n", "*99999\r\n",
		"*1\r\n$-1\r\n", "*1\r\n$99999999999999999999\r\n", "*2\r\n$4\r\nPINGxx", "*1\n$4\r\nPING\r\n",
		"*1111111111111111111111111111"};
	int a = worker();

	(void)state;
	worker_say(a, "PING");
	hears(a, "+PONG\r\n");
	worker_say(a, "SELECT 1");
	hears(a, "-ERR unknown command\r\n");
	worker_say(a, "PUBLISH x");
	hears(a, "-ERR wrong arguments\r\n");
	worker_say(a, "PSUBSCRIBE a?b");
	hears(a, "-ERR only patterns of the form prefix* are supported\r\n");
	close(a);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int fd = worker();

		put_text(fd, bad[i]);
		hears(fd, "-ERR Protocol error\r\n");
		hears_end(fd);
		close(fd);
	}
}

static void
a_large_message_arrives_in_pieces_and_a_too_large_one_is_refused(void **state)
{
	size_t n = 700 * 1000;
	char *payload = malloc(n + 1), head[64];
	int a = worker(), b = worker();

	(void)state;
	memset(payload, 'p', n);
	payload[n] = '\0';
	worker_say(b, "SUBSCRIBE big");
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$3\r\nbig\r\n:1\r\n");
	snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$3\r\nbig\r\n$%zu\r\n", n);
	put_text(a, head);
	worker_write(a, payload, n);
	put_text(a, "\r\n*1\r\n$4\r\nPI"); /* with a part of the next command */
	hears(b, "*3\r\n$7\r\nmessage\r\n$3\r\nbig\r\n$700000\r\n");
	for (size_t got = 0; got < n; got += 50000) {
		char piece[50001];

		memset(piece, 'p', 50000);
		piece[50000] = '\0';
		hears(b, piece);
	}
	hears(b, "\r\n");
	put_text(a, "NG\r\n");
	hears(a, ":1\r\n+PONG\r\n");
	put_text(a, "*3\r\n$7\r\nPUBLISH\r\n$3\r\nbig\r\n$2000000\r\n");
	hears(a, "-ERR Protocol error\r\n");
	free(payload);
	close(a);
	close(b);
}

static void
a_worker_that_does_not_read_is_cut_off_and_others_go_on(void **state)
{
	char *text = malloc(200 * 1024);
	int a = worker(), deaf = worker(), b = worker();
	struct hub_stats stats;

	(void)state;
	snprintf(text, 200 * 1024, "PUBLISH c %0100000d", 0);
	worker_say(deaf, "SUBSCRIBE c");
	hears(deaf, "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
	worker_say(b, "SUBSCRIBE d");
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:1\r\n");
	do {
		worker_say(a, text);
		ev_run(bench.ev, EVRUN_NOWAIT);
		loop_finish_turn(&bench.loop);
		hub_stats(hub, &stats);
	} while (stats.cut_off == 0);
	assert_int_equal(stats.clients, 2);
	assert_int_equal(stats.subscriptions, 1);
	worker_say(a, "PUBLISH d ok");
	hears(b, "*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$2\r\nok\r\n");
	free(text);
	close(a);
	close(b);
	close(deaf);
}

/* ------------------------------------------------------------------ codec */

static void
commands_cut_anywhere_need_more(void **state)
{
	static const char text[] = "*3\r\n$7\r\nPUBLISH\r\n$3\r\na\r\n\r\n$10\r\n0123456789\r\n";
	struct hub_command c;
	uint64_t needed;

	(void)state;
	for (size_t n = 0; n < sizeof text - 1; n++) {
		assert_int_equal(hub_command_parse(&c, text_of(text, n), 1000, &needed), 0);
		assert_true(needed > n && needed <= sizeof text - 1);
	}
	assert_int_equal(hub_command_parse(&c, text_from(text), 1000, &needed), sizeof text - 1);
	assert_int_equal(c.count, 3);
	assert_true(text_is(c.args[1], TEXT("a\r\n")));
	assert_int_equal(hub_command_parse(&c, text_from(text), 30, &needed), ERROR_TOO_BIG);
}

static void
patterns_are_prefixes(void **state)
{
	static const struct {
		const char *pattern, *prefix; /* NULL: refused */
	} cases[] = {{"a*", "a"}, {"*", ""}, {"a\\*b\\?\\[\\\\c*", "a*b?[\\c"}, {"a", NULL}, {"", NULL},
		{"a*b", NULL}, {"a?*", NULL}, {"[a]*", NULL}, {"a\\", NULL}, {"a\\*", NULL}, {"**", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer b;
		int rc;

		buffer_init(&b, 100);
		rc = hub_pattern_prefix(text_from(cases[i].pattern), &b);
		assert_int_equal(rc, cases[i].prefix ? 0 : ERROR_UNSUPPORTED);
		if (cases[i].prefix)
			assert_true(text_is(buffer_text(&b), text_from(cases[i].prefix)));
		buffer_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(channels_and_prefixes_receive_their_messages, start, stop),
		cmocka_unit_test_setup_teardown(subscribers_are_counted_until_their_connection_ends, start, stop),
		cmocka_unit_test_setup_teardown(
			unknown_commands_are_errors_and_malformed_ones_end_the_connection, start, stop),
		cmocka_unit_test_setup_teardown(
			a_large_message_arrives_in_pieces_and_a_too_large_one_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(a_worker_that_does_not_read_is_cut_off_and_others_go_on, start, stop),
		cmocka_unit_test(commands_cut_anywhere_need_more),
		cmocka_unit_test(patterns_are_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
