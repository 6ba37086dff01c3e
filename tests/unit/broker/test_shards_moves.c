/* Sharded channels while the cluster changes: slots move, masters redirect in circles, are down, or die. */
#include "tests/unit/broker/shards_masters.h"

/* The members go on telling the old map for a while; the redirections are followed all the same. */
static void
a_moved_slot_takes_its_subscription_with_it(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), to = (truth[slot] + 1) % MASTERS;
	struct client a;
	struct listener l;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1);
	for (unsigned round = 0; round < 3; round++) {
		move_slot(slot, to, true);
		RUN_UNTIL(subscriber_count > 0 && l.s.confirmed && stats_of(&a).gaps > round);
		for (unsigned i = 0; i < 10; i++)
			send_next(&a, "c");
		RUN_UNTIL(l.messages == 1 + 10 * (round + 1));
		to = (to + 1) % MASTERS;
		masters_publish_map(slot);
	}
	assert_numbers(&l, 1, sent);
	assert_in_range(stats_of(&a).resubscribes, 3, 20);
	assert_true(stats_of(&a).moved >= 3);
	assert_int_equal(stats_of(&a).uncertain + stats_of(&a).dropped, 0);
	hear_no_more(&a, &l);
	client_end(&a);
}

/*
 * Publishes are under way to the old owner when the slot moves, and newer ones follow before it has answered. They
 * reach the new owner in order, although the member that has no subscription learns of the move only by their
 * refusal.
 */
static void
publishes_keep_their_order_when_their_slot_moves(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), to = (truth[slot] + 1) % MASTERS;
	struct client sender, receiver;
	struct listener l;

	(void)state;
	client_start(&sender, fakes_url(0, 3), 1 << 20);
	client_start(&receiver, fakes_url(0, 3), 1 << 20);
	hear(&receiver, &l, "c");
	RUN_UNTIL(shards_up(receiver.shards));
	send_next(&sender, "c");
	RUN_UNTIL(shards_up(sender.shards) && l.messages == 1);
	move_slot(slot, to, true);
	RUN_UNTIL(l.s.confirmed && stats_of(&receiver).gaps >= 1);
	buffer_reset(&l.got);
	held = true;
	for (unsigned i = 0; i < 50; i++)
		send_next(&sender, "c");
	RUN_UNTIL(moved >= 50);
	for (unsigned i = 0; i < 50; i++)
		send_next(&sender, "c");
	held_answer();
	for (unsigned i = 0; i < 50; i++)
		send_next(&sender, "c");
	RUN_UNTIL(l.messages >= sent);
	assert_numbers(&l, 2, sent);
	assert_int_equal(stats_of(&sender).uncertain + stats_of(&sender).dropped, 0);
	RUN_UNTIL(stats_of(&sender).published == sent);
	hear_no_more(&receiver, &l);
	client_end(&receiver);
	client_end(&sender);
}

/* Many redirections at once lead to one question about the map, or to two if one was under way. */
static void
many_redirections_are_one_question(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), to = (truth[slot] + 1) % MASTERS, asked;
	struct client a;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	send_next(&a, "c");
	RUN_UNTIL(shards_up(a.shards) && stats_of(&a).published == 1);
	move_slot(slot, to, true);
	masters_publish_map(slot);
	asked = fakes[0].asked + fakes[1].asked + fakes[2].asked;
	for (unsigned i = 0; i < 500; i++)
		send_next(&a, "c");
	RUN_UNTIL(stats_of(&a).published == sent && moved >= 500);
	/* CLUSTER SHARDS and CLUSTER SLOTS each */
	assert_in_range(fakes[0].asked + fakes[1].asked + fakes[2].asked - asked, 0, 4);
	client_end(&a);
}

/* Masters that redirect in a circle are followed a few times for each map, and the maps have a minimum interval. */
static void
a_circle_of_redirections_is_left(void **state)
{
	struct client a;
	struct listener l;
	unsigned before;
	uint64_t until;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	RUN_UNTIL(shards_up(a.shards));
	circle = true;
	send_next(&a, "c");
	until = bench_clock() + 1000;
	before = moved;
	while (bench_clock() < until) {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
	}
	assert_in_range(moved - before, 5, 1000);
	circle = false;
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 2);
	assert_numbers(&l, 1, 2);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* After a redirection to a dead host, the client follows the next map. */
static void
a_redirection_to_a_dead_host_is_corrected(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), first = truth[slot];
	struct client a;
	struct listener l;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	RUN_UNTIL(shards_up(a.shards));
	listener_free(fakes[3].listener); /* nothing listens there any more, but the port is remembered */
	fake_listen(3, 0);
	conn_send_copy(fakes[first].subscriptions,
		"*3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n-MOVED 99999 x\r\n-MOVED 7365 127.0.0.1:1\r\n", 69);
	RUN_UNTIL(stats_of(&a).gaps >= 1);
	RUN_UNTIL(shards_up(a.shards) && l.s.confirmed);
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* While the cluster is down, publishes wait; none is lost, sent twice or overtaken. */
static void
publishes_wait_while_the_cluster_is_down(void **state)
{
	struct client a;
	struct listener l;
	uint64_t until;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	RUN_UNTIL(shards_up(a.shards));
	down = true;
	for (unsigned i = 0; i < 20; i++)
		send_next(&a, "c");
	RUN_UNTIL(!shards_up(a.shards));
	until = bench_clock() + 500;
	while (bench_clock() < until) {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
		if (sent < 100)
			send_next(&a, "c");
	}
	down = false;
	RUN_UNTIL(l.messages >= sent);
	assert_numbers(&l, 1, sent);
	RUN_UNTIL(shards_up(a.shards));
	assert_true(stats_of(&a).ups == 2 && stats_of(&a).downs == 1);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* The master of a channel dies, and another one takes its slots. The others are not touched. */
static void
a_dead_master_is_replaced(void **state)
{
	unsigned dead = truth[cluster_slot(TEXT("c"))], heir = (dead + 1) % MASTERS;
	struct client a;
	struct listener l, other;
	char name[8] = "";

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	for (unsigned i = 0; name[0] == '\0' || truth[cluster_slot(text_from(name))] == dead ||
			     truth[cluster_slot(text_from(name))] == heir;
		i++)
		snprintf(name, sizeof name, "%u", i);
	hear(&a, &other, name);
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1 && shards_up(a.shards));
	listener_free(fakes[dead].listener);
	conn_close(fakes[dead].commands, REASON_FINISHED);
	conn_close(fakes[dead].subscriptions, REASON_FINISHED);
	RUN_UNTIL(!shards_up(a.shards));
	for (unsigned i = 0; i < 20; i++)
		send_next(&a, "c");
	RUN_UNTIL(a.hopeless >= 2);
	for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++)
		truth[slot] = truth[slot] == dead ? (uint8_t)heir : truth[slot];
	fake_listen(dead, 0);
	fakes_set_owners(
		MASTERS, (int[]){dead == 0 ? (int)heir : 0, dead == 1 ? (int)heir : 1, dead == 2 ? (int)heir : 2});
	RUN_UNTIL(l.messages == sent && shards_up(a.shards));
	assert_numbers(&l, 1, sent);
	assert_int_equal(stats_of(&a).shards, 2);
	assert_true(stats_of(&a).gaps >= 1);
	assert_int_equal(stats_of(&a).dropped, 0);
	hear_no_more(&a, &other);
	hear_no_more(&a, &l);
	client_end(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SHARDS_CASE(a_moved_slot_takes_its_subscription_with_it),
		SHARDS_CASE(publishes_keep_their_order_when_their_slot_moves),
		SHARDS_CASE(many_redirections_are_one_question),
		SHARDS_CASE(a_circle_of_redirections_is_left),
		SHARDS_CASE(a_redirection_to_a_dead_host_is_corrected),
		SHARDS_CASE(publishes_wait_while_the_cluster_is_down),
		SHARDS_CASE(a_dead_master_is_replaced),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
