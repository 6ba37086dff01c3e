/* The hub that subscribes at Redis, when Redis, a worker or the hub fails, and whole buses over it. */
#include "tests/unit/broker/hub_ear_bench.h"

static void
workers_are_disconnected_when_the_hub_no_longer_hears_redis(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_subscribe(a, "CSUBSCRIBE", "requests", 1);
	worker_subscribe(b, "CSUBSCRIBE", "requests", 1);
	fake_publish(TEXT("requests"), TEXT("last"));
	loop_finish_turn(&bench.loop); /* sends the message before the connection ends */
	listener_free(fake.listener);
	fake.listener = NULL;
	fake_cut(fake_is_any);
	hears(a, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$4\r\nlast\r\n");
	hears_end(a);
	hears(b, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$4\r\nlast\r\n");
	hears_end(b);
	assert_true(logged("event=hub state=down"));
	assert_false(ear_stats().bus.up);
	assert_int_equal(ear_stats().subscriptions, 0);
	assert_int_equal(ear_stats().clients, 0);
	close(a);
	close(b);
	/* workers come back before Redis; once Redis is back, the hub confirms their subscriptions */
	a = worker();
	b = worker();
	worker_say(a, "CSUBSCRIBE requests");
	worker_say(b, "CSUBSCRIBE requests");
	worker_hears_nothing(a, true);
	worker_hears_nothing(b, true);
	fake_listen();
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	assert_int_equal(fake_subscribers("requests"), 2);
	RUN_UNTIL(ear_stats().bus.up);
	assert_int_equal(ear_stats().bus.ups, 2);
	close(a);
	close(b);
}

static void
a_lost_link_for_commands_costs_no_message(void **state)
{
	int a = worker();

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	RUN_UNTIL(ear_stats().bus.up);
	fake_cut(fake_is_commands);
	RUN_UNTIL(!ear_stats().bus.up);
	fake_publish(TEXT("room"), TEXT("x"));
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\nx\r\n");
	RUN_UNTIL(ear_stats().bus.up);
	assert_int_equal(ear_stats().clients, 1);
	assert_int_equal(fake.subscribes, 2); /* the check's channel and the room */
	close(a);
}

static void
malformed_answers_of_redis_disconnect_the_workers_and_are_counted(void **state)
{
	static const char *const bad[] = {"hello\r\n", "*1000000000\r\n", "*2\r\n*1\r\n:1\r\n:1\r\n", ":1\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nxyz"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int a = worker();

		worker_subscribe(a, "SUBSCRIBE", "room", 1);
		RUN_UNTIL(ear_stats().bus.up);
		say(fake_find(fake_is_ear)->conn, "%s", bad[i]);
		hears_end(a);
		assert_int_equal(ear_stats().bus.malformed, i + 1);
		close(a);
	}
}

/* The message that proves the connection does not come back: Redis answers, but it no longer delivers. */
static void
an_alarm_of_the_hub_disconnects_the_workers(void **state)
{
	struct fake_client *ear;
	int a = worker();

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	RUN_UNTIL(ear_stats().bus.up);
	ear = fake_find(fake_is_ear);
	ear->count = 0;
	hears_end(a);
	assert_int_equal(ear_stats().bus.alarms, 1);
	RUN_UNTIL(ear_stats().bus.up);
	close(a);
}

static void
a_worker_that_does_not_read_is_cut_off_and_others_go_on(void **state)
{
	char *payload = malloc(2000);
	int deaf = worker(), a = worker();
	struct hub_stats stats;

	(void)state;
	memset(payload, 'p', 2000);
	worker_subscribe(deaf, "SUBSCRIBE", "loud", 1);
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	do {
		fake_publish(TEXT("loud"), text_of(payload, 2000));
		ev_run(bench.ev, EVRUN_NOWAIT);
		loop_finish_turn(&bench.loop);
		hub_stats(hub, &stats);
	} while (stats.cut_off == 0);
	assert_int_equal(stats.clients, 1);
	RUN_UNTIL(fake_subscribers("loud") == 0);
	fake_publish(TEXT("room"), TEXT("ok"));
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$2\r\nok\r\n");
	assert_true(logged("worker disconnected because it does not read"));
	free(payload);
	close(deaf);
	close(a);
}

static void
bus_start_with_ear(struct bus_bench *b)
{
	static const struct bus_ops ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url server;
	struct bus_options options = {.server = &server,
		.ear = hub_name,
		.replicated = true,
		.key = "socket.io",
		.max_queue = 1 << 20,
		.check_ms = CHECK_MS,
		.timeout_ms = 1000};
	char error[BUS_ERROR_MAX];

	memset(b, 0, sizeof *b);
	assert_int_equal(bus_url_parse(&server, fake.url, error), 0);
	b->bus = bus_open(&bench.loop, &options, &ops, b);
}

static void
a_bus_publishes_to_redis_and_hears_through_the_hub(void **state)
{
	struct listener of_a, of_b;
	struct bus_bench a, b;

	(void)state;
	bus_start_with_ear(&a);
	bus_start_with_ear(&b);
	listen_to(&a, &of_a, "room", false);
	listen_to(&b, &of_b, "room", false);
	RUN_UNTIL(bus_up(a.bus) && bus_up(b.bus));
	assert_int_equal(fake.open, 2 + 2); /* the hub's links, and one link per bus */
	assert_int_equal(fake_subscribers("room"), 1);
	publish(&a, "room", "x");
	RUN_UNTIL(of_a.messages == 1 && of_b.messages == 1);
	/* the hub is killed, and another takes its place */
	hub_free(hub);
	RUN_UNTIL(downs(&a) == 1 && downs(&b) == 1);
	assert_true(logged("state=down server=hub"));
	publish(&a, "room", "y"); /* the message waits until the bus hears messages again */
	ear_new_hub();
	RUN_UNTIL(bus_up(a.bus) && bus_up(b.bus) && of_a.messages == 2);
	publish(&a, "room", "z");
	RUN_UNTIL(of_a.messages == 3 && fake_subscribers("room") == 1);
	/* Redis is away */
	fake_cut(fake_is_any);
	RUN_UNTIL(downs(&a) == 2 && downs(&b) == 2);
	RUN_UNTIL(bus_up(a.bus) && bus_up(b.bus));
	of_b.messages = 0;
	publish(&b, "room", "end");
	RUN_UNTIL(of_a.messages == 4 && of_b.messages == 1);
	assert_heard(&of_a, "x y z end ");
	listen_no_more(&a, &of_a);
	listen_no_more(&b, &of_b);
	bus_end(&a);
	bus_end(&b);
}

static void
a_bus_names_the_hub_that_does_not_confirm(void **state)
{
	struct listener heard;
	struct bus_bench a;

	(void)state;
	RUN_UNTIL(ear_stats().bus.up);
	fake.hold = true;
	bus_start_with_ear(&a);
	listen_to(&a, &heard, "room", false);
	RUN_UNTIL(logged("event=bus state=down"));
	assert_true(logged("the hub has not confirmed the subscriptions"));
	fake.hold = false;
	fake_release(fake_is_any);
	RUN_UNTIL(bus_up(a.bus));
	listen_no_more(&a, &heard);
	bus_end(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EAR_CASE(workers_are_disconnected_when_the_hub_no_longer_hears_redis),
		EAR_CASE(a_lost_link_for_commands_costs_no_message),
		EAR_CASE(malformed_answers_of_redis_disconnect_the_workers_and_are_counted),
		EAR_CASE(an_alarm_of_the_hub_disconnects_the_workers),
		EAR_CASE(a_worker_that_does_not_read_is_cut_off_and_others_go_on),
		EAR_CASE(a_bus_publishes_to_redis_and_hears_through_the_hub),
		EAR_CASE(a_bus_names_the_hub_that_does_not_confirm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
