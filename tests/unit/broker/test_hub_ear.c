/* The hub that subscribes at Redis for its workers: the messages and confirmations that the workers get. */
#include "tests/unit/broker/hub_ear_bench.h"

#include "broker/resp.h"

#define LONG (RESP_LONG + 100) /* bytes of a message that the hub collects in a block */

static void
redis_sends_a_message_once_for_all_workers_that_subscribe(void **state)
{
	int a = worker(), b = worker(), c = worker();

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	worker_subscribe(b, "SUBSCRIBE", "room", 1);
	worker_subscribe(b, "PSUBSCRIBE", "ro*", 2);
	worker_subscribe(c, "SUBSCRIBE", "other", 1);
	assert_int_equal(fake_subscribers("room"), 1);
	assert_int_equal(fake_subscribers("ro*"), 1);
	assert_int_equal(fake.open, 2);
	assert_int_equal(fake_publish(TEXT("room"), TEXT("hello")), 2); /* to the channel and to the pattern */
	hears(a, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n");
	hears(b, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n"
		 "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroom\r\n$5\r\nhello\r\n");
	worker_hears_nothing(c, true);
	assert_int_equal(ear_stats().deliveries, 3);
	assert_int_equal(ear_stats().bus.received, 2);
	assert_int_equal(ear_stats().topics, 3);
	assert_int_equal(ear_stats().subscriptions, 4);
	/* workers ask Redis itself */
	worker_say(a, "PUBLISH room x");
	hears(a, "-ERR unknown command\r\n");
	worker_say(a, "PUBSUB NUMSUB room");
	hears(a, "-ERR unknown command\r\n");
	close(a);
	close(b);
	close(c);
}

/* Reads until `n` bytes have come. */
static void
worker_reads(int fd, struct buffer *got, size_t n)
{
	uint64_t deadline = bench_clock() + 20000;

	while (got->len < n) {
		ssize_t r = recv(fd, buffer_room(got, n - got->len), n - got->len, 0);

		assert_true(bench_clock() < deadline);
		assert_true(r > 0 || (r < 0 && errno == EAGAIN));
		got->len += r > 0 ? (size_t)r : 0;
		ev_run(bench.ev, EVRUN_NOWAIT);
	}
}

/* A long message goes to all workers in the block in which it came. */
static void
a_long_message_is_handed_on_without_a_copy(void **state)
{
	int a = worker(), b = worker(), c = worker();
	struct block *payload = pattern_block(0, LONG);
	struct buffer got, by_channel, by_pattern;

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	worker_subscribe(b, "PSUBSCRIBE", "ro*", 1);
	worker_subscribe(c, "SUBSCRIBE", "room", 1);
	fake_publish(TEXT("room"), text_of((const char *)payload->data, LONG));
	requests_from = LONG;
	requests = 0;
	RUN_UNTIL(ear_stats().deliveries == 3);
	/* the blocks of the two messages that Redis sends, for the channel and for the pattern */
	assert_int_equal(requests, 2);
	requests_from = SIZE_MAX;
	fake_publish(TEXT("room"), TEXT("short"));
	buffer_init(&got, 2 * LONG);
	buffer_init(&by_channel, 2 * LONG);
	buffer_init(&by_pattern, 2 * LONG);
	buffer_printf(&by_channel, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$%d\r\n", LONG);
	buffer_add(&by_channel, payload->data, LONG);
	buffer_printf(&by_channel, "\r\n*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nshort\r\n");
	worker_reads(a, &got, by_channel.len);
	assert_memory_equal(got.data, by_channel.data, by_channel.len);
	close(a);
	buffer_reset(&got);
	worker_reads(c, &got, by_channel.len);
	assert_memory_equal(got.data, by_channel.data, by_channel.len);
	buffer_reset(&got);
	buffer_printf(&by_pattern, "*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroom\r\n$%d\r\n", LONG);
	buffer_add(&by_pattern, payload->data, LONG);
	buffer_printf(&by_pattern, "\r\n*4\r\n$8\r\npmessage\r\n$3\r\nro*\r\n$4\r\nroom\r\n$5\r\nshort\r\n");
	worker_reads(b, &got, by_pattern.len);
	assert_memory_equal(got.data, by_pattern.data, by_pattern.len);
	buffer_fini(&got);
	buffer_fini(&by_channel);
	buffer_fini(&by_pattern);
	block_unref(payload);
	close(b);
	close(c);
}

static void
the_last_worker_that_leaves_ends_the_subscription(void **state)
{
	int a = worker(), b = worker(), c = worker();

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	worker_subscribe(b, "SUBSCRIBE", "room", 1);
	worker_subscribe(c, "SUBSCRIBE", "room", 1);
	worker_say(a, "UNSUBSCRIBE room");
	hears(a, "*3\r\n$11\r\nunsubscribe\r\n$4\r\nroom\r\n:0\r\n");
	close(b); /* a worker that is killed */
	RUN_UNTIL(ear_stats().clients == 2);
	assert_int_equal(fake_subscribers("room"), 1);
	fake_publish(TEXT("room"), TEXT("x"));
	hears(c, "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\nx\r\n");
	worker_hears_nothing(a, false);
	close(c);
	RUN_UNTIL(fake_subscribers("room") == 0);
	assert_int_equal(ear_stats().subscriptions, 0);
	assert_int_equal(ear_stats().topics, 0);
	/* nothing is left of the former subscription */
	worker_subscribe(a, "SUBSCRIBE", "room", 1);
	assert_int_equal(fake_subscribers("room"), 1);
	close(a);
}

static void
confirmations_wait_for_redis_and_keep_their_order(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_subscribe(b, "SUBSCRIBE", "known", 1);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE new");
	worker_say(a, "SUBSCRIBE known"); /* confirmed before, but a worker's confirmations keep their order */
	RUN_UNTIL(fake_subscribers("new") == 1);
	worker_hears_nothing(a, true);
	/* messages do not wait */
	fake_publish(TEXT("known"), TEXT("1"));
	hears(a, "*3\r\n$7\r\nmessage\r\n$5\r\nknown\r\n$1\r\n1\r\n");
	fake_release(fake_is_any);
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$3\r\nnew\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$5\r\nknown\r\n:2\r\n");
	close(a);
	close(b);
}

/* A worker that knows that a channel is confirmed drops the second copy of a message. Before that, the hub does. */
static void
a_worker_that_waits_for_confirmations_hears_each_message_once(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_subscribe(b, "SUBSCRIBE", "room", 1);
	worker_subscribe(b, "PSUBSCRIBE", "ro*", 2);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE new");
	worker_say(a, "SUBSCRIBE room");
	worker_say(a, "PSUBSCRIBE ro*");
	RUN_UNTIL(fake_subscribers("new") == 1);
	worker_hears_nothing(a, true);
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
	worker_subscribe(a, "SUBSCRIBE", "first", 1);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE room");
	worker_say(a, "UNSUBSCRIBE room");
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$4\r\nroom\r\n:1\r\n");
	worker_say(a, "SUBSCRIBE room room");
	RUN_UNTIL(fake.subscribes == 4);
	worker_hears_nothing(a, true);
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
	worker_subscribe(b, "SUBSCRIBE", "x", 1);
	fake.hold = true;
	worker_say(a, "SUBSCRIBE room");
	for (unsigned i = 1; i < 4096; i++)
		worker_say(a, "SUBSCRIBE x");
	worker_hears_nothing(a, true);
	worker_say(a, "SUBSCRIBE x");
	hears(a, "-ERR too many subscriptions\r\n");
	close(a);
	RUN_UNTIL(ear_stats().clients == 1);
	close(b);
}

static void
a_worker_has_a_limited_number_of_subscriptions(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "1", 1);
	worker_subscribe(a, "SUBSCRIBE", "2", 2);
	worker_subscribe(a, "PSUBSCRIBE", "3*", 3);
	worker_subscribe(a, "CSUBSCRIBE", "4", 4);
	worker_say(a, "SUBSCRIBE 5");
	hears(a, "-ERR too many subscriptions\r\n");
	assert_int_equal(fake_subscribers("5"), 0);
	worker_subscribe(b, "SUBSCRIBE", "5", 1);
	worker_say(a, "UNSUBSCRIBE 1");
	hears(a, "*3\r\n$11\r\nunsubscribe\r\n$1\r\n1\r\n:3\r\n");
	worker_subscribe(a, "SUBSCRIBE", "5", 4);
	close(a);
	close(b);
}

/* The hub passes a refusal on. Each worker then acts as if Redis had refused its own subscription. */
static void
a_refusal_of_redis_reaches_the_workers_in_its_place(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_subscribe(a, "SUBSCRIBE", "first", 1);
	fake.refused = "secret";
	worker_say(a, "SUBSCRIBE before");
	worker_say(a, "SUBSCRIBE secret");
	worker_say(a, "SUBSCRIBE after");
	worker_say(b, "CSUBSCRIBE secret");
	hears(a, "*3\r\n$9\r\nsubscribe\r\n$6\r\nbefore\r\n:2\r\n"
		 "-NOPERM no permissions to access a channel\r\n"
		 "*3\r\n$9\r\nsubscribe\r\n$5\r\nafter\r\n:4\r\n");
	hears(b, "-NOPERM no permissions to access a channel\r\n");
	worker_hears_nothing(b, false);
	assert_int_equal(ear_stats().clients, 2);
	assert_int_equal(ear_stats().subscriptions, 3);
	assert_int_equal(ear_stats().bus.downs, 0);
	fake.refused = NULL;
	worker_subscribe(b, "SUBSCRIBE", "secret", 1);
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
	worker_hears_nothing(b, false);
	worker_say(a, line);
	fault_above = 4000;
	hears_end(a);
	fault_above = SIZE_MAX;
	worker_hears_nothing(b, false);
	RUN_UNTIL(ear_stats().clients == 1);
	assert_int_equal(ear_stats().topics, 0);
	close(a);
	close(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EAR_CASE(redis_sends_a_message_once_for_all_workers_that_subscribe),
		EAR_CASE(a_long_message_is_handed_on_without_a_copy),
		EAR_CASE(the_last_worker_that_leaves_ends_the_subscription),
		EAR_CASE(confirmations_wait_for_redis_and_keep_their_order),
		EAR_CASE(a_worker_that_waits_for_confirmations_hears_each_message_once),
		EAR_CASE(a_subscription_that_ends_before_redis_confirms_it_is_confirmed_once),
		EAR_CASE(a_worker_may_wait_for_a_limited_number_of_confirmations),
		EAR_CASE(a_worker_has_a_limited_number_of_subscriptions),
		EAR_CASE(a_refusal_of_redis_reaches_the_workers_in_its_place),
		EAR_CASE(a_worker_without_memory_for_its_confirmation_reconnects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
