/* A WebSocket on a connection: the case table through the whole stack, the opening handshake, and sending. */
#include "tests/unit/ws/ws_rig.h"

#include "node/ws/ws_deflate.h"
#include "node/ws/ws_key.h"

/* ------------------------------------------------------------------ cases */

/* Sends `in` after the handshake: in one piece, cut at `cut`, or byte by byte (cut SIZE_MAX). */
static void
run_case(struct rig *g, const struct ws_case *c, const struct buffer *in, const struct buffer *want, size_t cut)
{
	size_t at;

	server.ws = NULL;
	server.closes = 0;
	ev_timer_stop(g->ev, &g->guard);
	ev_timer_set(&g->guard, 20, 0);
	ev_timer_start(g->ev, &g->guard);
	open_ws(g, c->deflate ? OPEN DEFLATE : OPEN);
	if (cut == SIZE_MAX) {
		for (at = 0; at < in->len && !g->client_eof; at++) {
			if (write(g->client, in->data + at, 1) != 1)
				break;
			ev_run(g->ev, EVRUN_NOWAIT);
		}
	} else {
		if (cut > 0) {
			rig_send(g, in->data, cut);
			rig_settle(g);
		}
		if (!g->client_eof)
			rig_send(g, in->data + cut, in->len - cut);
	}
	rig_end(g);
	if (g->got.len != want->len || memcmp(g->got.data, want->data, want->len) != 0)
		fail_msg("case %s cut at %zu: %zu bytes, not %zu", c->name, cut, g->got.len, want->len);
	rig_disconnect(g);
	assert_int_equal(server.closes, 1);
	if (server.reason != (c->reason ? c->reason : REASON_WS_CLOSE))
		fail_msg("case %s cut at %zu: reason %s", c->name, cut, names_word(&ws_reasons, server.reason));
	rig_connect(g);
}

static void
test_cases(void **state)
{
	struct rig *g = start();
	struct buffer in, want;
	size_t i, cut;

	(void)state;
	for (i = 0; i < WS_CASES; i++) {
		buffer_init(&in, 1 << 20);
		buffer_init(&want, 1 << 20);
		case_bytes(ws_cases[i].in, true, &in);
		case_bytes(ws_cases[i].out, false, &want);
		if (in.len < 1000)
			run_case(g, &ws_cases[i], &in, &want, SIZE_MAX);
		for (cut = 0; cut < in.len; cut += in.len < 100 ? 1 : in.len < 1000 ? 7 : in.len / 5)
			run_case(g, &ws_cases[i], &in, &want, cut);
		buffer_fini(&in);
		buffer_fini(&want);
	}
	rig_free(g);
}

/* ------------------------------------------------------ opening handshake */

static void
test_accept_key(void **state)
{
	char out[WS_ACCEPT_LENGTH];

	(void)state;
	ws_key_accept(TEXT(KEY), out);
	assert_memory_equal(out, ACCEPT, sizeof out);
	assert_true(ws_key_valid(TEXT(KEY)));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBsZSBub25jZQ=")));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBsZSBub25jZQ")));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBsZSBub25jZQ===")));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBsZSBub25jZXh4")));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBsZSBub25jZXg=")));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBsZSBub25-ZQ==")));
	assert_false(ws_key_valid(TEXT("dGhlIHNhbXBs ZSBub25jZ==")));
	assert_false(ws_key_valid(TEXT("")));
}

static const struct {
	const char *head;
	int result;
	const char *field; /* in the 101 answer */
} handshakes[] = {
	{OPEN, 0, "Sec-WebSocket-Accept: " ACCEPT "\r\n"},
	{OPEN, 0, "Upgrade: websocket\r\n"},
	{OPEN, 0, "Connection: Upgrade\r\n"},
	{HEAD "sec-websocket-version: 8\r\nSEC-WEBSOCKET-KEY: " KEY "\r\n", 0, ACCEPT},
	{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: foo\r\nConnection: UPGRADE\r\n"
	 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n",
		0, ACCEPT},
	{OPEN DEFLATE, 0, "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
	{OPEN "Sec-WebSocket-Extensions: foo\r\nSec-WebSocket-Extensions: bar, permessage-deflate; "
	      "client_max_window_bits=9\r\n",
		0, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n"},
	{OPEN "Sec-WebSocket-Extensions: constructor\r\n", 0, ACCEPT},
	{OPEN "Sec-WebSocket-Protocol: chat, superchat\r\n", 0, "Sec-WebSocket-Protocol: chat\r\n"},
	{OPEN "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", 0, "Sec-WebSocket-Protocol: a\r\n"},
	/* versions */
	{HEAD "Sec-WebSocket-Key: " KEY "\r\n", ERROR_UNSUPPORTED, NULL},
	{HEAD "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: " KEY "\r\n", ERROR_UNSUPPORTED, NULL},
	{HEAD "Sec-WebSocket-Version: 013\r\nSec-WebSocket-Key: " KEY "\r\n", ERROR_UNSUPPORTED, NULL},
	{OPEN "Sec-WebSocket-Version: 13\r\n", ERROR_UNSUPPORTED, NULL},
	/* other fields */
	{HEAD "Sec-WebSocket-Version: 13\r\n", ERROR_SYNTAX, NULL},
	{HEAD "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Key: " KEY "\r\n", ERROR_SYNTAX, NULL},
	{"POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	 "Sec-WebSocket-Key: " KEY "\r\n",
		ERROR_SYNTAX, NULL},
	{"GET / HTTP/1.0\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	 "Sec-WebSocket-Key: " KEY "\r\n",
		ERROR_SYNTAX, NULL},
	{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	 "Sec-WebSocket-Key: " KEY "\r\n",
		ERROR_SYNTAX, NULL},
	{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY
	 "\r\n",
		ERROR_SYNTAX, NULL},
	{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrades\r\nSec-WebSocket-Version: 13\r\n"
	 "Sec-WebSocket-Key: " KEY "\r\n",
		ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Extensions: permessage-deflate;\r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Protocol: \r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Protocol: a b\r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Protocol: a,\r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Protocol: ,a\r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Protocol: a,,b\r\n", ERROR_SYNTAX, NULL},
	{OPEN "Sec-WebSocket-Protocol: a, (b)\r\n", ERROR_SYNTAX, NULL},
};

static void
test_handshakes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof handshakes / sizeof *handshakes; i++) {
		struct rig *g = start();

		rig_say(g, handshakes[i].head);
		rig_say(g, "\r\n");
		rig_expect(g, "\r\n\r\n", 1);
		if (server.refused != handshakes[i].result)
			fail_msg("handshake %zu: %d", i, server.refused);
		assert_int_equal(rig_count(g, "HTTP/1.1 101 Switching Protocols\r\n"), !handshakes[i].result);
		if (handshakes[i].field && rig_count(g, handshakes[i].field) != 1)
			fail_msg("handshake %zu: %s", i, rig_got(g));
		assert_int_equal(g->loop.counters.value[COUNT_WS_OPENED], !handshakes[i].result);
		rig_free(g);
		assert_null(server.ws);
	}
}

static void
test_extensions_only_when_wanted(void **state)
{
	struct rig *g = start();

	(void)state;
	server.options.deflate = false;
	rig_say(g, OPEN DEFLATE "\r\n");
	rig_expect(g, "\r\n\r\n", 1);
	assert_int_equal(rig_count(g, "Extensions"), 0);
	finish(g, REASON_PEER_CLOSED, 1006);
}

/* Frames or garbage in the same segment as the request. */
static void
test_bytes_behind_handshake(void **state)
{
	struct rig *g = start();

	(void)state;
	rig_say(g, OPEN "\r\n\x81\x82\x01\x01\x01\x01ih");
	rig_expect(g, "\r\n\r\n\x81\x02hi", 1);
	finish(g, REASON_PEER_CLOSED, 1006);

	g = start();
	rig_say(g, OPEN "\r\n\xff\xff garbage");
	rig_end(g);
	assert_int_equal(rig_count(g, "\r\n\r\n\x88\x02\x03\xea"), 1);
	finish(g, REASON_WS_PROTOCOL, 1006);
}

/* ---------------------------------------------------------------- sending */

static void
test_send_ready_frame(void **state)
{
	struct rig *g = start();
	struct ws_message message = {.frame_at = 2, .payload_at = 4, .compress = true};
	struct block *b;

	(void)state;
	open_ws(g, OPEN);
	assert_true(ws_writable(server.ws));
	server.drains = 0;
	b = message.block = block_copy("xx\x81\x05hello", 9);
	ws_send(server.ws, &message);
	assert_int_equal(b->refs, 2); /* queued by reference */
	assert_false(ws_writable(server.ws));
	EXPECT(g, "\x81\x05hello");
	rig_until(g, server.drains == 1);
	assert_int_equal(b->refs, 1);
	ws_send_bytes(server.ws, WS_PING, "p", 1);
	EXPECT(g, "\x89\x01p");
	block_unref(b);
	finish(g, REASON_PEER_CLOSED, 1006);
}

/* A flood of pings costs a bounded number of pongs, and the last pong answers the last ping. */
static void
test_ping_flood(void **state)
{
	enum { PINGS = 5000 };
	struct rig *g = start();
	uint8_t frames[PINGS][8];
	unsigned i;

	(void)state;
	open_ws(g, OPEN);
	for (i = 0; i < PINGS; i++) {
		memcpy(frames[i], "\x89\x82\0\0\0\0", 6);
		frames[i][6] = (uint8_t)(i >> 8);
		frames[i][7] = (uint8_t)i;
	}
	rig_send(g, frames, sizeof frames);
	while (g->got.len < 4 || memcmp(g->got.data + g->got.len - 2, frames[PINGS - 1] + 6, 2) != 0)
		ev_run(g->ev, EVRUN_ONCE);
	assert_true(g->got.len / 4 < PINGS / 10);
	for (i = 4; i + 4 <= g->got.len; i += 4) /* in order */
		assert_true(memcmp(g->got.data + i + 2, g->got.data + i - 2, 2) > 0);
	SAY(g, 0x89, "after");
	buffer_reset(&g->got);
	EXPECT(g, "\x8a\x05"
		  "after");
	finish(g, REASON_PEER_CLOSED, 1006);
}

/* A large message arrives in many reads. */
static void
test_big_message(void **state)
{
	const size_t n = 3 << 20;
	struct rig *g = start();
	uint8_t *text = mem_alloc(n);

	(void)state;
	server.options.max_message = n;
	memset(text, 'x', n);
	open_ws(g, OPEN);
	say_frame(g, 0x82, text, n);
	while (g->got.len < n + 10)
		ev_run(g->ev, EVRUN_ONCE);
	assert_memory_equal(g->got.data, "\x82\x7f\0\0\0\0\0\x30\0\0", 10);
	assert_memory_equal(g->got.data + 10, text, n);
	assert_int_equal(server.messages, 1);
	mem_free(text);
	finish(g, REASON_PEER_CLOSED, 1006);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_accept_key),
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_extensions_only_when_wanted),
		cmocka_unit_test(test_bytes_behind_handshake),
		cmocka_unit_test(test_send_ready_frame),
		cmocka_unit_test(test_ping_flood),
		cmocka_unit_test(test_big_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
