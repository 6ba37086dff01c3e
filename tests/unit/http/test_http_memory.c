/* The memory that requests hold counts in the budget. What happens when there is no memory left for a request. */
#include "tests/unit/http/http_handler.h"

#include "tests/unit/faults.h"

static uint64_t
held(const struct rig *g)
{
	return g->loop.budget.held;
}

static void
unfinished_head_counts(void **state)
{
	struct rig *g = *state;
	char field[2000];
	uint64_t idle;

	rig_settle(g);
	idle = held(g);
	memset(field, 'x', sizeof field);
	rig_say(g, "GET /now HTTP/1.1\r\nHost: h\r\nX: ");
	rig_send(g, field, sizeof field);
	rig_settle(g);
	assert_in_range(held(g), idle + sizeof field, idle + 3 * sizeof field);
	rig_say(g, "\r\n\r\n");
	rig_expect(g, "HTTP/1.1 200", 1);
	rig_settle(g);
	assert_int_equal(held(g), idle);
}

static void
memory_of_the_handler_counts(void **state)
{
	struct rig *g = *state;

	rig_say(g, "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
	rig_until(g, g->pending);
	http_request_holds(g->pending, 500000);
	assert_in_range(held(g), 500000, 503000);
	http_request_holds(g->pending, 400000);
	assert_in_range(held(g), 400000, 403000);
	budget_set_max(&g->loop.budget, 399000);
	rig_until(g, g->aborts);
	rig_settle(g);
	assert_int_equal(held(g), 0);
	assert_int_equal(g->loop.closed[REASON_MEMORY], 1);
}

static void
unread_replies_count(void **state)
{
	struct rig *g = *state;

	ev_io_stop(g->ev, &g->readable);
	rig_say(g, GET("/large"));
	rig_until(g, g->requests);
	rig_settle(g);
	assert_in_range(held(g), STREAM_LENGTH, STREAM_LENGTH + 1000);
	ev_io_start(g->ev, &g->readable);
	rig_until(g, g->got.len > STREAM_LENGTH);
	rig_settle(g);
	assert_int_equal(held(g), 0);
}

static void
ends_without_memory(struct rig *g, const char *bytes, size_t n, size_t above)
{
	fault_above = above;
	rig_send(g, bytes, n);
	while (!g->client_eof)
		ev_run(g->ev, EVRUN_ONCE);
	fault_above = SIZE_MAX;
	assert_int_equal(g->loop.closed[REASON_NO_MEMORY], 1);
	assert_int_equal(g->loop.counters.value[COUNT_NO_MEMORY], 1);
	assert_int_equal(g->got.len, 0);
	rig_disconnect(g);
	rig_connect(g);
	rig_say(g, GET("/now?x"));
	rig_expect(g, "\r\n\r\nx", 1);
}

static void
no_memory_for_a_head(void **state)
{
	char head[3000];

	memset(head, 'x', sizeof head);
	memcpy(head, "GET /now HTTP/1.1\r\nX: ", 22);
	ends_without_memory(*state, head, sizeof head, 1000);
}

static void
no_memory_for_the_fields(void **state)
{
	char head[800] = "GET /now HTTP/1.1\r\nHost: h\r\n";

	for (int i = 0; i < 30; i++)
		strcat(head, "X: y\r\n");
	strcat(head, "\r\n");
	ends_without_memory(*state, head, strlen(head), 900);
}

static void
no_memory_for_a_reply(void **state)
{
	char head[3000];

	memset(head, 'q', sizeof head);
	memcpy(head, "GET /now?", 9);
	memcpy(head + sizeof head - 22, " HTTP/1.1\r\nHost: h\r\n\r\n", 22);
	ends_without_memory(*state, head, sizeof head, 3072);
}

static void
no_memory_for_a_piece_of_a_stream(void **state)
{
	struct rig *g = *state;

	fault_above = 60000;
	rig_say(g, GET("/stream"));
	while (!g->client_eof)
		ev_run(g->ev, EVRUN_ONCE);
	fault_above = SIZE_MAX;
	assert_int_equal(g->dones, 1);
	assert_int_equal(g->loop.closed[REASON_NO_MEMORY], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unfinished_head_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_of_the_handler_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(unread_replies_count, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_for_a_head, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_for_the_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_for_a_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_for_a_piece_of_a_stream, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
