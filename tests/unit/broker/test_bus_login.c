/*
 * The login of a live connection is renewed when the password file changes, and a file that goes bad changes nothing.
 */
#include "tests/unit/broker/bus_server.h"

#define HELLO_ANSWER                                                                                                 \
	"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:"    \
	"9\r\n"                                                                                                      \
	"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"                                          \
	"$7\r\nmodules\r\n*1\r\n%1\r\n$4\r\nname\r\n+json\r\n"

static char path[64];

static void
write_password(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int
start_with_file(void **state)
{
	snprintf(path, sizeof path, "/tmp/sockeye-login-XXXXXX");
	close(mkstemp(path));
	write_password("first\n");
	return start(state);
}

static int
stop_with_file(void **state)
{
	unlink(path);
	return stop(state);
}

static void
open_bus(struct bus_bench *b)
{
	const struct bus_access access = {.password_file = path};

	bus_start_as(b, server.url, &access, 1 << 20, 200, 1000);
	RUN_UNTIL(ups(b) == 1);
}

static void
both_live_links_are_renewed(void **state)
{
	struct bus_bench a;

	(void)state;
	server.hello = HELLO_ANSWER;
	open_bus(&a);
	assert_int_equal(server.logins, 2);
	assert_int_equal(server.hellos, 1); /* only the link for subscriptions */
	write_password("second\n");
	RUN_UNTIL(times_logged("login=renewed") == 2);
	assert_int_equal(server.logins, 4);
	write_password("third\n");
	RUN_UNTIL(times_logged("login=renewed") == 4);
	assert_int_equal(server.open, 2);
	assert_int_equal(ups(&a), 1);
	assert_int_equal(downs(&a), 0);
	bus_end(&a);
}

/* The server may learn the new password after this node. Until then the connections go on with the old one. */
static void
a_refused_renewal_leaves_the_connections(void **state)
{
	struct bus_bench a;

	(void)state;
	server.hello = HELLO_ANSWER;
	open_bus(&a);
	server.auth = "-WRONGPASS invalid username-password pair, not second\r\n";
	write_password("second\n");
	RUN_UNTIL(times_logged("the new password was refused") == 2);
	assert_false(logged("second")); /* a server may quote what it was sent */
	assert_int_equal(server.logins, 4);
	server.auth = "+OK\r\n";
	write_password("third\n");
	RUN_UNTIL(times_logged("login=renewed") == 2);
	assert_int_equal(times_logged("the new password was refused"), 2);
	assert_int_equal(server.open, 2);
	assert_int_equal(downs(&a), 0);
	bus_end(&a);
}

static void
a_bad_file_leaves_the_connections_and_serves_no_new_one(void **state)
{
	struct bus_bench a;

	(void)state;
	server.hello = HELLO_ANSWER;
	open_bus(&a);
	unlink(path);
	RUN_UNTIL(times_logged("No such file or directory") == 2); /* once per link */
	assert_int_equal(downs(&a), 0);
	conn_close(server.commands, REASON_FINISHED);
	conn_close(server.subscriptions, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2); /* with the password of the last login */
	assert_int_equal(server.logins, 4);
	bus_end(&a);
}

/* Without RESP 3 a server refuses AUTH on a connection with subscriptions. Only that connection is made anew. */
static void
without_resp3_the_subscriptions_get_a_new_link(void **state)
{
	struct conn *commands, *subscriptions;
	struct bus_bench a;

	(void)state;
	open_bus(&a);
	commands = server.commands;
	subscriptions = server.subscriptions;
	write_password("second\n");
	RUN_UNTIL(ups(&a) == 2 && times_logged("login=renewed") == 1);
	assert_true(logged("the password has changed"));
	assert_ptr_equal(server.commands, commands);
	assert_ptr_not_equal(server.subscriptions, subscriptions);
	bus_end(&a);
}

/* ----------------------------------------------------------- a real server */

static unsigned renewals;

static void
count_renewals(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	renewals += memmem(line, n, "login=renewed", 13) != NULL;
}

static int
redis_start_with_file(void **state)
{
	snprintf(path, sizeof path, "/tmp/sockeye-login-XXXXXX");
	close(mkstemp(path));
	write_password("first\n");
	log_set_sink(count_renewals, NULL);
	return bench_start(state);
}

static int
redis_stop_with_file(void **state)
{
	unlink(path);
	log_set_sink(NULL, NULL);
	return bench_stop(state);
}

/* A user has two passwords while a token is renewed. No message is lost, whatever its size. */
static void
redis_renews_without_losing_a_message(void **state)
{
	static const char *const more[] = {"--user", "node", "on", ">first", ">second", "allcommands", "allchannels",
		"--user", "default", "off", NULL};
	const struct bus_access access = {.password_file = path};
	struct redis_bench r = {.port = 0};
	struct listener exact, prefix;
	struct bus_bench a;
	struct bus_stats stats;
	char url[64], big[100001];
	unsigned sent = 0;

	(void)state;
	memset(big, '>', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	renewals = 0;
	redis_start(&r, more);
	snprintf(url, sizeof url, "redis://node@127.0.0.1:%u", r.port);
	bus_start_as(&a, url, &access, 1 << 20, 200, 5000);
	listen_to(&a, &exact, "k#exact", false);
	listen_to(&a, &prefix, "k#p", true);
	RUN_UNTIL(ups(&a) == 1);
	write_password("second\n");
	while (renewals < 2) {
		publish(&a, "k#exact", "one");
		publish(&a, "k#prefix", sent % 8 == 0 ? big : "two");
		sent++;
		RUN_UNTIL(exact.messages == sent && prefix.messages == sent);
		buffer_reset(&exact.got);
		buffer_reset(&prefix.got);
	}
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.connects, 2);
	assert_int_equal(stats.downs, 0);
	listen_no_more(&a, &exact);
	listen_no_more(&a, &prefix);
	bus_end(&a);
	redis_stop(&r);
}

#define FILE_CASE(name) cmocka_unit_test_setup_teardown(name, start_with_file, stop_with_file)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_CASE(both_live_links_are_renewed),
		FILE_CASE(a_refused_renewal_leaves_the_connections),
		FILE_CASE(a_bad_file_leaves_the_connections_and_serves_no_new_one),
		FILE_CASE(without_resp3_the_subscriptions_get_a_new_link),
		cmocka_unit_test_setup_teardown(
			redis_renews_without_losing_a_message, redis_start_with_file, redis_stop_with_file),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
