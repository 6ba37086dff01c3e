/* Long-polling: which requests wait, how they are answered, and every way to fail. */
#include "tests/unit/engineio/polling_pair.h"

static void
test_echo(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_post(p.post, p.sid,
		"4test1\x1e"
		"4test2\x1e"
		"bAQIDBA==\x1e"
		"4\xe2\x82\xac");
	assert_reply(p.post, 200, "ok");
	assert_true(client_has(p.post, "Content-Type: text/html"));
	assert_true(client_has(p.post, "Content-Length: 2"));
	assert_true(client_has(p.post, "Cache-Control: no-store"));
	assert_string_equal(sv.app.log, "t:test1|t:test2|b:\x01\x02\x03\x04|t:\xe2\x82\xac");
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200,
		"4test1\x1e"
		"4test2\x1e"
		"bAQIDBA==\x1e"
		"4\xe2\x82\xac");
	/* a poll is waiting: all packets of a turn leave in one payload */
	client_poll(p.get, p.sid);
	client_silent(p.get);
	client_post(p.post, p.sid,
		"4a\x1e"
		"4b");
	assert_reply(p.get, 200,
		"4a\x1e"
		"4b");
	assert_reply(p.post, 200, "ok");
	assert_int_equal(sv.app.drained, 2);
	/* a single binary message, and old browsers */
	client_post(p.post, p.sid, "bAQ==");
	assert_reply(p.post, 200, "ok");
	client_printf(p.get,
		"GET /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nUser-Agent: x "
		"Trident/7\r\n\r\n",
		p.sid);
	assert_reply(p.get, 200, "bAQ==");
	assert_true(client_has(p.get, "X-XSS-Protection: 0"));
	pair_close(&p);
	server_stop();
}

/* The body arrives in pieces of every size, cut inside characters and base64 groups too. */
static void
test_split_body(void **state)
{
	static const char body[] = "4\xf0\x9f\x98\x80x\x1e"
				   "bAQIDBA==";
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	for (size_t cut = 1; cut < sizeof(body) - 1; cut++) {
		sv.app.log[0] = '\0';
		client_printf(p.post,
			"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: "
			"%zu\r\n\r\n",
			p.sid, sizeof(body) - 1);
		client_write(p.post, body, cut);
		pump_settle();
		client_write(p.post, body + cut, sizeof(body) - 1 - cut);
		assert_reply(p.post, 200, "ok");
		assert_string_equal(sv.app.log, "t:\xf0\x9f\x98\x80x|b:\x01\x02\x03\x04");
		client_poll(p.get, p.sid);
		assert_reply(p.get, 200, body);
	}
	client_printf(p.post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		"chunked\r\n\r\n"
		"1\r\n4\r\n3\r\nabc\r\n0\r\n\r\n",
		p.sid);
	assert_reply(p.post, 200, "ok");
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200, "4abc");
	pair_close(&p);
	server_stop();
}

static void
test_overlapping_get(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_poll(p.get, p.sid);
	client_silent(p.get);
	client_poll(p.post, p.sid);
	assert_reply(p.post, 400, "");
	assert_reply(p.get, 200, "1");
	assert_closed(1, "transport error");
	assert_string_equal(sv.app.description, "overlap from client");
	assert_unknown(p.sid);
	pair_close(&p);
	server_stop();
}

static void
test_overlapping_post(void **state)
{
	struct pair p;
	struct client *third;

	(void)state;
	server_start(NULL);
	p = pair_open();
	third = client_new();
	client_poll(p.get, p.sid);
	client_printf(p.post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: "
		"10\r\n\r\n4ab",
		p.sid);
	pump_settle();
	client_post(third, p.sid, "4x");
	assert_reply(third, 400, "");
	assert_reply(p.get, 200, "1");
	assert_false(client_try_reply(p.post)); /* cut off */
	assert_closed(1, "transport error");
	assert_string_equal(sv.app.log, "");
	assert_unknown(p.sid);
	client_free(third);
	pair_close(&p);
	server_stop();
}

static void
test_malformed(void **state)
{
	static const struct {
		const char *body, *reason, *log;
	} rows[] = {
		{"abc", "parse error", ""},
		{"", "parse error", ""},
		{"4ok\x1e", "parse error", "t:ok"},
		{"4ok\x1e"
		 "7\x1e"
		 "4never",
			"parse error", "t:ok"},
		{"b****", "parse error", ""},
		{"4\xff", "parse error", ""},
		{"4ok\x1e"
		 "4\xed\xa0\x80",
			"parse error", ""}, /* a surrogate in UTF-8: the whole body is refused */
		{"2", "transport error", ""},
		{"4ok\x1e"
		 "2probe\x1e"
		 "4never",
			"transport error", "t:ok"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair p;

		server_start(NULL);
		sv.app.echo = false;
		p = pair_open();
		client_poll(p.get, p.sid);
		pump_settle();
		client_post(p.post, p.sid, rows[i].body);
		assert_reply(p.post, 400, "");
		assert_reply(p.get, 200, "1");
		assert_closed(1, rows[i].reason);
		assert_string_equal(sv.app.log, rows[i].log);
		assert_unknown(p.sid);
		pair_close(&p);
		server_stop();
	}
}

/* CVE-2026-59725: refused at once, not left open. */
static void
test_octet_stream(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_printf(p.post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n"
		"Content-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n4a",
		p.sid);
	assert_reply(p.post, 400, "");
	assert_closed(1, "transport error");
	assert_string_equal(sv.app.description, "invalid content");
	pair_close(&p);
	server_stop();
}

/*
 * A push of maxHttpBufferSize is read. One byte more is refused and ends the session as if its connection had failed:
 * the waiting poll is released, and the close reason is counted.
 */
static void
test_too_big(void **state)
{
	static char big[2001];
	struct eio_stats stats;
	struct pair p;
	enum { DECLARED, EXPECTED, HUGE, ENORMOUS, CHUNKED, WAYS };

	(void)state;
	memset(big, 'x', sizeof(big));
	big[0] = '4';
	for (int way = 0; way < WAYS; way++) {
		static const char *const fields[] = {"Content-Length: 1001",
			"Expect: 100-continue\r\nContent-Length: 1001", "Content-Length: 1000000000000",
			"Content-Length: 1000000000000000000", "Transfer-Encoding: chunked"};

		server_start("maxHttpBufferSize", "1000", NULL);
		p = pair_open();
		client_post_bytes(p.post, p.sid, big, 1000);
		assert_reply(p.post, 200, "ok");
		client_poll(p.get, p.sid);
		client_reply(p.get);
		assert_int_equal(p.get->body_len, 1000);
		client_poll(p.get, p.sid);
		pump_settle();
		client_printf(p.post,
			"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", p.sid,
			fields[way]);
		if (way == CHUNKED) { /* the limit is reached while reading */
			client_printf(p.post, "3e8\r\n%.1000s\r\n", big);
			pump_settle();
			assert_int_equal(sv.app.closed, 0);
			client_printf(p.post, "1\r\nx\r\n");
		}
		assert_reply(p.post, 413, "");
		client_eof(p.post);
		assert_reply(p.get, 200, "1");
		assert_closed(1, "transport error");
		assert_string_equal(sv.app.description, "payload too large");
		eio_stats(sv.engine, &stats);
		assert_int_equal(stats.ended[EIO_CAUSE_TOO_LARGE], 1);
		assert_unknown(p.sid);
		pair_close(&p);
		server_stop();
	}
}

static void
test_aborted(void **state)
{
	struct pair p;

	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		server_start(NULL);
		p = pair_open();
		client_poll(p.get, p.sid);
		pump_settle();
		client_leave(p.get, reset);
		assert_closed(1, "transport error");
		assert_string_equal(sv.app.description, "poll connection closed prematurely");
		assert_unknown(p.sid);
		pair_close(&p);
		server_stop();

		server_start(NULL);
		p = pair_open();
		client_poll(p.get, p.sid);
		client_printf(p.post,
			"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: "
			"9\r\n\r\n4ab",
			p.sid);
		pump_settle();
		client_leave(p.post, reset);
		assert_closed(1, "transport error");
		assert_string_equal(sv.app.description, "data request connection closed prematurely");
		assert_reply(p.get, 200, "1");
		pair_close(&p);
		server_stop();
	}
}

static bool writable[8];

static void
note_writable(struct eio_session *s, struct text data)
{
	(void)data;
	writable[0] = eio_writable(s);
	send_text(s, "1");
	writable[1] = eio_writable(s);
}

static void
note_drain(struct eio_session *s)
{
	writable[2] = eio_writable(s);
}

/* A session is writable, so volatile packets are sent, while a poll waits and nothing has been queued since. */
static void
test_writable(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	sv.app.on_message = note_writable;
	sv.app.on_drain = note_drain;
	assert_false(eio_writable(sv.app.last));
	client_poll(p.get, p.sid);
	pump_settle();
	assert_true(eio_writable(sv.app.last));
	writable[1] = writable[2] = true;
	client_post(p.post, p.sid, "4x");
	assert_reply(p.get, 200, "41");
	assert_reply(p.post, 200, "ok");
	assert_true(writable[0]);
	assert_false(writable[1]);
	assert_false(writable[2]);
	assert_false(eio_writable(sv.app.last));
	client_post(p.post, p.sid, "4x");
	assert_reply(p.post, 200, "ok");
	assert_false(writable[0]);
	pair_close(&p);
	server_stop();
}

static void
test_slow_reader(void **state)
{
	struct pair p;
	struct eio_session *s;
	struct eio_stats stats;

	(void)state;
	server_start("maxBuffered", "1024", NULL);
	p = pair_open();
	s = sv.app.last;
	for (int i = 0; i < 341; i++) /* "4x" and its separator: 3 bytes each */
		send_text(s, "x");
	assert_true(eio_is_open(s));
	pump_settle();
	assert_int_equal(sv.app.closed, 0);
	eio_stats(sv.engine, &stats);
	assert_int_equal(stats.queued, 3 * 341);
	assert_int_equal(stats.sessions, 1);
	send_text(s, "x");
	assert_false(eio_is_open(s));
	assert_closed(1, "transport error");
	eio_stats(sv.engine, &stats);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.sessions, 0);
	assert_int_equal(stats.ended[EIO_CAUSE_SLOW_READER], 1);
	assert_int_equal(stats.ended[EIO_CAUSE_CLOSE_PACKET], 0);
	assert_string_equal(sv.app.description, names_word(&eio_reasons, REASON_SLOW_READER));
	assert_unknown(p.sid);
	pair_close(&p);
	server_stop();
}

static void
test_compression(void **state)
{
	static char text[3000];
	struct pair p;
	struct eio_message *m;

	(void)state;
	server_start("httpCompressionThreshold", "2000", NULL);
	p = pair_open();
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 3; i++) {
		m = eio_message_text(text_of(text, i == 0 ? 1000 : 2999));
		m->frame.compress = i != 1;
		eio_send(sv.app.last, &m, 1);
		eio_message_unref(m);
		client_printf(p.get,
			"GET /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nAccept-Encoding: "
			"gzip\r\n\r\n",
			p.sid);
		client_reply(p.get);
		assert_int_equal(client_has(p.get, "Content-Encoding: gzip"), i == 2);
	}
	pair_close(&p);
	server_stop();
}

/* CVE-2020-36048: a body full of tiny packets; the answers to them are one payload. */
static void
test_tiny_packets(void **state)
{
	size_t n = 1000000;
	char *body = malloc(n);
	struct pair p;
	uint64_t begun;

	(void)state;
	server_start(NULL);
	sv.app.echo = false;
	p = pair_open();
	for (size_t i = 0; i < n; i++)
		body[i] = i % 2 == 0 ? '4' : '\x1e';
	begun = clock_ms();
	client_post_bytes(p.post, p.sid, body, n - 1);
	assert_reply(p.post, 200, "ok");
	assert_int_equal(sv.app.messages, n / 2);
	assert_true(clock_ms() - begun < 5000);
	free(body);
	pair_close(&p);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_split_body),
		cmocka_unit_test(test_overlapping_get),
		cmocka_unit_test(test_overlapping_post),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_octet_stream),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_aborted),
		cmocka_unit_test(test_writable),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_compression),
		cmocka_unit_test(test_tiny_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
