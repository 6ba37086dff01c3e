/* A client over WebSocket: its life, the answers to its upgrade, its time limits. */
#include "node/ws/ws_deflater.h"
#include "tests/unit/load/client_bench.h"

static void
test_a_whole_life(void **state)
{
	struct peer *p;
	const char *got;

	(void)state;
	client_open(&b.client);
	assert_int_equal(b.client.state, CLIENT_OPENING);
	p = peer_at(0);
	got = request(p);
	assert_true(strncmp(got, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n", 52) == 0);
	assert_non_null(strstr(got, "\r\nSec-WebSocket-Version: 13\r\n"));
	answer_upgrade(p);
	frame(p, OPEN);
	expect_frame(p, "T40");
	assert_int_equal(b.client.state, CLIENT_JOINING);
	assert_int_equal(b.client.ping_ms, 45000);
	assert_int_equal(b.client.max_payload, 100);
	frame(p, "40{\"sid\":\"x\"}");
	RUN_UNTIL(b.joined == 1);
	frame(p, "2");
	expect_frame(p, "T3");
	client_send(&b.client, TEXT("42[\"echo\","), TEXT("\"hi\"]"));
	expect_frame(p, "T42[\"echo\",\"hi\"]");
	client_send(&b.client, TEXT("451-[\"e\",{\"_placeholder\":true,\"num\":0}]"), TEXT_NONE);
	client_send_binary(&b.client, "bytes", 5);
	expect_frame(p, "T451-[\"e\",{\"_placeholder\":true,\"num\":0}]");
	expect_frame(p, "Bbytes");
	frame(p, "42[\"echo\",\"hi\"]");
	frame(p, "4312[\"done\"]");
	RUN_UNTIL(strcmp(b.heard, "e:[\"echo\",\"hi\"]|a12:[\"done\"]|") == 0);
	client_leave(&b.client);
	client_leave(&b.client);
	expect_frame(p, "T41");
	expect_frame(p, "X");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_true(b.was_joined);
	assert_true(p->eof);
}

/* A client is used several times. */
static void
test_a_client_is_used_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct peer *p = join_ws();

		b.joined = 0;
		client_cut(&b.client, LOAD_ERROR_RESET, "cut");
		client_cut(&b.client, LOAD_ERROR_PING, "too late");
		EXPECT_END(i + 1, LOAD_ERROR_RESET, "cut");
		RUN_UNTIL(p->eof);
	}
}

static void
test_a_namespace_and_auth(void **state)
{
	struct peer *p;

	(void)state;
	b.options.auth = "{\"a\":1}";
	bench_aim(LOAD_WEBSOCKET, "/news");
	client_open(&b.client);
	p = peer_at(0);
	request(p);
	answer_upgrade(p);
	frame(p, OPEN);
	expect_frame(p, "T40/news,{\"a\":1}");
	frame(p, "40/news,{\"sid\":\"x\"}");
	RUN_UNTIL(b.joined == 1);
	frame(p, "42/news,[1]");
	frame(p, "43/news,5[2]");
	frame(p, "42/news,[3]");
	RUN_UNTIL(strcmp(b.heard, "e:[1]|a5:[2]|e:[3]|") == 0);
	client_leave(&b.client);
	expect_frame(p, "T41/news,");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
}

/* The server's bytes up to the first event, in pieces cut at every place. */
static void
test_handshake_in_pieces(void **state)
{
	uint8_t all[1024];
	size_t n;

	(void)state;
	n = (size_t)snprintf((char *)all, sizeof all,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %.*s\r\n\r\n",
		WS_ACCEPT_LENGTH, b.target.accept);
	n += frame_of(all + n, WS_TEXT, OPEN, strlen(OPEN));
	n += frame_of(all + n, WS_TEXT, "40{\"sid\":\"x\"}", 13);
	n += frame_of(all + n, WS_TEXT, "42[\"a\"]", 7);
	n += frame_of(all + n, WS_TEXT, "451-[\"b\",{}]", 12);
	n += frame_of(all + n, WS_BINARY, "bytes", 5);
	for (unsigned cut = 0; cut < n; cut += cut < 120 ? 17 : 1) {
		struct peer *p;

		b.heard[0] = '\0';
		b.peer_count = b.joined = 0;
		client_open(&b.client);
		p = peer_at(0);
		request(p);
		say(p, all, cut);
		for (unsigned i = 0; i < 3; i++)
			run_turn();
		say(p, all + cut, n - cut);
		RUN_UNTIL(strcmp(b.heard, "e:[\"a\"]|e:bytes|") == 0);
		assert_int_equal(b.joined, 1);
		client_cut(&b.client, LOAD_ERROR_COUNT, "");
		RUN_UNTIL(p->eof && b.client.state == CLIENT_IDLE);
		buffer_fini(&p->got);
	}
	b.peer_count = 0;
}

static void
test_byte_by_byte(void **state)
{
	uint8_t open[256];
	char head[256];
	size_t n = frame_of(open, WS_TEXT, OPEN, strlen(OPEN));
	struct peer *p;

	(void)state;
	client_open(&b.client);
	p = peer_at(0);
	request(p);
	snprintf(head, sizeof head,
		"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
		WS_ACCEPT_LENGTH, b.target.accept);
	for (size_t i = 0; head[i]; i++) {
		say(p, head + i, 1);
		run_turn();
	}
	for (size_t i = 0; i < n; i++) {
		say(p, open + i, 1);
		run_turn();
	}
	expect_frame(p, "T40");
	client_leave(&b.client);
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_false(b.was_joined);
}

/* ------------------------------------------------------------ permessage-deflate */

static void
answer_with_extensions(struct peer *p, const char *extensions)
{
	char head[512];

	snprintf(head, sizeof head,
		"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n"
		"Sec-WebSocket-Extensions: %s\r\n\r\n",
		WS_ACCEPT_LENGTH, b.target.accept, extensions);
	say_text(p, head);
}

static void
offer_deflate(void)
{
	b.options.per_message_deflate = b.setup.deflate = true;
	bench_aim(LOAD_WEBSOCKET, "");
}

/* Sends a text in one compressed frame (RFC 7692 7.2.1). */
static void
compressed_frame(struct peer *p, struct ws_deflater *deflater, const char *text)
{
	struct buffer packed;
	uint8_t frame[4096];
	size_t n;

	buffer_init(&packed, 4000);
	assert_int_equal(ws_deflater_run(deflater, text, strlen(text), &packed), 0);
	n = frame_of(frame, WS_TEXT, packed.data, packed.len);
	frame[0] |= 0x40; /* RSV1 */
	say(p, frame, n);
	buffer_fini(&packed);
}

/* Messages that refer to earlier ones, and uncompressed ones between them. */
static void
test_compressed_messages(void **state)
{
	static const char *const answers[] = {"permessage-deflate", "permessage-deflate; server_no_context_takeover",
		"permessage-deflate ;server_max_window_bits=9; client_max_window_bits=10; "
		"client_no_context_takeover"};

	(void)state;
	offer_deflate();
	for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct ws_deflater *deflater = ws_deflater_new(i == 2 ? 9 : 15, 0, 0);
		struct peer *p;

		b.joined = 0;
		b.heard[0] = '\0';
		client_open(&b.client);
		p = peer_at(i);
		assert_non_null(strstr(
			request(p), "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
		answer_with_extensions(p, answers[i]);
		compressed_frame(p, deflater, OPEN);
		expect_frame(p, "T40");
		frame(p, "40{\"sid\":\"x\"}");
		RUN_UNTIL(b.joined == 1);
		if (i == 1)
			ws_deflater_reset(deflater);
		compressed_frame(p, deflater, "42[\"echo\",\"echo echo echo\"]");
		if (i == 1)
			ws_deflater_reset(deflater);
		compressed_frame(p, deflater, "42[\"echo\",\"echo echo echo\"]");
		RUN_UNTIL(strcmp(b.heard, "e:[\"echo\",\"echo echo echo\"]|e:[\"echo\",\"echo echo echo\"]|") == 0);
		client_leave(&b.client);
		EXPECT_END(i + 1, LOAD_ERROR_COUNT, "");
		ws_deflater_free(deflater);
	}
}

static void
test_extensions_that_were_not_offered(void **state)
{
	static const char *const answers[] = {"permessage-deflate", "x-webkit-deflate-frame",
		"permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=1x",
		"permessage-deflate; server_max_window_bits=155", "permessage-deflate; mux",
		"permessage-deflate, other"};

	(void)state;
	for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct peer *p;

		client_open(&b.client);
		p = peer_at(i);
		request(p);
		answer_with_extensions(p, answers[i]);
		EXPECT_END(i + 1, LOAD_ERROR_HTTP, "an upgrade with an extension that was not offered");
		offer_deflate(); /* all but the first answer */
	}
}

/* ------------------------------------------------------------ answers to the upgrade */

static void
test_wrong_answers(void **state)
{
	static const struct {
		const char *text;
		bool close;
		enum load_error error;
		const char *why;
	} all[] = {
		{"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
			false, LOAD_ERROR_HTTP, "an upgrade with a wrong Sec-WebSocket-Accept"},
		{"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false, LOAD_ERROR_HTTP,
			"an upgrade with a wrong Sec-WebSocket-Accept"},
		{"HTTP/1.1 400 Bad Request\r\nContent-Length: 42\r\n\r\n"
		 "{\"code\":0,\"message\":\"Transport unknown\"}xxx",
			false, LOAD_ERROR_HTTP,
			"the WebSocket was refused: 400 {\"code\":0,\"message\":\"Transport unknown\"}"},
		{"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", false, LOAD_ERROR_HTTP,
			"the WebSocket was refused: 503"},
		{"HTTP/1.1 403 x\r\nContent-Length: 6\r\n\r\n\x1b[1m\r\n", false, LOAD_ERROR_HTTP, "403 ?[1m??"},
		{"HTTP/1.0 502 Bad Gateway\r\nConnection: close\r\n\r\nno server", true, LOAD_ERROR_HTTP,
			"the WebSocket was refused: 502 no server"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, LOAD_ERROR_HTTP, "refused: 200 ok"},
		{"\x15\x03\x01\x02\x02", false, LOAD_ERROR_HTTP, "an answer that is not HTTP"},
		{"HTTP/1.1 101 x\r\nConn", true, LOAD_ERROR_CLOSED,
			"the server closed the connection without an answer"},
		{"", true, LOAD_ERROR_CLOSED, "the server closed the connection without an answer"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct peer *p;

		client_open(&b.client);
		p = peer_at(i);
		request(p);
		say_text(p, all[i].text);
		if (all[i].close)
			peer_close(p);
		EXPECT_END(i + 1, all[i].error, all[i].why);
		assert_false(b.was_joined);
	}
	assert_int_equal(b.joined, 0);
}

static void
test_too_much_of_an_answer(void **state)
{
	struct peer *p;
	char line[1001];

	(void)state;
	client_open(&b.client);
	p = peer_at(0);
	request(p);
	say_text(p, "HTTP/1.1 400 x\r\n\r\n");
	memset(line, 'x', sizeof line);
	for (unsigned i = 0; i < 70; i++)
		say(p, line, 1000);
	EXPECT_END(1, LOAD_ERROR_HTTP, "an answer that is not HTTP");
}

static void
test_nobody_listens(void **state)
{
	(void)state;
	bench_unlisten();
	client_open(&b.client);
	EXPECT_END(1, LOAD_ERROR_REFUSED, "the connection was refused");
}

/* ------------------------------------------------------------------ time */

#define SHORT_OPEN "0{\"sid\":\"a\",\"pingInterval\":1500,\"pingTimeout\":1000}"

static void
test_pings_that_stay_away(void **state)
{
	struct peer *p;
	uint64_t began;

	(void)state;
	client_open(&b.client);
	p = peer_at(0);
	request(p);
	answer_upgrade(p);
	frame(p, SHORT_OPEN);
	expect_frame(p, "T40");
	frame(p, "40");
	RUN_UNTIL(b.joined == 1);
	for (unsigned i = 0; i < 3; i++) { /* each ping restarts the time limit */
		uint64_t at = bench_clock();

		RUN_UNTIL(bench_clock() >= at + 900); /* three of them exceed the limit of 2.5 s */
		frame(p, "2");
		expect_frame(p, "T3");
		assert_int_equal(b.ended, 0);
	}
	began = bench_clock();
	EXPECT_END(1, LOAD_ERROR_PING, "no ping within pingInterval + pingTimeout");
	assert_in_range(bench_clock() - began, 2400, 20000);
	assert_true(b.was_joined);
}

static void
test_no_time_for_pings_at_all(void **state)
{
	struct peer *p;

	(void)state;
	client_open(&b.client);
	p = peer_at(0);
	request(p);
	answer_upgrade(p);
	frame(p, "0{\"sid\":\"a\",\"pingInterval\":0,\"pingTimeout\":0}");
	frame(p, "40");
	EXPECT_END(1, LOAD_ERROR_PING, "no ping");
}

/* In each state before the client has joined. */
static void
test_not_joined_in_time(void **state)
{
	(void)state;
	b.setup.timeout_ms = 20;
	for (unsigned stage = 0; stage < 4; stage++) {
		struct peer *p;

		client_open(&b.client);
		p = peer_at(stage);
		request(p);
		if (stage > 0)
			say_text(p, "HTTP/1.1 101");
		if (stage > 1)
			say_text(p, " x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ");
		if (stage > 1) {
			say(p, b.target.accept, WS_ACCEPT_LENGTH);
			say_text(p, "\r\n\r\n");
		}
		if (stage > 2)
			frame(p, OPEN);
		EXPECT_END(stage + 1, LOAD_ERROR_HANDSHAKE, "not joined within --timeout");
		assert_false(b.was_joined);
	}
}

/* A server that has stopped reading cannot delay a client that leaves. */
static void
test_leaving_has_a_time_limit(void **state)
{
	struct peer *p = join_ws();
	uint64_t began = bench_clock();

	(void)state;
	ev_io_stop(bench.ev, &p->io);
	client_leave(&b.client);
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_in_range(bench_clock() - began, 1900, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_CASE(test_a_whole_life),
		CLIENT_CASE(test_a_client_is_used_again),
		CLIENT_CASE(test_a_namespace_and_auth),
		CLIENT_CASE(test_handshake_in_pieces),
		CLIENT_CASE(test_byte_by_byte),
		CLIENT_CASE(test_compressed_messages),
		CLIENT_CASE(test_extensions_that_were_not_offered),
		CLIENT_CASE(test_wrong_answers),
		CLIENT_CASE(test_too_much_of_an_answer),
		CLIENT_CASE(test_nobody_listens),
		CLIENT_CASE(test_pings_that_stay_away),
		CLIENT_CASE(test_no_time_for_pings_at_all),
		CLIENT_CASE(test_not_joined_in_time),
		CLIENT_CASE(test_leaving_has_a_time_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
