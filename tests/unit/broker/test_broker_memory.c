/*
 * Messages, commands and subscriptions of sizes that a peer chose, while the system has no memory for them. The
 * message is dropped, or the link is closed and opened again. An allocation that aborts ends the test.
 */
#include "tests/unit/broker/broker_bench.h"

#include <sys/un.h>

#include "broker/broker_internal.h"
#include "broker/hub_topics.h"
#include "broker/resp.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "tests/unit/faults.h"

#define LONG 20000
#define NONE_ABOVE 4000

static char long_name[LONG + 1];

static struct text
long_text(void)
{
	memset(long_name, 'x', LONG);
	return text_of(long_name, LONG);
}

static void
test_rooms_of_a_message(void **state)
{
	struct wire_message m;
	struct buffer json;

	(void)state;
	wire_message_init(&m);
	buffer_init(&json, 1 << 20);
	buffer_add_text(&json, TEXT("{\"type\":0,\"requestId\":\"1\",\"rooms\":["));
	for (unsigned i = 0; i < 1000; i++)
		buffer_printf(&json, "%s\"room%u\"", i == 0 ? "" : ",", i);
	buffer_add_text(&json, TEXT("]}"));
	fault_above = SIZE_MAX;
	assert_non_null(buffer_room(&m.json, json.len)); /* the allocation for its text succeeds */
	fault_above = NONE_ABOVE;
	assert_int_equal(wire_read_request(&m, buffer_text(&json)), ERROR_MEMORY);
	fault_above = SIZE_MAX;
	assert_int_equal(wire_read_request(&m, buffer_text(&json)), 0);
	assert_int_equal(m.listed_room_count, 1000);
	buffer_fini(&json);
	wire_message_fini(&m);
}

static void
test_name_with_an_escape(void **state)
{
	struct wire_message m;
	struct buffer json;

	(void)state;
	wire_message_init(&m);
	buffer_init(&json, 1 << 20);
	buffer_add_text(&json, TEXT("{\"type\":0,\"requestId\":\"1\",\"rooms\":[\"\\n"));
	buffer_add_text(&json, long_text());
	buffer_add_text(&json, TEXT("\"]}"));
	assert_non_null(buffer_room(&m.json, json.len));
	fault_above = NONE_ABOVE;
	assert_int_equal(wire_read_request(&m, buffer_text(&json)), ERROR_MEMORY);
	fault_above = SIZE_MAX;
	assert_int_equal(wire_read_request(&m, buffer_text(&json)), 0);
	buffer_fini(&json);
	wire_message_fini(&m);
}

static void
test_command(void **state)
{
	struct text args[] = {TEXT("SUBSCRIBE"), long_text()};

	(void)state;
	fault_above = NONE_ABOVE;
	assert_null(resp_command(2, args));
	fault_above = SIZE_MAX;
}

static void
test_topic(void **state)
{
	struct hub_topics t;
	struct table own;

	(void)state;
	hub_topics_init(&t);
	table_init(&own);
	fault_above = NONE_ABOVE;
	assert_int_equal(hub_topics_add(&t, false, long_text(), TEXT_NONE, &own, NULL), ERROR_MEMORY);
	assert_int_equal(hub_topics_add(&t, true, TEXT("a"), long_text(), &own, NULL), ERROR_MEMORY);
	fault_above = SIZE_MAX;
	assert_null(hub_topics_find(&t, false, long_text()));
	assert_null(hub_topics_find(&t, true, TEXT("a")));
	assert_int_equal(hub_topics_add(&t, false, long_text(), TEXT_NONE, &own, NULL), 1);
	hub_topics_remove(&t, hub_topics_find_own(&t, &own, false, long_text()), &own);
	table_fini(&own);
	hub_topics_fini(&t);
}

/* Prefixes of many lengths, which make their list grow too. */
static void
test_lengths_of_prefixes(void **state)
{
	struct hub_topics t;
	struct table own;
	unsigned n = 0;

	(void)state;
	hub_topics_init(&t);
	table_init(&own);
	(void)long_text();
	fault_above = NONE_ABOVE;
	while (n < 1000 && hub_topics_add(&t, true, text_of(long_name, n + 1), TEXT_NONE, &own, NULL) == 1)
		n++;
	fault_above = SIZE_MAX;
	assert_in_range(n, 100, 999);
	assert_null(hub_topics_find(&t, true, text_of(long_name, n + 1)));
	assert_int_equal(hub_topics_add(&t, true, text_of(long_name, n + 1), TEXT_NONE, &own, NULL), 1);
	for (unsigned i = 0; i <= n; i++)
		hub_topics_remove(&t, hub_topics_find_own(&t, &own, true, text_of(long_name, i + 1)), &own);
	table_fini(&own);
	hub_topics_fini(&t);
}

/* --------------------------------------------------------------------- hub */

static struct hub *hub;
static int hub_fd;
static char hub_name[HUB_NAME_MAX];

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
	fault_above = SIZE_MAX;
	hub_free(hub);
	return bench_stop(state);
}

static int
worker(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(hub_name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(to.sun_path + 1, hub_name, n);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* The next input: some bytes, or 0 at the end. */
static ssize_t
next_read(int fd, char *at, size_t n)
{
	uint64_t deadline = bench_clock() + 20000;
	ssize_t got;

	while ((got = recv(fd, at, n, 0)) < 0) {
		assert_true(bench_clock() < deadline);
		ev_run(bench.ev, EVRUN_NOWAIT);
		loop_finish_turn(&bench.loop);
	}
	return got;
}

static void
test_worker_that_cannot_subscribe_reconnects(void **state)
{
	char got[200], head[64];
	int deaf = worker(), other = worker();
	struct text name = long_text();
	int n = snprintf(head, sizeof head, "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n", name.n);

	(void)state;
	assert_int_equal(send(other, "*1\r\n$4\r\nPING\r\n", 14, 0), 14);
	assert_int_equal(next_read(other, got, sizeof got), 7);
	assert_int_equal(send(deaf, head, (size_t)n, MSG_MORE), n);
	assert_int_equal(send(deaf, name.at, name.n, MSG_MORE), (ssize_t)name.n);
	assert_int_equal(send(deaf, "\r\n", 2, 0), 2);
	fault_above = NONE_ABOVE;
	assert_int_equal(next_read(deaf, got, sizeof got), 0);
	fault_above = SIZE_MAX;
	assert_true(bench.loop.counters.value[COUNT_NO_MEMORY] > 0);
	assert_int_equal(send(other, "*1\r\n$4\r\nPING\r\n", 14, 0), 14);
	assert_int_equal(next_read(other, got, sizeof got), 7);
	close(deaf);
	close(other);
}

/* --------------------------------------------------------------------- bus */

static void
test_publish_that_would_wait_is_refused(void **state)
{
	struct bus_bench b;

	(void)state;
	(void)long_text();
	bus_start(&b, hub_name, 1 << 20);
	fault_above = NONE_ABOVE;
	assert_int_equal(publish(&b, long_name, "early"), ERROR_MEMORY);
	fault_above = SIZE_MAX;
	assert_int_equal(publish(&b, long_name, "early"), 0);
	bus_end(&b);
}

/* A link that cannot send its subscriptions would be deaf, so it is closed and subscribes again. */
static void
subscribe_without_memory(bool prefix)
{
	struct bus_bench b;
	struct listener l;

	(void)long_text();
	bus_start(&b, hub_name, 1 << 20);
	RUN_UNTIL(ups(&b) == 1);
	fault_above = NONE_ABOVE;
	listen_to(&b, &l, long_name, prefix);
	RUN_UNTIL(downs(&b) == 1);
	fault_above = SIZE_MAX;
	RUN_UNTIL(ups(&b) >= 2 && l.s.confirmed);
	assert_int_equal(publish(&b, long_name, "late"), 0);
	RUN_UNTIL(l.messages == 1);
	listen_no_more(&b, &l);
	bus_end(&b);
}

static void
test_channel_that_cannot_be_sent(void **state)
{
	(void)state;
	subscribe_without_memory(false);
}

static void
test_prefix_that_cannot_be_sent(void **state)
{
	(void)state;
	subscribe_without_memory(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rooms_of_a_message),
		cmocka_unit_test(test_name_with_an_escape),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_topic),
		cmocka_unit_test(test_lengths_of_prefixes),
		cmocka_unit_test_setup_teardown(test_worker_that_cannot_subscribe_reconnects, start, stop),
		cmocka_unit_test_setup_teardown(test_publish_that_would_wait_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(test_channel_that_cannot_be_sent, start, stop),
		cmocka_unit_test_setup_teardown(test_prefix_that_cannot_be_sent, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
