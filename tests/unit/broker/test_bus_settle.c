/* Messages that waited during an outage reach the other nodes: they are held until those nodes are back, for a
 * limited time. */
#include "tests/unit/broker/broker_bench.h"

#include "common/io/log.h"

#define MEMBERS "k-request#/#"

struct node {
	struct bus_bench bus;
	struct listener members, news;
};

static struct hub_bench hub;
static unsigned warnings;

static void
on_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	warnings += memmem(line, n, "fewer nodes are back", 20) != NULL;
}

static void
on_hopeless(void *arg)
{
	(void)arg;
}

static void
node_start(struct node *n, uint64_t settle_ms)
{
	static const struct bus_ops ops = {.on_hopeless = on_hopeless};
	struct bus_url server;
	struct bus_options o = {.server = &server,
		.key = "k",
		.max_queue = 1 << 20,
		.settle_ms = settle_ms,
		.members = TEXT(MEMBERS),
		.check_ms = 50,
		.timeout_ms = 1000};

	memset(n, 0, sizeof *n);
	bus_url_of_hub(&server, hub.url);
	n->bus.bus = bus_open(&bench.loop, &o, &ops, &n->bus);
	listen_to(&n->bus, &n->members, MEMBERS, false);
	listen_to(&n->bus, &n->news, "news", false);
}

static void
node_end(struct node *n)
{
	listen_no_more(&n->bus, &n->members);
	listen_no_more(&n->bus, &n->news);
	bus_end(&n->bus);
}

static struct bus_stats
stats_of(const struct node *n)
{
	struct bus_stats stats;

	bus_stats(n->bus.bus, &stats);
	return stats;
}

/* Returns when both nodes have counted two members, which each check of an idle bus does. */
static void
run_checks(const struct node *a, const struct node *b)
{
	uint64_t at;

	RUN_UNTIL(ups(&a->bus) > 0 && ups(&b->bus) > 0);
	at = bench.loop.now;
	RUN_UNTIL(bench.loop.now > at + 300);
}

static int
start(void **state)
{
	bench_start(state);
	hub_start(&hub);
	log_set_sink(on_line, NULL);
	warnings = 0;
	return 0;
}

static int
stop(void **state)
{
	log_set_sink(NULL, NULL);
	hub_end(&hub);
	return bench_stop(state);
}

/* The pauses before the nodes dial again are random, so either node may be back first. */
static void
nothing_is_lost_however_they_come_back(void **state)
{
	struct node a, b;

	(void)state;
	node_start(&a, 10000);
	node_start(&b, 10000);
	run_checks(&a, &b);
	for (unsigned round = 1; round <= 12; round++) {
		hub_stop(&hub);
		RUN_UNTIL(downs(&a.bus) == round && downs(&b.bus) == round);
		publish(&a.bus, "news", "of_a");
		publish(&b.bus, "news", "of_b");
		hub_start(&hub);
		RUN_UNTIL(a.news.messages == 2 * round && b.news.messages == 2 * round);
	}
	assert_int_equal(stats_of(&a).missed + stats_of(&b).missed, 0);
	assert_int_equal(stats_of(&a).queue_bytes, 0);
	assert_int_equal(warnings, 0);
	node_end(&a);
	node_end(&b);
}

/* A publish that comes while earlier ones are held waits behind them. */
static void
order_is_kept_while_the_queue_is_held(void **state)
{
	struct node a, b;

	(void)state;
	node_start(&a, 10000);
	node_start(&b, 10000);
	run_checks(&a, &b);
	hub_stop(&hub);
	RUN_UNTIL(downs(&a.bus) == 1 && downs(&b.bus) == 1);
	publish(&a.bus, "news", "1");
	listen_no_more(&b.bus, &b.members); /* b is not counted until it subscribes again */
	hub_start(&hub);
	RUN_UNTIL(ups(&a.bus) == 2 && ups(&b.bus) == 2);
	publish(&a.bus, "news", "2");
	RUN_UNTIL(stats_of(&a).queue_bytes > 0);
	assert_int_equal(b.news.messages, 0);
	listen_to(&b.bus, &b.members, MEMBERS, false);
	RUN_UNTIL(b.news.messages == 2);
	assert_heard(&b.news, "1 2 ");
	node_end(&a);
	node_end(&b);
}

static void
a_node_that_stays_away_is_not_waited_for_for_ever(void **state)
{
	struct node a, b;

	(void)state;
	node_start(&a, 200);
	node_start(&b, 200);
	run_checks(&a, &b);
	hub_stop(&hub);
	RUN_UNTIL(downs(&a.bus) == 1);
	publish(&a.bus, "news", "lost");
	publish(&a.bus, "news", "too");
	node_end(&b);
	hub_start(&hub);
	RUN_UNTIL(a.news.messages == 2);
	assert_int_equal(stats_of(&a).missed, 2);
	assert_int_equal(warnings, 1);
	/* from now on, node a waits for the smaller number of nodes */
	hub_stop(&hub);
	RUN_UNTIL(downs(&a.bus) == 2);
	publish(&a.bus, "news", "heard");
	hub_start(&hub);
	RUN_UNTIL(a.news.messages == 3);
	assert_int_equal(stats_of(&a).missed, 2);
	node_end(&a);
}

/* Held messages leave before the end of a process. */
static void
what_is_held_leaves_at_the_end(void **state)
{
	struct node a, b;

	(void)state;
	node_start(&a, 60000);
	node_start(&b, 60000);
	run_checks(&a, &b);
	hub_stop(&hub);
	RUN_UNTIL(downs(&a.bus) == 1 && downs(&b.bus) == 1);
	publish(&a.bus, "news", "last");
	listen_no_more(&b.bus, &b.members);
	hub_start(&hub);
	RUN_UNTIL(ups(&a.bus) == 2 && ups(&b.bus) == 2);
	assert_int_equal(b.news.messages, 0);
	node_end(&a);
	RUN_UNTIL(b.news.messages == 1);
	listen_to(&b.bus, &b.members, MEMBERS, false);
	node_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_lost_however_they_come_back, start, stop),
		cmocka_unit_test_setup_teardown(order_is_kept_while_the_queue_is_held, start, stop),
		cmocka_unit_test_setup_teardown(a_node_that_stays_away_is_not_waited_for_for_ever, start, stop),
		cmocka_unit_test_setup_teardown(what_is_held_leaves_at_the_end, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
