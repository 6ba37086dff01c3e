/* Connection state recovery of sockets that are leaving, and of sockets whose rooms change meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/recovering_cases.h"

static void
emit_and_move(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	emit(2);
	sio_leave(s, "r");
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "r"), "e", "i", 100);
	emit(3);
}

static void
a_room_change_while_disconnecting_skips_no_event(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	sio_join(recovering_socket(&c), "r");
	emit(1);
	recovering_read(&c);
	sio_on_disconnecting(sio_of(fake_io, "/"), emit_and_move, NULL);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_back(&c, 3);
}

static void
a_room_joined_while_disconnecting_belongs_to_the_session(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	emit(1);
	recovering_read(&c);
	sio_on_disconnecting(sio_of(fake_io, "/"), join_late, NULL);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "late room"), "e", "i", 2);
	assert_back(&c, 2);
	assert_true(sio_in_room(recovering_socket(&c), "late room"));
}

static void
an_event_outside_the_own_room_is_not_left_out(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	sio_leave(recovering_socket(&c), c.sid);
	sio_emit(sio_only(recovering_socket(&c)), "e", "i", 1);
	recovering_read(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), c.sid), "e", "i", 100); /* the room that it has left */
	assert_back(&c, 1);
	/* the socket is in its own room again, as every socket that connects */
	sio_emit(sio_only(recovering_socket(&c)), "e", "i", 2);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_back(&c, 2);
	/* an event to the socket, missed while the socket is not in its own room */
	sio_leave(recovering_socket(&c), c.sid);
	sio_emit(sio_only(recovering_socket(&c)), "e", "i", 3);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	assert_false(c.recovered);
}

static void
emit_to_socket(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	sio_emit(sio_only(s), "e", "i", 2);
	sio_emit(sio_volatile(sio_only(s)), "e", "i", 100);
}

static void
an_event_to_a_socket_that_leaves_is_missed(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	sio_on_disconnecting(sio_of(fake_io, "/"), emit_to_socket, NULL);
	c.session->open = false; /* the engine knows of the loss, the socket does not yet */
	sio_emit(sio_only(recovering_socket(&c)), "e", "i", 1);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_back(&c, 2);
}

static void
emit_and_leave(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	sio_emit(sio_only(s), "e", "i", 1);
	sio_leave(s, "r");
}

static void
an_event_outside_the_own_room_while_disconnecting_is_not_left_out(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	sio_join(recovering_socket(&c), "r");
	sio_leave(recovering_socket(&c), c.sid);
	sio_on_disconnecting(sio_of(fake_io, "/"), emit_and_leave, NULL);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	assert_false(c.recovered);
}

static sio_step *waiting;

static void
slow(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	waiting = step;
}

static void
a_refused_client_keeps_its_session_no_longer_than_the_window(void **state)
{
	struct recovering c = {0};

	(void)state;
	fake_io->options.skip_middlewares = false;
	recovering_return(&c);
	sio_use(sio_of(fake_io, "/"), slow, NULL);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	fake_sleep(5000); /* nothing is kept meanwhile */
	sio_refuse(waiting, "no", NULL);
	fake_turn();
	assert_int_equal(fake_io->recovery->stored_count, 1);
	fake_sleep(130000);
	assert_int_equal(fake_io->recovery->stored_count, 0);
	assert_int_equal(fake_io->recovery->ended, 1);
}

static void
move(sio_socket *s, sio_event *event, void *arg)
{
	(void)event;
	if (*(bool *)arg)
		sio_leave(s, "r");
}

static void
an_event_whose_listener_moves_its_receiver_is_not_left_out(void **state)
{
	struct recovering c = {0};
	bool moves = false;

	(void)state;
	recovering_return(&c);
	sio_on_any_outgoing(sio_of(fake_io, "/"), move, &moves);
	sio_join(recovering_socket(&c), "r");
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "r"), "e", "i", 1);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_back(&c, 1);
	moves = true;
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "r"), "e", "i", 2);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	assert_false(c.recovered);
}

static void
a_client_that_was_refused_once_can_come_back_later(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	sio_emit(sio_all(sio_of(fake_io, "/")), "note", "");
	recovering_read(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(100);
	fake_sleep(130000);
	recovering_return(&c);
	assert_false(c.recovered);
	/* the client still sends the offset of its first session, as stock clients do */
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(1);
	assert_back(&c, 1);
}

static struct eio_session *full;

static int
encode_too_much(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	if (packet->type == SIO_EVENT)
		full->open = false; /* as the engine does when the queue of the client is full */
	return sio_parser_json.encode(packet, head, messages);
}

static struct sio_parser parser_of_too_much;

static void
choose_parser_of_too_much(sio_socket *s, sio_step *step, void *arg)
{
	(void)arg;
	if (sio_recovered(s)) {
		full = s->client->session;
		s->client->parser = &parser_of_too_much;
	}
	sio_next(step);
}

static void
a_replay_that_fills_the_queue_does_not_count(void **state)
{
	struct recovering c = {0};

	(void)state;
	parser_of_too_much = sio_parser_json;
	parser_of_too_much.encode = encode_too_much;
	fake_io->options.skip_middlewares = false;
	sio_use(sio_of(fake_io, "/"), choose_parser_of_too_much, NULL);
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(1);
	emit(2);
	recovering_return(&c);
	assert_false(c.connected);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_FAILED], 1);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_RECOVERED], 0);
	assert_int_equal(fake_io->recovery->sessions.count, 0);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_room_change_while_disconnecting_skips_no_event),
		CASE(a_room_joined_while_disconnecting_belongs_to_the_session),
		CASE(an_event_outside_the_own_room_is_not_left_out),
		CASE(an_event_outside_the_own_room_while_disconnecting_is_not_left_out),
		CASE(an_event_to_a_socket_that_leaves_is_missed),
		CASE(a_refused_client_keeps_its_session_no_longer_than_the_window),
		CASE(an_event_whose_listener_moves_its_receiver_is_not_left_out),
		CASE(a_client_that_was_refused_once_can_come_back_later),
		CASE(a_replay_that_fills_the_queue_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
