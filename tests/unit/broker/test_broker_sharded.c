/* Nodes in sharded mode over a real Redis 7: which channels they use, and the same promises as in classic mode. */
#include "tests/unit/broker/sharded_bench.h"

static int
start_nodes(void **state)
{
	sharded_start(state);
	for (unsigned i = 0; i < NODES; i++)
		node_start(&nodes[i], (char)('a' + i));
	bus_start_sharded(&stranger, redis.url);
	RUN_UNTIL(node_up(&nodes[0]) && node_up(&nodes[1]) && node_up(&nodes[2]) && ups(&stranger) == 1);
	return 0;
}

static int
stop_nodes(void **state)
{
	for (unsigned i = 0; i < NODES; i++)
		node_stop(&nodes[i]);
	bus_end(&stranger);
	return sharded_stop(state);
}

static void
statements_reach_the_other_nodes(void **state)
{
	static const struct text b = TEXT("b"), bc[] = {TEXT("b"), TEXT("c")}, z = TEXT("z");
	const struct wire_target all = {.flags = 0}, room = {.rooms = &b, .room_count = 1};
	const struct wire_target two = {.rooms = bc, .room_count = 2, .except = &z, .except_count = 1};

	(void)state;
	broker_room_appeared(nodes[1].nsp, b, false);
	broker_room_appeared(nodes[2].nsp, z, false);
	bus_await_subscribers(&stranger, "k#/#b#", 1);
	broker_broadcast(nodes[0].nsp, &all, TEXT("[\"one\",1]"), NULL);
	broker_broadcast(nodes[0].nsp, &room, TEXT("[\"two\"]"), NULL);
	broker_broadcast(nodes[0].nsp, &two, TEXT("[\"three\"]"), NULL);
	broker_join(nodes[0].nsp, &room, bc, 2);
	broker_leave(nodes[0].nsp, &all, &b, 1);
	broker_disconnect(nodes[0].nsp, &two, true);
	broker_server_emit(nodes[0].nsp, TEXT("[\"hello\"]"), NULL);
	broker_broadcast(nodes[0].other, &all, TEXT("[\"other\"]"), NULL);
	mark();
	told(1, "broadcast [\"one\",1] 0;broadcast [\"two\"] +b 0;broadcast [\"three\"] +b +c -z 0;"
		"join b c +b;leave b;close +b +c -z;server [\"hello\"];broadcast [\"other\"] 0;");
	told(2, "broadcast [\"one\",1] 0;broadcast [\"three\"] +b +c -z 0;"
		"join b c +b;leave b;close +b +c -z;server [\"hello\"];broadcast [\"other\"] 0;");
	assert_int_equal(nodes[0].log.len, 0);
}

static void
questions_are_answered(void **state)
{
	static const struct text b = TEXT("b");
	const struct wire_target all = {.flags = 0}, room = {.rooms = &b, .room_count = 1};
	struct block *block = block_copy("x", 1);
	struct attachments attached;
	struct broker_question q;
	struct asked a = {.ends = 0};

	(void)state;
	attachments_init(&attached);
	attachments_add(&attached, block);
	q = question(&a, 0);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "[{\"id\":\"b\",\"data\":{\"_placeholder\":true,\"num\":0}}]/1 "));
	assert_true(answered(&a, "[{\"id\":\"c\""));
	q = question(&a, 0);
	assert_true(broker_ask_sockets(nodes[0].nsp, &room, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "[\"b\"]/0 ") && answered(&a, "[\"c\"]/0 "));
	q = question(&a, 0);
	assert_true(broker_ask_all_rooms(nodes[0].nsp, &q) > 0); /* the sockets of these nodes are in no rooms */
	assert_end(&a, 0, 2, 0, 0);
	assert_true(text_is(buffer_text(&a.answers), TEXT("[]/0 []/0 ")));
	q = question(&a, 0);
	assert_true(broker_ask_server_emit(nodes[1].nsp, TEXT("[\"q\"]"), NULL, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "\"a\"/0 ") && answered(&a, "\"c\"/0 "));
	q = question(&a, 100);
	assert_true(broker_ask_server_emit(nodes[0].nsp, TEXT("[\"silence\"]"), NULL, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 2, 0);
	/* c has two clients, one of which does not answer */
	q = question(&a, 300);
	assert_true(broker_ask_ack(nodes[0].nsp, &room, TEXT("[\"how\",{\"_placeholder\":true,\"num\":0}]"),
			    &attached, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 0, 1);
	assert_true(answered(&a, "\"first\"/0 ") && answered(&a, "/0 "));
	buffer_fini(&a.answers);
	attachments_fini(&attached);
	block_unref(block);
}

static void
publish_raw(const char *channel, const char *message)
{
	struct block *block = block_copy(message, strlen(message));

	bus_publish(stranger.bus, text_from(channel), block);
	block_unref(block);
}

#define OPTS "\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}"
#define NEWS "{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"news\"]}," OPTS "},"

static void
strangers_are_dropped_and_counted(void **state)
{
	struct broker_stats stats;

	(void)state;
	publish_raw("k#/#", "nonsense");
	publish_raw("k#/#", "{\"type\":2,\"data\":{},\"uid\":\"other\",\"nsp\":\"/\"}");
	publish_raw("k#/#", NEWS "\"uid\":\"other\",\"nsp\":\"/elsewhere\"}");
	publish_raw("k#/#", "{\"type\":7,\"data\":{" OPTS ",\"requestId\":\"r\"},\"uid\":\"x\",\"nsp\":\"/\"}");
	publish_raw("k#/#", NEWS "\"uid\":\"other\",\"nsp\":\"/\"}");
	RUN_UNTIL(nodes[0].log.len > 0 && nodes[1].log.len > 0 && nodes[2].log.len > 0);
	mark();
	told(1, "broadcast [\"news\"] 0;");
	broker_stats(nodes[1].broker, &stats);
	assert_int_equal(stats.malformed, 1);
	assert_int_equal(stats.unsupported, 1);
	assert_int_equal(stats.ignored, 1);
	assert_int_equal(stats.requests_in, 2); /* the marker was one, too */
}

/* Returns the channel that a broadcast for one room goes to. */
static struct text
heard_on(struct broker_nsp *nsp, const char *main_channel, const char *room)
{
	static struct listener all, one;
	const struct text name = text_from(room);
	const struct wire_target to = {.rooms = &name, .room_count = 1};
	char channel[128];
	bool at_all;

	snprintf(channel, sizeof channel, "%s%s#", main_channel, room);
	listen_to(&stranger, &all, main_channel, false);
	listen_to(&stranger, &one, channel, false);
	RUN_UNTIL(all.s.confirmed && one.s.confirmed);
	broker_broadcast(nsp, &to, TEXT("[\"x\"]"), NULL);
	RUN_UNTIL(all.messages + one.messages == 1);
	at_all = all.messages == 1;
	listen_no_more(&stranger, &all);
	listen_no_more(&stranger, &one);
	return at_all ? TEXT("all") : TEXT("room");
}

static void
each_mode_has_its_channels(void **state)
{
	static const struct {
		const char *room;
		const char *at[3]; /* dynamic, dynamic-private, static */
	} rows[] = {
		{"red", {"room", "room", "all"}},
		{ID, {"all", "room", "all"}},
		{ID "a", {"room", "room", "all"}},
		{"ü🐟ü🐟ü🐟ü🐟ü🐟ü🐟ab", {"all", "room", "all"}}, /* 20 code units in JavaScript */
		{"/a#b#" ID, {"all", "room", "all"}},	    /* a client of Socket.IO 2 */
		{"/a#c#" ID, {"room", "room", "all"}},
	};

	(void)state;
	bus_start_sharded(&stranger, redis.url);
	for (unsigned mode = BUS_SUBSCRIPTION_DYNAMIC; mode <= BUS_SUBSCRIPTION_STATIC; mode++) {
		nodes_mode = mode;
		node_start(&nodes[0], 'a');
		RUN_UNTIL(node_up(&nodes[0]) && ups(&stranger) == 1);
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct text at = heard_on(nodes[0].other, "k#/a#b#", rows[i].room);

			if (!text_is(at, text_from(rows[i].at[mode])))
				fail_msg("mode %u: %s goes to %s", mode, rows[i].room, at.at);
		}
		node_stop(&nodes[0]);
	}
	bus_end(&stranger);
}

static int64_t
rooms_of(const struct node *n)
{
	struct broker_stats stats;

	broker_stats(n->broker, &stats);
	return (int64_t)stats.bus.rooms;
}

static void
each_mode_subscribes_to_its_rooms(void **state)
{
	static const int64_t expected[] = {2, 3, 0}; /* dynamic, dynamic-private, static */

	(void)state;
	for (unsigned mode = BUS_SUBSCRIPTION_DYNAMIC; mode <= BUS_SUBSCRIPTION_STATIC; mode++) {
		nodes_mode = mode;
		node_start(&nodes[0], 'a');
		broker_room_appeared(nodes[0].nsp, TEXT("red"), false);
		broker_room_appeared(nodes[0].nsp, TEXT("red"), false); /* once more */
		broker_room_appeared(nodes[0].nsp, TEXT(ID), true);
		broker_room_appeared(nodes[0].other, TEXT("/a#b#" ID), true); /* nodes in JavaScript publish there */
		assert_int_equal(rooms_of(&nodes[0]), expected[mode]);
		RUN_UNTIL(node_up(&nodes[0]));
		node_stop(&nodes[0]);
	}
}

static void
another_mode_is_named_once(void **state)
{
	static const struct text red = TEXT("red");
	const struct wire_target room = {.rooms = &red, .room_count = 1}, all = {.flags = 0};
	static const char line[] = "another node has another redisSubscriptionMode";

	(void)state;
	node_start(&nodes[0], 'a');
	nodes_mode = BUS_SUBSCRIPTION_STATIC;
	node_start(&nodes[1], 'b');
	RUN_UNTIL(node_up(&nodes[0]) && node_up(&nodes[1]));
	broker_broadcast(nodes[1].nsp, &all, TEXT("[\"all\"]"), NULL);
	RUN_UNTIL(nodes[0].log.len > 0);
	assert_int_equal(times_logged(line), 0);
	for (unsigned i = 0; i < 2; i++) {
		buffer_reset(&nodes[0].log);
		broker_broadcast(nodes[1].nsp, &room, TEXT("[\"one\"]"), NULL);
		RUN_UNTIL(nodes[0].log.len > 0);
		assert_int_equal(times_logged(line), 1);
	}
	node_stop(&nodes[0]);
	node_stop(&nodes[1]);
}

/*
 * After an order to join, messages to the room go to all nodes. They list the room twice, as a message to several
 * rooms goes to all nodes in every mode.
 */
static void
an_order_to_join_does_not_look_like_another_mode(void **state)
{
	static const struct text red = TEXT("red");
	const struct wire_target room = {.rooms = &red, .room_count = 1}, all = {.flags = 0};
	struct listener main_channel, room_channel;

	(void)state;
	listen_to(&stranger, &main_channel, "k#/#", false);
	listen_to(&stranger, &room_channel, "k#/#red#", false);
	RUN_UNTIL(main_channel.s.confirmed && room_channel.s.confirmed);
	broker_join(nodes[0].nsp, &all, &red, 1);
	broker_broadcast(nodes[0].nsp, &room, TEXT("[\"news\"]"), NULL);
	mark();
	told(1, "join red;broadcast [\"news\"] +red 0;");
	told(2, "join red;broadcast [\"news\"] +red 0;");
	RUN_UNTIL(main_channel.messages == 3);
	assert_int_equal(room_channel.messages, 0);
	assert_true(text_has(buffer_text(&main_channel.got), TEXT("\"rooms\":[\"red\",\"red\"]")));
	assert_int_equal(times_logged("another redisSubscriptionMode"), 0);
	listen_no_more(&stranger, &main_channel);
	listen_no_more(&stranger, &room_channel);
}

static int
begin_sealed(void **state)
{
	secrets[0] = secrets[1] = "one";
	secrets[2] = "two";
	return start_nodes(state);
}

static int
end_sealed(void **state)
{
	memset(secrets, 0, sizeof secrets);
	return stop_nodes(state);
}

static void
messages_are_sealed(void **state)
{
	const struct wire_target all = {.flags = 0};
	struct broker_stats stats;
	struct broker_question q;
	struct asked a = {.ends = 0};

	(void)state;
	publish_raw("k#/#", NEWS "\"uid\":\"other\",\"nsp\":\"/\"}");
	broker_broadcast(nodes[0].nsp, &all, TEXT("[\"news\"]"), NULL);
	mark();
	told(1, "broadcast [\"news\"] 0;");
	RUN_UNTIL((broker_stats(nodes[2].broker, &stats), stats.forged == 3));
	q = question(&a, 300);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 1, 0);
	broker_stats(nodes[0].broker, &stats);
	assert_int_equal(stats.ignored, 3); /* the node's own messages, recognised before their seal is checked */
	buffer_fini(&a.answers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_reach_the_other_nodes, start_nodes, stop_nodes),
		cmocka_unit_test_setup_teardown(questions_are_answered, start_nodes, stop_nodes),
		cmocka_unit_test_setup_teardown(strangers_are_dropped_and_counted, start_nodes, stop_nodes),
		cmocka_unit_test_setup_teardown(each_mode_has_its_channels, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(each_mode_subscribes_to_its_rooms, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(another_mode_is_named_once, sharded_start, sharded_stop),
		cmocka_unit_test_setup_teardown(
			an_order_to_join_does_not_look_like_another_mode, start_nodes, stop_nodes),
		cmocka_unit_test_setup_teardown(messages_are_sealed, begin_sealed, end_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
