/* The bus against a small server in the same loop that lies, refuses, or stays silent. */
#include "tests/unit/broker/bus_server.h"

/* Each fault is counted, and costs only a new connection. */
static void
malformed_bytes_end_the_connection(void **state)
{
	static const struct {
		bool subscriptions;
		struct text bytes;
	} cases[] = {
		{false, TEXT("hello\r\n")},
		{false, TEXT(":5\r\n:6\r\n")}, /* the bus may take the first for the answer that it waits for */
		{false, TEXT("+OK\r\n")},
		{false, TEXT("$3\r\nabc\r\n")},
		{false, TEXT("*1000000000\r\n")},
		{false, TEXT("*2\r\n*1\r\n:1\r\n:1\r\n")},
		{false, TEXT("\0\0\0\0")},
		{true, TEXT(":1\r\n")},
		{true, TEXT("*0\r\n")},
		{true, TEXT("*-1\r\n")},
		{true, TEXT("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$99999999999\r\n")},
		{true, TEXT("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nxyz")},
		{true, TEXT("~1\r\n+x\r\n")},
		{true, TEXT("%1\r\n+x\r\n:1\r\n")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bus_stats stats;
		struct bus_bench a;
		struct listener l;

		bus_start(&a, server.url, 1000);
		listen_to(&a, &l, "c", false);
		RUN_UNTIL(ups(&a) == 1);
		conn_send_copy(cases[i].subscriptions ? server.subscriptions : server.commands, cases[i].bytes.at,
			cases[i].bytes.n);
		RUN_UNTIL(downs(&a) == 1);
		bus_stats(a.bus, &stats);
		assert_int_equal(stats.malformed, 1);
		publish(&a, "c", "x");
		RUN_UNTIL(ups(&a) == 2 && l.messages == 1);
		assert_heard(&l, "x ");
		listen_no_more(&a, &l);
		bus_end(&a);
		RUN_UNTIL(server.open == 0);
	}
}

/* Messages without a subscriber, confirmations without a command, nils: odd but harmless. */
static void
odd_messages_are_passed_over(void **state)
{
	static const char odd[] = "*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$1\r\nx\r\n"
				  "*3\r\n$7\r\nmessage\r\n$-1\r\n$1\r\nx\r\n"
				  "*4\r\n$8\r\npmessage\r\n$0\r\n\r\n$1\r\nc\r\n$1\r\nx\r\n"
				  "*4\r\n$8\r\npmessage\r\n$3\r\na\\*\r\n$1\r\nc\r\n$1\r\nx\r\n"
				  "*3\r\n$9\r\nsubscribe\r\n$1\r\nz\r\n:1\r\n"
				  "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
				  "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
				  "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nend\r\n";
	struct bus_bench a;
	struct listener l;

	(void)state;
	bus_start(&a, server.url, 1000);
	listen_to(&a, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1);
	conn_send_copy(server.subscriptions, odd, sizeof odd - 1);
	RUN_UNTIL(l.messages == 1);
	assert_heard(&l, "end ");
	assert_int_equal(downs(&a), 0);
	listen_no_more(&a, &l);
	bus_end(&a);
}

/* The log contains the server's error and advice, but never the password, which some servers repeat. */
static void
refusals_are_explained_without_the_password(void **state)
{
	static const struct {
		const char *greeting, *auth, *logged, *advice;
	} cases[] = {
		{"-ERR max number of clients reached\r\n", NULL, "max number of clients", "raise maxclients"},
		{"-DENIED Redis is running in protected mode\r\n", NULL, "protected mode", "give it a password"},
		{NULL, "-WRONGPASS invalid username-password pair or user is disabled.\r\n", "login refused",
			"check user and password"},
		{NULL, "-ERR unknown command 'AUTH', with args beginning with: 'app' 's3cret!' \r\n",
			"unknown command 'AUTH'", "is this a Redis server"},
		{NULL, "-ERR unknown command 'AUTH', with args beginning with: 'app' 's3cr\r\n",
			"unknown command 'AUTH'", "is this a Redis server"},
		{NULL, "-ERR no user s3cret! here\r\n", "an error that contains the password", ""},
		{NULL, "-\r\n", "no reason given", ""},
		{NULL, "-LOADING Redis is loading the dataset in memory\r\n", "LOADING", "until it is done"},
	};
	char url[256];

	(void)state;
	snprintf(url, sizeof url, "redis://app:s3cret!@%s", server.url + strlen("redis://"));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bus_bench a;
		struct bus_stats stats;

		log_lines_forget();
		server.greeting = cases[i].greeting;
		server.auth = cases[i].auth;
		bus_start(&a, url, 1000);
		RUN_UNTIL(logged("state=down"));
		if (!logged(cases[i].logged) || !logged(cases[i].advice))
			fail_msg("%zu: %.*s", i, (int)log_lines.len, log_lines.data);
		assert_false(logged("s3cr"));
		bus_stats(a.bus, &stats);
		assert_int_equal(stats.malformed, 0);
		server.greeting = NULL;
		server.auth = "+OK\r\n";
		RUN_UNTIL(ups(&a) == 1); /* the bus has retried all the time */
		bus_end(&a);
		RUN_UNTIL(server.open == 0);
	}
}

/* Of thousands of subscriptions, a few hundred are under way at a time. A server that stays silent is given up. */
static void
subscriptions_are_renewed_a_window_at_a_time(void **state)
{
	enum { MANY = 3000 };
	static struct listener l[MANY];
	static char names[MANY][8];
	struct bus_bench a;

	(void)state;
	server.silent = true;
	bus_start(&a, server.url, 1000);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "c%u", i);
		listen_to(&a, &l[i], names[i], false);
	}
	RUN_UNTIL(server.subscribed > 0);
	RUN_UNTIL(logged("timed out waiting for an answer"));
	assert_in_range(server.subscribed, 100, 600);
	/* removed while they wait for their turn, and while nothing is connected */
	for (unsigned i = 0; i < MANY; i += 3)
		listen_no_more(&a, &l[i]);
	RUN_UNTIL(server.open == 0);
	server.subscribed = 0;
	server.silent = false;
	RUN_UNTIL(ups(&a) == 1);
	assert_int_equal(server.subscribed, MANY - MANY / 3 + 1);
	server.subscribed = 0;
	for (unsigned i = 0; i < MANY; i += 3)
		listen_to(&a, &l[i], names[i], false);
	for (unsigned i = 0; i < MANY; i += 3)
		listen_no_more(&a, &l[i]);
	for (unsigned i = 0; i < MANY; i += 3)
		listen_to(&a, &l[i], names[i], false);
	publish(&a, names[MANY - 3], "mine");
	RUN_UNTIL(l[MANY - 3].messages == 1);
	for (unsigned i = 0; i < MANY; i++)
		listen_no_more(&a, &l[i]);
	bus_end(&a);
}

/*
 * Answers to publishes do not prove that messages arrive. A message to itself that does not come back
 * shows the bus that they do not.
 */
static void
a_link_that_goes_silent_under_traffic_is_noticed(void **state)
{
	struct bus_bench a;
	struct bus_stats stats;
	uint64_t began;

	(void)state;
	bus_start(&a, server.url, 1 << 20); /* checks each 200 ms, waits 1000 */
	RUN_UNTIL(ups(&a) == 1);
	server.deaf = true;
	began = bench_clock();
	while (downs(&a) == 0) {
		if (bench_clock() > began + 5000)
			fail_msg("not noticed");
		publish(&a, "c", "x");
		loop_finish_turn(&bench.loop);
		ev_run(bench.ev, EVRUN_NOWAIT);
		usleep(1000); /* traffic all the time */
	}
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.alarms, 1);
	server.deaf = false;
	RUN_UNTIL(ups(&a) == 2);
	bus_end(&a);
}

/* A bus that comes up and is cut at once is retried with pauses. */
static void
an_unstable_server_is_retried_with_growing_pauses(void **state)
{
	struct bus_bench a;
	uint64_t began;

	(void)state;
	bus_start(&a, server.url, 1000);
	began = bench_clock();
	for (unsigned i = 1; i <= 5; i++) {
		RUN_UNTIL(ups(&a) == i);
		conn_close(server.commands, REASON_FINISHED);
		RUN_UNTIL(downs(&a) == i);
	}
	RUN_UNTIL(ups(&a) == 6);
	/* at least half of 100, 200, 400, 800 and 1000 ms */
	assert_true(bench_clock() - began >= 1250);
	bus_end(&a);
}

static struct bus_bench *asking;

static void
ask_again(struct bus_count *c, int64_t result)
{
	assert_int_equal(result, ERROR_CLOSED);
	bus_count(asking->bus, c, TEXT("x"));
}

/* Closes in each state, while a count is requested again and again. */
static void
the_bus_closes_in_any_state(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		struct bus_count count;
		struct bus_bench a;

		bus_start(&a, server.url, 1000);
		asking = &a;
		bus_count_init(&count, ask_again);
		publish(&a, "c", "x");
		bus_count(a.bus, &count, TEXT("x"));
		for (unsigned i = 0; i < turns && ups(&a) == 0; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
		bus_count_cancel(&count);
		bus_end(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_CASE(malformed_bytes_end_the_connection),
		SERVER_CASE(odd_messages_are_passed_over),
		SERVER_CASE(refusals_are_explained_without_the_password),
		SERVER_CASE(subscriptions_are_renewed_a_window_at_a_time),
		SERVER_CASE(a_link_that_goes_silent_under_traffic_is_noticed),
		SERVER_CASE(an_unstable_server_is_retried_with_growing_pauses),
		SERVER_CASE(the_bus_closes_in_any_state),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
