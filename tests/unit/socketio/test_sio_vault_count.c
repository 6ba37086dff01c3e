/*
 * Strangers: servers and emitters that do not keep the log. At a Redis Cluster, the servers are counted at all of its
 * members before a client is recovered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/playing_redis.h"

static int
set_up_cluster(void **state)
{
	int rc = set_up(state);

	redis.cluster = true;
	return rc;
}

static void
answer_count(int64_t servers)
{
	struct bus_count *query = redis.counted;

	must(query != NULL);
	redis.counted = NULL;
	query->answer(query, servers);
	fake_turn();
}

/* A client of this worker loses its connection and comes back, and the script takes its session. */
static void
come_back(struct recovering *c)
{
	arrive(c);
	recovering_lose(c, EIO_TRANSPORT_CLOSE);
	recovering_return(c);
	answer_claim();
}

static void
the_log_is_read_when_all_members_have_counted(void **state)
{
	struct recovering c = {0};

	(void)state;
	come_back(&c);
	assert_int_equal(count_calls(VAULT_READ), 0);
	answer_count(1);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(redis.counts, 1);
}

/* The script has seen no other server, because the other server subscribes at another member. */
static void
a_server_at_another_member_makes_clients_new(void **state)
{
	struct recovering c = {0};
	unsigned counts = 0;

	(void)state;
	redis.foreign = 1;
	come_back(&c);
	for (; redis.counted != NULL && counts < 20; counts++) {
		answer_count(2);
		sleep_long(400); /* the server may be a node that announces itself soon */
		if (called(VAULT_CLAIM)->call != NULL)
			answer_claim();
	}
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_in_range(counts, 2, 10);
	assert_int_equal(count_calls(VAULT_READ), 0);
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
}

static void
a_count_that_fails_is_repeated_with_its_claim(void **state)
{
	struct recovering c = {0};

	(void)state;
	come_back(&c);
	answer_count(ERROR_CLOSED);
	sleep_long(100);
	assert_int_equal(count_calls(VAULT_CLAIM), 2);
	answer_claim();
	answer_count(1);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
}

static void
one_count_serves_all_claims_before_it(void **state)
{
	struct recovering c[4] = {{0}};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		come_back(&c[i]);
	/* the first count began before the other three claims, which share the second one */
	assert_int_equal(redis.counts, 1);
	answer_count(1);
	assert_int_equal(count_calls(VAULT_READ), 1);
	assert_int_equal(redis.counts, 2);
	answer_count(1);
	assert_int_equal(count_calls(VAULT_READ), 4);
	assert_int_equal(redis.counts, 2);
}

static void
a_client_that_no_longer_waits_is_given_back(void **state)
{
	struct recovering c = {0};

	(void)state;
	come_back(&c);
	sleep_long(6000);
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	answer_count(1);
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
}

/* ---------------------------------------------------------------- notes */

static void
another_server_emits(bool recorded)
{
	sio_nsp *nsp = sio_of(fake_io, "/");
	const struct wire_target all = {.flags = 0};

	redis.point.recorded = recorded;
	fake_sleep(10); /* events of one millisecond share a note */
	sio_core_broker_ops()->on_number(nsp, 0);
	sio_core_broker_ops()->on_broadcast(nsp, &all, TEXT("[\"n\"]"), NULL);
	fake_turn();
}

/* A client that has received an event which is in the log without a number can be recovered, and others, too. */
static void
only_events_that_the_log_lacks_are_noted(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	another_server_emits(true);
	another_server_emits(true);
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
	another_server_emits(false);
	assert_int_equal(count_calls(VAULT_STRANGER), 1);
	assert_true(text_is(called(VAULT_STRANGER)->args[0], TEXT("{socket.io-log}-stranger#/")));
	another_server_emits(true);
	assert_int_equal(count_calls(VAULT_STRANGER), 1);
}

/* A new node has been counted before it announced itself. The next count comes late, because the machine is busy. */
static void
a_count_that_is_out_of_date_makes_no_stranger(void **state)
{
	(void)state;
	redis.foreign = 3;
	redis.counted_at = fake_io->loop->now;
	sleep_long(4000);
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
	for (unsigned i = 0; i < 4; i++) {
		redis.counted_at = fake_io->loop->now;
		sleep_long(1000);
	}
	assert_true(count_calls(VAULT_STRANGER) > 0);
}

/* For `seconds`, each count finds `n` servers that send no heartbeats. */
static void
count_each_second(int n, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		redis.foreign = n;
		redis.counted_at = fake_io->loop->now;
		redis.counted_arrived = redis.arrived;
		sleep_long(1000);
	}
}

/* Each count finds another new node, which announces itself soon after it. */
static void
nodes_that_start_one_after_another_are_no_strangers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		count_each_second(1, 1);
		redis.arrived++;
	}
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
	count_each_second(1, 4);
	assert_true(count_calls(VAULT_STRANGER) > 0);
}

static void
a_stranger_is_found_while_a_node_starts(void **state)
{
	(void)state;
	count_each_second(2, 1);
	redis.arrived++;
	count_each_second(1, 2);
	assert_true(count_calls(VAULT_STRANGER) > 0);
}

/* Each count finds the stranger and another new node. */
static void
a_stranger_is_found_while_nodes_go_on_joining(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 14; i++) {
		count_each_second(2, 1);
		redis.arrived += 2;
	}
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
	for (unsigned i = 0; i < 4; i++) {
		count_each_second(2, 1);
		redis.arrived += 2;
	}
	assert_true(count_calls(VAULT_STRANGER) > 0);
}

/* Between them, a count finds no server that has not announced itself. */
static void
nodes_that_start_with_pauses_are_no_strangers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		count_each_second(i % 10 != 9, 1);
		redis.arrived++;
	}
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
}

/* The node has announced itself between the count and the look at it. */
static void
a_node_that_arrives_right_after_a_count_is_no_stranger(void **state)
{
	(void)state;
	count_each_second(1, 1);
	count_each_second(1, 1);
	redis.arrived += 2;
	redis.foreign = 1;
	redis.counted_at = fake_io->loop->now;
	redis.counted_arrived = redis.arrived - 1;
	sleep_long(1000);
	count_each_second(1, 1);
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
}

/* The others come back one after another, and are counted before they have announced themselves. */
static void
after_a_loss_of_redis_strangers_are_counted_anew(void **state)
{
	(void)state;
	redis.foreign = 1;
	redis.counted_at = fake_io->loop->now;
	sleep_long(1600);
	keep->bus.on_ready(&keep->bus);
	sleep_long(500); /* the count from before the loss is still there */
	redis.counted_at = fake_io->loop->now;
	sleep_long(600);
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
}

static void
the_first_count_makes_no_stranger_however_late_it_comes(void **state)
{
	(void)state;
	redis.foreign = -1;
	sleep_long(3000);
	redis.foreign = 1;
	redis.counted_at = fake_io->loop->now;
	sleep_long(1100);
	assert_int_equal(count_calls(VAULT_STRANGER), 0);
}

static void
a_count_that_is_older_than_that_of_a_claim_is_ignored(void **state)
{
	(void)state;
	redis.foreign = 1;
	redis.counted_at = fake_io->loop->now;
	fake_sleep(10);
	assert_int_equal(sio_vault_strangers(keep->vault, 1), VAULT_NO_STRANGERS);
	sleep_long(1600);
	assert_int_equal(sio_vault_strangers(keep->vault, 2), VAULT_PERHAPS);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_cluster, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(the_log_is_read_when_all_members_have_counted),
		CASE(a_server_at_another_member_makes_clients_new),
		CASE(a_count_that_fails_is_repeated_with_its_claim),
		CASE(one_count_serves_all_claims_before_it),
		CASE(a_client_that_no_longer_waits_is_given_back),
		CASE(only_events_that_the_log_lacks_are_noted),
		CASE(a_count_that_is_out_of_date_makes_no_stranger),
		CASE(nodes_that_start_one_after_another_are_no_strangers),
		CASE(a_stranger_is_found_while_a_node_starts),
		CASE(a_stranger_is_found_while_nodes_go_on_joining),
		CASE(nodes_that_start_with_pauses_are_no_strangers),
		CASE(a_node_that_arrives_right_after_a_count_is_no_stranger),
		CASE(after_a_loss_of_redis_strangers_are_counted_anew),
		CASE(the_first_count_makes_no_stranger_however_late_it_comes),
		CASE(a_count_that_is_older_than_that_of_a_claim_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
