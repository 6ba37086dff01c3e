/* The bus against a real redis-server and against the hub: messages, counts, and each way of losing the server. */
#include "tests/unit/broker/broker_bench.h"

#include "broker/bus_url.h"
#include "common/base/error.h"
#include "common/io/log.h"

struct count {
	struct bus_count c;
	int64_t result;
	bool done;
};

static void
on_count(struct bus_count *c, int64_t result)
{
	struct count *mine = container_of(c, struct count, c);

	mine->result = result;
	mine->done = true;
}

static int64_t
count_now(struct bus_bench *b, const char *channel)
{
	struct count c = {.done = false};

	bus_count_init(&c.c, on_count);
	bus_count(b->bus, &c.c, text_from(channel));
	assert_false(c.done);
	RUN_UNTIL(c.done);
	return c.result;
}

/* Checks the promises that the hub and Redis both keep. */
static void
messages_and_counts(const char *url)
{
	struct bus_bench a, b;
	struct listener exact, prefix, special;

	bus_start(&a, url, 1 << 20);
	bus_start(&b, url, 1 << 20);
	assert_int_equal(count_now(&a, "x"), ERROR_CLOSED); /* the bus is not up yet */
	publish(&a, "news", "early"); /* b may have subscribed by now or not; both results are right */
	listen_to(&b, &exact, "news", false);
	listen_to(&b, &prefix, "room#", true);
	listen_to(&b, &special, "a*b?[c]\\#", true);
	RUN_UNTIL(ups(&a) == 1 && ups(&b) == 1);
	RUN_UNTIL(count_now(&a, "news") == 1);
	assert_int_equal(count_now(&a, "room#"), 0);
	buffer_reset(&exact.got);
	exact.messages = 0;
	publish(&a, "news", "one");
	publish(&a, "news", "two");
	publish(&b, "room#red#", "three");
	publish(&a, "room#", "four");
	publish(&a, "aXb?[c]\\#", "not for the prefix: its star is a star");
	publish(&a, "a*b?[c]\\#x", "special");
	publish(&a, "news", "end");
	RUN_UNTIL(exact.messages == 3 && special.messages == 1 && prefix.messages == 2);
	assert_heard(&exact, "one two end ");
	assert_heard(&special, "special ");
	assert_string_equal(special.channel, "a*b?[c]\\#x");
	bus_unsubscribe(b.bus, &exact.s);
	RUN_UNTIL(count_now(&a, "news") == 0);
	bus_subscribe(b.bus, &exact.s);
	RUN_UNTIL(count_now(&a, "news") == 1);
	publish(&a, "news", "again");
	RUN_UNTIL(exact.messages == 4);
	assert_heard(&exact, "again ");
	listen_no_more(&b, &exact);
	listen_no_more(&b, &prefix);
	listen_no_more(&b, &special);
	publish(&b, "last", "flushed before the end");
	bus_end(&a);
	bus_end(&b);
}

static void
large_messages(const char *url)
{
	size_t n = 3 << 20;
	char *large = malloc(n + 1);
	struct bus_bench a;
	struct listener l;

	memset(large, 'L', n);
	large[n] = '\0';
	bus_start_with(&a, url, 64 << 20, 0); /* the default times */
	listen_to(&a, &l, "big", false);
	RUN_UNTIL(ups(&a) == 1);
	for (unsigned i = 0; i < 4; i++) {
		publish(&a, "big", large);
		publish(&a, "big", "small");
	}
	RUN_UNTIL(l.messages == 8);
	assert_int_equal(l.got.len, 4 * (n + 1 + 6));
	listen_no_more(&a, &l);
	bus_end(&a);
	free(large);
}

static void
over_the_hub(void **state)
{
	struct hub_bench h = {.fd = 0};

	(void)state;
	hub_start(&h);
	messages_and_counts(h.url);
	large_messages(h.url);
	hub_end(&h);
}

static void
over_redis(void **state)
{
	struct redis_bench r = {.port = 0};

	(void)state;
	redis_start(&r, NULL);
	messages_and_counts(r.url);
	large_messages(r.url);
	redis_stop(&r);
}

static void
over_a_unix_socket(void **state)
{
	char dir[] = "/tmp/sockeye-bus-XXXXXX", path[64], url[128];
	const char *more[] = {"--unixsocket", path, NULL};
	struct redis_bench r = {.port = 0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/redis.sock", dir);
	redis_start(&r, more);
	snprintf(url, sizeof url, "unix://%s/redis%%2Esock?db=2", dir);
	messages_and_counts(url);
	redis_stop(&r);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

/* The bus goes down and comes up again: it subscribes again, and waiting messages arrive in order. */
static void
resumes(struct bus_bench *a, struct listener *l)
{
	uint64_t before = downs(a);

	RUN_UNTIL(ups(a) == before);
	l->messages = 0;
	buffer_reset(&l->got);
	publish(a, "c", "kept");
	publish(a, "c", "too");
}

static void
a_hub_that_dies_and_returns(void **state)
{
	struct hub_bench h = {.fd = 0};
	struct bus_bench a;
	struct listener l;

	(void)state;
	hub_start(&h);
	bus_start(&a, h.url, 1 << 20);
	listen_to(&a, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1);
	for (unsigned round = 1; round <= 5; round++) {
		hub_stop(&h);
		RUN_UNTIL(downs(&a) == round);
		resumes(&a, &l);
		hub_start(&h);
		RUN_UNTIL(ups(&a) == round + 1 && l.messages == 2);
		assert_heard(&l, "kept too ");
	}
	listen_no_more(&a, &l);
	bus_end(&a);
	hub_end(&h);
}

static void
a_redis_that_is_killed_paused_and_returns(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_stats stats;
	struct bus_bench a;
	struct listener l;

	(void)state;
	redis_start(&r, NULL);
	bus_start(&a, r.url, 1 << 20);
	listen_to(&a, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1);
	redis_stop(&r);
	RUN_UNTIL(downs(&a) == 1);
	resumes(&a, &l);
	redis_start(&r, NULL);
	RUN_UNTIL(ups(&a) == 2 && l.messages == 2);
	assert_heard(&l, "kept too ");

	kill(r.pid, SIGSTOP); /* connections stay open but carry no answers */
	RUN_UNTIL(downs(&a) == 2);
	bus_stats(a.bus, &stats);
	assert_true(stats.alarms >= 1);
	resumes(&a, &l);
	kill(r.pid, SIGCONT);
	RUN_UNTIL(ups(&a) == 3 && l.messages == 2);
	assert_heard(&l, "kept too ");
	listen_no_more(&a, &l);
	bus_end(&a);
	redis_stop(&r);
}

/*
 * The application blocks the loop for longer than the deadline. The bus's message to itself has arrived meanwhile and
 * is unread.
 */
static void
a_blocked_loop_does_not_give_up_the_bus(void **state)
{
	struct hub_bench h = {.fd = 0};
	struct hub_stats before, now;
	struct bus_stats stats;
	struct bus_bench a;

	(void)state;
	hub_start(&h);
	bus_start(&a, h.url, 1 << 20);
	RUN_UNTIL(ups(&a) == 1);
	hub_stats(h.hub, &before);
	RUN_UNTIL((hub_stats(h.hub, &now), now.messages > before.messages));
	usleep(1500 * 1000); /* the fault under test */
	hub_stats(h.hub, &before);
	RUN_UNTIL((hub_stats(h.hub, &now), now.messages > before.messages));
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.alarms, 0);
	assert_int_equal(downs(&a), 0);
	bus_end(&a);
	hub_end(&h);
}

static void
waiting_messages_are_limited_and_the_oldest_is_dropped(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_stats stats;
	struct bus_bench a;
	struct listener l;
	char number[16];

	(void)state;
	r.port = free_port();
	snprintf(r.url, sizeof r.url, "redis://127.0.0.1:%u", r.port);
	bus_start(&a, r.url, 2000);
	listen_to(&a, &l, "c", false);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(number, sizeof number, "%u", i);
		publish(&a, "c", number);
	}
	bus_stats(a.bus, &stats);
	assert_true(stats.queue_bytes <= 2000);
	assert_true(stats.dropped > 900 && stats.dropped < 1000);
	redis_start(&r, NULL);
	RUN_UNTIL(l.messages == 1000 - stats.dropped);
	assert_true(l.got.len > 4 && memcmp(l.got.data + l.got.len - 4, "999 ", 4) == 0);
	listen_no_more(&a, &l);
	bus_end(&a);
	redis_stop(&r);
}

/* Redis requires that a PSUBSCRIBE pattern is allowed literally. */
static void
logins(void **state)
{
	static const char *const more[] = {"--requirepass", "se:cr@t", "--user", "app", "on", ">pa%ss", "~*",
		"resetchannels", "&socket.io*", "&socket.io#/#*", "+publish", "+subscribe", "+psubscribe",
		"+unsubscribe", "+punsubscribe", "+pubsub", "+select", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench good, limited, wrong;
	struct listener l, forbidden;
	char url[128];

	(void)state;
	redis_start(&r, more);
	snprintf(url, sizeof url, "redis://:se%%3Acr%%40t@127.0.0.1:%u/3", r.port);
	bus_start(&good, url, 1000);
	snprintf(url, sizeof url, "redis://app:pa%%25ss@localhost:%u", r.port);
	bus_start(&limited, url, 1000);
	snprintf(url, sizeof url, "redis://:wrong@127.0.0.1:%u", r.port);
	bus_start(&wrong, url, 1000);
	listen_to(&limited, &l, "socket.io#/#", true);
	RUN_UNTIL(ups(&good) == 1 && ups(&limited) == 1);
	publish(&good, "socket.io#/#", "hello");
	RUN_UNTIL(l.messages == 1);
	assert_int_equal(ups(&wrong), 0);
	/* the user may not read the channel: the bus is down and logs why, instead of staying silent */
	listen_to(&limited, &forbidden, "other", false);
	RUN_UNTIL(downs(&limited) == 1);
	listen_no_more(&limited, &forbidden);
	RUN_UNTIL(ups(&limited) == 2);
	listen_no_more(&limited, &l);
	bus_end(&good);
	bus_end(&limited);
	bus_end(&wrong);
	redis_stop(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(over_the_hub, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(over_redis, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(over_a_unix_socket, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_hub_that_dies_and_returns, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_redis_that_is_killed_paused_and_returns, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_blocked_loop_does_not_give_up_the_bus, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(
			waiting_messages_are_limited_and_the_oldest_is_dropped, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(logins, bench_start, bench_stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
