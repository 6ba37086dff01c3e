/* Requests under way when memory for them is missing, or when their client holds too much of it. */
#include "tests/unit/upstream/rig.h"

#include "tests/unit/faults.h"

#define SMALL 4096 /* larger allocations fail: everything whose size a peer chooses here is larger */

static struct target target;
static char large[60000];

static int
ask(struct rig *g, const char *head)
{
	int up;

	if (!upstream_is_active(upstream))
		assert_int_equal(upstream_add(upstream, text_from(target.url), NULL), 0);
	rig_say(g, head);
	up = target_accept(g, &target);
	target_expect(g, up, "\r\n\r\n");
	return up;
}

/* The client's connection ends for lack of memory, the upstream's ends with it, and the next request is served. */
static void
ends(struct rig *g, int up)
{
	fault_above = SMALL;
	rig_end(g);
	fault_above = SIZE_MAX;
	assert_true(faults > 0);
	target_end(g, up);
	close(up);
	rig_disconnect(g);
	assert_int_equal(upstream_running(upstream), 0);
	rig_connect(g);
	up = ask(g, GET_HEAD("/"));
	target_say(up, OK("2", "ok"));
	rig_expect(g, "HTTP/1.1 200 OK", 1);
	close(up);
}

static int
setup(void **state)
{
	memset(large, 'l', sizeof large);
	target = target_open();
	faults = 0;
	return edge_setup(state);
}

static int
teardown(void **state)
{
	close(target.fd);
	return edge_teardown(state);
}

static void
test_no_memory_for_the_request(void **state)
{
	struct rig *g = *state;
	int up = ask(g, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");

	rig_send(g, large, sizeof large);
	ends(g, up);
	assert_int_equal(g->loop.closed[REASON_NO_MEMORY], 1);
}

static void
test_no_memory_for_the_response(void **state)
{
	struct rig *g = *state;
	int up = ask(g, GET_HEAD("/"));

	target_say(up, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	assert_int_equal(write(up, large, sizeof large), sizeof large);
	ends(g, up);
	assert_int_equal(g->loop.closed[REASON_NO_MEMORY], 1);
}

static void
test_no_memory_for_a_head_in_pieces(void **state)
{
	struct rig *g = *state;
	int up = ask(g, GET_HEAD("/"));

	target_say(up, "HTTP/1.1 200 OK\r\nX: ");
	assert_int_equal(write(up, large, 20000), 20000);
	ends(g, up);
	assert_int_equal(g->loop.closed[REASON_NO_MEMORY], 1);
}

static void
test_the_budget_ends_the_largest(void **state)
{
	struct rig *g = *state;
	int up = ask(g, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n"), sent;

	budget_set_max(&g->loop.budget, 100000);
	while (!g->client_eof) { /* the upstream does not read */
		sent = (int)send(g->client, large, sizeof large, MSG_NOSIGNAL);
		ev_run(g->ev, sent > 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
	}
	assert_int_equal(g->loop.closed[REASON_MEMORY], 1);
	target_end(g, up);
	close(up);
	rig_disconnect(g);
	assert_int_equal(upstream_running(upstream), 0);
	assert_int_equal(g->loop.budget.held, 0);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_memory_for_the_request),
		T(test_no_memory_for_the_response),
		T(test_no_memory_for_a_head_in_pieces),
		T(test_the_budget_ends_the_largest),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
