/* Callers of bus_wait() and publishes wait until the server has confirmed new subscriptions. */
#include "tests/unit/broker/bus_server.h"

#define TIMEOUT_MS 400

static struct bus_bench b;
static struct listener first, second;
static unsigned published; /* before the test's own publishes */

struct waiter {
	struct bus_wait wait;
	unsigned calls;
};

static void
on_over(struct bus_wait *wait)
{
	container_of(wait, struct waiter, wait)->calls++;
}

/* The server confirms nothing from now on. */
static void
open_bus(uint64_t max_queue, bool ordered)
{
	static const struct bus_ops ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url url;
	struct bus_options o = {.server = &url,
		.key = "k",
		.max_queue = max_queue,
		.ordered = ordered,
		.check_ms = 60000,
		.timeout_ms = TIMEOUT_MS};
	char error[BUS_ERROR_MAX];

	memset(&b, 0, sizeof b);
	assert_int_equal(bus_url_parse(&url, server.url, error), 0);
	b.bus = bus_open(&bench.loop, &o, &ops, &b);
	RUN_UNTIL(bus_up(b.bus));
	server.silent = true;
	published = server.published;
}

static void
close_bus(void)
{
	bus_end(&b);
	server.silent = false;
}

static bool
begin(struct waiter *waiter)
{
	waiter->calls = 0;
	bus_wait_init(&waiter->wait, on_over);
	return bus_wait(b.bus, &waiter->wait);
}

static void
confirm(const char *channel)
{
	say(server.subscriptions, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:1\r\n", strlen(channel), channel);
}

static struct bus_stats
stats(void)
{
	struct bus_stats s;

	bus_stats(b.bus, &s);
	return s;
}

static void
nothing_waits_when_all_is_confirmed(void **state)
{
	struct waiter waiter;

	(void)state;
	open_bus(1 << 20, true);
	assert_false(begin(&waiter));
	assert_false(bus_wait(b.bus, NULL));
	assert_int_equal(publish(&b, "c", "1"), 0);
	assert_int_equal(stats().queue_bytes > 0, 1); /* the publish waits in the connection */
	RUN_UNTIL(server.published == published + 1);
	close_bus();
}

static void
waits_end_in_the_order_of_confirmations(void **state)
{
	struct waiter one, two, again;
	unsigned asked;

	(void)state;
	open_bus(1 << 20, true);
	asked = server.subscribed;
	listen_to(&b, &first, "first", false);
	assert_true(bus_wait(b.bus, NULL));
	assert_true(begin(&one) && begin(&again));
	assert_int_equal(publish(&b, "c", "1"), 0);
	listen_to(&b, &second, "second", false);
	assert_int_equal(publish(&b, "c", "2"), 0);
	assert_true(begin(&two));
	assert_true(bus_wait(b.bus, &again.wait)); /* waits for the second subscription as well */
	RUN_UNTIL(server.subscribed == asked + 2);
	assert_int_equal(server.published, published);
	confirm("first");
	RUN_UNTIL(one.calls == 1 && server.published == published + 1);
	assert_int_equal(two.calls + again.calls, 0);
	confirm("second");
	RUN_UNTIL(two.calls == 1 && again.calls == 1 && server.published == published + 2);
	assert_int_equal(stats().unheard, 0);
	assert_int_equal(stats().published, 2);
	listen_no_more(&b, &first);
	listen_no_more(&b, &second);
	close_bus();
}

static void
a_cancelled_wait_is_not_called(void **state)
{
	struct waiter cancelled, other;

	(void)state;
	open_bus(1 << 20, true);
	listen_to(&b, &first, "first", false);
	assert_true(begin(&cancelled) && begin(&other));
	bus_wait_cancel(&cancelled.wait);
	RUN_UNTIL(server.subscriptions != NULL);
	confirm("first");
	RUN_UNTIL(other.calls == 1);
	assert_int_equal(cancelled.calls, 0);
	listen_no_more(&b, &first);
	close_bus();
}

static void
a_subscription_that_ends_is_not_waited_for(void **state)
{
	struct waiter waiter;

	(void)state;
	open_bus(1 << 20, true);
	listen_to(&b, &first, "first", false);
	assert_true(begin(&waiter));
	assert_int_equal(publish(&b, "c", "1"), 0);
	listen_no_more(&b, &first);
	RUN_UNTIL(waiter.calls == 1 && server.published == published + 1);
	assert_int_equal(stats().unheard, 0);
	close_bus();
}

static void
waits_end_when_no_confirmation_comes(void **state)
{
	struct waiter waiter, later;

	(void)state;
	open_bus(1 << 20, true);
	log_set_level(LOG_WARN);
	listen_to(&b, &first, "first", false);
	assert_true(begin(&waiter));
	assert_int_equal(publish(&b, "c", "1"), 0);
	RUN_UNTIL(waiter.calls == 1 && server.published == published + 1);
	assert_int_equal(stats().unheard, 1);
	assert_true(logged("Redis has not confirmed new rooms"));
	listen_to(&b, &second, "second", false);
	assert_true(begin(&later));
	RUN_UNTIL(later.calls == 1);
	listen_no_more(&b, &first);
	listen_no_more(&b, &second);
	close_bus();
}

static void
waits_end_when_the_connection_is_lost(void **state)
{
	struct waiter waiter;

	(void)state;
	open_bus(1 << 20, true);
	listen_to(&b, &first, "first", false);
	assert_true(begin(&waiter));
	server.silent = false;
	conn_close(server.subscriptions, REASON_FINISHED);
	RUN_UNTIL(waiter.calls == 1);
	RUN_UNTIL(bus_up(b.bus));
	assert_false(begin(&waiter));
	listen_no_more(&b, &first);
	close_bus();
}

static void
waits_end_when_the_bus_closes(void **state)
{
	struct waiter waiter;

	(void)state;
	open_bus(1 << 20, true);
	listen_to(&b, &first, "first", false);
	assert_true(begin(&waiter));
	listen_no_more(&b, &first);
	close_bus();
	assert_int_equal(waiter.calls, 1);
}

/* Nothing is dropped or refused while the server takes publishes. */
static void
a_full_queue_does_not_wait(void **state)
{
	char large[700];

	(void)state;
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	open_bus(512, true);
	listen_to(&b, &first, "first", false);
	for (int i = 0; i < 30; i++)
		assert_int_equal(publish(&b, "c", "some bytes of a small message"), 0);
	assert_int_equal(publish(&b, "c", large), 0);
	RUN_UNTIL(server.published == published + 31);
	assert_int_equal(stats().dropped + stats().refused, 0);
	assert_true(stats().unheard > 0);
	listen_no_more(&b, &first);
	close_bus();
}

static void
publishes_of_other_buses_do_not_wait(void **state)
{
	(void)state;
	open_bus(1 << 20, false);
	listen_to(&b, &first, "first", false);
	assert_int_equal(publish(&b, "c", "1"), 0);
	RUN_UNTIL(server.published == published + 1);
	listen_no_more(&b, &first);
	close_bus();
}

/* After an outage the others send what waited as soon as they count this node. */
static void
a_node_is_counted_when_it_has_subscribed_to_everything(void **state)
{
	struct listener rooms[20];
	char names[20][8];

	(void)state;
	open_bus(1 << 20, true);
	server.silent = false;
	memset(&first, 0, sizeof first);
	first.s = (struct bus_subscription){.name = TEXT("requests"), .counted = true, .on_message = on_heard};
	buffer_init(&first.got, 1 << 10);
	bus_subscribe(b.bus, &first.s);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(names[i], sizeof names[i], "r%u", i);
		listen_to(&b, &rooms[i], names[i], false);
	}
	for (unsigned i = 0; i < 5; i++) {
		RUN_UNTIL(server.subscriptions != NULL && bus_up(b.bus));
		conn_close(server.subscriptions, REASON_FINISHED);
		RUN_UNTIL(!bus_up(b.bus));
		RUN_UNTIL(bus_up(b.bus));
		assert_string_equal(server.last, "requests");
	}
	listen_no_more(&b, &first);
	for (unsigned i = 0; i < 20; i++)
		listen_no_more(&b, &rooms[i]);
	close_bus();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_CASE(nothing_waits_when_all_is_confirmed),
		SERVER_CASE(waits_end_in_the_order_of_confirmations),
		SERVER_CASE(a_cancelled_wait_is_not_called),
		SERVER_CASE(a_subscription_that_ends_is_not_waited_for),
		SERVER_CASE(waits_end_when_no_confirmation_comes),
		SERVER_CASE(waits_end_when_the_connection_is_lost),
		SERVER_CASE(waits_end_when_the_bus_closes),
		SERVER_CASE(a_full_queue_does_not_wait),
		SERVER_CASE(publishes_of_other_buses_do_not_wait),
		SERVER_CASE(a_node_is_counted_when_it_has_subscribed_to_everything),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
