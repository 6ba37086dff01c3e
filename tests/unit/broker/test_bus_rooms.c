/* Interest routing: a node receives the broadcasts for rooms that have sockets there, each once, and no others. */
#include "tests/unit/broker/broker_bench.h"

#include "common/io/log.h"

#define LINGER_MS 100

struct node {
	struct bus_end *end;
	bool closed;
};

struct member {
	struct bus_member member;
	struct node *node;
	struct buffer heard; /* "room=payload " of each broadcast */
};

static struct hub_bench hub;

static void
on_message(struct bus_member *m, const struct bus_message *message)
{
	struct member *mine = container_of(m, struct member, member);

	if (message->kind == BUS_BROADCAST)
		buffer_printf(&mine->heard, "%.*s=%.*s ", (int)message->room.n, message->room.at,
			(int)message->payload.n, message->payload.at);
}

static void
on_settled(struct bus_member *m)
{
	(void)m;
}

static const struct bus_form_ops form_ops = {.on_message = on_message, .on_settled = on_settled};

static void
on_closed(void *arg)
{
	((struct node *)arg)->closed = true;
}

static void
node_open(struct node *node, unsigned max_rooms)
{
	struct bus_form_options o = {.server = hub.url,
		.key = "k",
		.max_queue = 1 << 20,
		.max_rooms = max_rooms,
		.linger_ms = LINGER_MS,
		.check_ms = 50,
		.timeout_ms = 1000};
	char error[BUS_ERROR_MAX];

	*node = (struct node){.closed = false};
	assert_int_equal(bus_hub.open(&node->end, &bench.loop, &o, &form_ops, error), 0);
}

static struct bus_stats
stats_of(const struct node *node)
{
	struct bus_stats stats;

	bus_hub.stats(node->end, &stats);
	return stats;
}

static void
node_close(struct node *node)
{
	assert_int_equal(stats_of(node).rooms, 0);
	assert_int_equal(stats_of(node).patterns, 0);
	bus_hub.close(node->end, 1000, on_closed, node);
	RUN_UNTIL(node->closed);
}

static void
enter(struct node *node, struct member *m, const char *name)
{
	*m = (struct member){.member = {.name = text_from(name), .uid = TEXT("uid")}, .node = node};
	buffer_init(&m->heard, 1 << 24);
	bus_hub.subscribe(node->end, &m->member);
}

static void
leave(struct member *m)
{
	bus_hub.unsubscribe(m->node->end, &m->member);
	buffer_fini(&m->heard);
}

static void
appears(struct member *m, const char *room)
{
	bus_hub.room_appeared(m->node->end, &m->member, text_from(room), false);
}

static void
empties(struct member *m, const char *room)
{
	bus_hub.room_empty(m->node->end, &m->member, text_from(room));
}

static void
say(struct member *m, const char *room, const char *payload)
{
	struct block *block = block_copy(payload, strlen(payload));
	struct text to = room != NULL ? text_from(room) : TEXT_NONE;

	assert_int_equal(bus_hub.publish(m->node->end, &m->member, BUS_BROADCAST, to, block), 0);
	block_unref(block);
}

/* A message to the whole namespace, sent last, arrives after all messages before it. */
static void
hears(struct member *from, struct member *to, const char *expected)
{
	static unsigned number;
	char end[32], wanted[512];

	snprintf(end, sizeof end, "end%u", ++number);
	snprintf(wanted, sizeof wanted, "%s=%s ", expected, end);
	say(from, NULL, end);
	RUN_UNTIL(memmem(to->heard.data != NULL ? (char *)to->heard.data : "", to->heard.len, end, strlen(end)));
	if (!text_is(buffer_text(&to->heard), text_from(wanted)))
		fail_msg("heard \"%.*s\", not \"%s\"", (int)to->heard.len, to->heard.data, wanted);
	buffer_reset(&to->heard);
}

struct subscribers {
	struct bus_count query;
	int64_t count;
	bool done;
};

static void
on_count(struct bus_count *query, int64_t count)
{
	struct subscribers *mine = container_of(query, struct subscribers, query);

	mine->count = count;
	mine->done = true;
}

static int64_t
subscribers_of(struct bus_bench *b, const char *channel)
{
	struct subscribers asked = {.done = false};

	bus_count_init(&asked.query, on_count);
	bus_count(b->bus, &asked.query, text_from(channel));
	RUN_UNTIL(asked.done);
	return asked.count;
}

static void
up(struct node *a, struct node *b)
{
	RUN_UNTIL(bus_hub.up(a->end) && bus_hub.up(b->end));
}

/* Redis confirms subscriptions in order, so all earlier ones are confirmed when the last message arrives. */
static void
settle(struct member *m)
{
	say(m, NULL, "settled");
	RUN_UNTIL(memmem(m->heard.data != NULL ? (char *)m->heard.data : "", m->heard.len, "settled", 7));
	buffer_reset(&m->heard);
}

static int
start(void **state)
{
	bench_start(state);
	hub_start(&hub);
	return 0;
}

static int
stop(void **state)
{
	hub_end(&hub);
	return bench_stop(state);
}

static void
only_rooms_with_sockets_are_heard(void **state)
{
	struct node a, b;
	struct member from, to;

	(void)state;
	node_open(&a, 100);
	node_open(&b, 100);
	enter(&a, &from, "/");
	enter(&b, &to, "/");
	up(&a, &b);
	appears(&to, "red");
	appears(&to, "red#1");
	settle(&to);
	buffer_reset(&from.heard);
	say(&from, "red", "1");
	say(&from, "blue", "2");
	say(&from, "red#1", "3");
	say(&from, "re", "4");
	say(&from, NULL, "5");
	hears(&from, &to, "red=1 red#1=3 =5 ");
	assert_int_equal(stats_of(&b).rooms, 2);
	assert_int_equal(stats_of(&b).received, 5); /* two for its rooms and three to all: none for other rooms */
	hears(&to, &from, "=5 =end1 ");
	leave(&from);
	leave(&to);
	node_close(&a);
	node_close(&b);
}

static void
an_empty_room_is_left_after_a_while(void **state)
{
	struct bus_bench asker;
	struct node a, b;
	struct member from, to;

	(void)state;
	bus_start(&asker, hub.url, 1000);
	node_open(&a, 100);
	node_open(&b, 100);
	enter(&a, &from, "/");
	enter(&b, &to, "/");
	up(&a, &b);
	RUN_UNTIL(ups(&asker) == 1);
	appears(&to, "red");
	settle(&to);
	for (int i = 0; i < 3; i++) { /* has members again before it is unsubscribed */
		empties(&to, "red");
		appears(&to, "red");
	}
	assert_int_equal(subscribers_of(&asker, "k#/#red#"), 1);
	say(&from, "red", "1");
	hears(&from, &to, "red=1 ");
	empties(&to, "red");
	assert_int_equal(stats_of(&b).rooms, 1);
	RUN_UNTIL(stats_of(&b).rooms == 0);
	RUN_UNTIL(subscribers_of(&asker, "k#/#red#") == 0);
	say(&from, "red", "2");
	hears(&from, &to, "");
	appears(&to, "red");
	settle(&to);
	say(&from, "red", "3");
	hears(&from, &to, "red=3 ");
	leave(&from);
	leave(&to);
	bus_end(&asker);
	node_close(&a);
	node_close(&b);
}

/* Beyond the limit all rooms are heard, and every message comes once, whether its room has a channel or not. */
static void
too_many_rooms_are_heard_by_their_pattern(void **state)
{
	struct node a, b;
	struct member from, to;

	(void)state;
	node_open(&a, 100);
	node_open(&b, 2);
	enter(&a, &from, "/");
	enter(&b, &to, "/");
	up(&a, &b);
	appears(&to, "one");
	appears(&to, "two");
	empties(&to, "one");
	appears(&to, "three"); /* takes the place of the empty one */
	settle(&to);
	assert_int_equal(stats_of(&b).patterns, 0);
	appears(&to, "four");
	settle(&to);
	assert_int_equal(stats_of(&b).patterns, 1);
	assert_int_equal(stats_of(&b).rooms, 2);
	for (int round = 0; round < 2; round++) {
		say(&from, "two", "2");
		say(&from, "three", "3");
		say(&from, "four", "4");
		say(&from, "other", "5");
		say(&from, NULL, "6");
		hears(&from, &to, "two=2 three=3 four=4 other=5 =6 ");
		hub_stop(&hub); /* all of it is subscribed to anew */
		hub_start(&hub);
		RUN_UNTIL(stats_of(&a).ups == (unsigned)round + 2 && stats_of(&b).ups == (unsigned)round + 2);
		up(&a, &b);
	}
	leave(&from);
	leave(&to);
	node_close(&a);
	node_close(&b);
}

/* "/a" with room "b" and "/a#b" use the same channel, whichever comes first. */
static void
namespaces_with_a_hash_in_their_name(void **state)
{
	struct node a, b;
	struct member plain, hash, to_plain, to_hash;

	(void)state;
	for (int order = 0; order < 2; order++) {
		node_open(&a, 100);
		node_open(&b, 100);
		enter(&a, &plain, "/a");
		enter(&a, &hash, "/a#b");
		enter(&b, &to_plain, "/a");
		if (order == 0)
			enter(&b, &to_hash, "/a#b");
		appears(&to_plain, "b");
		if (order == 1)
			enter(&b, &to_hash, "/a#b");
		appears(&to_hash, "c");
		up(&a, &b);
		settle(&to_plain);
		settle(&to_hash);
		buffer_reset(&to_plain.heard);
		say(&plain, "b", "1");
		say(&hash, "c", "2");
		say(&hash, NULL, "last");
		RUN_UNTIL(to_hash.heard.len > 6 &&
			  memcmp(to_hash.heard.data + to_hash.heard.len - 6, "=last ", 6) == 0);
		RUN_UNTIL(memmem(to_plain.heard.data, to_plain.heard.len, "b=1 ", 4) != NULL);
		assert_non_null(memmem(to_hash.heard.data, to_hash.heard.len, "c=2 ", 4));
		leave(&plain);
		leave(&hash);
		leave(&to_plain);
		leave(&to_hash);
		node_close(&a);
		node_close(&b);
	}
}

/* Nothing is left behind, in the node or in the hub. */
static void
ten_thousand_rooms_come_and_go(void **state)
{
	struct bus_bench asker;
	struct node a, b;
	struct member from, to;
	char room[16], channel[32];

	(void)state;
	bus_start(&asker, hub.url, 1000);
	node_open(&a, 100000);
	node_open(&b, 100000);
	enter(&a, &from, "/");
	enter(&b, &to, "/");
	up(&a, &b);
	RUN_UNTIL(ups(&asker) == 1);
	for (int i = 0; i < 10000; i++) {
		snprintf(room, sizeof room, "r%d", i);
		appears(&to, room);
	}
	snprintf(channel, sizeof channel, "k#/#%s#", room);
	RUN_UNTIL(subscribers_of(&asker, channel) == 1);
	say(&from, "r0", "1");
	say(&from, "r9999", "2");
	hears(&from, &to, "r0=1 r9999=2 ");
	for (int i = 0; i < 10000; i++) {
		snprintf(room, sizeof room, "r%d", i);
		empties(&to, room);
	}
	RUN_UNTIL(stats_of(&b).rooms == 0);
	RUN_UNTIL(subscribers_of(&asker, channel) == 0);
	leave(&from);
	leave(&to);
	bus_end(&asker);
	node_close(&a);
	node_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_rooms_with_sockets_are_heard, start, stop),
		cmocka_unit_test_setup_teardown(an_empty_room_is_left_after_a_while, start, stop),
		cmocka_unit_test_setup_teardown(too_many_rooms_are_heard_by_their_pattern, start, stop),
		cmocka_unit_test_setup_teardown(namespaces_with_a_hash_in_their_name, start, stop),
		cmocka_unit_test_setup_teardown(ten_thousand_rooms_come_and_go, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
