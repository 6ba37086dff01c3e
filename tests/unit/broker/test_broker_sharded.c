/* Nodes in sharded mode over a real Redis 7: which channels they use, and the same promises as in classic mode. */
#include "tests/unit/broker/broker_nodes.h"
#include "tests/unit/log_lines.h"

#include "broker/wire_codec.h"

#define ID "aaaaaaaaaaaaaaaaaaaa" /* looks like the id of a socket */
#define LINGER_MS 100

static struct redis_bench redis;

static int
redis_begin(void **state)
{
	bench_start(state);
	log_lines_start();
	redis = (struct redis_bench){.port = 0};
	redis_start(&redis, NULL);
	nodes_form = &bus_sharded;
	nodes_server = redis.url;
	nodes_mode = BUS_SUBSCRIPTION_DYNAMIC;
	return 0;
}

static int
redis_end(void **state)
{
	redis_stop(&redis);
	log_lines_stop();
	return bench_stop(state);
}

static int
begin(void **state)
{
	redis_begin(state);
	for (unsigned i = 0; i < NODES; i++)
		node_start(&nodes[i], (char)('a' + i));
	bus_start_sharded(&stranger, redis.url);
	RUN_UNTIL(node_up(&nodes[0]) && node_up(&nodes[1]) && node_up(&nodes[2]) && ups(&stranger) == 1);
	return 0;
}

static int
end(void **state)
{
	for (unsigned i = 0; i < NODES; i++)
		node_stop(&nodes[i]);
	bus_end(&stranger);
	return redis_end(state);
}

/* --------------------------------------------------------------- protocol */

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
	assert_true(broker_ask_all_rooms(nodes[0].nsp, &q) > 0); /* the sockets of these nodes have none */
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

/* ---------------------------------------------------------------- channels */

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

/* ------------------------------------------------------------- subscriptions */

struct end {
	struct bus_end *end;
	bool closed;
};

struct member {
	struct bus_member member;
	struct buffer heard; /* "kind room payload;" for each message */
	unsigned settled;
};

static void
member_on_message(struct bus_member *m, const struct bus_message *message)
{
	struct member *mine = container_of(m, struct member, member);

	buffer_printf(&mine->heard, "%u %.*s %.*s;", message->kind, (int)message->room.n,
		message->room.at != NULL ? message->room.at : "", (int)message->payload.n, message->payload.at);
}

static void
member_on_settled(struct bus_member *m)
{
	container_of(m, struct member, member)->settled++;
}

static const struct bus_form_ops member_ops = {member_on_message, member_on_settled};

static void
end_on_closed(void *arg)
{
	((struct end *)arg)->closed = true;
}

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
	char error[BUS_ERROR_MAX];

	*e = (struct end){.closed = false};
	assert_int_equal(bus_sharded.open(&e->end, &bench.loop, &o, &member_ops, error), 0);
}

static void
end_close(struct end *e)
{
	struct bus_stats stats;

	bus_sharded.stats(e->end, &stats);
	assert_int_equal(stats.rooms, 0);
	bus_sharded.close(e->end, 1000, end_on_closed, e);
	RUN_UNTIL(e->closed);
}

static void
member_enter(struct end *e, struct member *m, const char *name, const char *uid, bool visitor)
{
	*m = (struct member){.member = {.name = text_from(name), .uid = text_from(uid), .visitor = visitor}};
	buffer_init(&m->heard, 1 << 20);
	bus_sharded.subscribe(e->end, &m->member);
}

static void
member_leave(struct end *e, struct member *m)
{
	bus_sharded.unsubscribe(e->end, &m->member);
	buffer_fini(&m->heard);
}

static void
send_to(struct end *e, struct member *m, enum bus_kind kind, struct text address, const char *payload)
{
	struct block *block = block_copy(payload, strlen(payload));

	assert_int_equal(bus_sharded.publish(e->end, &m->member, kind, address, block), 0);
	block_unref(block);
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
	member_enter(&from, &a, "/", "aaaa", false);
	member_enter(&to, &b, "/", "bbbb", false);
	member_enter(&to, &visitor, "/", "cccc", true);
	bus_sharded.room_appeared(to.end, &b.member, TEXT("red#1"), false);
	bus_sharded.room_appeared(to.end, &visitor.member, TEXT("red#1"), false); /* a visitor has no rooms */
	assert_true(bus_sharded.awaits(to.end, &b.member));
	assert_true(bus_sharded.awaits(to.end, &visitor.member));
	RUN_UNTIL(bus_sharded.up(from.end) && bus_sharded.up(to.end));
	assert_int_equal(b.settled, 1);
	assert_int_equal(visitor.settled, 1);
	send_to(&from, &a, BUS_BROADCAST, TEXT_NONE, "all");
	send_to(&from, &a, BUS_BROADCAST, TEXT("red#1"), "one");
	send_to(&from, &a, BUS_BROADCAST, TEXT("blue"), "other");
	send_to(&from, &a, BUS_REQUEST, TEXT_NONE, "question");
	send_to(&from, &a, BUS_RESPONSE, TEXT("cccc"), "to c");
	send_to(&from, &a, BUS_RESPONSE, TEXT("bbbb"), "to b");
	RUN_UNTIL_HEARD(&b, "to b;");
	assert_member_heard(&b, "0  all;0 red#1 one;0  question;3  to b;");
	assert_member_heard(&visitor, "3  to c;");
	RUN_UNTIL_HEARD(&a, "question;");
	assert_member_heard(&a, "0  all;0  question;");
	member_leave(&to, &visitor);
	member_leave(&to, &b);
	member_leave(&from, &a);
	end_close(&from);
	end_close(&to);
}

static void
an_empty_room_lingers(void **state)
{
	struct end e;
	struct member m;

	(void)state;
	bus_start_sharded(&stranger, redis.url);
	end_open(&e);
	member_enter(&e, &m, "/", "aaaa", false);
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
	send_to(&e, &m, BUS_BROADCAST, TEXT("blue"), "too late");
	send_to(&e, &m, BUS_BROADCAST, TEXT("red"), "in time");
	RUN_UNTIL_HEARD(&m, "in time;");
	assert_member_heard(&m, "0 red in time;");
	bus_sharded.room_empty(e.end, &m.member, TEXT("red")); /* lingers when the member leaves */
	member_leave(&e, &m);
	end_close(&e);
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
	member_enter(&e, &m, "/", "aaaa", false);
	bus_sharded.room_appeared(e.end, &m.member, TEXT(ID), true);
	RUN_UNTIL(bus_sharded.up(e.end));
	bus_sharded.stats(e.end, &stats);
	assert_int_equal(stats.rooms, 1);
	bus_sharded.room_empty(e.end, &m.member, TEXT(ID));
	bus_sharded.stats(e.end, &stats);
	assert_int_equal(stats.rooms, 0);
	member_leave(&e, &m);
	end_close(&e);
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
		member_enter(&e, &m, "/", "aaaa", false);
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
		end_close(&e);
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
		member_enter(&e, &a, "/", "aaaa", false);
		if (order % 2 == 0)
			bus_sharded.room_appeared(e.end, &a.member, TEXT("x"), false);
		member_enter(&e, &b, "/#x", "bbbb", false);
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
	end_close(&e);
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
	static const struct bus_form_ops leave_ops = {leave_both, member_on_settled};
	struct bus_form_options o = {.server = redis.url, .key = "k", .max_queue = 20000, .timeout_ms = 1000};
	char error[BUS_ERROR_MAX];
	struct end e = {.closed = false};
	struct member a, b;

	(void)state;
	assert_int_equal(bus_sharded.open(&e.end, &bench.loop, &o, &leave_ops, error), 0);
	member_enter(&e, &a, "/", "aaaa", false);
	member_enter(&e, &b, "/#x", "bbbb", false);
	bus_sharded.room_appeared(e.end, &a.member, TEXT("x"), false);
	leavers[0] = &a;
	leavers[1] = &b;
	leavers_end = &e;
	RUN_UNTIL(bus_sharded.up(e.end));
	send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "leave");
	RUN_UNTIL(leavers[0] == NULL);
	buffer_fini(&a.heard);
	buffer_fini(&b.heard);
	end_close(&e);
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
	static const struct bus_form_ops join_ops = {join_on_message, member_on_settled};
	struct bus_form_options o = {.server = redis.url, .key = "k", .max_queue = 20000, .timeout_ms = 1000};
	char error[BUS_ERROR_MAX];
	struct end e = {.closed = false};
	struct member a, b;

	(void)state;
	assert_int_equal(bus_sharded.open(&e.end, &bench.loop, &o, &join_ops, error), 0);
	member_enter(&e, &a, "/", "aaaa", false);
	member_enter(&e, &b, "/#x", "bbbb", false);
	leavers[0] = &a;
	leavers_end = &e;
	RUN_UNTIL(bus_sharded.up(e.end));
	send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "one");
	RUN_UNTIL(joins == 1);
	assert_int_equal(heard_by_room, 0);
	send_to(&e, &b, BUS_BROADCAST, TEXT_NONE, "two");
	RUN_UNTIL(joins == 2);
	assert_int_equal(heard_by_room, 1);
	member_leave(&e, &a);
	member_leave(&e, &b);
	end_close(&e);
}

/* ------------------------------------------------------------------- mixes */

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
an_order_to_join_is_no_other_mode(void **state)
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
	return begin(state);
}

static int
end_sealed(void **state)
{
	memset(secrets, 0, sizeof secrets);
	return end(state);
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
	assert_int_equal(stats.ignored, 3); /* its own messages, recognised before the seal */
	buffer_fini(&a.answers);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_reach_the_other_nodes, begin, end),
		cmocka_unit_test_setup_teardown(questions_are_answered, begin, end),
		cmocka_unit_test_setup_teardown(strangers_are_dropped_and_counted, begin, end),
		cmocka_unit_test_setup_teardown(each_mode_has_its_channels, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(each_mode_subscribes_to_its_rooms, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(members_receive_what_is_theirs, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(an_empty_room_lingers, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(a_private_room_is_left_at_once, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(a_new_room_is_waited_for, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(two_uses_share_a_channel, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(members_may_leave_while_called, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(a_room_may_appear_while_called, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(another_mode_is_named_once, redis_begin, redis_end),
		cmocka_unit_test_setup_teardown(an_order_to_join_is_no_other_mode, begin, end),
		cmocka_unit_test_setup_teardown(messages_are_sealed, begin_sealed, end_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
