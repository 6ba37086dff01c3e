/* The memory that sessions hold besides their connections counts in the budget. What happens when there is no memory
 * left.
 */
#include "tests/unit/engineio/polling_pair.h"

#include "tests/unit/faults.h"

#define KIB 1024

static struct eio_session *
session(const struct pair *p)
{
	return eio_find(sv.engine, text_from(p->sid));
}

static void
send_bytes(struct eio_session *s, size_t n)
{
	char *text = mem_alloc(n);
	struct eio_message *m;

	memset(text, 'x', n);
	m = eio_message_text(text_of(text, n));
	eio_send(s, &m, 1);
	eio_message_unref(m);
	mem_free(text);
}

static uint64_t
held(void)
{
	return sv.loop.budget.held;
}

static void
test_queue_for_a_poll_counts(void **state)
{
	struct pair p;
	uint64_t idle;

	(void)state;
	server_start(NULL);
	p = pair_open();
	pump_settle();
	idle = held();
	assert_in_range(idle, 1, 2000); /* the request of the handshake */
	send_bytes(session(&p), 100 * KIB);
	assert_in_range(held(), idle + 100 * KIB, idle + 101 * KIB);
	client_poll(p.get, p.sid);
	client_reply(p.get);
	assert_int_equal(p.get->body_len, 1 + 100 * KIB);
	pump_settle();
	assert_int_equal(held(), idle);
	send_bytes(session(&p), 100 * KIB); /* packets that the client does not fetch are freed with the session */
	pair_close(&p);
	server_stop();
}

/* Of four sessions without polls, the one with the longest queue ends, even while the server sends to it. */
static void
test_the_session_with_most_waiting_ends(void **state)
{
	struct pair p[4];

	(void)state;
	server_start(NULL);
	for (unsigned i = 0; i < 4; i++)
		p[i] = pair_open();
	budget_set_max(&sv.loop.budget, 400 * KIB);
	for (unsigned i = 0; i < 4; i++)
		send_bytes(session(&p[i]), i == 2 ? 200 * KIB : 50 * KIB);
	pump_settle();
	assert_int_equal(sv.app.closed, 0);
	send_bytes(session(&p[2]), 60 * KIB);
	send_bytes(session(&p[2]), 60 * KIB);
	pump_settle();
	assert_closed(1, "transport error");
	assert_string_equal(sv.app.description, "memory");
	assert_null(session(&p[2]));
	for (unsigned i = 0; i < 4; i++) {
		if (i == 2)
			continue;
		client_poll(p[i].get, p[i].sid);
		client_reply(p[i].get);
		assert_int_equal(p[i].get->body_len, 1 + 50 * KIB);
	}
	for (unsigned i = 0; i < 4; i++)
		pair_close(&p[i]);
	server_stop();
}

static void
test_what_the_owner_holds_counts(void **state)
{
	struct pair p, q;
	uint64_t idle;

	(void)state;
	server_start(NULL);
	p = pair_open();
	q = pair_open();
	pump_settle();
	idle = held();
	eio_hold(session(&p), 300 * KIB);
	eio_hold(session(&p), -(int64_t)(100 * KIB));
	eio_hold(session(&q), 100 * KIB);
	assert_int_equal(held(), idle + 300 * KIB);
	budget_set_max(&sv.loop.budget, 250 * KIB);
	pump_settle();
	assert_null(session(&p));
	assert_non_null(session(&q));
	assert_in_range(held(), 100 * KIB, 105 * KIB); /* nothing that p held is left */
	pair_close(&p);
	pair_close(&q);
	server_stop();
}

static void
begin_push(const struct pair *p, size_t n, size_t sent)
{
	char body[50 * KIB];

	memset(body, 'x', sizeof body);
	body[0] = '4';
	client_printf(p->post,
		"POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
		p->sid, n);
	client_write(p->post, body, sent);
}

static void
test_unfinished_pushes_count(void **state)
{
	struct pair p[4];

	(void)state;
	server_start(NULL);
	for (unsigned i = 0; i < 4; i++)
		p[i] = pair_open();
	for (unsigned i = 0; i < 4; i++)
		begin_push(&p[i], 60 * KIB, i == 1 ? 50 * KIB : 20 * KIB);
	pump_until(held() >= 110 * KIB);
	budget_set_max(&sv.loop.budget, 100 * KIB);
	pump_until(sv.app.closed > 0);
	pump_settle();
	assert_null(session(&p[1]));
	assert_non_null(session(&p[0]));
	for (unsigned i = 0; i < 4; i++)
		pair_close(&p[i]);
	pump_until(sv.app.closed == 4);
	server_stop();
}

static void
test_no_memory_for_a_push(void **state)
{
	struct pair p, q;

	(void)state;
	server_start(NULL);
	p = pair_open();
	q = pair_open();
	fault_above = 30000;
	begin_push(&p, 60 * KIB, 50 * KIB);
	pump_until(sv.app.closed > 0);
	fault_above = SIZE_MAX;
	assert_closed(1, "transport error");
	assert_int_equal(sv.loop.closed[REASON_NO_MEMORY], 1);
	client_post(q.post, q.sid, "4hello");
	assert_reply(q.post, 200, "ok");
	pair_close(&p);
	pair_close(&q);
	server_stop();
}

static void
test_no_memory_for_a_payload(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	send_bytes(session(&p), 20 * KIB);
	send_bytes(session(&p), 20 * KIB);
	fault_above = 30 * KIB;
	client_poll(p.get, p.sid);
	pump_until(sv.app.closed > 0);
	fault_above = SIZE_MAX;
	assert_closed(1, "transport error");
	assert_int_equal(sv.loop.closed[REASON_NO_MEMORY], 1);
	pair_close(&p);
	server_stop();
}

/* The first answer also carries the initial packet: no memory for both together. */
static void
test_no_memory_for_the_first_answer(void **state)
{
	static char initial[40 * KIB];
	struct client *c;

	(void)state;
	memset(initial, 'x', sizeof initial - 1);
	server_start("initialPacket", initial, NULL);
	c = client_new();
	fault_above = 30 * KIB;
	client_printf(c, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n");
	pump_until(sv.app.closed > 0);
	fault_above = SIZE_MAX;
	assert_closed(1, "transport error");
	assert_int_equal(sv.loop.closed[REASON_NO_MEMORY], 1);
	pump_settle();
	client_free(c);
	server_stop();
}

static char long_field[12 * KIB];

/* Only the copy of the request fails, not the connection's input. */
static int
no_memory_for_the_request(void *arg, struct http_request *r)
{
	(void)arg, (void)r;
	fault_above = 10 * KIB;
	return 0;
}

static void
request_with_long_field(struct client *c, const char *query, const char *upgrade)
{
	client_printf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: h\r\n%sX: ", query, upgrade);
	client_write(c, long_field, sizeof long_field);
	client_write(c, "\r\n\r\n", 4);
	client_reply(c);
	fault_above = SIZE_MAX;
}

/* A handshake's request is kept as long as its session, and the client chooses its length. */
static void
test_no_memory_for_a_handshake(void **state)
{
	struct client *c, *w;
	char sid[EIO_SID_LENGTH + 1];

	(void)state;
	memset(long_field, 'x', sizeof long_field);
	server_start(NULL);
	sv.ops.on_request = no_memory_for_the_request;
	c = client_new();
	w = client_new();
	request_with_long_field(c, "EIO=4&transport=polling", "");
	assert_int_equal(c->status, 503);
	assert_string_equal(c->body, "{\"code\":3,\"message\":\"Bad request\"}");
	assert_true(client_has(c, "Retry-After: 1"));
	assert_string_equal(sv.app.context, "NO_MEMORY");
	request_with_long_field(w, "EIO=4&transport=websocket",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	assert_int_equal(w->status, 503);
	assert_int_equal(sv.loop.counters.value[COUNT_NO_MEMORY], 2);
	assert_int_equal(sv.app.opened, 0);
	sv.ops.on_request = NULL;
	client_handshake(c, sid);
	assert_int_equal(sv.app.opened, 1);
	client_free(c);
	client_free(w);
	server_stop();
}

static bool answers_at_length;

static void
refuse_at_length(void *arg, struct eio_pending *pending, const struct http_request *r)
{
	static char words[500];

	(void)arg, (void)r;
	memset(words, 'w', sizeof words - 1);
	fault_above = 400;
	if (answers_at_length)
		eio_answer(pending, 402, "text/plain", text_of(words, sizeof words - 1));
	else
		eio_refuse(pending, words);
	fault_above = SIZE_MAX;
}

/* The text of a refusal may come from someone else than the application, so its size is unknown. */
static void
test_no_memory_for_the_text_of_a_refusal(void **state)
{
	struct client *c;

	(void)state;
	server_start(NULL);
	sv.ops.on_allow = refuse_at_length;
	c = client_new();
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 403, "{\"code\":4,\"message\":\"Forbidden\"}");
	answers_at_length = true;
	client_get(c, "EIO=4&transport=polling");
	assert_reply(c, 503, "");
	client_free(c);
	server_stop();
}

static void
test_no_memory_for_messages(void **state)
{
	char bytes[5000];

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	fault_above = 4000;
	assert_null(eio_message_text(text_of(bytes, sizeof bytes)));
	assert_null(eio_message_binary(bytes, sizeof bytes));
	fault_above = SIZE_MAX;
	eio_message_unref(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue_for_a_poll_counts),
		cmocka_unit_test(test_the_session_with_most_waiting_ends),
		cmocka_unit_test(test_what_the_owner_holds_counts),
		cmocka_unit_test(test_unfinished_pushes_count),
		cmocka_unit_test(test_no_memory_for_a_push),
		cmocka_unit_test(test_no_memory_for_a_payload),
		cmocka_unit_test(test_no_memory_for_the_first_answer),
		cmocka_unit_test(test_no_memory_for_a_handshake),
		cmocka_unit_test(test_no_memory_for_the_text_of_a_refusal),
		cmocka_unit_test(test_no_memory_for_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
