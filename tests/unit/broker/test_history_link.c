/*
 * The history of rooms at a server of a few lines: what is sent to it after an outage. What a server answers is in
 * tests/cluster/history-rooms.test.mjs, with Redis.
 */
#include "tests/unit/broker/fake_server.h"
#include "tests/unit/log_lines.h"

#include "broker/bus_access.h"
#include "broker/history.h"
#include "common/base/error.h"

static struct {
	struct listener *listener;
	struct conn *conn; /* the last one that has sent a command */
	unsigned open, appends, ages, reads, removals;
	bool silent;
	const char *refusal; /* the answer to a read or removal; NULL: none is refused */
	const char *refused_append;
} server;

static struct history *history;
static struct history_ask asks[4];
static unsigned answered;
static int last_error;

static void
serve(struct conn *c, const struct hub_command *command)
{
	struct text name = command->args[0];
	bool append = text_is(name, TEXT("XADD")), age = text_is(name, TEXT("PERSIST"));
	bool read = text_is(name, TEXT("XREVRANGE")), removal = text_is(name, TEXT("DEL"));

	server.conn = c;
	server.appends += append;
	server.ages += age;
	server.reads += read;
	server.removals += removal;
	if (server.refusal != NULL && (read || removal))
		say(c, "%s", server.refusal);
	else if (server.refused_append != NULL && append)
		say(c, "%s", server.refused_append);
	else if (!server.silent)
		say(c, "%s", append ? "$3\r\n7-1\r\n" : read ? "*0\r\n" : ":1\r\n");
}

static size_t
server_data(struct conn *c, uint8_t *data, size_t n)
{
	return fake_read(c, data, n, serve);
}

static void
server_closed(struct conn *c, unsigned reason)
{
	(void)reason;
	server.open--;
	if (server.conn == c)
		server.conn = NULL;
}

static void
server_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static const struct conn_ops ops = {.on_data = server_data, .on_closed = server_closed};

	(void)arg;
	server.open++;
	conn_new(&bench.loop, fd, peer, peer_len, NULL, &fake_limits, &ops, NULL);
}

static void
on_answer(struct history_ask *ask, int error, const struct history_item *items, unsigned count)
{
	(void)ask, (void)items, (void)count;
	answered++;
	last_error = error;
}

static int
start(void **state)
{
	log_lines_start();
	bench_start(state);
	memset(&server, 0, sizeof server);
	answered = 0;
	for (unsigned i = 0; i < 4; i++)
		asks[i] = (struct history_ask){.on_answer = on_answer};
	return 0;
}

static int
stop(void **state)
{
	history_free(history);
	RUN_UNTIL(server.open == 0);
	listener_free(server.listener);
	log_lines_stop();
	return bench_stop(state);
}

static void
open_at(uint16_t port)
{
	struct history_link_options options = {.key = "socket.io", .max_queue = 1 << 20};
	char url[64], error[BUS_ERROR_MAX];
	struct bus_url at;

	snprintf(url, sizeof url, "redis://127.0.0.1:%u", port);
	assert_int_equal(bus_url_parse(&at, url, error), 0);
	options.server = &at;
	history = history_link_new(&bench.loop, &options);
}

static void
read_as(unsigned i)
{
	static const struct history_limits limits = {.count = 10};
	static const struct history_query query = {.count = 10};

	history_read(history, TEXT("/#room"), &limits, &query, &asks[i]);
}

static void
store(void)
{
	static const struct history_limits limits = {.count = 10};

	history_append(history, TEXT("/#room"), &limits, TEXT("payload"));
}

static void
what_nobody_waits_for_is_not_sent(void **state)
{
	uint16_t port = free_port();

	(void)state;
	open_at(port);
	read_as(0);
	read_as(1);
	store();
	history_remove(history, TEXT("/#room"), (struct history_id){0, 0}, &asks[2]);
	read_as(3);
	for (unsigned i = 0; i < 3; i++)
		history_cancel(history, &asks[i]);
	server.listener = fake_listen_at(port, server_accept, NULL);
	RUN_UNTIL(answered == 1);
	assert_int_equal(last_error, 0);
	assert_int_equal(server.appends, 1);
	assert_int_equal(server.ages, 1);
	assert_int_equal(server.reads, 1);
	assert_int_equal(server.removals, 0);
}

static void
what_nobody_waits_for_is_not_sent_again(void **state)
{
	(void)state;
	server.silent = true;
	server.listener = fake_listen_at(0, server_accept, NULL);
	open_at(listener_port(server.listener));
	read_as(0);
	store();
	history_remove(history, TEXT("/#room"), (struct history_id){0, 0}, &asks[2]);
	read_as(3);
	RUN_UNTIL(server.reads == 2);
	history_cancel(history, &asks[0]);
	history_cancel(history, &asks[2]);
	server.silent = false;
	conn_close(server.conn, REASON_FINISHED);
	RUN_UNTIL(answered == 1);
	assert_int_equal(last_error, 0);
	assert_int_equal(server.appends, 2);
	assert_int_equal(server.reads, 3);
	assert_int_equal(server.removals, 1);
}

static void
an_answer_that_nobody_waits_for_is_passed_over(void **state)
{
	(void)state;
	server.silent = true;
	server.listener = fake_listen_at(0, server_accept, NULL);
	open_at(listener_port(server.listener));
	read_as(0);
	RUN_UNTIL(server.reads == 1);
	history_cancel(history, &asks[0]);
	say(server.conn, "*0\r\n");
	server.silent = false;
	read_as(1);
	RUN_UNTIL(answered == 1);
	assert_int_equal(last_error, 0);
	assert_int_equal(server.reads, 2);
}

/* The server answers, so it is not away. The reason is in the log. */
static void
a_refusal_is_not_an_outage(void **state)
{
	(void)state;
	server.refusal = "-NOPERM this user has no permissions to run the 'xrevrange' command\r\n";
	server.listener = fake_listen_at(0, server_accept, NULL);
	open_at(listener_port(server.listener));
	read_as(0);
	RUN_UNTIL(answered == 1);
	assert_int_equal(last_error, ERROR_UNSUPPORTED);
	assert_true(logged("the history is refused: NOPERM"));
	server.refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
	history_remove(history, TEXT("/#room"), (struct history_id){0, 0}, &asks[1]);
	RUN_UNTIL(answered == 2);
	assert_int_equal(last_error, ERROR_UNSUPPORTED);
	server.refusal = NULL;
	read_as(2);
	RUN_UNTIL(answered == 3);
	assert_int_equal(last_error, 0);
}

/*
 * The slot of the keys is moving to another member of a Redis Cluster, which refuses some commands and executes
 * others. Nothing is sent again.
 */
static void
a_moving_slot_refuses_a_command(void **state)
{
	static const char *const answers[] = {
		"-ASK 866 127.0.0.1:1\r\n", "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"};
	struct history_stats stats;

	(void)state;
	server.listener = fake_listen_at(0, server_accept, NULL);
	open_at(listener_port(server.listener));
	for (unsigned i = 0; i < 2; i++) {
		server.refusal = server.refused_append = answers[i];
		read_as(i);
		store();
		RUN_UNTIL(answered == i + 1 && (history_stats(history, &stats), stats.dropped == i + 1));
		assert_int_equal(last_error, ERROR_UNSUPPORTED);
		assert_int_equal(server.reads, i + 1);
		assert_int_equal(server.appends, i + 1);
	}
	server.refusal = server.refused_append = NULL;
	store();
	RUN_UNTIL((history_stats(history, &stats), stats.appended == 1));
	assert_int_equal(server.appends, 3);
	assert_true(logged("the slot is moving to another node of the cluster"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_nobody_waits_for_is_not_sent, start, stop),
		cmocka_unit_test_setup_teardown(what_nobody_waits_for_is_not_sent_again, start, stop),
		cmocka_unit_test_setup_teardown(an_answer_that_nobody_waits_for_is_passed_over, start, stop),
		cmocka_unit_test_setup_teardown(a_refusal_is_not_an_outage, start, stop),
		cmocka_unit_test_setup_teardown(a_moving_slot_refuses_a_command, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
