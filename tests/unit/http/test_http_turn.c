/* A connection with many requests at once is answered over several turns. */
#include "tests/unit/http/http_rig.h"

#define REQUESTS 1000

static void
on_request(void *arg, struct http_request *r)
{
	struct rig *g = arg;

	g->requests++;
	http_reply(r, 200, NULL, TEXT(""), false);
}

static void
pipelined_requests_are_spread_over_turns(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	struct rig *g = rig_new(on_request);
	struct buffer out;
	uint64_t most = 0;

	(void)state;
	buffer_init(&out, REQUESTS * sizeof request);
	for (int i = 0; i < REQUESTS; i++)
		buffer_add(&out, request, sizeof request - 1);
	rig_send(g, out.data, out.len);
	while (g->requests < REQUESTS) {
		uint64_t work = g->loop.work;

		ev_run(g->ev, EVRUN_ONCE);
		most = g->loop.work - work > most ? g->loop.work - work : most;
	}
	assert_true(most < LOOP_SHARE_WORK + 200000);
	rig_expect(g, "200 OK", REQUESTS);
	buffer_fini(&out);
	rig_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipelined_requests_are_spread_over_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
