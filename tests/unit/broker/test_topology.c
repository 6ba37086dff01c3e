/* The topology of a cluster and the counts over its members, against members that refuse, lie, or stay silent. */
#include "tests/unit/broker/cluster_fakes.h"

#include "broker/cluster_count.h"
#include "broker/topology.h"

static struct client {
	struct bus_url url;
	struct topology *topology;
	unsigned maps, failures;
	char why[BUS_ERROR_MAX];
} client;

static void
on_map(void *arg)
{
	(void)arg;
	client.maps++;
}

static void
on_failed(void *arg, const char *why)
{
	(void)arg;
	client.failures++;
	snprintf(client.why, sizeof client.why, "%s", why);
}

static void
client_parse(const char *url)
{
	char error[BUS_ERROR_MAX];

	memset(&client, 0, sizeof client);
	if (bus_url_parse(&client.url, url, error) < 0)
		fail_msg("%s", error);
}

static void
client_start(const char *url, uint64_t refresh_ms)
{
	static const struct topology_ops ops = {on_map, on_failed};

	client_parse(url);
	client.topology = topology_new(&bench.loop, &client.url, NULL, refresh_ms, &ops, NULL);
}

static void
client_end(void)
{
	topology_free(client.topology);
	bus_url_fini(&client.url);
	RUN_UNTIL(fakes_open() == 0);
}

static unsigned
asked(void)
{
	return fakes[0].asked + fakes[1].asked + fakes[2].asked + fakes[3].asked;
}

static void
assert_owner(unsigned slot, unsigned fake)
{
	const struct cluster_member *owner = cluster_map_owner(topology_map(client.topology), slot);

	assert_non_null(owner);
	assert_int_equal(owner->port, fake_port(fake));
}

static void
the_map_comes_from_a_member_that_lives(void **state)
{
	char url[256];

	(void)state;
	snprintf(url, sizeof url, "redis+cluster://127.0.0.1:1,127.0.0.1:%u", fake_port(3));
	client_start(url, 30000);
	RUN_UNTIL(client.maps == 1);
	assert_owner(0, 0);
	assert_owner(CLUSTER_SLOTS - 1, 2);
	assert_int_equal(client.failures, 0);
	assert_int_equal(times_logged("event=topology state=down server=127.0.0.1:1"), 1);
	assert_int_equal(times_logged("state=found members=3 masters=3"), 1);
	RUN_UNTIL(fakes_open() == 0); /* the connection does not stay */
	client_end();
}

static void
bad_answers_lead_to_the_next_member(void **state)
{
	static const char *const bad[] = {"hello\r\n", "*0\r\n", "*-1\r\n", "+OK\r\n", ":5\r\n", "*1\r\n*0\r\n",
		"*1000000000\r\n", "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		fake_answer(&fakes[0].shards, bad[i]);
		client_start(fakes_url(0, 2), 30000);
		RUN_UNTIL(client.maps == 1);
		assert_int_equal(client.failures, 0);
		client_end();
	}
	assert_int_equal(fakes[0].asked, sizeof bad / sizeof *bad);
}

static void
silent_members_are_passed_over(void **state)
{
	(void)state;
	fakes[0].silent = true;
	client_start(fakes_url(0, 2), 30000);
	RUN_UNTIL(client.maps == 1);
	assert_int_equal(fakes[0].asked, 1);
	assert_int_equal(times_logged("timed out"), 1);
	client_end();
}

/* Redis before version 7. */
static void
slots_are_asked_for_when_shards_are_refused(void **state)
{
	char slots[256];

	(void)state;
	fake_answer(&fakes[0].shards, "-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'\r\n");
	snprintf(slots, sizeof slots, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:%u\r\n", fake_port(1));
	fake_answer(&fakes[0].slots, slots);
	client_start(fakes_url(0, 1), 30000);
	RUN_UNTIL(client.maps == 1);
	assert_owner(77, 1);
	assert_int_equal(fakes[0].asked, 2);
	client_end();
}

static void
a_server_without_a_cluster_is_named(void **state)
{
	(void)state;
	fake_answer(&fakes[0].shards, "-ERR This instance has cluster support disabled\r\n");
	fake_answer(&fakes[0].slots, "-ERR This instance has cluster support disabled\r\n");
	client_start(fakes_url(0, 1), 30000);
	RUN_UNTIL(client.failures == 2); /* the client asks again on its own */
	assert_non_null(strstr(client.why, "cluster support disabled"));
	assert_non_null(strstr(client.why, "redis://"));
	client_end();
}

/* The map is renewed at the interval, from any member. The members of the URL are the last resort. */
static void
the_map_is_refreshed_in_time(void **state)
{
	(void)state;
	client_start(fakes_url(3, 1), 200);
	RUN_UNTIL(client.maps == 1);
	fakes_set_owners(1, (int[]){1});
	RUN_UNTIL(client.maps == 3);
	assert_owner(0, 1);
	assert_int_equal(fakes[3].asked, 1);
	fakes[1].silent = true;
	RUN_UNTIL(fakes[3].asked == 2);
	client_end();
}

/*
 * A large cluster that has moved to other addresses is found by the members of the URL, without a second of waiting
 * for each of its old addresses.
 */
static void
the_url_is_asked_after_a_few_members(void **state)
{
	struct buffer answer;

	(void)state;
	buffer_init(&answer, 1 << 16);
	buffer_printf(&answer, "*1\r\n*102\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n", fake_port(1));
	for (unsigned port = 301; port < 400; port++) /* nobody listens there */
		buffer_printf(&answer, "*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n", port);
	buffer_add_byte(&answer, '\0');
	fake_answer(&fakes[1].shards, (char *)answer.data);
	fake_answer(&fakes[3].shards, (char *)answer.data);
	client_start(fakes_url(3, 1), 100);
	RUN_UNTIL(client.maps == 1);
	assert_int_equal(topology_map(client.topology)->count, 100);
	RUN_UNTIL(fakes[3].asked >= 2); /* in most rounds: of the hundred members in the map, one lives */
	assert_int_equal(client.failures, 0);
	fake_answer(&fakes[3].shards, "+OK\r\n"); /* the client asks the other members after the members of the URL */
	RUN_UNTIL(fakes[3].asked >= 4 && fakes[1].asked > 1);
	assert_int_equal(client.failures, 0);
	buffer_fini(&answer);
	client_end();
}

static void
many_refreshes_are_one_question(void **state)
{
	(void)state;
	client_start(fakes_url(0, 1), 30000);
	RUN_UNTIL(client.maps == 1);
	for (unsigned i = 0; i < 1000; i++)
		topology_refresh(client.topology);
	RUN_UNTIL(client.maps == 2);
	assert_int_equal(asked(), 2);
	client_end();
}

/* The answer to a question that was asked before the call may show an older state, so the client asks again. */
static void
a_refresh_during_a_question_is_another_question(void **state)
{
	(void)state;
	client_start(fakes_url(0, 1), 30000);
	RUN_UNTIL(fakes[0].asked == 1);
	for (unsigned i = 0; i < 1000; i++)
		topology_refresh(client.topology);
	RUN_UNTIL(client.maps == 2);
	assert_int_equal(asked(), 2);
	client_end();
}

static void
a_topology_ends_in_any_state(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		fakes[0].silent = turns % 3 == 2;
		client_start(fakes_url(0, 2), 30000);
		for (unsigned i = 0; i < turns; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
		client_end();
	}
}

/* ------------------------------------------------------------------ counts */

static struct count {
	struct bus_count query;
	int64_t count;
	unsigned answers;
} counts[3];

static void
on_count(struct bus_count *query, int64_t count)
{
	struct count *c = container_of(query, struct count, query);

	c->count = count;
	c->answers++;
}

static struct cluster_counts *
counts_start(struct cluster_map *map)
{
	client_parse(fakes_url(0, 1));
	cluster_map_init(map);
	for (unsigned i = 0; i < FAKES; i++) {
		assert_int_equal(cluster_map_add(map, TEXT("127.0.0.1"), fake_port(i)), i);
		map->members[i]->master = (uint16_t)(i % 2); /* 2 is a replica of 0, 3 of 1 */
		fakes[i].subscribers = (int)(1u << i);
	}
	memset(counts, 0, sizeof counts);
	for (unsigned i = 0; i < 3; i++)
		bus_count_init(&counts[i].query, on_count);
	return cluster_counts_new(&bench.loop, &client.url, NULL, 300);
}

static void
counts_end(struct cluster_counts *all, struct cluster_map *map)
{
	cluster_counts_free(all);
	cluster_map_fini(map);
	bus_url_fini(&client.url);
}

static void
subscribers_of_all_members_are_summed(void **state)
{
	struct cluster_map map;
	struct cluster_counts *all = counts_start(&map);

	(void)state;
	assert_int_equal(
		cluster_counts_ask(all, &map, CLUSTER_COUNT_ALL, TEXT("NUMSUB"), &counts[0].query, TEXT("x")), 0);
	assert_int_equal(cluster_counts_ask(all, &map, 0, TEXT("NUMSUB"), &counts[1].query, TEXT("x")), 0);
	RUN_UNTIL(counts[0].answers == 1 && counts[1].answers == 1);
	assert_int_equal(counts[0].count, 15);
	assert_int_equal(counts[1].count, 5); /* 0 and its replica */
	assert_int_equal(fakes_open(), 4);    /* one connection each, which stays */
	fakes[0].subscribers = 100;
	map.members[3]->failed = true;
	assert_int_equal(
		cluster_counts_ask(all, &map, CLUSTER_COUNT_ALL, TEXT("NUMSUB"), &counts[0].query, TEXT("x")), 0);
	RUN_UNTIL(counts[0].answers == 2);
	assert_int_equal(counts[0].count, 106);
	assert_int_equal(fakes_open(), 4);
	counts_end(all, &map);
}

/* A sum without one member would look complete and be too small. */
static void
a_member_that_does_not_answer_leaves_no_sum(void **state)
{
	struct cluster_map map;
	struct cluster_counts *all = counts_start(&map);

	(void)state;
	for (unsigned fault = 0; fault < 3; fault++) {
		fakes[1].silent = fault == 0;
		fakes[1].subscribers = fault == 1 ? -1 : 2;
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(cluster_counts_ask(all, &map, CLUSTER_COUNT_ALL, TEXT("NUMSUB"),
						 &counts[i].query, TEXT("x")),
				0);
		bus_count_cancel(&counts[2].query);
		RUN_UNTIL(counts[1].answers == fault + 1);
		assert_int_equal(counts[0].answers, fault + 1);
		assert_int_equal(counts[0].count, fault < 2 ? ERROR_CLOSED : 15);
		assert_int_equal(counts[1].count, counts[0].count);
	}
	assert_int_equal(cluster_counts_failed(all), 6); /* of two rounds, the cancelled ones too */
	assert_int_equal(counts[2].answers, 0);
	counts_end(all, &map);
}

static void
counts_are_limited_and_end_at_any_time(void **state)
{
	struct cluster_map map, large;
	struct cluster_counts *all = counts_start(&map);
	static struct bus_count many[CLUSTER_COUNT_QUESTIONS_MAX + 1];

	(void)state;
	cluster_map_init(&large);
	assert_int_equal(
		cluster_counts_ask(all, &large, CLUSTER_COUNT_ALL, TEXT("NUMSUB"), &counts[0].query, TEXT("x")),
		ERROR_NOT_FOUND);
	for (unsigned i = 0; i <= CLUSTER_COUNT_MEMBERS_MAX; i++)
		cluster_map_add(&large, TEXT("127.0.0.1"), (uint16_t)(i + 1));
	assert_int_equal(
		cluster_counts_ask(all, &large, CLUSTER_COUNT_ALL, TEXT("NUMSUB"), &counts[0].query, TEXT("x")),
		ERROR_TOO_MANY);
	for (unsigned i = 0; i < CLUSTER_COUNT_QUESTIONS_MAX; i++) {
		bus_count_init(&many[i], on_count);
		assert_int_equal(
			cluster_counts_ask(all, &map, CLUSTER_COUNT_ALL, TEXT("NUMSUB"), &many[i], TEXT("x")), 0);
	}
	assert_int_equal(
		cluster_counts_ask(all, &map, CLUSTER_COUNT_ALL, TEXT("NUMSUB"), &counts[0].query, TEXT("x")),
		ERROR_TOO_MANY);
	cluster_map_fini(&large);
	counts_end(all, &map);
	assert_null(many[0].slot);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FAKES_CASE(the_map_comes_from_a_member_that_lives),
		FAKES_CASE(bad_answers_lead_to_the_next_member),
		FAKES_CASE(silent_members_are_passed_over),
		FAKES_CASE(slots_are_asked_for_when_shards_are_refused),
		FAKES_CASE(a_server_without_a_cluster_is_named),
		FAKES_CASE(the_map_is_refreshed_in_time),
		FAKES_CASE(the_url_is_asked_after_a_few_members),
		FAKES_CASE(many_refreshes_are_one_question),
		FAKES_CASE(a_refresh_during_a_question_is_another_question),
		FAKES_CASE(a_topology_ends_in_any_state),
		FAKES_CASE(subscribers_of_all_members_are_summed),
		FAKES_CASE(a_member_that_does_not_answer_leaves_no_sum),
		FAKES_CASE(counts_are_limited_and_end_at_any_time),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
