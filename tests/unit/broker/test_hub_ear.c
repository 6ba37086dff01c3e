/* The hub that subscribes at Redis for its workers: what Redis sees, what the workers hear, and what faults cost. */
#include "tests/unit/broker/hub_workers.h"

#include "tests/unit/broker/fake_redis.h"

#include "common/base/error.h"
#include "tests/unit/faults.h"
#include "tests/unit/log_lines.h"

#define CHECK_MS 200

static struct hub_stats
stats_now(void)
{
	struct hub_stats stats;

	hub_stats(hub, &stats);
	return stats;
}

static void
new_hub(void)
{
	struct hub_ear_options ear = {.key = "socket.io", .check_ms = CHECK_MS, .timeout_ms = 1000};
	struct hub_options options = {
		.max_queue = 1 << 20, .max_message = 1 << 20, .max_subscriptions = 4, .ear = &ear};
	char error[BUS_ERROR_MAX];
	struct bus_url server;

	assert_int_equal(bus_url_parse(&server, fake.url, error), 0);
	ear.server = &server;
	hub = hub_new(&bench.loop, dup(hub_fd), &options);
}

static int
start(void **state)
{
	log_lines_start();
	bench_start(state);
	hub_fd = hub_listen(hub_name);
	assert_true(hub_fd >= 0);
	fake_start();
	new_hub();
	return 0;
}

static int
stop(void **state)
{
	fault_above = SIZE_MAX;
	hub_free(hub);
	close(hub_fd);
	fake_stop();
	log_lines_stop();
	return bench_stop(state);
}

/* The worker has nothing to hear: the answer to PING comes first. */
static void
hears_nothing(int fd, bool subscribes)
{
	worker_say(fd, "PING");
	hears(fd, subscribes ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
}

static void
subscribe(int fd, const char *command, const char *name, unsigned number)
{
	char line[256];

	snprintf(line, sizeof line, "%s %s", command, name);
	worker_say(fd, line);
	snprintf(line, sizeof line, "*3\r\n$%u\r\n%s\r\n$%zu\r\n%s\r\n:%u\r\n", command[0] == 'P' ? 10 : 9,
		command[0] == 'P' ? "psubscribe" : "subscribe", strlen(name), name, number);
	hears(fd, line);
}

/* --------------------------------------------------------------- messages */

static void
redis_sends_a_message_once_for_all_workers_that_subscribe(void **state)
{
	int a = worker(), b = worker(), c = worker();

	(void)state;
	subscribe(a, "SUBSCRIBE", "room", 1);
	subscribe(b, "SUBSCRIBE", "room", 1);
	subscribe(b, "PSUBSCRIBE", "ro*", 2);
	subscribe(c, "SUBSCRIBE", "other", 1);
	assert_int_equal(fake_subscribers("room"), 1);
	assert_int_equal(fake_subscribers("ro*"), 1);
	assert_int_equal(fake.open, 2);
	assert_int_equal(fake_publish(TEXT("room"), TEXT("hello")), 2); /* to the channel and to the pattern */
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n");
	hears(b, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroom\r\n$5\r\nhello\r\n");
	hears_nothing(c, true);
	assert_int_equal(stats_now().deliveries, 3);
	assert_int_equal(stats_now().bus.received, 2);
	assert_int_equal(stats_now().topics, 3);
	assert_int_equal(stats_now().subscriptions, 4);
	/* workers ask Redis itself */
	worker_say(a, "PUBLISH room x");
	hears(a, "-ERR unknown command\r\n");
	worker_say(a, "PUBSUB NUMSUB room");
	hears(a, "-ERR unknown command\r\n");
	close(a);
	close(b);
	close(c);
}

static void
the_last_worker_that_leaves_ends_the_subscription(void **state)
{
	int a = worker(), b = worker(), c = worker();

	(void)state;
	subscribe(a, "SUBSCRIBE", "room", 1);
	subscribe(b, "SUBSCRIBE", "room", 1);
	subscribe(c, "SUBSCRIBE", "room", 1);
	worker_say(a, "UNSUBSCRIBE room");
	hears(a, "*3\r\n$11\r\nunsubscribe\r\n$4\r\nroom\r\n:0\r\n");
	close(b); /* a worker that is killed */
	RUN_UNTIL(stats_now().clients == 2);
	assert_int_equal(fake_subscribers("room"), 1);
	fake_publish(TEXT("room"), TEXT("x"));
	hears(c, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\nx\r\n");
	hears_nothing(a, false);
	close(c);
	RUN_UNTIL(fake_subscribers("room") == 0);
	assert_int_equal(stats_now().subscriptions, 0);
	assert_int_equal(stats_now().topics, 0);
	/* as if it had never been */
	subscribe(a, "SUBSCRIBE", "room", 1);
	assert_int_equal(fake_subscribers("room"), 1);
	close(a);
}

/* ----------------------------------------------------------- confirmations */

static void
confirmations_wait_for_redis_and_keep_their_order(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(b, "SUBSCRIBE", "known", 1);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE new");
	worker_say(a, "SUBSCRIBE known"); /* Redis has confirmed it already, but it is the second */
	RUN_UNTIL(fake_subscribers("new") == 1);
	hears_nothing(a, true);
	/* messages do not wait */
	fake_publish(TEXT("known"), TEXT("1"));
	hears(a, "*3\r\n$7\r\nmessage\r\n$5\r\nknown\r\n$1\r\n1\r\n");
	fake_release(fake_is_any);
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$3\r\nnew\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$5\r\nknown\r\n:2\r\n");
	close(a);
	close(b);
}

/* A worker drops the second copy of a message when it knows that the channel is confirmed. Until then the hub does.
 */
static void
a_worker_that_waits_for_confirmations_hears_each_message_once(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(b, "SUBSCRIBE", "room", 1);
	subscribe(b, "PSUBSCRIBE", "ro*", 2);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE new");
	worker_say(a, "SUBSCRIBE room");
	worker_say(a, "PSUBSCRIBE ro*");
	RUN_UNTIL(fake_subscribers("new") == 1);
	hears_nothing(a, true);
	fake_publish(TEXT("room"), TEXT("1"));
	fake_publish(TEXT("roof"), TEXT("2")); /* comes by the prefix only */
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\n1\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroof\r\n$1\r\n2\r\n");
	hears(b, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\n1\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroom\r\n$1\r\n1\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroof\r\n$1\r\n2\r\n");
	fake_release(fake_is_any);
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$3\r\nnew\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n"
		 "*3\r\n$10\r\npsubscribe\r\n$3\r\nro*\r\n:3\r\n");
	fake_publish(TEXT("room"), TEXT("3"));
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\n3\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroom\r\n$1\r\n3\r\n");
	close(a);
	close(b);
}

static void
a_subscription_that_ends_before_redis_confirms_it_is_confirmed_once(void **state)
{
	int a = worker();

	(void)state;
	subscribe(a, "SUBSCRIBE", "first", 1);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE room");
	worker_say(a, "UNSUBSCRIBE room");
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$4\r\nroom\r\n:1\r\n");
	worker_say(a, "SUBSCRIBE room room");
	RUN_UNTIL(fake.subscribes == 4);
	hears_nothing(a, true);
	fake_release(fake_is_any);
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n");
	assert_int_equal(fake_subscribers("room"), 1);
	close(a);
}

static void
a_worker_may_wait_for_a_limited_number_of_confirmations(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(b, "SUBSCRIBE", "x", 1);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE room");
	for (unsigned i = 1; i < 4096; i++)
		worker_say(a, "SUBSCRIBE x");
	hears_nothing(a, true);
	worker_say(a, "SUBSCRIBE x");
	hears(a, "-ERR too many subscriptions\r\n");
	close(a);
	RUN_UNTIL(stats_now().clients == 1);
	close(b);
}

static void
a_worker_has_a_limited_number_of_subscriptions(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(a, "SUBSCRIBE", "1", 1);
	subscribe(a, "SUBSCRIBE", "2", 2);
	subscribe(a, "PSUBSCRIBE", "3*", 3);
	subscribe(a, "CSUBSCRIBE", "4", 4);
	worker_say(a, "SUBSCRIBE 5");
	hears(a, "-ERR too many subscriptions\r\n");
	assert_int_equal(fake_subscribers("5"), 0);
	subscribe(b, "SUBSCRIBE", "5", 1);
	worker_say(a, "UNSUBSCRIBE 1");
	hears(a, "*3\r\n$11\r\nunsubscribe\r\n$1\r\n1\r\n:3\r\n");
	subscribe(a, "SUBSCRIBE", "5", 4);
	close(a);
	close(b);
}

/* Each worker decides what it does without the subscription, as if Redis had refused it to the worker itself. */
static void
a_refusal_of_redis_reaches_the_workers_in_its_place(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(a, "SUBSCRIBE", "first", 1);
	fake.refused = "secret";
	worker_say(a, "SUBSCRIBE before");
	worker_say(a, "SUBSCRIBE secret");
	worker_say(a, "SUBSCRIBE after");
	worker_say(b, "CSUBSCRIBE secret");
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$6\r\nbefore\r\n:2\r\n"
		 "-NOPERM no permissions to access a channel\r\n"
		 "*3\r\n$9\r\nsubscribe\r\n$5\r\nafter\r\n:4\r\n");
	hears(b, "-NOPERM no permissions to access a channel\r\n");
	hears_nothing(b, false);
	assert_int_equal(stats_now().clients, 2);
	assert_int_equal(stats_now().subscriptions, 3);
	assert_int_equal(stats_now().bus.downs, 0);
	fake.refused = NULL;
	subscribe(b, "SUBSCRIBE", "secret", 1);
	close(a);
	close(b);
}

static void
a_worker_without_memory_for_its_confirmation_reconnects(void **state)
{
	char name[20001], line[20100];
	int a = worker(), b = worker();

	(void)state;
	memset(name, 'n', 20000);
	name[20000] = '\0';
	snprintf(line, sizeof line, "SUBSCRIBE %s", name);
	hears_nothing(b, false);
	worker_say(a, line);
	fault_above = 4000;
	hears_end(a);
	fault_above = SIZE_MAX;
	hears_nothing(b, false);
	RUN_UNTIL(stats_now().clients == 1);
	assert_int_equal(stats_now().topics, 0);
	close(a);
	close(b);
}

/* ------------------------------------------------------------------ counts */

static void
redis_counts_each_worker_that_answers_requests(void **state)
{
	int a = worker(), b = worker(), c = worker();

	(void)state;
	subscribe(a, "CSUBSCRIBE", "requests", 1);
	assert_int_equal(fake_subscribers("requests"), 1);
	subscribe(b, "CSUBSCRIBE", "requests", 1);
	assert_int_equal(fake_subscribers("requests"), 2);
	subscribe(c, "CSUBSCRIBE", "requests", 1);
	assert_int_equal(fake_subscribers("requests"), 3);
	assert_int_equal(stats_now().counting, 2);
	/* a namespace that only one worker has */
	subscribe(b, "CSUBSCRIBE", "of-b", 2);
	assert_int_equal(fake_subscribers("of-b"), 1);
	/* a request comes to each worker once, though Redis sends it three times */
	assert_int_equal(fake_publish(TEXT("requests"), TEXT("?")), 3);
	hears(a, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$1\r\n?\r\n");
	hears(b, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$1\r\n?\r\n");
	hears(c, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$1\r\n?\r\n");
	hears_nothing(a, true);
	/* the first worker goes, then another unsubscribes, then the last is killed */
	close(a);
	RUN_UNTIL(fake_subscribers("requests") == 2);
	worker_say(c, "UNSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("requests") == 1);
	assert_non_null(fake_find(fake_is_ear)); /* it is the ear that still hears */
	RUN_UNTIL(fake_find(fake_is_counting) == NULL);
	close(b);
	RUN_UNTIL(fake_subscribers("requests") == 0);
	close(c);
}

static void
a_counted_subscription_is_confirmed_once_redis_counts_it(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(a, "CSUBSCRIBE", "requests", 1);
	fake.hold = true;
	worker_say(b, "CSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("requests") == 2);
	hears_nothing(b, true);
	fake_release(fake_is_counting);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	worker_say(b, "UNSUBSCRIBE requests");
	hears(b, "*3\r\n$11\r\nunsubscribe\r\n$8\r\nrequests\r\n:0\r\n");
	/* if the other worker leaves meanwhile, the ear alone counts the waiting one */
	worker_say(b, "CSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("requests") == 2);
	close(a);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	assert_int_equal(fake_subscribers("requests"), 1);
	close(b);
}

/* Other servers send what waited for the worker once they count it, so all its channels must be heard by then. */
static void
a_worker_is_counted_after_what_it_subscribed_to_before(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(a, "CSUBSCRIBE", "requests", 1);
	subscribe(a, "CSUBSCRIBE", "more", 2);
	subscribe(b, "CSUBSCRIBE", "more", 1); /* opens the counting connection */
	fake.hold = true;
	worker_say(b, "SUBSCRIBE room");
	worker_say(b, "CSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("room") == 1);
	for (unsigned i = 0; i < 5; i++)
		hears_nothing(b, true);
	assert_int_equal(fake_subscribers("requests"), 1);
	fake_release(fake_is_ear);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n");
	RUN_UNTIL(fake_subscribers("requests") == 2);
	hears_nothing(b, true);
	fake_release(fake_is_counting);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:3\r\n");
	close(a);
	close(b);
}

static void
when_redis_is_back_the_channels_that_count_come_last(void **state)
{
	int workers[4];
	char line[64];
	const struct fake_client *ear;

	(void)state;
	listener_free(fake.listener);
	fake.listener = NULL;
	fake_cut(fake_is_any);
	RUN_UNTIL(fake.open == 0);
	for (unsigned i = 0; i < 4; i++) {
		workers[i] = worker();
		worker_say(workers[i], "CSUBSCRIBE requests");
		for (unsigned room = 0; room < 3; room++) {
			snprintf(line, sizeof line, "SUBSCRIBE room-%u-%u", i, room);
			worker_say(workers[i], line);
		}
		hears_nothing(workers[i], true);
	}
	fake_listen();
	RUN_UNTIL(fake_subscribers("requests") == 4);
	ear = fake_find(fake_is_ear);
	assert_int_equal(ear->count, 1 + 12 + 1); /* with the check's channel */
	assert_string_equal(ear->names[13], "requests");
	for (unsigned i = 0; i < 4; i++)
		close(workers[i]);
}

static void
a_lost_counting_connection_is_made_anew_and_costs_no_message(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(a, "CSUBSCRIBE", "requests", 1);
	subscribe(b, "CSUBSCRIBE", "requests", 1);
	subscribe(b, "CSUBSCRIBE", "more", 2);
	subscribe(a, "CSUBSCRIBE", "more", 2);
	fake_cut(fake_is_counting);
	RUN_UNTIL(fake_subscribers("requests") == 1);
	RUN_UNTIL(fake_subscribers("requests") == 2 && fake_subscribers("more") == 2);
	assert_true(logged("other servers count too few"));
	/* one that answers nonsense, or refuses */
	say(fake_find(fake_is_counting)->conn, ":1\r\n");
	RUN_UNTIL(fake_subscribers("requests") == 1);
	RUN_UNTIL(fake_subscribers("requests") == 2);
	say(fake_find(fake_is_counting)->conn, "-NOPERM no permission\r\n");
	RUN_UNTIL(fake_subscribers("requests") == 1);
	RUN_UNTIL(stats_now().counting == 1);
	say(fake_find(fake_is_counting)->conn, "$99999999999\r\n");
	RUN_UNTIL(stats_now().counting == 0);
	RUN_UNTIL(stats_now().counting == 1);
	/* one that no longer answers: the check is a subscription that changes nothing */
	fake.hold = true;
	RUN_UNTIL(stats_now().counting == 0);
	fake.hold = false;
	RUN_UNTIL(stats_now().counting == 1);
	assert_int_equal(stats_now().clients, 2);
	assert_int_equal(stats_now().bus.downs, 0);
	hears_nothing(a, true);
	close(a);
	close(b);
}

/* ------------------------------------------------------------------ faults */

static void
workers_are_disconnected_when_the_hub_no_longer_hears_redis(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	subscribe(a, "CSUBSCRIBE", "requests", 1);
	subscribe(b, "CSUBSCRIBE", "requests", 1);
	fake_publish(TEXT("requests"), TEXT("last"));
	loop_finish_turn(&bench.loop); /* sends it, before the end of the connection */
	listener_free(fake.listener);
	fake.listener = NULL;
	fake_cut(fake_is_any);
	hears(a, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$4\r\nlast\r\n");
	hears_end(a);
	hears(b, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$4\r\nlast\r\n");
	hears_end(b);
	assert_true(logged("event=hub state=down"));
	assert_false(stats_now().bus.up);
	assert_int_equal(stats_now().subscriptions, 0);
	assert_int_equal(stats_now().clients, 0);
	close(a);
	close(b);
	/* workers that come back before Redis does are confirmed when it is there */
	a = worker();
	b = worker();
	worker_say(a, "CSUBSCRIBE requests");
	worker_say(b, "CSUBSCRIBE requests");
	hears_nothing(a, true);
	hears_nothing(b, true);
	fake_listen();
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	assert_int_equal(fake_subscribers("requests"), 2);
	RUN_UNTIL(stats_now().bus.up);
	assert_int_equal(stats_now().bus.ups, 2);
	close(a);
	close(b);
}

static void
a_lost_link_for_commands_costs_no_message(void **state)
{
	int a = worker();

	(void)state;
	subscribe(a, "SUBSCRIBE", "room", 1);
	RUN_UNTIL(stats_now().bus.up);
	fake_cut(fake_is_commands);
	RUN_UNTIL(!stats_now().bus.up);
	fake_publish(TEXT("room"), TEXT("x"));
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\nx\r\n");
	RUN_UNTIL(stats_now().bus.up);
	assert_int_equal(stats_now().clients, 1);
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

		subscribe(a, "SUBSCRIBE", "room", 1);
		RUN_UNTIL(stats_now().bus.up);
		say(fake_find(fake_is_ear)->conn, "%s", bad[i]);
		hears_end(a);
		assert_int_equal(stats_now().bus.malformed, i + 1);
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
	subscribe(a, "SUBSCRIBE", "room", 1);
	RUN_UNTIL(stats_now().bus.up);
	ear = fake_find(fake_is_ear);
	ear->count = 0;
	hears_end(a);
	assert_int_equal(stats_now().bus.alarms, 1);
	RUN_UNTIL(stats_now().bus.up);
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
	subscribe(deaf, "SUBSCRIBE", "loud", 1);
	subscribe(a, "SUBSCRIBE", "room", 1);
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

/* ------------------------------------------------------------- whole buses */

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
	publish(&a, "room", "y"); /* it waits until the bus hears messages again */
	new_hub();
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
	RUN_UNTIL(stats_now().bus.up);
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
#define EAR_CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		EAR_CASE(redis_sends_a_message_once_for_all_workers_that_subscribe),
		EAR_CASE(the_last_worker_that_leaves_ends_the_subscription),
		EAR_CASE(confirmations_wait_for_redis_and_keep_their_order),
		EAR_CASE(a_worker_that_waits_for_confirmations_hears_each_message_once),
		EAR_CASE(a_subscription_that_ends_before_redis_confirms_it_is_confirmed_once),
		EAR_CASE(a_worker_may_wait_for_a_limited_number_of_confirmations),
		EAR_CASE(a_worker_has_a_limited_number_of_subscriptions),
		EAR_CASE(a_refusal_of_redis_reaches_the_workers_in_its_place),
		EAR_CASE(a_worker_without_memory_for_its_confirmation_reconnects),
		EAR_CASE(redis_counts_each_worker_that_answers_requests),
		EAR_CASE(a_counted_subscription_is_confirmed_once_redis_counts_it),
		EAR_CASE(a_worker_is_counted_after_what_it_subscribed_to_before),
		EAR_CASE(when_redis_is_back_the_channels_that_count_come_last),
		EAR_CASE(a_lost_counting_connection_is_made_anew_and_costs_no_message),
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
