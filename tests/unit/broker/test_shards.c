/* Sharded channels on a healthy cluster: where channels go, and the limits, waits, counts and end of the client. */
#include "tests/unit/broker/shards_masters.h"

#define CHANNELS 200

/* Each channel is served by the owner of its slot; no command is redirected. */
static void
channels_go_to_their_masters(void **state)
{
	static struct listener l[CHANNELS];
	static char names[CHANNELS][16];
	struct client a;
	unsigned messages = 0;

	(void)state;
	client_start(&a, fakes_url(0, 1), 1 << 20);
	for (unsigned i = 0; i < CHANNELS; i++) {
		snprintf(names[i], sizeof names[i], "c%u", i);
		hear(&a, &l[i], names[i]);
		assert_true(shards_awaits(a.shards, &l[i].s));
		send_text(&a, names[i], names[i]); /* waits until its subscription is confirmed */
	}
	RUN_UNTIL(shards_up(a.shards));
	do {
		messages = 0;
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
		for (unsigned i = 0; i < CHANNELS; i++)
			messages += l[i].messages;
	} while (messages < CHANNELS);
	for (unsigned i = 0; i < CHANNELS; i++) {
		assert_int_equal(l[i].messages, 1);
		assert_false(shards_awaits(a.shards, &l[i].s));
		assert_ptr_equal(shards_find(a.shards, text_from(names[i])), &l[i].s);
	}
	assert_int_equal(moved, 0);
	assert_int_equal(stats_of(&a).shards, 3);
	assert_int_equal(stats_of(&a).published, CHANNELS);
	assert_int_equal(stats_of(&a).received, CHANNELS);
	assert_int_equal(stats_of(&a).gaps, 0);
	assert_int_equal(a.hopeless, 0);
	for (unsigned i = 0; i < CHANNELS; i++)
		hear_no_more(&a, &l[i]);
	client_end(&a);
}

static void
one_server_is_one_bus(void **state)
{
	struct client a;
	struct listener l;
	char url[64];

	(void)state;
	snprintf(url, sizeof url, "redis://127.0.0.1:%u", fake_port(0));
	memset(truth, 0, sizeof truth);
	client_start(&a, url, 1 << 20);
	hear(&a, &l, "c");
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1);
	assert_true(shards_up(a.shards) && shards_flows(a.shards));
	assert_int_equal(stats_of(&a).shards, 0);
	assert_int_equal(fakes[0].asked, 0);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* The limit is for all shards together, and the oldest publishes are dropped. */
static void
the_queue_of_all_shards_is_limited(void **state)
{
	static struct listener l[3];
	static const char *const names[] = {"a", "b", "c"};
	struct client a;
	char large[600];

	(void)state;
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	client_start(&a, "redis+cluster://127.0.0.1:1", 4000);
	for (unsigned i = 0; i < 3; i++)
		hear(&a, &l[i], names[i]);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(send_text(&a, names[i % 3], large), 0);
	assert_in_range(stats_of(&a).queue_bytes, 3000, 4000);
	assert_in_range(stats_of(&a).dropped, 20, 26);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(send_text(&a, "a", "small"), 0);
	RUN_UNTIL(a.hopeless >= 1);
	assert_false(shards_awaits(a.shards, &l[0].s));
	{
		char *huge = malloc(5000);

		memset(huge, 'x', 4999);
		huge[4999] = '\0';
		assert_int_equal(send_text(&a, "a", huge), ERROR_TOO_BIG);
		free(huge);
	}
	assert_int_equal(stats_of(&a).refused, 1);
	for (unsigned i = 0; i < 3; i++)
		hear_no_more(&a, &l[i]);
	client_end(&a);
}

static unsigned overs;

static void
on_over(struct bus_wait *wait)
{
	assert_true(list_empty(&wait->link));
	overs++;
}

/* A wait is for what was subscribed to before it, at any shard. */
static void
waits_end_when_every_shard_has_confirmed(void **state)
{
	static struct listener l[12];
	static char names[12][8];
	struct bus_wait first, second, cancelled;
	struct client a;

	(void)state;
	overs = 0;
	bus_wait_init(&first, on_over);
	bus_wait_init(&second, on_over);
	bus_wait_init(&cancelled, on_over);
	client_start(&a, fakes_url(0, 3), 1 << 20);
	send_next(&a, "a");
	send_next(&a, "b");
	send_next(&a, "c");
	RUN_UNTIL(shards_up(a.shards) && stats_of(&a).published == 3);
	assert_false(shards_wait(a.shards, &first));
	for (unsigned i = 0; i < 6; i++) {
		snprintf(names[i], sizeof names[i], "w%u", i);
		hear(&a, &l[i], names[i]);
	}
	assert_true(shards_wait(a.shards, &first));
	assert_true(shards_wait(a.shards, NULL));
	for (unsigned i = 6; i < 12; i++) {
		snprintf(names[i], sizeof names[i], "w%u", i);
		hear(&a, &l[i], names[i]);
	}
	assert_true(shards_wait(a.shards, &second));
	assert_true(shards_wait(a.shards, &cancelled));
	list_remove(&cancelled.link);
	assert_true(shards_flows(a.shards));
	send_next(&a, "w11"); /* the subscription is confirmed before this publish leaves */
	RUN_UNTIL(overs >= 1);
	for (unsigned i = 0; i < 6; i++)
		assert_true(l[i].s.confirmed);
	RUN_UNTIL(overs == 2);
	for (unsigned i = 6; i < 12; i++)
		assert_true(l[i].s.confirmed);
	RUN_UNTIL(l[11].messages == 1);
	assert_false(shards_wait(a.shards, &first));
	for (unsigned i = 0; i < 12; i++)
		hear_no_more(&a, &l[i]);
	client_end(&a);
}

static void
counts_are_those_of_the_owner(void **state)
{
	struct counted count = {.n = 0};
	struct client a;

	(void)state;
	for (unsigned i = 0; i < MASTERS; i++)
		fakes[i].subscribers = 10 + (int)i;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	bus_count_init(&count.query, on_counted);
	shards_count(a.shards, &count.query, TEXT("c"));
	RUN_UNTIL(count.answered);
	assert_int_equal(count.n, ERROR_CLOSED); /* not up yet */
	send_next(&a, "c");
	RUN_UNTIL(shards_up(a.shards));
	count.answered = false;
	shards_count(a.shards, &count.query, TEXT("c"));
	RUN_UNTIL(count.answered);
	assert_int_equal(count.n, 10 + truth[cluster_slot(TEXT("c"))]);
	client_end(&a);
}

/* The client ends while it asks, connects, subscribes, moves slots or has publishes under way. */
static void
the_client_closes_in_any_state(void **state)
{
	unsigned slot = cluster_slot(TEXT("c"));

	(void)state;
	for (unsigned turns = 0; turns < 30; turns++) {
		struct client a;
		struct listener l;

		client_start(&a, fakes_url(0, 3), 1 << 20);
		hear(&a, &l, "c");
		send_next(&a, "c");
		for (unsigned i = 0; i < turns; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
			if (i == 12)
				move_slot(slot, (truth[slot] + 1) % MASTERS, true);
			send_next(&a, i % 2 == 0 ? "c" : "d");
		}
		hear_no_more(&a, &l);
		client_end(&a);
		RUN_UNTIL(fakes_open() == 0);
		subscriber_count = 0;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SHARDS_CASE(channels_go_to_their_masters),
		SHARDS_CASE(one_server_is_one_bus),
		SHARDS_CASE(the_queue_of_all_shards_is_limited),
		SHARDS_CASE(waits_end_when_every_shard_has_confirmed),
		SHARDS_CASE(counts_are_those_of_the_owner),
		SHARDS_CASE(the_client_closes_in_any_state),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
