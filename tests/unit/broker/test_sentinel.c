/* The sentinel client against sentinels of a few lines in the same loop: they refuse, lie, are silent or are cut off.
 */
#include "tests/unit/broker/fake_server.h"
#include "tests/unit/log_lines.h"

#include "broker/bus_access.h"
#include "broker/sentinel.h"

#define SENTINELS 5
#define ADDRESS(host, n, port) "*2\r\n$" n "\r\n" host "\r\n$4\r\n" port "\r\n"
#define MASTER_1 ADDRESS("127.0.0.1", "9", "7001")
#define MASTER_2 ADDRESS("127.0.0.2", "9", "7002")
#define EVENT(n, text) "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$" n "\r\n" text "\r\n"
#define SWITCHED EVENT("36", "mine 127.0.0.1 7001 127.0.0.2 7002 x")
#define OTHER_SWITCHED EVENT("37", "mine2 127.0.0.1 7001 127.0.0.2 7002 x")

/* --------------------------------------------------------- small sentinels */

static struct fake {
	struct listener *listener;
	struct conn *conn; /* the last one */
	struct text address;
	bool silent;  /* accepts and answers nothing */
	bool refuses; /* answers the address, but allows no subscription */
	unsigned asked, subscribed;
} fakes[SENTINELS];

static unsigned open_connections;

static void
fake_serve(struct conn *c, const struct hub_command *command)
{
	static const char confirmed[] = "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
	static const char refusal[] = "-NOPERM no permissions to access a channel\r\n";
	static const char pong[] = "*2\r\n$4\r\npong\r\n$0\r\n\r\n";

	struct fake *fake = conn_owner(c);
	struct text name = command->args[0];

	fake->conn = c;
	fake->asked += text_is(name, TEXT("SENTINEL"));
	fake->subscribed += text_is(name, TEXT("SUBSCRIBE"));
	if (fake->silent)
		return;
	if (text_is(name, TEXT("SENTINEL")))
		conn_send_copy(c, fake->address.at, fake->address.n);
	else if (text_is(name, TEXT("PING")))
		conn_send_copy(c, pong, sizeof pong - 1);
	else if (text_is(name, TEXT("SUBSCRIBE")) && fake->refuses)
		conn_send_copy(c, refusal, sizeof refusal - 1);
	else if (text_is(name, TEXT("SUBSCRIBE")))
		conn_send_copy(c, confirmed, sizeof confirmed - 1);
}

static size_t
fake_on_data(struct conn *c, uint8_t *data, size_t n)
{
	return fake_read(c, data, n, fake_serve);
}

static void
fake_on_closed(struct conn *c, unsigned reason)
{
	struct fake *fake = conn_owner(c);

	(void)reason;
	open_connections--;
	if (fake->conn == c)
		fake->conn = NULL;
}

static void
fake_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static const struct conn_ops ops = {.on_data = fake_on_data, .on_closed = fake_on_closed};

	open_connections++;
	conn_new(&bench.loop, fd, peer, peer_len, NULL, &fake_limits, &ops, arg);
}

/* ------------------------------------------------------------- the client */

static struct client {
	struct bus_url url;
	struct sentinel *sentinel;
	unsigned found, not_found, switched;
	char address[BUS_URL_HOST_MAX + 8];
	char why[BUS_ERROR_MAX];
} client;

static void
on_found(void *arg, const char *host, uint16_t port)
{
	(void)arg;
	client.found++;
	snprintf(client.address, sizeof client.address, "%s:%u", host, port);
}

static void
on_not_found(void *arg, const char *why)
{
	(void)arg;
	client.not_found++;
	snprintf(client.why, sizeof client.why, "%s", why);
}

static void
on_switched(void *arg)
{
	(void)arg;
	client.switched++;
}

/* Writes the URL of the first `count` sentinels. */
static void
write_url(char url[256], unsigned count)
{
	char *at = url + sprintf(url, "redis+sentinel://");

	for (unsigned i = 0; i < count; i++)
		at += sprintf(at, "%s127.0.0.1:%u", i > 0 ? "," : "", listener_port(fakes[i].listener));
	sprintf(at, "/mine");
}

static void
client_start(unsigned count)
{
	static const struct sentinel_ops ops = {on_found, on_not_found, on_switched};
	static const struct bus_access access;
	char url[256], error[BUS_ERROR_MAX];

	memset(&client, 0, sizeof client);
	write_url(url, count);
	if (bus_url_parse(&client.url, url, error) < 0)
		fail_msg("%s", error);
	client.sentinel = sentinel_new(&bench.loop, &client.url, &access, &ops, NULL);
}

static void
client_end(void)
{
	sentinel_free(client.sentinel);
	bus_url_fini(&client.url);
	RUN_UNTIL(open_connections == 0);
}

static int
start(void **state)
{
	bench_start(state);
	log_lines_start();
	memset(fakes, 0, sizeof fakes);
	for (unsigned i = 0; i < SENTINELS; i++) {
		fakes[i].listener = fake_listen_at(0, fake_accept, &fakes[i]);
		fakes[i].address = TEXT(MASTER_1);
	}
	return 0;
}

static int
stop(void **state)
{
	RUN_UNTIL(open_connections == 0);
	for (unsigned i = 0; i < SENTINELS; i++)
		listener_free(fakes[i].listener);
	log_lines_stop();
	return bench_stop(state);
}

/* ------------------------------------------------------------------- tests */

static void
a_bad_answer_leads_to_the_next_sentinel(void **state)
{
	static char long_host[10100];
	struct text bad[] = {
		TEXT("hello\r\n"),
		TEXT("\0\0\0\0\r\n"),
		TEXT("*-1\r\n"), /* unknown master */
		TEXT("$-1\r\n"),
		TEXT("*0\r\n"),
		TEXT("+OK\r\n"),
		TEXT(":7001\r\n"),
		TEXT("-NOAUTH Authentication required.\r\n"),
		TEXT("-\r\n"),
		TEXT("*2\r\n$9\r\n127.0.0.1\r\n:7001\r\n"),
		TEXT("*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n"),
		TEXT("*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n"),
		TEXT("*2\r\n$9\r\n127.0.0.1\r\n$2\r\n-1\r\n"),
		TEXT("*2\r\n$9\r\n127.0.0.1\r\n$-1\r\n"),
		TEXT("*2\r\n$-1\r\n$4\r\n7001\r\n"),
		TEXT("*2\r\n$0\r\n\r\n$4\r\n7001\r\n"),
		TEXT("*2\r\n$3\r\na\0b\r\n$4\r\n7001\r\n"),
		TEXT("*3\r\n$1\r\na\r\n$4\r\n7001\r\n$1\r\nx\r\n"),
		TEXT("*1000000000\r\n"),
		TEXT("$99999999999\r\n"),
		TEXT_NONE,
	};
	size_t count = sizeof bad / sizeof *bad;

	(void)state;
	memset(long_host, 'h', sizeof long_host);
	memcpy(long_host, "*2\r\n$10000\r\n", 12);
	memcpy(long_host + 12 + 10000, "\r\n$4\r\n7001\r\n", 12);
	bad[count - 1] = text_of(long_host, 12 + 10000 + 12);
	for (size_t i = 0; i < count; i++) {
		fakes[0].address = bad[i];
		fakes[1].address = TEXT(MASTER_2);
		client_start(2);
		sentinel_ask(client.sentinel, false);
		RUN_UNTIL(client.found == 1);
		assert_string_equal(client.address, "127.0.0.2:7002");
		assert_int_equal(client.not_found + client.switched, 0);
		client_end();
	}
}

static void
an_unknown_name_is_named(void **state)
{
	(void)state;
	fakes[0].address = TEXT("*-1\r\n");
	client_start(1);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.not_found == 1);
	assert_string_equal(client.why, "the sentinel does not know a master named \"mine\"");
	client_end();
}

/* The sentinel wants its own password, which the URL does not contain. */
static void
a_sentinel_that_wants_a_password_says_which_option(void **state)
{
	(void)state;
	fakes[0].address = TEXT("-NOAUTH Authentication required.\r\n");
	client_start(1);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.not_found == 1);
	assert_non_null(strstr(client.why, "--redis-sentinel-password"));
	assert_null(strstr(client.why, "redis://user:password"));
	client_end();
}

static void
silent_sentinels_are_passed_over(void **state)
{
	(void)state;
	fakes[0].silent = true;
	client_start(2);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 1);
	assert_int_equal(fakes[0].asked, 1);
	/* the one that answered is asked first from now on */
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 2);
	assert_int_equal(fakes[0].asked, 1);
	fakes[1].silent = true;
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.not_found == 1);
	assert_string_equal(client.why, "timed out");
	client_end();
}

static void
only_the_events_of_this_master_count(void **state)
{
	(void)state;
	client_start(1);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 1 && fakes[0].subscribed == 1);
	say(fakes[0].conn, "%s",
		OTHER_SWITCHED EVENT("0", "") EVENT("1", " ")
			EVENT("4", "min ") "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$-1\r\n*0\r\n*-1\r\n+OK\r\n");
	say(fakes[0].conn, "%s", SWITCHED);
	RUN_UNTIL(client.switched > 0);
	assert_int_equal(client.switched, 1);
	assert_int_equal(times_logged("state=switched"), 1);
	/* the caller asks for the new address */
	fakes[0].address = TEXT(MASTER_2);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 2);
	assert_string_equal(client.address, "127.0.0.2:7002");
	client_end();
}

/* However many events a sentinel sends, the caller gets one call until it asks again. */
static void
a_flood_of_events_is_one_event(void **state)
{
	(void)state;
	client_start(1);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 1 && fakes[0].subscribed == 1);
	for (unsigned i = 0; i < 1000; i++)
		say(fakes[0].conn, "%s", SWITCHED);
	RUN_UNTIL(client.switched > 0);
	RUN_UNTIL(open_connections == 0);
	assert_int_equal(client.switched, 1);
	assert_int_equal(times_logged("state=switched"), 1);
	client_end();
}

/* When a sentinel is lost, the next one is asked for the address. Another address counts as a failover. */
static void
the_next_sentinel_is_asked_when_one_is_cut_off(void **state)
{
	(void)state;
	client_start(3);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 1 && fakes[0].subscribed == 1);
	conn_close(fakes[0].conn, REASON_FINISHED);
	RUN_UNTIL(fakes[1].subscribed == 1);
	assert_int_equal(fakes[0].asked, 1);
	assert_int_equal(client.switched, 0); /* the same address */
	fakes[2].address = TEXT(MASTER_2);
	fakes[1].silent = true; /* checks are not answered */
	RUN_UNTIL(client.switched == 1);
	assert_int_equal(fakes[1].asked, 1);
	assert_int_equal(fakes[2].asked, 1);
	assert_int_equal(client.found, 1);
	client_end();
}

static void
a_sentinel_that_refuses_the_channel_is_used_last(void **state)
{
	(void)state;
	fakes[0].refuses = true;
	client_start(2);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 1);
	RUN_UNTIL(fakes[1].subscribed == 1);
	assert_int_equal(fakes[0].asked, 1);
	assert_int_equal(client.found, 1);
	client_end();
}

/* A sentinel that is cut off from the others goes on naming the dead master. */
static void
a_doubted_sentinel_is_asked_last(void **state)
{
	(void)state;
	fakes[1].address = TEXT(MASTER_2);
	client_start(2);
	sentinel_ask(client.sentinel, false);
	RUN_UNTIL(client.found == 1);
	assert_string_equal(client.address, "127.0.0.1:7001");
	sentinel_ask(client.sentinel, true);
	RUN_UNTIL(client.found == 2);
	assert_string_equal(client.address, "127.0.0.2:7002");
	assert_int_equal(fakes[0].asked, 1);
	client_end();
}

static void
the_client_ends_in_any_state(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		client_start(2);
		fakes[0].address = turns % 2 == 0 ? TEXT(MASTER_1) : TEXT("x\r\n");
		sentinel_ask(client.sentinel, false);
		for (unsigned i = 0; i < turns; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
		client_end();
	}
}

/* ------------------------------------------------------------ with the bus */

/* The bus waits for as many sentinels as the URL names. Its own deadline begins when it dials the server. */
static void
the_last_of_many_sentinels_is_reached(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_bench a;
	char url[256], address[64], port[8];

	(void)state;
	redis_start(&r, NULL);
	snprintf(port, sizeof port, "%u", r.port);
	snprintf(address, sizeof address, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
	for (unsigned i = 0; i < SENTINELS; i++)
		fakes[i].silent = i + 1 < SENTINELS;
	fakes[SENTINELS - 1].address = text_from(address);
	write_url(url, SENTINELS);
	bus_start(&a, url, 1000); /* 2 seconds to connect; each silent sentinel takes one */
	RUN_UNTIL(ups(&a) == 1);
	assert_int_equal(fakes[0].asked, 1);
	bus_end(&a);
	redis_stop(&r);
}

/* The bus closes while a sentinel is asked, while the server is dialled, and in the pauses between. */
static void
a_bus_closes_while_sentinels_are_asked(void **state)
{
	char url[256];

	(void)state;
	fakes[0].address = TEXT("*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n"); /* nothing listens there */
	write_url(url, 2);
	for (unsigned turns = 0; turns < 12; turns++) {
		struct bus_bench a;

		fakes[0].silent = turns % 3 == 2;
		bus_start(&a, url, 1000);
		for (unsigned i = 0; i < turns; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
		bus_end(&a);
		RUN_UNTIL(open_connections == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_bad_answer_leads_to_the_next_sentinel, start, stop),
		cmocka_unit_test_setup_teardown(an_unknown_name_is_named, start, stop),
		cmocka_unit_test_setup_teardown(a_sentinel_that_wants_a_password_says_which_option, start, stop),
		cmocka_unit_test_setup_teardown(silent_sentinels_are_passed_over, start, stop),
		cmocka_unit_test_setup_teardown(only_the_events_of_this_master_count, start, stop),
		cmocka_unit_test_setup_teardown(a_flood_of_events_is_one_event, start, stop),
		cmocka_unit_test_setup_teardown(the_next_sentinel_is_asked_when_one_is_cut_off, start, stop),
		cmocka_unit_test_setup_teardown(a_sentinel_that_refuses_the_channel_is_used_last, start, stop),
		cmocka_unit_test_setup_teardown(a_doubted_sentinel_is_asked_last, start, stop),
		cmocka_unit_test_setup_teardown(the_client_ends_in_any_state, start, stop),
		cmocka_unit_test_setup_teardown(the_last_of_many_sentinels_is_reached, start, stop),
		cmocka_unit_test_setup_teardown(a_bus_closes_while_sentinels_are_asked, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
