/* Two servers on one loop with the real broker and the hub between them; the test plays only the clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <unistd.h>

#include "broker/hub.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#define TICK_S 0.002
#define WAIT_TICKS 5000
#define CLIENTS 2 /* per node: sessions 0 and 1 belong to the first, 2 and 3 to the second */

static struct eio_server other_engine; /* fake_engine holds its sessions */
static struct sio_server *nodes[2];
static struct broker *brokers[2];
static struct hub *hub;
static int hub_fd;
static struct sio_socket *sockets[2 * CLIENTS];
static unsigned connected, brokers_closed;
static struct buffer heard;
static unsigned ticks;

#define HEARD(...) (buffer_printf(&heard, __VA_ARGS__), buffer_add_byte(&heard, '\n'))

/* The end of a turn may fulfil the condition, so the loop must not sleep long after it. */
static void
on_tick(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	(void)ev;
	(void)timer;
	(void)events;
	ticks++;
}

/* Runs the loop until `is` returns true. */
static void
run_until(bool (*is)(const void *arg), const void *arg)
{
	struct ev_timer timer;

	ticks = 0;
	ev_timer_init(&timer, on_tick, TICK_S, TICK_S);
	ev_timer_start(fake_ev, &timer);
	while (!is(arg) && ticks < WAIT_TICKS)
		ev_run(fake_ev, EVRUN_ONCE);
	ev_timer_stop(fake_ev, &timer);
	if (ticks >= WAIT_TICKS)
		fail_msg("waited for more than was heard: %.*s", (int)heard.len, (const char *)heard.data);
}

static bool
both_up(const void *arg)
{
	struct broker_stats a, b;

	(void)arg;
	broker_stats(brokers[0], &a);
	broker_stats(brokers[1], &b);
	return a.bus.up && b.bus.up;
}

static bool
was_heard(const void *arg)
{
	const char *wanted = arg;

	return memmem(heard.data, heard.len, wanted, strlen(wanted)) != NULL;
}

static bool
closed(const void *arg)
{
	(void)arg;
	return brokers_closed == 2;
}

struct line {
	unsigned client;
	const char *text;
};

static bool
was_sent(const void *arg)
{
	const struct line *l = arg;
	const struct buffer *b = &fake_engine.sessions[l->client].sent;

	return memmem(b->data, b->len, l->text, strlen(l->text)) != NULL;
}

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	sockets[connected++] = s;
}

static void
on_broker_closed(void *arg)
{
	(void)arg;
	brokers_closed++;
}

static sio_nsp *
nsp_of(unsigned node)
{
	return sio_of(nodes[node], "/");
}

static void
join_cluster(unsigned node, const char *url)
{
	struct broker_options o = {.form = &bus_hub,
		.bus = {.server = url, .key = "socket.io", .max_queue = 1 << 20},
		.requests_timeout_ms = 5000};
	char error[BUS_ERROR_MAX] = "";

	if (broker_new(&brokers[node], &fake_loop, &o, sio_core_broker_ops(), error) != 0)
		fail_msg("%s", error);
	sio_core_set_broker(nodes[node], brokers[node]);
	sio_on_connection(nsp_of(node), on_connection, NULL);
}

static void
open_client(unsigned which)
{
	struct eio_session *s = &fake_engine.sessions[which];

	memset(s->sid, (int)('a' + which), EIO_SID_LENGTH);
	buffer_init(&s->sent, 1 << 20);
	(void)buffer_room(&s->sent, 1);
	s->used = s->open = true;
	s->owner = sio_core_ops()->on_open(nodes[which / CLIENTS], s);
	fake_receive(s, false, "0", 1);
	buffer_reset(&s->sent);
}

static int
setup(void **state)
{
	struct hub_options hub_options = {.max_queue = 1 << 20, .max_message = 1 << 20};
	struct sio_options o = fake_options();
	char url[HUB_NAME_MAX];

	(void)state;
	connected = brokers_closed = 0;
	buffer_init(&heard, 1 << 20);
	(void)buffer_room(&heard, 1); /* memmem() needs a pointer */
	fake_start(&o);
	memset(&other_engine, 0, sizeof other_engine);
	nodes[0] = fake_io;
	nodes[1] = sio_core_new(&fake_loop, &o, NULL);
	sio_core_attach(nodes[1], &other_engine, &o, 1000, 1000);
	hub_fd = hub_listen(url);
	assert_true(hub_fd >= 0);
	hub = hub_new(&fake_loop, hub_fd, &hub_options);
	for (unsigned i = 0; i < 2; i++)
		join_cluster(i, url);
	run_until(both_up, "both"); /* otherwise clients would be held */
	for (unsigned i = 0; i < 2 * CLIENTS; i++)
		open_client(i);
	assert_int_equal(connected, 2 * CLIENTS);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		sio_core_close(nodes[i]);
		sio_core_set_broker(nodes[i], NULL);
		broker_close(brokers[i], 1000, on_broker_closed, NULL);
	}
	eio_server_close(&fake_engine);
	run_until(closed, "the brokers to close");
	hub_free(hub);
	fake_turn();
	sio_core_free(nodes[1]);
	fake_stop();
	buffer_fini(&heard);
	return 0;
}

/*
 * A marker from the same sender arrives after everything before it. Expects the clients that got `event` until then,
 * such as "0123".
 */
static void
expect_reached(unsigned sender, const char *event, const char *wanted)
{
	char found[2 * CLIENTS + 1];
	unsigned n = 0;

	sio_emit(sio_all(nsp_of(sender)), "marker", "");
	for (unsigned i = 0; i < 2 * CLIENTS; i++)
		run_until(was_sent, &(struct line){i, "[\"marker\"]"});
	for (unsigned i = 0; i < 2 * CLIENTS; i++) {
		struct buffer *sent = &fake_engine.sessions[i].sent;
		uint8_t *first = memmem(sent->data, sent->len, event, strlen(event));

		if (first != NULL) {
			found[n++] = (char)('0' + i);
			/* only once */
			first += strlen(event);
			assert_null(memmem(first, sent->len - (size_t)(first - sent->data), event, strlen(event)));
		}
		buffer_reset(sent);
	}
	found[n] = '\0';
	assert_string_equal(found, wanted);
}

static void
test_emits(void **state)
{
	(void)state;
	sio_join(sockets[0], "red");
	sio_join(sockets[2], "red");
	sio_join(sockets[3], "blue");
	for (unsigned from = 0; from < 2; from++) {
		sio_nsp *nsp = nsp_of(from);
		sio_socket *own = sockets[from * CLIENTS];

		sio_emit(sio_all(nsp), "all", "i", 1);
		expect_reached(from, "2[\"all\",1]", "0123");
		sio_emit(sio_others(own), "others", "");
		expect_reached(from, "2[\"others\"]", from == 0 ? "123" : "013");
		sio_emit(sio_to(sio_all(nsp), "red"), "red", "");
		expect_reached(from, "2[\"red\"]", "02");
		sio_emit(sio_to(sio_only(own), "red"), "red others", "");
		expect_reached(from, "2[\"red others\"]", from == 0 ? "2" : "0");
		sio_emit(sio_except(sio_all(nsp), "red"), "not red", "");
		expect_reached(from, "2[\"not red\"]", "13");
		sio_emit(sio_except(sio_to(sio_to(sio_all(nsp), "red"), "blue"), sio_id(sockets[2])), "some", "");
		expect_reached(from, "2[\"some\"]", "03");
		sio_emit(sio_to(sio_all(nsp), sio_id(sockets[3])), "one", "B", "\1\2", (size_t)2);
		expect_reached(from, "51-[\"one\",{\"_placeholder\":true,\"num\":0}]\n(0102\n", "3");
		sio_emit(sio_compress(sio_all(nsp), false), "raw", "d", 1.5);
		expect_reached(from, "2[\"raw\",1.5] raw\n", "0123");
		sio_emit(sio_local(sio_all(nsp)), "local", "");
		expect_reached(from, "2[\"local\"]", from == 0 ? "01" : "23");
		sio_emit(sio_only(own), "own", "");
		expect_reached(from, "2[\"own\"]", from == 0 ? "0" : "2");
		sio_emit(sio_all(sio_of(nodes[from], "/elsewhere")), "elsewhere", "");
		expect_reached(from, "elsewhere", "");
	}
}

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	int64_t sum = 0;

	(void)io;
	for (unsigned i = 0; i < sio_answers_count(answers); i++)
		sum += sio_int(sio_get(sio_answer(answers, i), "n"), 0);
	HEARD("%s: error %d count %u sum %d silent %u missing %u", (const char *)arg, error,
		sio_answers_count(answers), (int)sum, sio_answers_silent(answers), sio_answers_missing(answers));
}

static void
answer(unsigned client, const char *id)
{
	char packet[64];
	int n = snprintf(packet, sizeof packet, "3%s[{\"n\":%d},7]", id, 1 << client);

	fake_receive(&fake_engine.sessions[client], false, packet, (size_t)n);
}

static void
test_acknowledgements(void **state)
{
	(void)state;
	assert_int_equal(sio_emit_ack(sio_all(nsp_of(0)), on_answers, (void *)"all", "q", ""), 0);
	for (unsigned i = 0; i < 2 * CLIENTS; i++) {
		run_until(was_sent, &(struct line){i, "20[\"q\"]"});
		answer(i, "0");
	}
	run_until(was_heard, "all: error 0 count 4 sum 15 silent 0 missing 0\n");
	assert_int_equal(
		sio_emit_ack(sio_timeout(sio_others(sockets[2]), 200), on_answers, (void *)"some", "q", ""), 0);
	run_until(was_sent, &(struct line){0, "21[\"q\"]"});
	answer(0, "1");
	run_until(was_sent, &(struct line){3, "21[\"q\"]"});
	answer(3, "1");
	run_until(was_heard, "some: error -13 count 2 sum 9 silent 0 missing 1\n");
	assert_int_equal(sio_emit_ack(sio_to(sio_all(nsp_of(0)), "nobody"), on_answers, (void *)"none", "q", ""), 0);
	run_until(was_heard, "none: error 0 count 0 sum 0 silent 0 missing 0\n");
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *found, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	for (unsigned i = 0; i < n; i++) {
		size_t bytes = 0;
		const char *b = sio_binary(sio_get(found[i].data, "b"), &bytes);

		for (unsigned s = 0; s < 2 * CLIENTS; s++) {
			if (strcmp(found[i].id, sio_id(sockets[s])) == 0)
				HEARD("socket %u rooms %u %s address %s binary %.*s", s, found[i].rooms_count,
					found[i].rooms[found[i].rooms_count - 1],
					sio_string(sio_get(found[i].handshake, "address"), NULL), (int)bytes,
					b != NULL ? b : "");
		}
	}
	HEARD("%s: error %d count %u silent %u", (const char *)arg, error, n, silent);
}

static void
on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)arg;
	for (unsigned i = 0; i < n; i++) {
		if (strlen(rooms[i]) != SIO_ID_LENGTH)
			HEARD("room %s", rooms[i]);
	}
	HEARD("rooms: error %d count %u silent %u", error, n, silent);
}

static void
test_questions(void **state)
{
	(void)state;
	sio_join(sockets[1], "red");
	sio_join(sockets[3], "red");
	sio_join(sockets[3], "blue");
	sio_set_data(sockets[3], "{s:B}", "b", "bytes", (size_t)5);
	assert_int_equal(sio_fetch(sio_to(sio_all(nsp_of(0)), "red"), on_fetched, (void *)"red"), 0);
	run_until(was_heard, "red: error 0 count 2 silent 0\n");
	assert_true(was_heard("socket 1 rooms 2 red address 192.0.2.7 binary \n"));
	assert_true(was_heard("socket 3 rooms 3 blue address 192.0.2.7 binary bytes\n"));
	assert_int_equal(sio_fetch(sio_to(sio_all(nsp_of(0)), sio_id(sockets[2])), on_fetched, (void *)"one"), 0);
	run_until(was_heard, "one: error 0 count 1 silent 0\n");
	assert_true(was_heard("socket 2 rooms 1 "));
	assert_int_equal(sio_all_rooms(nsp_of(0), on_rooms, NULL), 0);
	run_until(was_heard, "rooms: error 0 count 6 silent 0\n");
	assert_true(was_heard("room red\n") && was_heard("room blue\n"));
}

static bool
in_green(const void *arg)
{
	(void)arg;
	return sio_in_room(sockets[2], "green");
}

static bool
not_in_green(const void *arg)
{
	return !in_green(arg);
}

static void
test_orders(void **state)
{
	(void)state;
	sio_sockets_join(sio_except(sio_all(nsp_of(0)), sio_id(sockets[3])), "green");
	assert_true(sio_in_room(sockets[0], "green") && sio_in_room(sockets[1], "green"));
	run_until(in_green, "the room");
	assert_false(sio_in_room(sockets[3], "green"));
	sio_sockets_leave(sio_to(sio_all(nsp_of(0)), sio_id(sockets[2])), "green");
	run_until(not_in_green, "no room");
	assert_true(sio_in_room(sockets[0], "green"));
	sio_disconnect_sockets(sio_to(sio_all(nsp_of(0)), sio_id(sockets[3])), false);
	run_until(was_sent, &(struct line){3, "1\n"});
	assert_int_equal(sio_nsp_count(nsp_of(1)), 1);
	assert_int_equal(sio_nsp_count(nsp_of(0)), 2);
}

static void
on_question(sio_nsp *nsp, sio_event *event, void *arg)
{
	(void)arg;
	HEARD("question to %u with %u", sio_nsp_server(nsp) == nodes[1], sio_argc(event));
	sio_ack(event, "{s:v}", "n", sio_arg(event, 0));
}

static void
test_other_servers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		sio_on_server_event(nsp_of(i), "question", on_question, NULL);
	assert_int_equal(sio_server_side_emit(nsp_of(0), "question", "i", 1), 0);
	assert_int_equal(
		sio_server_side_emit_ack(nsp_of(0), 0, on_answers, (void *)"asked", "question", "i,s", 42, "x"), 0);
	run_until(was_heard, "asked: error 0 count 1 sum 42 silent 0 missing 0\n");
	assert_int_equal(heard.len, strlen("question to 1 with 1\nquestion to 1 with 2\n"
					   "asked: error 0 count 1 sum 42 silent 0 missing 0\n"));
	assert_int_equal(sio_server_side_emit_ack(nsp_of(1), 50, on_answers, (void *)"mute", "unknown", ""), 0);
	run_until(was_heard, "mute: error -13 count 0 sum 0 silent 1 missing 0\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_emits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acknowledgements, setup, teardown),
		cmocka_unit_test_setup_teardown(test_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_servers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
