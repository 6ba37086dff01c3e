/* Clients behind a backend: each row of the table in backend_socket.c, and the messages that they exchange. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

/* ---------------------------------------------------------------- opening */

static void
test_a_client_comes_and_goes(void **state)
{
	(void)state;
	backends_start(
		&(struct backend_limits){.wait = 1000, .orphan_queue = 100, .orphan_total = 1000, .max_frame = 9999});
	backend_comes(0);
	(void)fake_open(0);
	receive(0, "0{\"token\":1}");
	EXPECT_FRAMES(0, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN h=2 id=1 '*' '{\"token\":1}'\n");
	EXPECT_SENT(0, "");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	EXPECT_SENT(0, "0{\"sid\":\"*\"}\n");
	receive(0, "2[\"hi\",1]");
	EXPECT_FRAMES(0, "EVENT h=2 [\"hi\",1]\n");
	assert_true(link_gets(0, BACKEND_EMIT, 0, 2, 0, "[\"hello\",\"you\"]"));
	EXPECT_SENT(0, "2[\"hello\",\"you\"]\n");
	receive(0, "1");
	EXPECT_FRAMES(0, "CLOSED h=2 client namespace disconnect\n");
	/* the session stays with the same backend */
	receive(0, "0");
	EXPECT_FRAMES(0, "OPEN h=3 id=1 '*' '{}'\n");
	(void)link_gets(0, BACKEND_ACCEPT, 0, 3, 0, "");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	EXPECT_FRAMES(0, "CLOSED h=3 transport close\nCLOSED h=1 transport close\n");
	/* frames for sockets that are gone are a normal race */
	assert_true(link_gets(0, BACKEND_EMIT, 0, 3, 0, "[\"late\"]"));
	assert_true(link_gets(0, BACKEND_DISC, 0, 3, 0, ""));
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 99, 0, ""));
	fake_turn();
	backends_stop();
}

static void
test_refused(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0");
	assert_true(
		link_gets(0, BACKEND_REFUSE, 0, 2, 0, "{\"message\":\"no \\\"entry\\\"\",\"data\":{\"code\":7}}"));
	EXPECT_SENT(0, "4{\"message\":\"no \\\"entry\\\"\",\"data\":{\"code\":7}}\n");
	receive(0, "0");
	(void)link_sent(0);
	assert_true(link_gets(0, BACKEND_REFUSE, 0, 3, 0, "{}"));
	EXPECT_SENT(0, "4{\"message\":\"\"}\n");
	receive(0, "0");
	assert_false(link_gets(0, BACKEND_REFUSE, 0, 4, 0, "{"));
	assert_false(link_gets(0, BACKEND_REFUSE, 0, 4, 0, "[]"));
	backends_stop();
}

/* The client disconnects while a middleware runs: the backend hears of it, and its answer comes too late. */
static void
test_gone_while_it_opens(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0");
	(void)link_sent(0);
	/* what a middleware emits comes before the answer */
	assert_true(link_gets(0, BACKEND_EMIT, 0, 2, 0, "[\"early\"]"));
	EXPECT_SENT(0, "2[\"early\"]\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	EXPECT_FRAMES(0, "CLOSED h=2 transport close\nCLOSED h=1 transport close\n");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	fake_turn();
	backends_stop();
}

static void
test_accepted_twice(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	assert_true(link_gets(0, BACKEND_REFUSE, 0, 2, 0, "{}"));
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_DROPPED_FRAMES], 2);
	EXPECT_SENT(0, "");
	receive(0, "2[\"still\"]");
	EXPECT_FRAMES(0, "EVENT h=2 [\"still\"]\n");
	backends_stop();
}

/* The payload of a CONNECT does not fit into a frame, neither at first nor when another backend takes over. */
static void
test_too_large_to_open(void **state)
{
	(void)state;
	start_with_one();
	fake_links[0].refuses = true;
	(void)fake_open(0);
	receive(0, "0{\"token\":1}");
	EXPECT_FRAMES(0, SESSION(1, "aaaaaaaaaaaaaaaaaaaa"));
	EXPECT_SENT(0, "4{\"message\":\"Too large\"}\n");
	fake_links[0].refuses = false;
	attached(1);
	link_drain(0);
	backend_comes(1);
	fake_links[1].refuses = true;
	(void)link_gets(0, BACKEND_HANDOFF, 0, 3, 0, "");
	EXPECT_SENT(1, "1\n");
	fake_turn();
	assert_int_equal(fake_core->orphans, 0);
	backends_stop();
}

/* ACCEPT takes effect before the next frame: a cast right after it reaches the new socket. */
static void
test_accept_then_cast(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "r"));
	assert_true(link_casts(0, 0, 0, "r", "", "[\"all\"]"));
	EXPECT_SENT(0, "0{\"sid\":\"*\"}\n2[\"all\"]\n");
	backends_stop();
}

/* ------------------------------------------------------- acknowledgements */

static void
test_acknowledgements_of_events(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	receive(0, "27[\"ask\"]");
	EXPECT_FRAMES(0, "EVENT flags=1 h=2 id=7 [\"ask\"]\n");
	assert_true(link_gets(0, BACKEND_ACK, 0, 2, 7, "[\"answer\",2]"));
	EXPECT_SENT(0, "37[\"answer\",2]\n");
	receive(0, "29007199254740991[\"ask\"]");
	EXPECT_FRAMES(0, "EVENT flags=3 h=2 id=4294967295 2097151 [\"ask\"]\n");
	part_number(2097151, 4);
	buffer_add_text(&link_parts, TEXT("[]"));
	assert_true(link_sends_parts(0,
		(struct backend_frame){.type = BACKEND_ACK, .flags = BACKEND_F_WIDE, .handle = 2, .id = UINT32_MAX}));
	EXPECT_SENT(0, "39007199254740991[]\n");
	assert_false(link_gets(0, BACKEND_ACK, BACKEND_F_WIDE, 2, 7, "abc"));
	backends_stop();
}

static void
test_acknowledgements_of_emits(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 41, "[\"q\"]"));
	EXPECT_SENT(0, "20[\"q\"]\n");
	receive(0, "30[\"a\",1]");
	EXPECT_FRAMES(0, "ACKED h=2 id=41 [\"a\",1]\n");
	receive(0, "30[\"again\"]");
	EXPECT_FRAMES(0, "");
	/* answered in time, or the answer is dropped */
	part_number(50, 4);
	buffer_add_text(&link_parts, TEXT("[\"q\"]"));
	assert_true(link_sends_parts(
		0, (struct backend_frame){
			   .type = BACKEND_EMIT, .flags = BACKEND_F_ACK | BACKEND_F_TIMED, .handle = 2, .id = 42}));
	EXPECT_SENT(0, "21[\"q\"]\n");
	fake_sleep(60);
	receive(0, "31[\"late\"]");
	EXPECT_FRAMES(0, "");
	assert_false(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK | BACKEND_F_TIMED, 2, 43, "ab"));
	/* the socket is leaving when it is asked */
	attached(1);
	(void)link_gets(0, BACKEND_DISC, 0, 4, 0, "");
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 4, 45, "[\"q\"]"));
	fake_turn();
	EXPECT_FRAMES(0, "CLOSED h=4 server namespace disconnect\n");
	/* the client disconnects: CLOSED takes the place of its answer */
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 44, "[\"q\"]"));
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	fake_turn();
	EXPECT_FRAMES(0, "CLOSED h=2 transport close\nCLOSED h=1 transport close\n");
	backends_stop();
}

static void
test_binary_both_ways(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	receive(0, "52-[\"x\"," P(0) ",{\"deep\":" P(1) "}]");
	fake_receive(client(0), true, "\x01\x02", 2);
	fake_receive(client(0), true, "\xff", 1);
	EXPECT_FRAMES(0, "EVENT flags=8 h=2 [\"x\"," P(0) ",{\"deep\":" P(1) "}]+0102+ff\n");
	part_number(strlen("[\"y\"," P(0) "]"), 4);
	buffer_add_text(&link_parts, TEXT("[\"y\"," P(0) "]"));
	part_number(2, 4);
	buffer_add_text(&link_parts, TEXT("ab"));
	assert_true(link_sends_parts(
		0, (struct backend_frame){.type = BACKEND_EMIT, .flags = BACKEND_F_BIN, .handle = 2}));
	EXPECT_SENT(0, "51-[\"y\"," P(0) "]\n(6162\n");
	/* an object that only looks like a placeholder */
	receive(0, "2[\"x\"," P(0) "]");
	EXPECT_FRAMES(0, "EVENT h=2 [\"x\"," P(0) "]\n");
	assert_false(link_gets(0, BACKEND_EMIT, BACKEND_F_BIN, 2, 0, "[\"y\"]"));
	backends_stop();
}

/* Texts pass as they are: an encoder would write these another way. */
static void
test_texts_are_copied(void **state)
{
#define ODD "[ \"\\u0065\" ,5.0e0,{\"\\/\" :1,\"\\/\":2}]"
	(void)state;
	start_with_one();
	attached(0);
	receive(0, "2" ODD);
	EXPECT_FRAMES(0, "EVENT h=2 " ODD "\n");
	receive(0, "27" ODD);
	EXPECT_FRAMES(0, "EVENT flags=1 h=2 id=7 " ODD "\n");
	assert_true(link_gets(0, BACKEND_EMIT, 0, 2, 0, ODD));
	EXPECT_SENT(0, "2" ODD "\n");
	assert_true(link_gets(0, BACKEND_ACK, 0, 2, 7, ODD));
	EXPECT_SENT(0, "37" ODD "\n");
	assert_true(link_casts(0, 0, 0, "", "", ODD));
	EXPECT_SENT(0, "2" ODD "\n");
	backends_stop();
}

/* ------------------------------------------------------------------- rooms */

static void
test_rooms(void **state)
{
	const char *own;

	(void)state;
	start_with_one();
	attached(0);
	attached(1);
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a,b"));
	EXPECT_FRAMES(0, ""); /* the backend knows its own changes */
	assert_true(link_casts(0, 0, 0, "b", "", "[\"in b\"]"));
	EXPECT_SENT(0, "2[\"in b\"]\n");
	EXPECT_SENT(1, "");
	assert_true(link_casts(0, 0, 0, "", "b", "[\"not in b\"]"));
	EXPECT_SENT(0, "");
	EXPECT_SENT(1, "2[\"not in b\"]\n");
	assert_true(link_rooms(0, BACKEND_LEAVE, 2, "b"));
	assert_true(link_casts(0, 0, 0, "b", "", "[\"nobody\"]"));
	EXPECT_SENT(0, "");
	own = sio_id(socket_of(0));
	assert_true(link_casts(0, 0, 0, own, "", "[\"one\"]"));
	EXPECT_SENT(0, "2[\"one\"]\n");
	/* someone else changes the rooms */
	assert_int_equal(sio_join(socket_of(0), "else"), 0);
	sio_leave(socket_of(0), "a");
	EXPECT_FRAMES(0, "JOIN h=2 {else}\nLEAVE h=2 {a}\n");
	/* the edge does not report that a socket leaves its rooms when it goes */
	receive(0, "1");
	EXPECT_FRAMES(0, "CLOSED h=2 client namespace disconnect\n");
	assert_false(link_gets(0, BACKEND_JOIN, 0, 4, 0, "x"));
	assert_false(link_gets(0, BACKEND_LEAVE, 0, 4, 0, ""));
	assert_false(link_gets(0, BACKEND_CAST, 0, 0, 0, "x"));
	backends_stop();
}

/* Changes that a middleware makes before its answer take effect after ACCEPT. A refusal discards them. */
static void
test_rooms_before_the_answer(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0");
	(void)link_sent(0);
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a,b,c"));
	assert_true(link_rooms(0, BACKEND_LEAVE, 2, "c"));
	assert_true(link_rooms(
		0, BACKEND_JOIN, 2, sio_id(socket_of(0)))); /* the socket enters its own room later, by itself */
	assert_true(link_gets(0, BACKEND_DATA, 0, 2, 0, "{\"user\":\"ann\"}"));
	/* a cast reaches connected sockets only */
	assert_true(link_casts(0, 0, 0, "a", "", "[\"too early\"]"));
	EXPECT_SENT(0, "");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	assert_true(link_casts(0, 0, 0, "b", "", "[\"in b\"]"));
	assert_true(link_casts(0, 0, 0, "c", "", "[\"not in c\"]"));
	EXPECT_SENT(0, "0{\"sid\":\"*\"}\n2[\"in b\"]\n");
	EXPECT_FRAMES(0, "");
	link_lost(0);
	backend_comes(1);
	EXPECT_FRAMES(
		1, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN flags=2 h=2 id=1 '*' '{}' {a,b} '{\"user\":\"ann\"}'\n");

	(void)fake_open(1);
	receive(1, "0");
	(void)link_sent(1);
	assert_true(link_rooms(1, BACKEND_JOIN, 4, "only here"));
	assert_true(link_gets(1, BACKEND_REFUSE, 0, 4, 0, "{\"message\":\"no\"}"));
	assert_false(sio_rooms_exists(socket_of(0)->nsp, TEXT("only here")));
	assert_true(link_rooms(1, BACKEND_JOIN, 4, "too late"));
	assert_false(sio_rooms_exists(socket_of(0)->nsp, TEXT("too late")));
	backends_stop();
}

/* Another backend runs the middlewares again. What the first backend's middlewares had changed is undone. */
static void
test_rooms_of_a_lost_middleware(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0");
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a"));
	assert_true(link_gets(0, BACKEND_DATA, 0, 2, 0, "{\"user\":\"ann\"}"));
	link_lost(0);
	backend_comes(1);
	EXPECT_FRAMES(1, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN h=2 id=1 '*' '{}'\n");
	assert_true(link_gets(1, BACKEND_ACCEPT, 0, 2, 0, ""));
	assert_true(link_casts(1, 0, 0, "a", "", "[\"nobody\"]"));
	EXPECT_SENT(0, "0{\"sid\":\"*\"}\n");
	EXPECT_FRAMES(1, "");
	link_lost(1);
	backend_comes(2);
	EXPECT_FRAMES(2, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN flags=2 h=2 id=1 '*' '{}' {} ''\n");
	backends_stop();
}

static void
test_disconnected_by_the_backend(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	assert_true(link_gets(0, BACKEND_DISC, 0, 2, 0, ""));
	EXPECT_SENT(0, "1\n");
	fake_turn();
	EXPECT_FRAMES(0, "CLOSED h=2 server namespace disconnect\n");
	receive(0, "0");
	(void)link_gets(0, BACKEND_ACCEPT, 0, 3, 0, "");
	(void)link_sent(0);
	(void)sent(0);
	assert_true(link_gets(0, BACKEND_DISC, BACKEND_F_CLOSE, 3, 0, ""));
	fake_turn();
	EXPECT_FRAMES(0, "CLOSED h=3 server namespace disconnect\nCLOSED h=1 forced close\n");
	/* without a socket: only the connection */
	attached(1);
	assert_true(link_gets(0, BACKEND_DISC, BACKEND_F_CLOSE, 4, 0, ""));
	fake_turn();
	EXPECT_FRAMES(0, "CLOSED h=5 forced close\nCLOSED h=4 forced close\n");
	backends_stop();
}

/* ------------------------------------------------------------------ casts */

static void
test_cast_with_acknowledgements(void **state)
{
	(void)state;
	start_with_one();
	for (unsigned i = 0; i < 3; i++)
		attached(i);
	assert_true(link_casts(0, BACKEND_F_ACK, 12, "", "", "[\"q\"]"));
	EXPECT_FRAMES(0, "CASTED id=12 3\n");
	receive(0, "30[\"a\",2]");
	EXPECT_FRAMES(0, "CASTED flags=1 id=12 [\"a\",2]\n");
	receive(1, "30[]");
	EXPECT_FRAMES(0, "CASTED flags=1 id=12 []\n");
	fake_gone(client(2), EIO_TRANSPORT_CLOSE);
	fake_turn();
	EXPECT_FRAMES(0, "CLOSED h=6 transport close\nCLOSED h=5 transport close\nCASTED flags=64 id=12\n");
	/* without receivers */
	assert_true(link_casts(0, BACKEND_F_ACK, 13, "nowhere", "", "[\"q\"]"));
	fake_turn();
	EXPECT_FRAMES(0, "CASTED id=13 0\nCASTED flags=64 id=13\n");
	/* a question that cannot be sent does not keep the backend waiting either */
	assert_true(link_casts(0, BACKEND_F_ACK, 14, "", "", "[\"connect\"]"));
	EXPECT_FRAMES(0, "CASTED id=14 0\nCASTED flags=64 id=14\n");
	/* LAST comes within the time limit of the question */
	part_number(50, 4);
	part_rooms("");
	part_rooms("");
	buffer_add_text(&link_parts, TEXT("[\"q\"]"));
	assert_true(link_sends_parts(
		0, (struct backend_frame){.type = BACKEND_CAST, .flags = BACKEND_F_ACK | BACKEND_F_TIMED, .id = 15}));
	EXPECT_FRAMES(0, "CASTED id=15 2\n");
	fake_sleep(60);
	EXPECT_FRAMES(0, "CASTED flags=64 id=15\n");
	/* the link is lost first */
	assert_true(link_casts(0, BACKEND_F_ACK, 16, "", "", "[\"q\"]"));
	link_lost(0);
	receive(0, "32[]");
	receive(1, "32[]");
	fake_turn();
	backends_stop();
}

static void
test_casts_to_namespaces(void **state)
{
	(void)state;
	start_with_one();
	/* no NSP frame has named the number 3 */
	part_rooms("");
	part_rooms("");
	assert_false(link_sends_parts(0, (struct backend_frame){.type = BACKEND_CAST, .nsp = 3}));
	strcpy(fake_links[0].theirs[2], "/empty");
	part_rooms("");
	part_rooms("");
	buffer_add_text(&link_parts, TEXT("[\"x\"]"));
	assert_true(link_sends_parts(
		0, (struct backend_frame){.type = BACKEND_CAST, .flags = BACKEND_F_ACK, .nsp = 3, .id = 9}));
	EXPECT_FRAMES(0, "CASTED id=9 0\nCASTED flags=64 id=9\n");
	backends_stop();
}

/* -------------------------------------------------------------- namespaces */

static void
test_unknown_namespaces(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0/yes,{\"a\":1}");
	EXPECT_FRAMES(0, "NSPASK id=1 '/yes' '{\"a\":1}'\n");
	assert_true(link_gets(0, BACKEND_NSPANSWER, BACKEND_F_ACK, 0, 1, ""));
	fake_turn();
	EXPECT_FRAMES(0, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "NSP nsp=1 /yes\nOPEN nsp=1 h=2 id=1 '*' '{\"a\":1}'\n");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	EXPECT_SENT(0, "0/yes,{\"sid\":\"*\"}\n");
	/* the next session need not ask */
	(void)fake_open(1);
	receive(1, "0/yes,");
	EXPECT_FRAMES(0, SESSION(3, "bbbbbbbbbbbbbbbbbbbb") "OPEN nsp=1 h=4 id=3 '*' '{}'\n");
	receive(0, "0/no,");
	assert_true(link_gets(0, BACKEND_NSPANSWER, 0, 0, 2, ""));
	fake_turn();
	EXPECT_SENT(0, "4/no,{\"message\":\"Invalid namespace\"}\n");
	/* the client goes before the answer, then the link is lost */
	(void)link_sent(0);
	receive(0, "0/gone,");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_true(link_gets(0, BACKEND_NSPANSWER, BACKEND_F_ACK, 0, 3, ""));
	receive(1, "0/lost,");
	link_lost(0);
	backend_comes(1);
	EXPECT_FRAMES(1, "NSPASK id=5 '/lost' '{}'\n" SESSION(
				 1, "bbbbbbbbbbbbbbbbbbbb") "NSP nsp=1 /yes\nOPEN nsp=1 h=2 id=1 '*' '{}'\n");
	backends_stop();
}

static void
test_no_backend_to_ask(void **state)
{
	(void)state;
	{
		struct backend_limits limits = fake_limits();

		backends_start(&limits);
	}
	(void)fake_open(0);
	receive(0, "0/x,");
	fake_sleep(29000);
	EXPECT_SENT(0, "");
	fake_sleep(1200);
	EXPECT_SENT(0, "4/x,{\"message\":\"Service unavailable\"}\n");
	backends_stop();
}

/* ----------------------------------------------------------------- others */

static void
test_data_comes_back(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a,b"));
	assert_true(link_gets(0, BACKEND_DATA, 0, 2, 0, "{\"user\":\"ann\"}"));
	assert_true(link_gets(0, BACKEND_DATA, 0, 2, 0, "{"));
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_DROPPED_FRAMES], 1);
	link_lost(0);
	backend_comes(1);
	EXPECT_FRAMES(
		1, SESSION(1, "aaaaaaaaaaaaaaaaaaaa") "OPEN flags=2 h=2 id=1 '*' '{}' {a,b} '{\"user\":\"ann\"}'\n");
	backends_stop();
}

static void
test_what_makes_no_sense(void **state)
{
	static const uint8_t types[] = {BACKEND_CHALLENGE, BACKEND_WELCOME, BACKEND_NSPASK, BACKEND_SESSION,
		BACKEND_OPEN, BACKEND_EVENT, BACKEND_ACKED, BACKEND_CASTED, BACKEND_CLOSED, BACKEND_TRANSPORT,
		BACKEND_PEERS, BACKEND_REQUEST, BACKEND_CONNERR, BACKEND_TYPES, 255};

	(void)state;
	start_with_one();
	attached(0);
	for (size_t i = 0; i < sizeof types; i++)
		assert_false(link_gets(0, types[i], 0, 2, 0, ""));
	/* the handle of a session is not the handle of a socket, and vice versa */
	assert_true(link_gets(0, BACKEND_EMIT, 0, 1, 0, "[\"x\"]"));
	assert_true(link_gets(0, BACKEND_HANDOFF, 0, 2, 0, ""));
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 1, 0, ""));
	EXPECT_SENT(0, "");
	/* contents that cannot be sent are dropped */
	for (unsigned i = 0; i < 4; i++) {
		static const char *const wrong[] = {"", "{}", "[]", "[\"disconnect\"]"};

		assert_true(link_gets(0, BACKEND_EMIT, 0, 2, 0, wrong[i]));
	}
	assert_int_equal(fake_loop.counters.value[COUNT_BACKEND_DROPPED_FRAMES], 4);
	EXPECT_SENT(0, "");
	/* handles of another link mean nothing here */
	backend_comes(1);
	assert_true(link_gets(1, BACKEND_EMIT, 0, 2, 0, "[\"x\"]"));
	assert_true(link_gets(1, BACKEND_DISC, BACKEND_F_CLOSE, 2, 0, ""));
	fake_turn();
	EXPECT_SENT(0, "");
	backends_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_client_comes_and_goes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_gone_while_it_opens),
		cmocka_unit_test(test_accepted_twice),
		cmocka_unit_test(test_too_large_to_open),
		cmocka_unit_test(test_accept_then_cast),
		cmocka_unit_test(test_acknowledgements_of_events),
		cmocka_unit_test(test_acknowledgements_of_emits),
		cmocka_unit_test(test_binary_both_ways),
		cmocka_unit_test(test_texts_are_copied),
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_rooms_before_the_answer),
		cmocka_unit_test(test_rooms_of_a_lost_middleware),
		cmocka_unit_test(test_disconnected_by_the_backend),
		cmocka_unit_test(test_cast_with_acknowledgements),
		cmocka_unit_test(test_casts_to_namespaces),
		cmocka_unit_test(test_unknown_namespaces),
		cmocka_unit_test(test_no_backend_to_ask),
		cmocka_unit_test(test_data_comes_back),
		cmocka_unit_test(test_what_makes_no_sense),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
