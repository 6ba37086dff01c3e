/* A client over long-polling. */
#include "tests/unit/load/client_bench.h"

#define GET "GET /socket.io/?EIO=4&transport=polling"
#define POLL GET "&sid=S-1_a.~ HTTP/1.1\r\n"
#define POST "POST /socket.io/?EIO=4&transport=polling&sid=S-1_a.~ HTTP/1.1\r\n"
#define SEP "\x1e"

static struct peer *get, *post;

static int
polling_start(void **state)
{
	client_bench_start(state);
	bench_aim(LOAD_POLLING, "");
	return 0;
}

/* Plays the server until the client has joined, with a poll under way. */
static void
join(void)
{
	unsigned first = b.peer_count;

	client_open(&b.client);
	get = peer_at(first);
	expect_request(get, GET " HTTP/1.1\r\n", "");
	answer(get, OPEN);
	post = peer_at(first + 1);
	expect_request(post, POST, "40");
	expect_request(get, POLL, "");
	answer(post, "ok");
	answer(get, "40{\"sid\":\"x\"}");
	RUN_UNTIL(b.joined > 0);
	expect_request(get, POLL, "");
}

static void
cut_client(void)
{
	client_cut(&b.client, LOAD_ERROR_COUNT, "");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
}

static void
test_a_whole_life(void **state)
{
	(void)state;
	join();
	answer(get, "2");
	expect_request(get, POLL, "");
	expect_request(post, POST, "3");
	answer(post, "ok");
	client_send(&b.client, TEXT("42[\"echo\","), TEXT("\"hi\"]"));
	expect_request(post, POST, "42[\"echo\",\"hi\"]");
	answer(post, "ok");
	answer(get, "42[\"echo\",\"hi\"]");
	expect_request(get, POLL, "");
	RUN_UNTIL(strcmp(b.heard, "e:[\"echo\",\"hi\"]|") == 0);
	client_leave(&b.client);
	client_leave(&b.client);
	expect_request(post, POST, "41");
	answer(post, "ok");
	expect_request(post, POST, "1");
	assert_int_equal(b.ended, 0);
	answer(get, "6");
	answer(post, "ok");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_true(b.was_joined);
	assert_int_equal(b.peer_count, 2);
}

/* Packets that arrive while a client leaves, and a missing poll, do not keep its last packets from being sent. */
static void
test_events_while_it_leaves(void **state)
{
	(void)state;
	join();
	client_leave(&b.client);
	answer(get, "42[\"late\"]" SEP "bYnl0ZXM=" SEP "2");
	expect_request(post, POST, "41");
	answer(post, "ok");
	expect_request(post, POST, "1");
	answer(post, "ok");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_string_equal(b.heard, "");
}

static void
test_payloads_of_several_packets(void **state)
{
	(void)state;
	join();
	answer(get, "42[1]" SEP "2" SEP "451-[\"b\",{}]" SEP "bYnl0ZXM=" SEP "6" SEP "4312[2]" SEP "42[3]");
	expect_request(get, POLL, "");
	assert_string_equal(b.heard, "e:[1]|e:bytes|a12:[2]|e:[3]|");
	expect_request(post, POST, "3");
	cut_client();
}

static void
test_everything_in_the_first_answer(void **state)
{
	(void)state;
	client_open(&b.client);
	get = peer_at(0);
	request(get);
	answer(get, OPEN SEP "40{\"sid\":\"x\"}" SEP "42[1]");
	RUN_UNTIL(b.joined == 1);
	assert_string_equal(b.heard, "e:[1]|");
	cut_client();
}

/* Packets that are queued during a POST leave as one payload of at most maxPayload (100) bytes. */
static void
test_posts_are_joined(void **state)
{
	static char big[151];
	char expected[400];

	(void)state;
	join();
	memset(big, 'x', 150);
	client_send(&b.client, TEXT("42[1]"), TEXT_NONE);
	client_send(&b.client, TEXT("42[2]"), TEXT_NONE);
	client_send_binary(&b.client, "bytes", 5);
	client_send(&b.client, text_of(big, 80), TEXT_NONE);
	client_send(&b.client, TEXT("a"), TEXT_NONE); /* 5 1 9 1 80 1 1: 98 bytes */
	client_send(&b.client, TEXT("bb"), TEXT_NONE);
	client_send(&b.client, text_of(big, 150), TEXT_NONE); /* too large, and cannot be split */
	client_send(&b.client, TEXT("c"), TEXT_NONE);
	expect_request(post, POST, "42[1]");
	assert_int_equal(post->got.len, 0);
	answer(post, "ok");
	snprintf(expected, sizeof expected, "42[2]" SEP "bYnl0ZXM=" SEP "%.80s" SEP "a", big);
	expect_request(post, POST, expected);
	answer(post, "ok");
	expect_request(post, POST, "bb");
	answer(post, "ok");
	expect_request(post, POST, big);
	answer(post, "ok");
	expect_request(post, POST, "c");
	answer(post, "ok");
	cut_client();
}

static void
test_maxpayload_to_the_byte(void **state)
{
	char expected[200];

	(void)state;
	join();
	client_send(&b.client, TEXT("first"), TEXT_NONE);
	memset(expected, 'x', sizeof expected);
	client_send(&b.client, text_of(expected, 50), TEXT_NONE);
	client_send(&b.client, text_of(expected, 49), TEXT_NONE); /* with the separator: 100 */
	client_send(&b.client, TEXT("y"), TEXT_NONE);
	request(post);
	answer(post, "ok");
	expected[50] = SEP[0];
	expected[100] = '\0';
	expect_request(post, POST, expected);
	answer(post, "ok");
	expect_request(post, POST, "y");
	answer(post, "ok");
	cut_client();
}

/* ------------------------------------------------------------------ connections */

static void
test_connections_lost_between_requests(void **state)
{
	(void)state;
	join();
	peer_close(post);
	run_turn();
	answer_with(get, "200 OK", "Connection: close\r\n", "42[1]");
	get = peer_at(2);
	expect_request(get, POLL, "");
	client_send(&b.client, TEXT("42[2]"), TEXT_NONE);
	post = peer_at(3);
	expect_request(post, POST, "42[2]");
	answer_with(post, "200 OK", "Connection: close\r\n", "ok");
	client_send(&b.client, TEXT("42[3]"), TEXT_NONE);
	post = peer_at(4);
	expect_request(post, POST, "42[3]");
	answer(post, "ok");
	answer(get, "42[4]");
	RUN_UNTIL(strcmp(b.heard, "e:[1]|e:[4]|") == 0);
	cut_client();
}

/* The server closes an idle connection while a request is under way: the request is sent again, once. */
static void
test_requests_are_sent_again_once(void **state)
{
	(void)state;
	join();
	peer_close(get); /* while the poll is under way, before the first byte of its answer */
	get = peer_at(2);
	expect_request(get, POLL, "");
	client_send(&b.client, TEXT("42[1]"), TEXT_NONE);
	expect_request(post, POST, "42[1]");
	peer_close(post);
	post = peer_at(3);
	expect_request(post, POST, "42[1]");
	answer(post, "ok");
	peer_close(get); /* a new connection that never answered */
	EXPECT_END(1, LOAD_ERROR_CLOSED, "the server closed the connection");
	assert_int_equal(b.peer_count, 4);
}

static void
test_an_answer_cut_off(void **state)
{
	(void)state;
	join();
	say_text(get, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n42[1]");
	peer_close(get);
	EXPECT_END(1, LOAD_ERROR_CLOSED, "the server closed the connection");
	assert_string_equal(b.heard, "");
}

static void
test_answers_that_end_with_their_connection(void **state)
{
	(void)state;
	client_open(&b.client);
	for (unsigned i = 0; i < 3; i++) {
		get = peer_at(i == 0 ? 0 : i + 1);
		request(get);
		say_text(get, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		say_text(get, i == 0 ? OPEN : i == 1 ? "40{\"sid\":\"x\"}" : "42[1]");
		shutdown(get->fd, SHUT_WR);
	}
	RUN_UNTIL(strcmp(b.heard, "e:[1]|") == 0);
	cut_client();
}

static void
test_chunked_answers_byte_by_byte(void **state)
{
	static const char text[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n3\r\n[1]\r\n0\r\n\r\n";

	(void)state;
	join();
	for (size_t i = 0; i < sizeof text - 1; i++) {
		say(get, text + i, 1);
		run_turn();
	}
	expect_request(get, POLL, "");
	assert_string_equal(b.heard, "e:[1]|");
	cut_client();
}

/* ------------------------------------------------------------------ what goes wrong */

static void
test_wrong_first_answers(void **state)
{
	static const struct {
		const char *text;
		bool close;
		enum load_error error;
		const char *why;
	} all[] = {
		{"HTTP/1.1 400 x\r\nContent-Length: 8\r\n\r\n{\"code\":", false, LOAD_ERROR_HTTP,
			"a poll was answered 400 {\"code\":"},
		{"HTTP/1.0 502 x\r\n\r\nbad gateway", true, LOAD_ERROR_HTTP, "a poll was answered 502 bad gateway"},
		{"HTTP/1.1 204 x\r\n\r\n", false, LOAD_ERROR_HTTP, "a poll was answered 204"},
		{"HTTP/1.1 101 x\r\nUpgrade: a\r\n\r\n", false, LOAD_ERROR_HTTP, "a poll was answered 101"},
		{"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n", false, LOAD_ERROR_PROTOCOL,
			"a payload that cannot be decoded"},
		{"HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n9", false, LOAD_ERROR_PROTOCOL,
			"a payload that cannot be decoded"},
		{"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n6" SEP, false, LOAD_ERROR_PROTOCOL,
			"an unexpected Engine.IO packet of type \"6\""},
		{"HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\nb!!", false, LOAD_ERROR_PROTOCOL,
			"a payload that cannot be decoded"},
		{"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nbYnl0ZXM=", false, LOAD_ERROR_PROTOCOL,
			"a binary message that no packet announced"},
		{"HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n0", false, LOAD_ERROR_PROTOCOL,
			"an open packet that is no"},
		{"HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n1", false, LOAD_ERROR_CLOSED,
			"the server closed the session"},
		{"HTTP/1.1 200 x\r\nContent-Length: 99999999999\r\n\r\n1", true, LOAD_ERROR_CLOSED,
			"without an answer"},
		{"HTTP/1.1 200 x\r\nContent-Length: x\r\n\r\n", false, LOAD_ERROR_HTTP, "an answer that is not HTTP"},
		{"", true, LOAD_ERROR_CLOSED, "the server closed the connection without an answer"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		client_open(&b.client);
		get = peer_at(i);
		request(get);
		say_text(get, all[i].text);
		if (all[i].close)
			peer_close(get);
		EXPECT_END(i + 1, all[i].error, all[i].why);
	}
	assert_int_equal(b.joined, 0);
}

/* Without its sid the client cannot continue: another poll would open another session. */
static void
test_packets_before_the_session(void **state)
{
	static const char *const all[] = {"2", "6", "40", "42[1]", "2" SEP OPEN};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		client_open(&b.client);
		get = peer_at(i);
		request(get);
		answer(get, all[i]);
		EXPECT_END(i + 1, LOAD_ERROR_PROTOCOL, "an unexpected Engine.IO packet");
	}
}

static void
test_errors_of_a_joined_client(void **state)
{
	static const struct {
		bool on_post;
		const char *text;
		enum load_error error;
		const char *why;
	} all[] = {
		{false, "HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n", LOAD_ERROR_HTTP, "a poll was answered 400"},
		{true, "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n", LOAD_ERROR_HTTP, "a POST was answered 413"},
		{true, "garbage", LOAD_ERROR_HTTP, "an answer that is not HTTP"},
		{false, "HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n1", LOAD_ERROR_CLOSED,
			"the server closed the session"},
		{false, "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n41", LOAD_ERROR_CLOSED,
			"the server disconnected"},
		{false, "HTTP/1.1 200 x\r\nContent-Length: 13\r\n\r\n42[1]" SEP "41" SEP "42[2]", LOAD_ERROR_CLOSED,
			"the server disconnected"},
		{false, "HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\n44x", LOAD_ERROR_REJECTED, "connect_error x"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		b.joined = 0;
		b.heard[0] = '\0';
		join();
		client_send(&b.client, TEXT("42[1]"), TEXT_NONE);
		request(post);
		say_text(all[i].on_post ? post : get, all[i].text);
		EXPECT_END(i + 1, all[i].error, all[i].why);
		assert_true(b.was_joined);
		assert_null(strstr(b.heard, "[2]"));
	}
}

static void
test_unrequested_bytes(void **state)
{
	(void)state;
	join();
	say_text(post, "HTTP/1.1 200 OK\r\n");
	EXPECT_END(1, LOAD_ERROR_PROTOCOL, "bytes on a connection without a request");
}

static void
test_no_ping(void **state)
{
	(void)state;
	client_open(&b.client);
	get = peer_at(0);
	request(get);
	answer(get, "0{\"sid\":\"S-1_a.~\",\"pingInterval\":50,\"pingTimeout\":50}" SEP "40{}");
	EXPECT_END(1, LOAD_ERROR_PING, "no ping");
	assert_true(b.was_joined);
}

static void
test_not_joined_in_time(void **state)
{
	(void)state;
	b.setup.timeout_ms = 20;
	client_open(&b.client);
	EXPECT_END(1, LOAD_ERROR_HANDSHAKE, "not joined within --timeout");
	client_open(&b.client);
	get = peer_at(1);
	request(get);
	answer(get, OPEN);
	EXPECT_END(2, LOAD_ERROR_HANDSHAKE, "not joined within --timeout");
}

static void
test_a_server_that_answers_no_post(void **state)
{
	static char text[1 << 20];

	(void)state;
	join();
	memset(text, 'x', sizeof text);
	for (unsigned i = 0; i < 100 && b.ended == 0; i++) {
		client_send(&b.client, text_of(text, sizeof text), TEXT_NONE);
		loop_finish_turn(&bench.loop);
	}
	EXPECT_END(1, LOAD_ERROR_RESET, "the server does not read what is sent to it");
}

static void
leave_when_heard(void)
{
	client_leave(&b.client);
}

static void
cut_when_heard(void)
{
	client_cut(&b.client, LOAD_ERROR_COUNT, "");
}

/* The client is ended from within its own callback. */
static void
test_ends_within_an_event(void **state)
{
	(void)state;
	join();
	b.on_heard = cut_when_heard;
	answer(get, "42[1]" SEP "42[2]" SEP "42[3]");
	EXPECT_END(1, LOAD_ERROR_COUNT, "");
	assert_string_equal(b.heard, "e:[1]|");
	b.heard[0] = '\0';
	b.joined = 0;
	join();
	b.on_heard = leave_when_heard;
	answer(get, "42[1]" SEP "42[2]" SEP "451-[3]" SEP "bYnl0ZXM=");
	expect_request(post, POST, "41");
	answer(post, "ok");
	expect_request(post, POST, "1");
	answer(post, "ok");
	EXPECT_END(2, LOAD_ERROR_COUNT, "");
	assert_string_equal(b.heard, "e:[1]|");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, polling_start, client_bench_stop)
	const struct CMUnitTest tests[] = {
		T(test_a_whole_life),
		T(test_events_while_it_leaves),
		T(test_payloads_of_several_packets),
		T(test_everything_in_the_first_answer),
		T(test_posts_are_joined),
		T(test_maxpayload_to_the_byte),
		T(test_connections_lost_between_requests),
		T(test_requests_are_sent_again_once),
		T(test_an_answer_cut_off),
		T(test_answers_that_end_with_their_connection),
		T(test_chunked_answers_byte_by_byte),
		T(test_wrong_first_answers),
		T(test_packets_before_the_session),
		T(test_errors_of_a_joined_client),
		T(test_unrequested_bytes),
		T(test_no_ping),
		T(test_not_joined_in_time),
		T(test_a_server_that_answers_no_post),
		T(test_ends_within_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
