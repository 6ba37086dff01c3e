/*
 * After this node has asked other nodes to add sockets to a room, its messages to the room go to all nodes for a
 * while, on the channel of the namespace.
 */
#include "tests/unit/broker/broker_nodes.h"

#include "broker/broker_joined.h"

static void
a_room_is_remembered_for_some_seconds(void **state)
{
	struct broker_joined joined;

	(void)state;
	broker_joined_init(&joined);
	assert_false(broker_joined_lately(&joined, TEXT("red"), 1));
	broker_joined_add(&joined, TEXT("red"), 1000);
	broker_joined_add(&joined, TEXT(""), 1500);
	broker_joined_add(&joined, TEXT("blue"), 2000);
	broker_joined_add(&joined, TEXT("red"), 3000);
	assert_true(broker_joined_lately(&joined, TEXT("red"), 3000));
	assert_true(broker_joined_lately(&joined, TEXT(""), 3000));
	assert_false(broker_joined_lately(&joined, TEXT("re"), 3000));
	assert_true(broker_joined_lately(&joined, TEXT("blue"), 2000 + BROKER_JOINED_MS));
	assert_false(broker_joined_lately(&joined, TEXT("blue"), 2001 + BROKER_JOINED_MS));
	assert_true(broker_joined_lately(&joined, TEXT("red"), 3000 + BROKER_JOINED_MS));
	assert_false(broker_joined_lately(&joined, TEXT("red"), 3001 + BROKER_JOINED_MS));
	assert_int_equal(joined.table.count, 0);
	broker_joined_fini(&joined);
}

static void
the_number_of_rooms_is_limited(void **state)
{
	struct broker_joined joined;
	char name[16];

	(void)state;
	broker_joined_init(&joined);
	for (unsigned i = 0; i <= BROKER_JOINED_MAX; i++) {
		snprintf(name, sizeof name, "r%u", i);
		broker_joined_add(&joined, text_from(name), i);
	}
	assert_int_equal(joined.table.count, BROKER_JOINED_MAX);
	assert_false(broker_joined_lately(&joined, TEXT("r0"), BROKER_JOINED_MAX));
	assert_true(broker_joined_lately(&joined, TEXT("r1"), BROKER_JOINED_MAX));
	assert_true(broker_joined_lately(&joined, text_from(name), BROKER_JOINED_MAX));
	broker_joined_fini(&joined);
}

static void
the_next_messages_go_to_all_nodes(void **state)
{
	static const struct text red = {"red", 3}, blue = {"blue", 4};
	struct wire_target all = {.flags = 0}, to_red = {.rooms = &red, .room_count = 1};
	struct wire_target to_blue = {.rooms = &blue, .room_count = 1};
	struct listener main_channel, red_channel, blue_channel;

	(void)state;
	listen_to(&stranger, &main_channel, "k#/#", false);
	listen_to(&stranger, &red_channel, "k#/#red#", false);
	listen_to(&stranger, &blue_channel, "k#/#blue#", false);
	RUN_UNTIL(blue_channel.s.confirmed);
	broker_broadcast(nodes[0].nsp, &to_red, TEXT("[\"before\"]"), NULL);
	broker_join(nodes[0].nsp, &all, &red, 1);
	broker_broadcast(nodes[0].nsp, &to_red, TEXT("[\"after\"]"), NULL);
	broker_broadcast(nodes[0].nsp, &to_blue, TEXT("[\"other\"]"), NULL);
	RUN_UNTIL(blue_channel.messages == 1);
	assert_int_equal(main_channel.messages, 1);
	assert_int_equal(red_channel.messages, 1);
	mark();
	told(1, "join red;broadcast [\"after\"] +red 0;");
	listen_no_more(&stranger, &main_channel);
	listen_no_more(&stranger, &red_channel);
	listen_no_more(&stranger, &blue_channel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_room_is_remembered_for_some_seconds),
		cmocka_unit_test(the_number_of_rooms_is_limited),
		cmocka_unit_test_setup_teardown(the_next_messages_go_to_all_nodes, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
