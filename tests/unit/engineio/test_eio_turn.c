/* A push of many packets is handled over several turns, and other clients are served meanwhile. */
#include "tests/unit/engineio/polling_pair.h"

#include "node/engineio/eio_message.h"
#include "node/engineio/eio_session.h"

#define PACKETS 6000

static unsigned others; /* messages "o" of the other client */

static void
count_others(struct eio_session *s, struct text data)
{
	others += text_is(data, TEXT("o"));
	(void)s;
}

static void
push_many(struct pair *p)
{
	static char body[PACKETS * 3];

	for (size_t i = 0; i < PACKETS; i++)
		memcpy(body + 3 * i, "4x\x1e", 3);
	client_post_bytes(p->post, p->sid, body, sizeof(body) - 1);
}

static void
test_push_is_spread(void **state)
{
	struct pair p, other;
	unsigned turns = 0;

	(void)state;
	server_start(NULL);
	sv.app.on_message = count_others;
	others = 0;
	p = pair_open();
	other = pair_open();
	push_many(&p);
	pump_until(sv.app.messages > 0);
	client_post(other.post, other.sid, "4o");
	while (sv.app.messages < PACKETS + 1) {
		uint64_t work = sv.loop.work;
		unsigned messages = sv.app.messages;

		pump_once(-1);
		turns += sv.app.messages > messages;
		assert_true(sv.loop.work - work < 2 * LOOP_SHARE_WORK);
		if (others == 0) /* the other client was served before the push ended */
			assert_true(sv.app.messages < PACKETS);
	}
	assert_true(turns >= PACKETS * LOOP_WORK_PACKET / LOOP_SHARE_WORK - 1);
	assert_reply(other.post, 200, "ok");
	assert_reply(p.post, 200, "ok");
	client_post(p.post, p.sid, "4again");
	assert_reply(p.post, 200, "ok");
	pair_close(&p);
	pair_close(&other);
	server_stop();
}

static void
close_at_2000(struct eio_session *s, struct text data)
{
	(void)data;
	if (sv.app.messages == 2000)
		eio_close(s, true);
}

static void
test_session_closes_between(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	sv.app.on_message = close_at_2000;
	p = pair_open();
	push_many(&p);
	assert_reply(p.post, 200, "ok");
	assert_int_equal(sv.app.messages, 2000);
	assert_int_equal(sv.app.closed, 1);
	/* the same from outside a packet's callback */
	client_handshake(p.get, p.sid);
	sv.app.on_message = count_others;
	push_many(&p);
	pump_until(sv.app.messages > 2000);
	assert_true(sv.app.messages < 2000 + PACKETS);
	eio_close(sv.app.last, true);
	loop_finish_turn(&sv.loop);
	assert_int_equal(sv.app.closed, 2); /* the end did not wait for another turn */
	assert_reply(p.post, 200, "ok");
	assert_true(sv.app.messages < 2000 + PACKETS);
	pair_close(&p);
	server_stop();
}

static void
test_client_leaves_between(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	sv.app.on_message = count_others;
	p = pair_open();
	push_many(&p);
	pump_until(sv.app.messages > 0);
	assert_true(sv.app.messages < PACKETS);
	client_leave(p.post, true);
	pump_until(sv.app.closed == 1);
	assert_true(sv.app.messages < PACKETS);
	pair_close(&p);
	server_stop();
}

/* Packets of a WebSocket must not overtake those of a push. */
static void
test_upgrade_does_not_overtake(void **state)
{
	struct client *ws;
	struct pair p;

	(void)state;
	server_start(NULL);
	sv.app.on_message = count_others;
	p = pair_open();
	ws = client_new();
	client_ws_upgrade(ws, p.sid);
	ws_out(ws, "2probe");
	assert_int_equal(ws_in(ws), 1);
	push_many(&p);
	pump_until(sv.app.messages > 0);
	ws_out(ws, "5");
	assert_reply(p.post, 200, "ok");
	assert_int_equal(sv.app.messages, PACKETS);
	assert_int_equal(sv.app.upgraded, 0);
	client_post(p.post, p.sid, "4x");
	assert_reply(p.post, 200, "ok");
	client_free(ws);
	pair_close(&p);
	server_stop();
}

/* Sets a mark at "m". At each other message, notes whether the mark was passed. */
static void
mark_and_look(struct eio_session *s, struct text data)
{
	if (text_is(data, TEXT("m"))) {
		struct eio_message *m = eio_message_text(TEXT("reply"));

		eio_send(s, &m, 1);
		eio_message_unref(m);
		eio_mark(s);
	} else {
		others += eio_mark_passed(s);
	}
}

/* Writes a masked text frame; returns its length. */
static size_t
frame_of(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, (char[]){(char)0x81, (char)(0x80 | n), 0, 0, 0, 0}, 6);
	memcpy(out + 6, text, n);
	return 6 + n;
}

/* Sends two messages in one write, with many meaningless packets between them. */
static void
push_frames(struct client *ws, const char *first, const char *last)
{
	static char bytes[PACKETS * 8];
	size_t n = frame_of(bytes, first);

	for (unsigned i = 0; i < PACKETS; i++)
		n += frame_of(bytes + n, "6");
	n += frame_of(bytes + n, last);
	client_write(ws, bytes, n);
}

/*
 * Packets that arrived in one piece were sent before any answer to the first of them, however long they take to
 * handle.
 */
static void
test_later_packets_pass_the_mark(void **state)
{
	struct client *ws;

	(void)state;
	server_start(NULL);
	sv.app.on_message = mark_and_look;
	others = 0;
	ws = client_new();
	client_ws(ws, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(ws), 1); /* the open packet */
	push_frames(ws, "4m", "4x");
	assert_int_equal(ws_in(ws), 1); /* the reply has left long before the last packet is handled */
	assert_int_equal(sv.app.messages, 1);
	pump_until(sv.app.messages == 2);
	assert_int_equal(others, 0);
	ws_out(ws, "4x");
	pump_until(sv.app.messages == 3);
	assert_int_equal(others, 1);
	client_free(ws);
	pump_until(sv.app.closed == 1);
	server_stop();
}

static void
test_mark_is_passed_by_a_later_push(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	sv.app.on_message = mark_and_look;
	others = 0;
	p = pair_open();
	client_post(p.post, p.sid, "4m");
	assert_reply(p.post, 200, "ok");
	client_printf(p.post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n4",
		p.sid);
	pump_settle();
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200, "4reply");
	client_write(p.post, "x", 1);
	assert_reply(p.post, 200, "ok");
	assert_int_equal(sv.app.messages, 2);
	assert_int_equal(others, 0); /* the second message was under way before the reply left */
	client_post(p.post, p.sid, "4x");
	assert_reply(p.post, 200, "ok");
	assert_int_equal(others, 1);
	pair_close(&p);
	server_stop();
}

#define CROWD 6

/* Sessions that close at once end in several turns, in order; a session that is discarded meanwhile does not wait. */
static void
test_a_crowd_closes_in_several_turns(void **state)
{
	struct eio_session *sessions[CROWD];
	struct client *clients[CROWD];

	(void)state;
	server_start(NULL);
	for (unsigned i = 0; i < CROWD; i++) {
		clients[i] = client_new();
		client_ws(clients[i], "EIO=4&transport=websocket");
		assert_int_equal(ws_in(clients[i]), 1);
		sessions[i] = sv.app.last;
	}
	sessions[0]->all->max_settles = 2;
	for (unsigned i = 0; i < CROWD; i++)
		eio_close(sessions[i], false);
	loop_finish_turn(&sv.loop);
	assert_int_equal(sv.app.closed, 2);
	assert_int_equal(sessions[2]->state, EIO_STATE_CLOSING);
	eio_close(sessions[CROWD - 1], true);
	loop_finish_turn(&sv.loop);
	assert_int_equal(sv.app.closed, 2 + 2 + 1);
	loop_finish_turn(&sv.loop);
	assert_int_equal(sv.app.closed, CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		client_free(clients[i]);
	server_stop();
}

/* A message to polling clients leaves for some of them in this turn, and for the others in the next ones. */
static void
test_a_crowd_of_polls_is_answered_in_several_turns(void **state)
{
	struct eio_message *message = eio_message_text(TEXT("news"));
	struct client *clients[CROWD];
	char sid[EIO_SID_LENGTH + 1];
	struct eio_session *sessions[CROWD];
	struct eio_stats stats;

	(void)state;
	server_start(NULL);
	for (unsigned i = 0; i < CROWD; i++) {
		clients[i] = client_new();
		client_handshake(clients[i], sid);
		sessions[i] = sv.app.last;
		client_poll(clients[i], sid);
	}
	pump_settle();
	sessions[0]->all->max_settles = 4;
	for (unsigned i = 0; i < CROWD; i++)
		eio_send(sessions[i], &message, 1);
	loop_finish_turn(&sv.loop);
	eio_stats(sv.engine, &stats);
	assert_true(stats.queued > 0);
	loop_finish_turn(&sv.loop);
	eio_stats(sv.engine, &stats);
	assert_int_equal(stats.queued, 0);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_reply(clients[i], 200, "4news");
		client_free(clients[i]);
	}
	eio_message_unref(message);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_is_spread),
		cmocka_unit_test(test_session_closes_between),
		cmocka_unit_test(test_client_leaves_between),
		cmocka_unit_test(test_upgrade_does_not_overtake),
		cmocka_unit_test(test_later_packets_pass_the_mark),
		cmocka_unit_test(test_mark_is_passed_by_a_later_push),
		cmocka_unit_test(test_a_crowd_closes_in_several_turns),
		cmocka_unit_test(test_a_crowd_of_polls_is_answered_in_several_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
