/* A client that upgrades from long-polling to WebSocket. */
#include "tests/unit/load/client_bench.h"

#define POLL "GET /socket.io/?EIO=4&transport=polling&sid=S-1_a.~ HTTP/1.1\r\n"
#define POST "POST /socket.io/?EIO=4&transport=polling&sid=S-1_a.~ HTTP/1.1\r\n"
#define PROBE "GET /socket.io/?EIO=4&transport=websocket&sid=S-1_a.~ HTTP/1.1\r\n"
#define SEP "\x1e"

static struct peer *get, *post, *ws;

static int
upgrade_start(void **state)
{
	client_bench_start(state);
	bench_aim(LOAD_UPGRADE, "");
	return 0;
}

/* Plays the server until the session is open: a poll, a POST of CONNECT and the probe's request are under way. */
static void
open_session_with(const char *connect)
{
	unsigned first = b.peer_count;

	client_open(&b.client);
	get = peer_at(first);
	request(get);
	answer(get, OPEN);
	post = peer_at(first + 1);
	expect_request(post, POST, connect);
	ws = peer_at(first + 2);
	expect_request(ws, PROBE, "");
	expect_request(get, POLL, "");
}

static void
open_session(void)
{
	open_session_with("40");
}

static void
probe(void)
{
	answer_upgrade(ws);
	expect_frame(ws, "T2probe");
}

/* A new client ignores what arrives during the upgrade. A recovered one must miss nothing. */
static void
test_events_of_a_recovered_client(void **state)
{
	(void)state;
	b.setup.recover = true;
	for (unsigned life = 1; life <= 2; life++) {
		open_session_with(life == 1 ? "40" : "40{\"pid\":\"p\",\"offset\":\"o2\"}");
		answer(post, "ok");
		answer(get, life == 1 ? "40{\"pid\":\"p\"}" SEP "42[1,\"o1\"]"
				      : "42[2,\"o3\"]" SEP "40{\"pid\":\"p\"}" SEP "42[3,\"o4\"]");
		expect_request(get, POLL, "");
		probe();
		frame(ws, "3probe");
		all_heard(); /* otherwise the client might poll once more */
		answer(get, life == 1 ? "42[1,\"o2\"]" : "42[4,\"o5\"]");
		expect_frame(ws, "T5");
		RUN_UNTIL(b.joined == life);
		client_cut(&b.client, LOAD_ERROR_COUNT, "");
		RUN_UNTIL(b.ended == life);
	}
	assert_string_equal(b.heard, "e:[2,\"o3\"]|e:[3,\"o4\"]|e:[4,\"o5\"]|");
}

/* The client has read everything and sends nothing. */
static void
assert_silent(struct peer *p)
{
	all_heard();
	for (unsigned i = 0; i < 5; i++) {
		run_turn();
		loop_finish_turn(&bench.loop);
	}
	assert_int_equal(p->got.len, 0);
}

static void
test_a_whole_life(void **state)
{
	(void)state;
	open_session();
	answer(post, "ok");
	answer(get, "40{\"sid\":\"x\"}");
	expect_request(get, POLL, "");
	probe();
	assert_int_equal(b.joined, 0);
	frame(ws, "3probe");
	assert_silent(ws); /* a poll is under way */
	answer(get, "6");
	expect_frame(ws, "T5");
	RUN_UNTIL(b.joined == 1);
	RUN_UNTIL(get->eof && post->eof && b.client.polling == NULL);
	frame(ws, "42[1]");
	RUN_UNTIL(strcmp(b.heard, "e:[1]|") == 0);
	frame(ws, "2");
	expect_frame(ws, "T3");
	client_send(&b.client, TEXT("42[2]"), TEXT_NONE);
	expect_frame(ws, "T42[2]");
	client_leave(&b.client);
	expect_frame(ws, "T41");
	expect_frame(ws, "X");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_true(b.was_joined);
}

/* The poll that the upgrade waits for carries the answer to CONNECT, and a ping. */
static void
test_packets_of_the_last_poll(void **state)
{
	(void)state;
	open_session();
	probe();
	frame(ws, "3probe");
	assert_silent(ws);
	answer(get, "40{\"sid\":\"x\"}" SEP "2" SEP "42[1]");
	assert_silent(ws); /* the POST of CONNECT is under way */
	answer(post, "ok");
	expect_frame(ws, "T5");
	expect_frame(ws, "T3"); /* the pong waited for the WebSocket */
	RUN_UNTIL(b.joined == 1);
	/* nothing was reported before the client joined, because measuring begins then */
	assert_string_equal(b.heard, "");
	client_cut(&b.client, LOAD_ERROR_COUNT, "");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
}

/* CONNECT is answered over the WebSocket. */
static void
test_connect_answered_later(void **state)
{
	(void)state;
	open_session();
	answer(post, "ok");
	probe();
	frame(ws, "3probe");
	assert_silent(ws);
	answer(get, "6");
	expect_frame(ws, "T5");
	assert_int_equal(b.joined, 0);
	frame(ws, "40{\"sid\":\"x\"}");
	RUN_UNTIL(b.joined == 1);
	client_leave(&b.client);
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
}

static void
test_failures_of_the_probe(void **state)
{
	static const struct {
		bool upgraded;
		const char *bytes;
		size_t n;
		bool close;
		enum load_error error;
		const char *why;
	} all[] = {
		{false, "HTTP/1.1 400 x\r\nContent-Length: 1\r\n\r\nx", 39, false, LOAD_ERROR_HTTP,
			"the WebSocket was refused"},
		{false, "HTTP/1.0 503 x\r\n\r\n", 18, true, LOAD_ERROR_HTTP, "the WebSocket was refused"},
		{false, "garbage", 7, false, LOAD_ERROR_HTTP, "an answer that is not HTTP"},
		{false, "", 0, true, LOAD_ERROR_HTTP, "the probe's connection ended"},
		{true, "", 0, true, LOAD_ERROR_HTTP, "the probe's connection ended"},
		{true, "\x88\x00", 2, false, LOAD_ERROR_HTTP, "the server closed the probe"},
		{true,
			"\x81\x06"
			"2probe",
			8, false, LOAD_ERROR_PROTOCOL, "a probe answered by something other"},
		{true,
			"\x81\x01"
			"3",
			3, false, LOAD_ERROR_PROTOCOL, "a probe answered by something other"},
		{true, "\x81\x00", 2, false, LOAD_ERROR_PROTOCOL, "a probe answered by something other"},
		{true,
			"\x82\x06"
			"3probe",
			8, false, LOAD_ERROR_PROTOCOL, "a binary message that no packet announced"},
		{true,
			"\x81\x86"
			"1234567890",
			12, false, LOAD_ERROR_PROTOCOL, "breaks RFC 6455"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		open_session();
		if (all[i].upgraded)
			probe();
		if (all[i].n > 0)
			say(ws, all[i].bytes, all[i].n);
		if (all[i].close)
			peer_close(ws);
		EXPECT_END(i + 1, all[i].error, all[i].why);
		RUN_UNTIL(get->eof && post->eof);
	}
}

/* The answer to the probe arrives twice, once before and once after the upgrade. */
static void
test_3probe_again(void **state)
{
	(void)state;
	open_session();
	answer(post, "ok");
	probe();
	frame(ws, "3probe");
	frame(ws, "3probe");
	assert_silent(ws);
	answer(get, "6");
	expect_frame(ws, "T5");
	frame(ws, "3probe");
	EXPECT_END(1, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet of type \"3\"");
}

static void
test_never_upgraded(void **state)
{
	(void)state;
	b.setup.timeout_ms = 50;
	open_session();
	answer(post, "ok");
	answer(get, "40{\"sid\":\"x\"}");
	EXPECT_END(1, LOAD_ERROR_HANDSHAKE, "not joined within --timeout");
	assert_int_equal(b.joined, 0);
}

/* The server does not close the old connections: the client closes them itself, and does not wait for their end. */
static void
test_old_connections_that_linger(void **state)
{
	uint64_t began;

	(void)state;
	b.setup.limits.linger_ms = 100;
	open_session();
	answer(post, "ok");
	answer(get, "40{\"sid\":\"x\"}");
	expect_request(get, POLL, "");
	probe();
	frame(ws, "3probe");
	assert_silent(ws);
	ev_io_stop(bench.ev, &get->io); /* this peer does not see the FIN */
	ev_io_stop(bench.ev, &post->io);
	answer(get, "6");
	expect_frame(ws, "T5");
	RUN_UNTIL(b.joined == 1);
	began = bench_clock();
	client_leave(&b.client);
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_in_range(bench_clock() - began, 0, 1500); /* the client does not wait for LEAVE_MS */
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, upgrade_start, client_bench_stop)
	const struct CMUnitTest tests[] = {
		T(test_a_whole_life),
		T(test_events_of_a_recovered_client),
		T(test_packets_of_the_last_poll),
		T(test_connect_answered_later),
		T(test_failures_of_the_probe),
		T(test_3probe_again),
		T(test_never_upgraded),
		T(test_old_connections_that_linger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
