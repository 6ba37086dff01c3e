/* Which clients the HTTP API reaches. With several workers, that depends on the workers' pages. */
#include "tests/unit/broker/broker_bench.h"

#include "node/process/outreach.h"
#include "node/process/visitor.h"

#define WORKERS 2

static struct hub_bench hub;
static struct stats_page pages[WORKERS];
static struct server_options server;
static struct api_options api = {.max_body = 1 << 20, .max_requests = 8, .idempotency_bytes = 1 << 16};

static char keys[] = "key-of-the-test-0123456789";

static int
start(void **state)
{
	bench_start(state);
	hub_start(&hub);
	memset(pages, 0, sizeof pages);
	server_options_init(&server);
	api.keys = keys;
	return 0;
}

static int
stop(void **state)
{
	server_options_fini(&server);
	hub_end(&hub);
	return bench_stop(state);
}

static void
show(unsigned worker, enum stats_state is, enum bus_form_id form)
{
	struct stats s = {.state = is, .has_broker = 1};

	s.broker.form = form;
	stats_write(&pages[worker], &s);
}

static struct api_reach
reach(struct outreach *o, const char *nsp)
{
	struct api_reach out = {0};

	outreach_reach(o, text_from(nsp), &out);
	return out;
}

static void
test_the_hub_process_speaks_to_workers_that_serve(void **state)
{
	struct outreach_setup setup = {.loop = &bench.loop,
		.api = &api,
		.server = &server,
		.hub = {.name = hub.url},
		.pages = pages,
		.workers = WORKERS};
	char error[OUTREACH_ERROR_MAX];
	struct broker_stats stats;
	struct api_reach r;
	struct outreach o;

	(void)state;
	assert_int_equal(outreach_init(&o, &setup, error), 0);
	assert_non_null(o.api);
	/* no worker has started, then one is starting */
	assert_non_null(strstr(reach(&o, "/").away, "no worker serves yet"));
	show(0, STATS_STARTING, BUS_FORM_HUB);
	r = reach(&o, "/");
	assert_non_null(strstr(r.away, "no worker serves yet"));
	assert_null(r.nsp);
	show(0, STATS_ACCEPTING, BUS_FORM_HUB);
	r = reach(&o, "/anything");
	assert_null(r.away);
	assert_non_null(r.nsp);
	assert_true(r.queued); /* the hub's connection is being opened */
	RUN_UNTIL((broker_stats(visitor_broker(o.visitor), &stats), stats.bus.up));
	assert_false(reach(&o, "/anything").queued);
	/* a draining worker still has clients */
	show(0, STATS_DRAINING, BUS_FORM_HUB);
	assert_null(reach(&o, "/").away);
	/* The hub process cannot know that the application has set redis, so the API would reach no one. */
	show(1, STATS_ACCEPTING, BUS_FORM_REDIS);
	assert_non_null(strstr(reach(&o, "/").away, "--redis"));
	outreach_fini(&o);
}

static void
test_without_keys_the_api_is_off(void **state)
{
	struct outreach_setup setup = {
		.loop = &bench.loop, .api = &api, .server = &server, .pages = pages, .workers = WORKERS};
	char error[OUTREACH_ERROR_MAX];
	struct outreach o;

	(void)state;
	api.keys = NULL;
	assert_int_equal(outreach_init(&o, &setup, error), 0);
	assert_true(o.api == NULL && o.visitor == NULL);
	outreach_reload(&o);
	outreach_fini(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_hub_process_speaks_to_workers_that_serve, start, stop),
		cmocka_unit_test_setup_teardown(test_without_keys_the_api_is_off, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
