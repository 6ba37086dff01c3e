/* The members of one end in sharded mode (bus_sharded.c): the channels that they share, enter and leave, over a real
 * Redis 7. */
#include "tests/unit/broker/sharded_bench.h"

#include "tests/unit/broker/form_member.h"

#define LINGER_MS 100

static void
end_open(struct end *e)
{
	struct bus_form_options o = {.server = redis.url,
		.key = "k",
		.max_queue = 20000,
		.subscription_mode = nodes_mode,
		.linger_ms = LINGER_MS,
		.check_ms = 200,
		.timeout_ms = 1000};

	end_open_with(e, &bus_sharded, &o, &member_ops);
}

/* Nobody is in a room any more. */
static void
end_close_empty(struct end *e)
{
	struct bus_stats stats;

	bus_sharded.stats(e->end, &stats);
	assert_int_equal(stats.rooms, 0);
	end_close(e);
}

#define assert_member_heard(m, wanted)                                                                               \
	do {                                                                                                         \
		if (!text_is(buffer_text(&(m)->heard), text_from(wanted)))                                           \
			fail_msg("%s: \"%.*s\"", wanted, (int)(m)->heard.len, (m)->heard.data);                      \
		buffer_reset(&(m)->heard);                                                                           \
	} while (0)

#define RUN_UNTIL_HEARD(m, last) RUN_UNTIL(text_ends(buffer_text(&(m)->heard), TEXT(last)))

static void
members_receive_what_is_theirs(void **state)
{
	struct end from, to;
	struct member a, b, visitor;

	(void)state;
	end_open(&from);
	end_open(&to);
	member_join(&from, &a, "/", "aaaa", false);
	member_join(&to, &b, "/", "bbbb", false);
	member_join(&to, &visitor, "/", "cccc", true);
	bus_sharded.room_appeared(to.end, &b.member, TEXT("red#1"), false);
	bus_sharded.room_appeared(to.end, &visitor.member, TEXT("red#1"), false); /* a visitor has no rooms */
	assert_true(bus_sharded.awaits(to.end, &b.member));
	assert_true(bus_sharded.awaits(to.end, &visitor.member));
	RUN_UNTIL(bus_sharded.up(from.end) && bus_sharded.up(to.end));
	assert_int_equal(b.settled, 1);
	assert_int_equal(visitor.settled, 1);
	assert_int_equal(send_to(&from, &a, BUS_BROADCAST, TEXT_NONE, "all"), 0);
	assert_int_equal(send_to(&from, &a, BUS_BROADCAST, TEXT("red#1"), "one"), 0);
	assert_int_equal(send_to(&from, &a, BUS_BROADCAST, TEXT("blue"), "other"), 0);
	assert_int_equal(send_to(&from, &a, BUS_REQUEST, TEXT_NONE, "question"), 0);
	assert_int_equal(send_to(&from, &a, BUS_RESPONSE, TEXT("cccc"), "to c"), 0);
	assert_int_equal(send_to(&from, &a, BUS_RESPONSE, TEXT("bbbb"), "to b"), 0);
	RUN_UNTIL_HEARD(&b, "to b;");
	assert_member_heard(&b, "0  all;0 red#1 one;0  question;3  to b;");
	assert_member_heard(&visitor, "3  to c;");
	RUN_UNTIL_HEARD(&a, "question;");
	assert_member_heard(&a, "0  all;0  question;");
	member_leave(&to, &visitor);
	member_leave(&to, &b);
	member_leave(&from, &a);
	end_close_empty(&from);
	end_close_empty(&to);
}

static void
an_empty_room_lingers(void **state)
{
	struct end e;
	struct member m;

	(void)state;
	bus_start_sharded(&stranger, redis.url);
	end_open(&e);
	member_join(&e, &m, "/", "aaaa", false);
	bus_sharded.room_appeared(e.end, &m.member, TEXT("red"), false);
	bus_sharded.room_appeared(e.end, &m.member, TEXT("blue"), false);
	RUN_UNTIL(bus_sharded.up(e.end) && ups(&stranger) == 1);
	bus_sharded.room_empty(e.end, &m.member, TEXT("blue"));
	bus_sharded.room_empty(e.end, &m.member, TEXT("blue")); /* reported twice */
	bus_sharded.room_empty(e.end, &m.member, TEXT("red"));
	bus_sharded.room_appeared(e.end, &m.member, TEXT("red"), false);
	bus_await_subscribers(&stranger, "k#/#blue#", 0);
	assert_int_equal(bus_subscribers(&stranger, "k#/#red#"), 1);
	bus_sharded.room_empty(e.end, &m.member, TEXT("never appeared"));
	assert_int_equal(send_to(&e, &m, BUS_BROADCAST, TEXT("blue"), "too late"), 0);
	assert_int_equal(send_to(&e, &m, BUS_BROADCAST, TEXT("red"), "in time"), 0);
	RUN_UNTIL_HEARD(&m, "in time;");
	assert_member_heard(&m, "0 red in time;");
	bus_sharded.room_empty(e.end, &m.member, TEXT("red")); /* lingers when the member leaves */
	member_leave(&e, &m);
	end_close_empty(&e);
	bus_end(&stranger);
}

/* The own room of a socket does not linger, because its id does not come back. */
static void
a_private_room_is_left_at_once(void **state)
{
	struct bus_stats stats;
	struct end e;
	struct member m;

	(void)state;
	nodes_mode = BUS_SUBSCRIPTION_DYNAMIC_PRIVATE;
	end_open(&e);
	member_join(&e, &m, "/", "aaaa", false);
	bus_sharded.room_appeared(e.end, &m.member, TEXT(ID), true);
	RUN_UNTIL(bus_sharded.up(e.end));
	bus_sharded.stats(e.end, &stats);
	assert_int_equal(stats.rooms, 1);
	bus_sharded.room_empty(e.end, &m.member, TEXT(ID));
	bus_sharded.stats(e.end, &stats);
	assert_int_equal(stats.rooms, 0);
	member_leave(&e, &m);
	end_close_empty(&e);
}

struct waiting {
	struct bus_wait wait;
	unsigned overs;
};

static void
on_over(struct bus_wait *wait)
{
	container_of(wait, struct waiting, wait)->overs++;
}

/* Clients of a new room, and what this node publishes, wait until the room's messages arrive. */
static void
a_new_room_is_waited_for(void **state)
{
	struct waiting waiting = {.overs = 0};
	struct end e;
	struct member m;

	(void)state;
	bus_wait_init(&waiting.wait, on_over);
	for (unsigned mode = BUS_SUBSCRIPTION_DYNAMIC; mode <= BUS_SUBSCRIPTION_STATIC; mode++) {
		nodes_mode = mode;
		waiting.overs = 0;
		end_open(&e);
		member_join(&e, &m, "/", "aaaa", false);
		RUN_UNTIL(bus_sharded.up(e.end));
		assert_false(bus_sharded.wait(e.end, &waiting.wait));
		bus_sharded.room_appeared(e.end, &m.member, TEXT("red"), false);
		if (mode == BUS_SUBSCRIPTION_STATIC) {
			assert_false(bus_sharded.wait(e.end, &waiting.wait));
		} else {
			assert_true(bus_sharded.wait(e.end, &waiting.wait));
			RUN_UNTIL(waiting.overs == 1);
			assert_false(bus_sharded.wait(e.end, &waiting.wait));
		}
		member_leave(&e, &m);
		end_close_empty(&e);
	}
}

/* The channel of the namespace "/#x" is that of the room "x" in "/". */
static void
two_uses_share_a_channel(void **state)
{
	struct end e;
	struct member a, b;

	(void)state;
	bus_start_sharded(&stranger, redis.url);
	end_open(&e);
	for (unsigned order = 0; order < 4; order++) {
		member_join(&e, &a, "/", "aaaa", false);
		if (order % 2 == 0)
			bus_sharded.room_appeared(e.end, &a.member, TEXT("x"), false);
		member_join(&e, &b, "/#x", "bbbb", false);
		if (order % 2 == 1)
			bus_sharded.room_appeared(e.end, &a.member, TEXT("x"), false);
		RUN_UNTIL(bus_sharded.up(e.end) && ups(&stranger) == 1);
		bus_await_subscribers(&stranger, "k#/#x#", 1);
		send_to(&e, &a, BUS_BROADCAST, TEXT("x"), "1");
		RUN_UNTIL(a.heard.len > 0 && b.heard.len > 0); /* the broker tells the namespaces apart */
		assert_member_heard(&a, "0 x 1;");
		assert_member_heard(&b, "0  1;");
		if (order < 2) {
			member_leave(&e, &b);
			send_to(&e, &a, BUS_BROADCAST, TEXT("x"), "2");
			RUN_UNTIL_HEARD(&a, "2;");
			member_leave(&e, &a);
		} else {
			member_leave(&e, &a);
			send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "3");
			RUN_UNTIL_HEARD(&b, "3;");
			member_leave(&e, &b);
		}
		bus_await_subscribers(&stranger, "k#/#x#", 0);
	}
	end_close_empty(&e);
	bus_end(&stranger);
}

/* A callee may leave namespaces while a shared channel delivers to them. */
static struct member *leavers[2];
static struct end *leavers_end;

static void
leave_both(struct bus_member *m, const struct bus_message *message)
{
	(void)m;
	(void)message;
	for (unsigned i = 0; i < 2; i++) {
		if (leavers[i] != NULL)
			bus_sharded.unsubscribe(leavers_end->end, &leavers[i]->member);
		leavers[i] = NULL;
	}
}

static void
members_may_leave_while_called(void **state)
{
	static const struct bus_form_ops leave_ops = {.on_message = leave_both, .on_settled = member_on_settled};
	struct bus_form_options o = {.server = redis.url, .key = "k", .max_queue = 20000, .timeout_ms = 1000};
	struct end e;
	struct member a, b;

	(void)state;
	end_open_with(&e, &bus_sharded, &o, &leave_ops);
	member_join(&e, &a, "/", "aaaa", false);
	member_join(&e, &b, "/#x", "bbbb", false);
	bus_sharded.room_appeared(e.end, &a.member, TEXT("x"), false);
	leavers[0] = &a;
	leavers[1] = &b;
	leavers_end = &e;
	RUN_UNTIL(bus_sharded.up(e.end));
	assert_int_equal(send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "leave"), 0);
	RUN_UNTIL(leavers[0] == NULL);
	buffer_fini(&a.heard);
	buffer_fini(&b.heard);
	end_close_empty(&e);
}

/* A room that appears while the message of its channel is delivered gets the next one. */
static unsigned joins, heard_by_room;

static void
join_on_message(struct bus_member *m, const struct bus_message *message)
{
	heard_by_room += message->room.n > 0;
	if (message->room.n == 0 && joins++ == 0)
		bus_sharded.room_appeared(leavers_end->end, &leavers[0]->member, TEXT("x"), false);
	(void)m;
}

static void
a_room_may_appear_while_called(void **state)
{
	static const struct bus_form_ops join_ops = {.on_message = join_on_message, .on_settled = member_on_settled};
	struct bus_form_options o = {.server = redis.url, .key = "k", .max_queue = 20000, .timeout_ms = 1000};
	struct end e;
	struct member a, b;

	(void)state;
	end_open_with(&e, &bus_sharded, &o, &join_ops);
	member_join(&e, &a, "/", "aaaa", false);
	member_join(&e, &b, "/#x", "bbbb", false);
	leavers[0] = &a;
	leavers_end = &e;
	RUN_UNTIL(bus_sharded.up(e.end));
	assert_int_equal(send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "one"), 0);
	RUN_UNTIL(joins == 1);
	assert_int_equal(heard_by_room, 0);
	assert_int_equal(send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "two"), 0);
	RUN_UNTIL(joins == 2);
	assert_int_equal(heard_by_room, 1);
	member_leave(&e, &a);
	member_leave(&e, &b);
	end_close_empty(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(members_receive_what_is_theirs, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(an_empty_room_lingers, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(a_private_room_is_left_at_once, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(a_new_room_is_waited_for, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(two_uses_share_a_channel, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(members_may_leave_while_called, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(a_room_may_appear_while_called, sharded_start, sharded_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
