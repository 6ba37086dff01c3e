/* How long publishes may wait for the bus (--redis-max-age), and that volatile publishes do not wait at all. */
#include "tests/unit/broker/broker_nodes.h"
#include "tests/unit/log_lines.h"

#define MAX_AGE_MS 60000

static struct bus_stats
stats_of(const struct bus_bench *b)
{
	struct bus_stats stats;

	bus_stats(b->bus, &stats);
	return stats;
}

static void
aged_bus_start(struct bus_bench *b, uint64_t max_age_ms)
{
	static const struct bus_ops bus_ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url server;
	struct bus_options o = {.server = &server,
		.key = "k",
		.max_queue = 1 << 20,
		.max_age_ms = max_age_ms,
		.check_ms = 200,
		.timeout_ms = 1000};

	memset(b, 0, sizeof *b);
	bus_url_of_hub(&server, hub.url);
	b->bus = bus_open(&bench.loop, &o, &bus_ops, b);
	RUN_UNTIL(ups(b) == 1);
}

/* Publishes as if it were `ago` ms earlier. */
static void
publish_ago(struct bus_bench *b, const char *payload, uint64_t ago)
{
	bench.loop.now -= ago;
	assert_int_equal(publish(b, "news", payload), 0);
	bench.loop.now += ago;
}

static void
outage_with(uint64_t max_age_ms, const char *expected, uint64_t expired)
{
	struct listener news;
	struct bus_bench b;

	aged_bus_start(&b, max_age_ms);
	listen_to(&b, &news, "news", false);
	hub_stop(&hub);
	RUN_UNTIL(downs(&b) == 1);
	publish_ago(&b, "1", 10 * MAX_AGE_MS);
	publish_ago(&b, "2", MAX_AGE_MS + 1);
	publish_ago(&b, "3", 0);
	assert_int_equal(stats_of(&b).expired, expired); /* the newest is queued after the others have expired */
	publish_ago(&b, "4", 0);
	hub_start(&hub);
	RUN_UNTIL(text_ends(buffer_text(&news.got), TEXT("4 ")));
	assert_heard(&news, expected);
	assert_int_equal(stats_of(&b).expired, expired);
	assert_int_equal(stats_of(&b).dropped, 0);
	listen_no_more(&b, &news);
	bus_end(&b);
}

static void
old_publishes_are_dropped_and_the_others_keep_their_order(void **state)
{
	(void)state;
	outage_with(MAX_AGE_MS, "3 4 ", 2);
	assert_true(logged("redisMaxAge"));
}

static void
without_a_limit_publishes_wait_on(void **state)
{
	(void)state;
	outage_with(0, "1 2 3 4 ", 0);
	assert_false(logged("redisMaxAge"));
}

/* A publish expires at the next attempt to connect although nothing is published meanwhile. */
static void
memory_is_freed_while_the_bus_is_down(void **state)
{
	struct bus_bench b;

	(void)state;
	aged_bus_start(&b, MAX_AGE_MS);
	hub_stop(&hub);
	RUN_UNTIL(downs(&b) == 1);
	publish_ago(&b, "old", MAX_AGE_MS + 1);
	RUN_UNTIL(stats_of(&b).expired == 1);
	assert_int_equal(stats_of(&b).queue_bytes, 0);
	hub_start(&hub);
	bus_end(&b);
}

static uint64_t
volatile_dropped(const struct node *n)
{
	struct broker_stats stats;

	broker_stats(n->broker, &stats);
	return stats.volatile_dropped;
}

static void
volatile_broadcasts_do_not_wait(void **state)
{
	struct text all = TEXT("all");
	struct wire_target loose = {.rooms = &all, .room_count = 1, .flags = WIRE_VOLATILE},
			   firm = {.rooms = &all, .room_count = 1};
	struct broker_stats stats;

	(void)state;
	assert_int_equal(broker_broadcast(nodes[0].nsp, &loose, TEXT("[\"up\"]"), NULL), 0);
	mark();
	told(1, "broadcast [\"up\"] +all !1 0;");
	hub_stop(&hub);
	RUN_UNTIL(!node_up(&nodes[0]) && !node_up(&nodes[1]) && !node_up(&nodes[2]));
	assert_int_equal(volatile_dropped(&nodes[0]), 0);
	assert_int_equal(broker_broadcast(nodes[0].nsp, &loose, TEXT("[\"down\"]"), NULL), 0);
	assert_int_equal(volatile_dropped(&nodes[0]), 1);
	broker_stats(nodes[0].broker, &stats);
	assert_int_equal(stats.bus.queue_bytes, 0);
	assert_int_equal(broker_broadcast(nodes[0].nsp, &firm, TEXT("[\"kept\"]"), NULL), 0);
	hub_start(&hub);
	RUN_UNTIL(node_up(&nodes[0]) && node_up(&nodes[1]) && node_up(&nodes[2]));
	assert_int_equal(volatile_dropped(&nodes[0]), 1);
}

static int
age_start(void **state)
{
	log_lines_start();
	bench_start(state);
	hub_start(&hub);
	return 0;
}

static int
age_stop(void **state)
{
	log_lines_stop();
	hub_end(&hub);
	return bench_stop(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			old_publishes_are_dropped_and_the_others_keep_their_order, age_start, age_stop),
		cmocka_unit_test_setup_teardown(without_a_limit_publishes_wait_on, age_start, age_stop),
		cmocka_unit_test_setup_teardown(memory_is_freed_while_the_bus_is_down, age_start, age_stop),
		cmocka_unit_test_setup_teardown(volatile_broadcasts_do_not_wait, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
