/* The connection after a 101. */
#include "tests/unit/upstream/rig.h"

#define ASK "GET /raw HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"
#define SWITCH                                                                                                       \
	"HTTP/1.1 101 Switching Protocols\r\nX-A: 1\r\nConnection: upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: "          \
	"raw\r\n\r\n"

static struct target target;

/* Both sides have sent data early, right after the heads. */
static int
tunnel(struct rig *g)
{
	int up;

	target = target_open();
	assert_int_equal(upstream_add(upstream, text_from(target.url), NULL), 0);
	rig_say(g, ASK "from client");
	up = target_accept(g, &target);
	target_expect(g, up, "\r\n\r\n");
	assert_non_null(strstr(heard, "\r\nConnection: Upgrade\r\nUpgrade: raw\r\n"));
	assert_null(strstr(heard, "from client")); /* not before the upstream has agreed */
	target_say(up, SWITCH "from upstream");
	rig_expect(g,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\nX-A: 1\r\n\r\nfrom "
		"upstream",
		1);
	target_expect(g, up, "from client");
	return up;
}

static void
all_gone(struct rig *g, int up)
{
	close(up);
	close(target.fd);
	while (upstream_running(upstream))
		ev_run(g->ev, EVRUN_ONCE);
	assert_int_equal(counted(g, COUNT_UPSTREAM_TUNNELS), 1);
}

static void
test_one_side_ends_and_the_other_goes_on(void **state)
{
	struct rig *g = *state;
	int up = tunnel(g);

	rig_say(g, "last");
	shutdown(g->client, SHUT_WR);
	target_expect(g, up, "last");
	target_end(g, up);
	target_say(up, "still there");
	rig_expect(g, "still there", 1);
	target_say(up, "bye");
	shutdown(up, SHUT_WR);
	rig_end(g);
	rig_expect(g, "bye", 1);
	all_gone(g, up);
}

static void
test_a_failure_of_one_side_ends_the_other(void **state)
{
	struct linger none = {1, 0};
	struct rig *g = *state;
	int up = tunnel(g);

	setsockopt(up, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	close(up);
	rig_end(g);
	close(target.fd);
	while (upstream_running(upstream))
		ev_run(g->ev, EVRUN_ONCE);
	assert_int_equal(g->loop.closed[REASON_UPSTREAM_CUT], 1);
}

static void
test_a_client_that_leaves(void **state)
{
	struct rig *g = *state;
	int up = tunnel(g);

	shutdown(g->client, SHUT_RDWR);
	target_end(g, up); /* FIN: whether the peer still reads is unknown */
	all_gone(g, up);
	rig_disconnect(g);
}

static void
test_half_of_a_tunnel_does_not_wait_long(void **state)
{
	struct rig *g = *state;
	int up = tunnel(g);
	uint64_t begin;

	shutdown(g->client, SHUT_WR);
	target_end(g, up);
	begin = g->loop.now;
	target_say(up, "still there");
	rig_expect(g, "still there", 1);
	wheel_run(g->loop.wheel, begin + 9000);
	rig_settle(g);
	assert_false(g->client_eof);
	wheel_run(g->loop.wheel, g->loop.now + 11000);
	rig_end(g);
	assert_int_equal(g->loop.closed[REASON_UPSTREAM_IDLE], 1);
	all_gone(g, up);
}

/* If one side does not read, the other side is not read either, and the data counts as memory of the client. */
static void
test_back_pressure(void **state)
{
	static char bytes[100000];
	struct rig *g = *state;
	int up = tunnel(g);
	size_t sent = 0, got = 0, last = 0;
	uint64_t most = 0;
	ssize_t n;

	ev_io_stop(g->ev, &g->readable);
	for (int i = 0; i < 60; i++) {
		if ((n = write(up, bytes, sizeof bytes)) > 0) {
			sent += (size_t)n;
			i = 0;
		}
		rig_settle(g);
		if (g->loop.budget.held > most)
			most = g->loop.budget.held;
	}
	assert_in_range(most, 200000, 800000);
	for (int i = 0; i < 60; i++) { /* and in the other direction */
		if ((n = write(g->client, bytes, sizeof bytes)) > 0) {
			last += (size_t)n;
			i = 0;
		}
		rig_settle(g);
		if (g->loop.budget.held > most)
			most = g->loop.budget.held;
	}
	assert_in_range(most, 400000, 1600000);
	while (got < last) {
		if ((n = read(up, bytes, sizeof bytes)) > 0)
			got += (size_t)n;
		else
			ev_run(g->ev, EVRUN_ONCE);
	}
	buffer_reset(&g->got);
	ev_io_start(g->ev, &g->readable);
	while (g->got.len < sent)
		ev_run(g->ev, EVRUN_ONCE);
	assert_int_equal(g->got.len, sent);
	shutdown(g->client, SHUT_RDWR);
	target_end(g, up);
	all_gone(g, up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_side_ends_and_the_other_goes_on),
		T(test_a_failure_of_one_side_ends_the_other),
		T(test_a_client_that_leaves),
		T(test_half_of_a_tunnel_does_not_wait_long),
		T(test_back_pressure),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
