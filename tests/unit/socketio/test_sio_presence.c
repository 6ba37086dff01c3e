/*
 * Presence at one server: what its sockets and listeners hear, what it sends to the other servers, and what it makes
 * of their messages. The test plays the other servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/members.h"
#include "node/socketio/sio_presence_peers.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/cluster_bench.h"

#define INTERVAL 100 /* presenceInterval */
#define PEER "peer1234peer1234"

/* ----------------------------------------------------- heartbeats of others */

static struct members *members;

static bool
members_announce(void *arg, const struct beat *beat)
{
	(void)arg, (void)beat;
	return true;
}

static void
members_describe(void *arg, struct beat *beat)
{
	(void)arg, (void)beat;
}

static void
members_ask(void *arg, struct bus_count *query, struct text id)
{
	(void)arg, (void)query, (void)id;
}

static bool
members_ask_nobody(void *arg, struct bus_count *query)
{
	(void)arg, (void)query;
	return false;
}

static void
members_changed(void *arg)
{
	(void)arg;
}

static const struct members_ops members_fakes = {.announce = members_announce,
	.describe = members_describe,
	.ask_presence = members_ask,
	.ask_servers = members_ask_nobody,
	.ask_strangers = members_ask_nobody,
	.ask_others = members_ask_nobody,
	.on_change = members_changed};

static void
peer_beats(enum beat_state state)
{
	struct beat beat = {.state = state, .every_ms = 5000, .about = {.node = 2}};

	snprintf(beat.about.id, sizeof beat.about.id, PEER);
	snprintf(beat.about.instance, sizeof beat.about.instance, "another");
	members_hear(members, &beat);
}

/* ------------------------------------------------------------------- bench */

static void
on_presence(sio_nsp *nsp, sio_presence_change change, const char *room, const char *user, sio_value data, void *arg)
{
	(void)nsp, (void)arg;
	HEARD("%s %s %s %.*s",
		change == SIO_PRESENCE_JOINED	 ? "joined"
		: change == SIO_PRESENCE_CHANGED ? "changed"
						 : "left",
		room, user, data.json != NULL ? (int)data.n : 4, data.json != NULL ? data.json : "none");
}

static int
presence_start(void **state)
{
	static const struct members_options options = {.interval_ms = 5000, .timeout_ms = 10000};

	(void)state;
	start(BUS_FORM_REDIS);
	members = members_new(&fake_loop, &options, &members_fakes, NULL);
	fake_broker.members = members;
	assert_int_equal(sio_presence(main_nsp(), "room", "presence"), 0);
	assert_int_equal(sio_on_presence(main_nsp(), on_presence, NULL), 0);
	return 0;
}

static int
presence_stop(void **state)
{
	(void)state;
	stop();
	members_free(members);
	return 0;
}

/* What is sent to the other servers, without this server's id and with the numbers relative to the first one. */
static void
expect_told(const char *wanted)
{
	static uint64_t first;
	char found[4096] = "", *at = (char *)fake_broker.log.data;
	size_t n = 0;
	char *end = at + fake_broker.log.len;

	while (at < end) {
		char *line_end = memchr(at, '\n', (size_t)(end - at)), head[64];
		char *rest;
		uint64_t number;

		assert_non_null(line_end);
		*line_end = '\0';
		snprintf(head, sizeof head, "server emit / [\"sockeye:presence\",1,\"%s\",", members_id(members).at);
		if (strncmp(at, head, strlen(head)) != 0)
			fail_msg("sent: %s", at);
		number = strtoull(at + strlen(head), &rest, 10);
		if (first == 0)
			first = number;
		n += (size_t)snprintf(
			found + n, sizeof found - n, "%s%d%s", n > 0 ? "\n" : "", (int)(number - first), rest);
		at = line_end + 1;
	}
	if (wanted == NULL)
		first = 0; /* the caller only discards the messages so far */
	else
		assert_string_equal(found, wanted);
	buffer_reset(&fake_broker.log);
}

static void
forget_told(void)
{
	buffer_reset(&fake_broker.log);
	expect_told(NULL);
}

/* Another server sends these arguments. */
static void
peer_says(const char *args)
{
	char message[8192];
	int n = snprintf(message, sizeof message, "[\"sockeye:presence\",1,\"" PEER "\",%s]", args);

	ops->on_server_emit(main_nsp(), text_of(message, (size_t)n), NULL, NULL);
	fake_turn();
}

static uint64_t
refused(void)
{
	return fake_loop.counters.value[COUNT_PRESENCE_REFUSED];
}

/* -------------------------------------------------------------------- tests */

/*
 * The other servers ignore a number that is not greater than the last one. The namespace may be made again after the
 * time of the machine has been set back, so the numbers must not depend on it.
 */
static void
numbers_begin_by_a_clock_that_nobody_sets(void **state)
{
	uint64_t before = loop_clock_us();
	sio_nsp *made = sio_of(fake_io, "/made");

	(void)state;
	assert_int_equal(sio_presence(made, "room", NULL), 0);
	assert_in_range(made->presence->peers.number, before, loop_clock_us());
}

static void
sockets_and_listeners_hear_of_users(void **state)
{
	(void)state;
	assert_int_equal(sio_set_present(sockets[0], "ada", "{s:i}", "age", 36), 0);
	sio_join(sockets[0], "room1");
	sio_join(sockets[1], "room1");
	sio_join(sockets[0], "lobby");
	fake_sleep(INTERVAL);
	EXPECT_HEARD("joined room1 ada {\"age\":36}\n");
	EXPECT_SENT(0, "2[\"presence\",{\"room\":\"room1\",\"joined\":[{\"user\":\"ada\",\"data\":{\"age\":36}}],"
		       "\"changed\":[],\"left\":[]}]\n");
	EXPECT_SENT(1, "2[\"presence\",{\"room\":\"room1\",\"joined\":[{\"user\":\"ada\",\"data\":{\"age\":36}}],"
		       "\"changed\":[],\"left\":[]}]\n");
	EXPECT_SENT(2, "");
	assert_int_equal(sio_set_present(sockets[1], "bob", NULL), 0);
	assert_int_equal(sio_set_present(sockets[0], "ada", "{s:i}", "age", 37), 0);
	fake_sleep(INTERVAL);
	EXPECT_HEARD("joined room1 bob none\nchanged room1 ada {\"age\":37}\n");
	sio_leave(sockets[0], "room1");
	close_client(1);
	fake_sleep(INTERVAL);
	EXPECT_HEARD("left room1 ada {\"age\":37}\nleft room1 bob none\n");
}

static void
a_short_absence_is_not_mentioned(void **state)
{
	(void)state;
	sio_join(sockets[0], "room1");
	sio_set_present(sockets[0], "ada", NULL);
	fake_sleep(INTERVAL);
	EXPECT_HEARD("joined room1 ada none\n");
	sio_leave(sockets[0], "room1");
	sio_join(sockets[0], "room1");
	fake_sleep(INTERVAL);
	EXPECT_HEARD("");
	/* two sockets of one user */
	sio_join(sockets[1], "room1");
	sio_set_present(sockets[1], "ada", NULL);
	close_client(0);
	fake_sleep(INTERVAL);
	EXPECT_HEARD("");
	assert_true(sio_is_present(main_nsp(), "room1", "ada", NULL));
	sio_set_present(sockets[1], NULL, NULL);
	fake_sleep(INTERVAL);
	EXPECT_HEARD("left room1 ada none\n");
}

static void
the_other_servers_are_told(void **state)
{
	(void)state;
	forget_told();
	fake_sleep(1000);
	expect_told("0,\"hello\"]");
	sio_set_present(sockets[0], "ada", "i", 1);
	sio_join(sockets[0], "room1");
	sio_join(sockets[0], "room2");
	fake_sleep(INTERVAL);
	expect_told("1,\"change\",[[\"room1\",\"ada\",1],[\"room2\",\"ada\",1]]]");
	sio_leave(sockets[0], "room2");
	fake_sleep(INTERVAL);
	expect_told("2,\"change\",[[\"room2\",\"ada\"]]]");
	fake_sleep(3000);
	expect_told("");
	fake_sleep(3000);
	expect_told("2,\"here\"]");
	fake_sleep(9000);
	expect_told("");
	fake_sleep(3000);
	expect_told("2,\"here\"]");
	peer_says("7,\"want\",[\"somebody\"]");
	fake_sleep(3000);
	expect_told("");
	peer_says("7,\"hello\"");
	peer_says("7,\"hello\"");
	fake_sleep(INTERVAL);
	expect_told("2,\"list\",1,[[\"room1\",\"ada\",1]],true]");
}

static void
the_other_servers_are_believed(void **state)
{
	(void)state;
	sio_join(sockets[2], "room1");
	fake_sleep(1000);
	forget_told();
	peer_beats(BEAT_SERVING);
	/* a change of a server whose list is not known */
	peer_says("100,\"change\",[[\"room1\",\"eve\",null]]");
	assert_non_null(strstr(
		(char *)(buffer_add_byte(&fake_broker.log, 0), fake_broker.log.data), "\"want\",[\"" PEER "\"]"));
	forget_told();
	peer_says("100,\"list\",1,[[\"room1\",\"eve\",null],[\"room1\",\"ada\",{\"a\":1}]],false");
	peer_says("101,\"change\",[[\"room2\",\"joe\",2]]");
	peer_says("100,\"list\",2,[[\"room2\",\"kim\",3]],true");
	fake_sleep(INTERVAL);
	EXPECT_HEARD("joined room1 eve none\njoined room1 ada {\"a\":1}\njoined room2 joe 2\njoined room2 kim 3\n");
	assert_int_equal(fake_engine.sessions[2].sent.len > 0, true);
	assert_int_equal(sio_present(main_nsp(), "room1", NULL, NULL), 2);
	peer_says("102,\"change\",[[\"room1\",\"eve\"],[\"room1\",\"ada\",{\"a\":2}]]");
	peer_says("102,\"change\",[[\"room1\",\"twice\",1]]"); /* again */
	fake_sleep(INTERVAL);
	EXPECT_HEARD("left room1 eve none\nchanged room1 ada {\"a\":2}\n");
	/* a list that nobody here has asked for */
	peer_says("102,\"list\",1,[],true");
	fake_sleep(INTERVAL);
	EXPECT_HEARD("");
	/* a change was missed; the list shows who has left meanwhile */
	forget_told();
	peer_says("105,\"here\"");
	fake_sleep(1000);
	expect_told("0,\"want\",[\"" PEER "\"]]");
	peer_says("105,\"list\",1,[[\"room2\",\"joe\",2]],true");
	fake_sleep(INTERVAL);
	EXPECT_HEARD("left room1 ada {\"a\":2}\nleft room2 kim 3\n");
}

static void
a_list_that_stops_is_asked_for_again(void **state)
{
	(void)state;
	fake_sleep(1000);
	forget_told();
	peer_beats(BEAT_SERVING);
	peer_says("5,\"here\"");
	expect_told("0,\"want\",[\"" PEER "\"]]");
	peer_says("5,\"list\",1,[[\"room1\",\"eve\",null]],false");
	peer_says("5,\"list\",3,[[\"room1\",\"ada\",null]],true"); /* the second part is lost */
	fake_sleep(3000);
	expect_told("");
	fake_sleep(3000);
	expect_told("0,\"want\",[\"" PEER "\"]]");
	peer_says("5,\"list\",1,[[\"room1\",\"ada\",null]],true");
	fake_sleep(INTERVAL);
	assert_false(sio_is_present(main_nsp(), "room1", "eve", NULL));
	assert_true(sio_is_present(main_nsp(), "room1", "ada", NULL));
}

static void
users_go_with_their_server(void **state)
{
	static const struct {
		enum beat_state end;
		unsigned ms;
	} ways[] = {{BEAT_LEFT, 0}, {BEAT_SERVING, 12000}};

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		peer_beats(BEAT_SERVING);
		peer_says("5,\"here\"");
		peer_says("5,\"list\",1,[[\"room1\",\"eve\",null]],true");
		fake_sleep(INTERVAL);
		EXPECT_HEARD("joined room1 eve none\n");
		peer_beats(ways[i].end);
		for (unsigned ms = 0; ms < ways[i].ms; ms += 500)
			fake_sleep(500);
		fake_sleep(1000);
		fake_sleep(INTERVAL);
		EXPECT_HEARD("left room1 eve none\n");
	}
}

/* No user leaves because this server could not hear the others, or because it did not run. */
static void
no_user_leaves_while_the_bus_is_silent(void **state)
{
	(void)state;
	peer_beats(BEAT_SERVING);
	peer_says("5,\"here\"");
	peer_says("5,\"list\",1,[[\"room1\",\"eve\",null]],true");
	fake_sleep(INTERVAL);
	EXPECT_HEARD("joined room1 eve none\n");
	fake_broker.down = true;
	for (unsigned i = 0; i < 200; i++) {
		fake_sleep(1000);
		peer_beats(BEAT_SERVING); /* while the bus is away, the silence of a server does not count */
	}
	fake_broker.down = false;
	fake_sleep(1000);
	fake_sleep(200000);
	EXPECT_HEARD("");
	for (unsigned i = 0; i < 92; i++) {
		fake_sleep(1000);
		peer_beats(BEAT_SERVING);
	}
	fake_sleep(INTERVAL);
	EXPECT_HEARD("left room1 eve none\n");
}

static void
malformed_messages_are_counted(void **state)
{
	static const char *const bad[] = {
		"",
		"5",
		"\"x\",\"here\"",
		"0,\"here\"",
		"-1,\"here\"",
		"1.5,\"here\"",
		"5,7",
		"5,\"other\"",
		"5,\"here\",1",
		"5,\"want\"",
		"5,\"want\",{}",
		"5,\"change\",{}",
		"5,\"change\"",
		"5,\"list\",0,[],true",
		"5,\"list\",\"1\",[],true",
		"5,\"list\",1,{},true",
		"5,\"list\",1,[]",
		"5,\"list\",1,[],true,1",
	};
	static const char *const bad_items[] = {"1", "[]", "[\"room1\"]", "[\"room1\",7]", "[\"\",\"u\"]",
		"[\"room1\",\"\"]", "[\"room1\",\"a\\u0000b\",1]", "[\"room1\",\"u\",1,2]", "{}"};
	uint64_t before = refused();
	char args[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		peer_says(bad[i]);
		if (refused() != before + i + 1)
			fail_msg("not refused: %s", bad[i]);
	}
	before = refused();
	for (size_t i = 0; i < sizeof bad_items / sizeof *bad_items; i++) {
		snprintf(args, sizeof args, "%zu,\"list\",1,[%s],true", 10 + i, bad_items[i]);
		peer_says(args);
		if (refused() != before + i + 1)
			fail_msg("not refused: %s", bad_items[i]);
	}
	fake_sleep(INTERVAL);
	EXPECT_HEARD("");
	assert_int_equal(sio_present(main_nsp(), "room1", NULL, NULL), 0);
}

static void
mistakes_are_errors(void **state)
{
	char name[SIO_PRESENCE_USER_MAX + 2];
	sio_nsp *other = sio_of(fake_io, "/other");

	(void)state;
	assert_int_equal(sio_presence(main_nsp(), "", NULL), SIO_ERR_STATE);
	assert_int_equal(sio_presence(other, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_presence(other, "", "disconnect"), SIO_ERR_RESERVED);
	assert_int_equal(sio_on_presence(other, on_presence, NULL), SIO_ERR_STATE);
	assert_int_equal(sio_off_presence(other, on_presence, NULL), SIO_ERR_NOT_FOUND);
	assert_int_equal(sio_present(other, "room1", NULL, NULL), 0);
	assert_false(sio_is_present(other, "room1", "ada", NULL));
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_int_equal(sio_set_present(sockets[0], name, NULL), SIO_ERR_TOO_BIG);
	assert_int_equal(sio_set_present(sockets[0], "\xff", NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_set_present(sockets[0], "ada", "B", "x", (size_t)1), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_server_side_emit(main_nsp(), SIO_PRESENCE_EVENT, ""), SIO_ERR_RESERVED);
	sio_disconnect(sockets[0], false);
	assert_int_equal(sio_set_present(sockets[0], "ada", NULL), SIO_ERR_STATE);
	assert_int_equal(sio_off_presence(main_nsp(), on_presence, NULL), 0);
}

/* The functions of the application may change everything. */
static void
on_user(const char *user, sio_value data, void *arg)
{
	unsigned *users = arg;

	(void)user, (void)data;
	++*users;
	sio_leave(sockets[0], "room1");
	sio_set_present(sockets[1], NULL, NULL);
}

static void
a_walk_may_change_the_room(void **state)
{
	unsigned users = 0;

	(void)state;
	sio_set_present(sockets[0], "ada", NULL);
	sio_set_present(sockets[1], "bob", NULL);
	sio_join(sockets[0], "room1");
	sio_join(sockets[1], "room1");
	assert_int_equal(sio_present(main_nsp(), "room1", on_user, &users), 2);
	assert_int_equal(users, 2);
	assert_int_equal(sio_present(main_nsp(), "room1", NULL, NULL), 0);
}

#define TICK 1000

/* A user who was left out is not counted. When a socket of that user leaves, the user's other sockets must stay. */
static void
sockets_that_were_left_out_are_not_counted(void **state)
{
	(void)state;
	fake_io->options.presence_max_users = 1;
	sio_set_present(sockets[0], "ada", NULL);
	sio_set_present(sockets[1], "bob", NULL);
	sio_set_present(sockets[2], "bob", NULL);
	sio_join(sockets[0], "room1");
	sio_join(sockets[1], "room1");
	assert_int_equal(refused(), 1);
	assert_false(sio_is_present(main_nsp(), "room1", "bob", NULL));
	sio_leave(sockets[0], "room1");
	sio_join(sockets[2], "room1");
	assert_true(sio_is_present(main_nsp(), "room1", "bob", NULL));
	sio_leave(sockets[1], "room1");
	assert_true(sio_is_present(main_nsp(), "room1", "bob", NULL));
	sio_leave(sockets[2], "room1");
	assert_false(sio_is_present(main_nsp(), "room1", "bob", NULL));
}

static void
who_was_left_out_comes_in_when_there_is_room(void **state)
{
	(void)state;
	fake_io->options.presence_max_users = 1;
	sio_set_present(sockets[0], "ada", NULL);
	sio_set_present(sockets[1], "bob", NULL);
	sio_set_present(sockets[2], "bob", NULL);
	sio_join(sockets[0], "room1");
	sio_join(sockets[1], "room1");
	sio_join(sockets[2], "room1");
	sio_join(sockets[1], "room2");
	fake_sleep(TICK);
	assert_int_equal(refused(), 3);
	EXPECT_HEARD("joined room1 ada none\n");
	sio_leave(sockets[0], "room1");
	fake_sleep(TICK);
	fake_sleep(INTERVAL);
	EXPECT_HEARD("left room1 ada none\njoined room1 bob none\n");
	assert_int_equal(sio_present(main_nsp(), "room1", NULL, NULL), 1);
	/* both sockets of the user count now */
	sio_leave(sockets[1], "room1");
	assert_true(sio_is_present(main_nsp(), "room1", "bob", NULL));
	sio_leave(sockets[2], "room1");
	fake_sleep(TICK);
	assert_true(sio_is_present(main_nsp(), "room2", "bob", NULL));
	/* a new user of the socket takes the place of the former one */
	sio_set_present(sockets[1], "eve", NULL);
	fake_sleep(TICK);
	assert_true(sio_is_present(main_nsp(), "room2", "eve", NULL));
	assert_false(sio_is_present(main_nsp(), "room2", "bob", NULL));
}

/* Sockets that were left out and leave before there is room must not keep other sockets out. */
static void
who_has_left_does_not_wait_to_come_in(void **state)
{
	char room[16];

	(void)state;
	fake_io->options.presence_max_users = 32;
	sio_set_present(sockets[0], "ada", NULL);
	sio_set_present(sockets[1], "bob", NULL);
	for (unsigned i = 1; i <= 32; i++) {
		snprintf(room, sizeof room, "room%u", i);
		sio_join(sockets[0], room);
	}
	for (unsigned i = 0; i < 10; i++) {
		sio_join(sockets[1], "room1");
		sio_leave(sockets[1], "room1");
	}
	sio_join(sockets[1], "room1");
	sio_set_present(sockets[1], "eve", NULL);
	sio_set_present(sockets[1], "bob", NULL);
	sio_leave(sockets[0], "room32");
	fake_sleep(TICK);
	assert_true(sio_is_present(main_nsp(), "room1", "bob", NULL));
}

static void
users_of_others_who_left_before_there_was_room_are_not_missed(void **state)
{
	char change[64];

	(void)state;
	fake_sleep(TICK); /* "hello" */
	fake_io->options.presence_max_users = 32;
	sio_set_present(sockets[0], "ada", NULL);
	for (unsigned i = 1; i <= 32; i++) {
		snprintf(change, sizeof change, "room%u", i);
		sio_join(sockets[0], change);
	}
	fake_sleep(INTERVAL);
	peer_says("5,\"list\",1,[[\"room1\",\"bob\",null],[\"room1\",\"eve\",null],[\"room1\",\"dan\",null]],true");
	peer_says("6,\"change\",[[\"room1\",\"eve\"],[\"room1\",\"dan\"]]");
	fake_sleep(TICK);
	forget_told();
	sio_leave(sockets[0], "room32");
	fake_sleep(TICK);
	fake_sleep(TICK);
	assert_non_null(memmem(fake_broker.log.data, fake_broker.log.len, "\"want\",[\"" PEER, 9 + strlen(PEER)));
}

static void
users_of_others_who_were_left_out_are_asked_for(void **state)
{
	(void)state;
	fake_sleep(TICK); /* "hello" */
	fake_io->options.presence_max_users = 1;
	sio_set_present(sockets[0], "ada", NULL);
	sio_join(sockets[0], "room1");
	fake_sleep(INTERVAL);
	peer_says("5,\"list\",1,[[\"room1\",\"bob\",null]],true");
	assert_false(sio_is_present(main_nsp(), "room1", "bob", NULL));
	fake_sleep(TICK);
	forget_told();
	sio_leave(sockets[0], "room1");
	fake_sleep(TICK);
	fake_sleep(TICK);
	assert_non_null(memmem(fake_broker.log.data, fake_broker.log.len, "\"want\",[\"" PEER, 9 + strlen(PEER)));
	forget_told();
	peer_says("5,\"list\",1,[[\"room1\",\"bob\",null]],true");
	assert_true(sio_is_present(main_nsp(), "room1", "bob", NULL));
}

#define PRESENCE_CASE(name) cmocka_unit_test_setup_teardown(name, presence_start, presence_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PRESENCE_CASE(sockets_and_listeners_hear_of_users),
		PRESENCE_CASE(numbers_begin_by_a_clock_that_nobody_sets),
		PRESENCE_CASE(a_short_absence_is_not_mentioned),
		PRESENCE_CASE(the_other_servers_are_told),
		PRESENCE_CASE(the_other_servers_are_believed),
		PRESENCE_CASE(a_list_that_stops_is_asked_for_again),
		PRESENCE_CASE(users_go_with_their_server),
		PRESENCE_CASE(no_user_leaves_while_the_bus_is_silent),
		PRESENCE_CASE(malformed_messages_are_counted),
		PRESENCE_CASE(mistakes_are_errors),
		PRESENCE_CASE(a_walk_may_change_the_room),
		PRESENCE_CASE(sockets_that_were_left_out_are_not_counted),
		PRESENCE_CASE(who_was_left_out_comes_in_when_there_is_room),
		PRESENCE_CASE(who_has_left_does_not_wait_to_come_in),
		PRESENCE_CASE(users_of_others_who_left_before_there_was_room_are_not_missed),
		PRESENCE_CASE(users_of_others_who_were_left_out_are_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
