/* The two links of a bus: one is lost while the other is open, answers come late, the bus closes in a callback. */
#include "tests/unit/broker/bus_server.h"

/* A late answer about the server's role must not send subscriptions while the subscription link is opened again. */
static void
a_late_role_does_not_start_the_subscriptions(void **state)
{
	char url[256];
	struct bus_bench a;
	unsigned subscribed;

	(void)state;
	snprintf(url, sizeof url, "redis://:p@%s", server.url + strlen("redis://"));
	bus_start(&a, url, 1000);
	RUN_UNTIL(ups(&a) == 1);
	server.role = "";
	server.roles = 0;
	RUN_UNTIL(server.roles > 0); /* asked with the next check */
	server.auth = "";
	server.logins = 0;
	subscribed = server.subscribed;
	conn_close(server.subscriptions, REASON_FINISHED);
	RUN_UNTIL(server.logins == 1); /* the new link is being made */
	server.role = "$11\r\nrole:master\r\n";
	for (unsigned i = 0; i < server.roles; i++)
		say(server.commands, "%s", server.role);
	for (unsigned i = 0; i < 5; i++) {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
	}
	assert_int_equal(server.subscribed, subscribed);
	server.auth = "+OK\r\n";
	say(server.logging_in, "+OK\r\n");
	RUN_UNTIL(ups(&a) == 2);
	bus_end(&a);
}

/* The open link may be dead, too, so it does not keep the bus at a host that accepts no other connection. */
static void
one_open_link_does_not_keep_a_dead_host(void **state)
{
	struct listener *second = fake_listen_at(0, server_accept, NULL);
	struct conn *half;
	struct bus_bench a;
	char url[256];

	(void)state;
	snprintf(url, sizeof url, "%s,127.0.0.1:%u", server.url, listener_port(second));
	bus_start(&a, url, 1000);
	RUN_UNTIL(ups(&a) == 1);
	listener_free(server.listener);
	server.listener = second;
	half = server.subscriptions;
	conn_close(server.commands, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2);
	assert_ptr_not_equal(server.subscriptions, half);
	bus_end(&a);
}

static struct bus_bench *asking;

static void
close_the_bus(struct bus_count *c, int64_t result)
{
	(void)c;
	assert_int_equal(result, ERROR_CLOSED);
	bus_close(asking->bus, 0, on_bus_closed, asking);
}

/* A count is refused at the end of the turn, where a closed bus is freed, too. */
static void
a_bus_closes_in_the_answer_of_a_count(void **state)
{
	struct bus_count count;
	struct bus_bench a;

	(void)state;
	bus_start(&a, server.url, 1000);
	asking = &a;
	bus_count_init(&count, close_the_bus);
	bus_count(a.bus, &count, TEXT("x"));
	RUN_UNTIL(a.closings == 1);
	for (unsigned i = 0; i < 3; i++)
		loop_finish_turn(&bench.loop);
	assert_int_equal(a.closings, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_CASE(a_late_role_does_not_start_the_subscriptions),
		SERVER_CASE(one_open_link_does_not_keep_a_dead_host),
		SERVER_CASE(a_bus_closes_in_the_answer_of_a_count),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
