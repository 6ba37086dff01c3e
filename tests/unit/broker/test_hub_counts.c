/* The hub as Redis counts it: each worker that answers requests counts as one subscriber. */
#include "tests/unit/broker/hub_ear_bench.h"

static void
redis_counts_each_worker_that_answers_requests(void **state)
{
	int a = worker(), b = worker(), c = worker();

	(void)state;
	worker_subscribe(a, "CSUBSCRIBE", "requests", 1);
	assert_int_equal(fake_subscribers("requests"), 1);
	worker_subscribe(b, "CSUBSCRIBE", "requests", 1);
	assert_int_equal(fake_subscribers("requests"), 2);
	worker_subscribe(c, "CSUBSCRIBE", "requests", 1);
	assert_int_equal(fake_subscribers("requests"), 3);
	assert_int_equal(ear_stats().counting, 2);
	/* a namespace that only one worker has */
	worker_subscribe(b, "CSUBSCRIBE", "of-b", 2);
	assert_int_equal(fake_subscribers("of-b"), 1);
	/* a request comes to each worker once, though Redis sends it three times */
	assert_int_equal(fake_publish(TEXT("requests"), TEXT("?")), 3);
	hears(a, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$1\r\n?\r\n");
	hears(b, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$1\r\n?\r\n");
	hears(c, "*3\r\n$7\r\nmessage\r\n$8\r\nrequests\r\n$1\r\n?\r\n");
	worker_hears_nothing(a, true);
	/* the first worker goes, then another unsubscribes, then the last is killed */
	close(a);
	RUN_UNTIL(fake_subscribers("requests") == 2);
	worker_say(c, "UNSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("requests") == 1);
	assert_non_null(fake_find(fake_is_ear)); /* the remaining subscriber is the ear */
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
	worker_subscribe(a, "CSUBSCRIBE", "requests", 1);
	fake.hold = true;
	worker_say(b, "CSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("requests") == 2);
	worker_hears_nothing(b, true);
	fake_release(fake_is_counting);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	worker_say(b, "UNSUBSCRIBE requests");
	hears(b, "*3\r\n$11\r\nunsubscribe\r\n$8\r\nrequests\r\n:0\r\n");
	/* if the other worker leaves meanwhile, the ear's own subscription counts for the waiting worker */
	worker_say(b, "CSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("requests") == 2);
	close(a);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$8\r\nrequests\r\n:1\r\n");
	assert_int_equal(fake_subscribers("requests"), 1);
	close(b);
}

/* Other servers hold messages for a worker until they count it, so the hub must hear all its channels before that. */
static void
a_worker_is_counted_after_what_it_subscribed_to_before(void **state)
{
	int a = worker(), b = worker();

	(void)state;
	worker_subscribe(a, "CSUBSCRIBE", "requests", 1);
	worker_subscribe(a, "CSUBSCRIBE", "more", 2);
	worker_subscribe(b, "CSUBSCRIBE", "more", 1); /* opens the counting connection */
	fake.hold = true;
	worker_say(b, "SUBSCRIBE room");
	worker_say(b, "CSUBSCRIBE requests");
	RUN_UNTIL(fake_subscribers("room") == 1);
	for (unsigned i = 0; i < 5; i++)
		worker_hears_nothing(b, true);
	assert_int_equal(fake_subscribers("requests"), 1);
	fake_release(fake_is_ear);
	hears(b, "*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:2\r\n");
	RUN_UNTIL(fake_subscribers("requests") == 2);
	worker_hears_nothing(b, true);
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
		worker_hears_nothing(workers[i], true);
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
	worker_subscribe(a, "CSUBSCRIBE", "requests", 1);
	worker_subscribe(b, "CSUBSCRIBE", "requests", 1);
	worker_subscribe(b, "CSUBSCRIBE", "more", 2);
	worker_subscribe(a, "CSUBSCRIBE", "more", 2);
	fake_cut(fake_is_counting);
	RUN_UNTIL(fake_subscribers("requests") == 1);
	RUN_UNTIL(fake_subscribers("requests") == 2 && fake_subscribers("more") == 2);
	assert_true(logged("other servers count one worker too few"));
	/* a counting connection that answers nonsense, or refuses */
	say(fake_find(fake_is_counting)->conn, ":1\r\n");
	RUN_UNTIL(fake_subscribers("requests") == 1);
	RUN_UNTIL(fake_subscribers("requests") == 2);
	say(fake_find(fake_is_counting)->conn, "-NOPERM no permission\r\n");
	RUN_UNTIL(fake_subscribers("requests") == 1);
	RUN_UNTIL(ear_stats().counting == 1);
	say(fake_find(fake_is_counting)->conn, "$99999999999\r\n");
	RUN_UNTIL(ear_stats().counting == 0);
	RUN_UNTIL(ear_stats().counting == 1);
	/* one that no longer answers: the hub checks it by repeating a subscription */
	fake.hold = true;
	RUN_UNTIL(ear_stats().counting == 0);
	fake.hold = false;
	RUN_UNTIL(ear_stats().counting == 1);
	assert_int_equal(ear_stats().clients, 2);
	assert_int_equal(ear_stats().bus.downs, 0);
	worker_hears_nothing(a, true);
	close(a);
	close(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EAR_CASE(redis_counts_each_worker_that_answers_requests),
		EAR_CASE(a_counted_subscription_is_confirmed_once_redis_counts_it),
		EAR_CASE(a_worker_is_counted_after_what_it_subscribed_to_before),
		EAR_CASE(when_redis_is_back_the_channels_that_count_come_last),
		EAR_CASE(a_lost_counting_connection_is_made_anew_and_costs_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
