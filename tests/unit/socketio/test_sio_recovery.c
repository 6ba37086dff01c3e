/* Connection state recovery: what a client that comes back gets, by a fake clock and clients that act as stock ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/recovering_cases.h"

static uint64_t
result_of(enum sio_recovery_result result)
{
	return fake_io->recovery->results[result];
}

static void
assert_new(struct recovering *c, enum sio_recovery_result result)
{
	uint64_t before = result_of(result);
	unsigned count = c->count;
	char sid[sizeof c->sid];

	memcpy(sid, c->sid, sizeof sid);
	recovering_return(c);
	assert_false(c->recovered);
	assert_string_not_equal(c->sid, sid);
	assert_int_equal(c->count, count);
	assert_int_equal(result_of(result), before + 1);
}

static void
missed_events_come_once_and_in_order(void **state)
{
	struct recovering c = {0};
	sio_socket *s;

	(void)state;
	recovering_return(&c);
	s = recovering_socket(&c);
	sio_join(s, "r");
	sio_set_data(s, "i", 7);
	emit(1);
	recovering_read(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(2);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "r"), "e", "i", 3);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "other"), "e", "i", 100);
	sio_emit(sio_except(sio_all(sio_of(fake_io, "/")), "r"), "e", "i", 101);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), c.sid), "e", "i", 4);
	sio_emit(sio_volatile(sio_all(sio_of(fake_io, "/"))), "e", "i", 102);
	assert_back(&c, 4);
	s = recovering_socket(&c);
	assert_true(sio_recovered(s));
	assert_true(sio_in_room(s, "r"));
	assert_int_equal(sio_int(sio_data(s), 0), 7);
	/* again, without an event in between, and with one */
	recovering_lose(&c, EIO_PING_TIMEOUT);
	assert_back(&c, 4);
	emit(5);
	recovering_lose(&c, EIO_PING_TIMEOUT); /* the event was sent and not read */
	assert_back(&c, 5);
	assert_int_equal(result_of(SIO_RECOVERY_RECOVERED), 3);
}

static void
a_client_without_events_recovers(void **state)
{
	struct recovering c = {0}, quiet = {0};

	(void)state;
	emit(100);
	recovering_return(&c);
	recovering_return(&quiet);
	sio_join(recovering_socket(&quiet), "quiet");
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(1);
	assert_back(&c, 1);
	/* a client to which nothing was sent for hours, while the log went on */
	recovering_read(&quiet);
	for (int i = 0; i < 100; i++) {
		sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), c.sid), "e", "i", i);
		fake_sleep(60000);
	}
	recovering_lose(&quiet, EIO_TRANSPORT_CLOSE);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "quiet"), "e", "i", 2);
	assert_back(&quiet, 2);
}

static void
a_string_at_the_end_is_not_taken_for_an_offset(void **state)
{
	struct recovering c = {0};
	sio_socket *s;

	(void)state;
	recovering_return(&c);
	s = recovering_socket(&c);
	emit(1);
	sio_emit(sio_volatile(sio_all(sio_of(fake_io, "/"))), "pos", "s", "hello");
	sio_emit(sio_volatile(sio_only(s)), "alone", "");
	recovering_read(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(2);
	assert_back(&c, 2);
}

static void
a_client_that_comes_before_its_loss_is_noticed_takes_over(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	emit(1);
	recovering_read(&c);
	for (unsigned i = 2; i < 12; i++) { /* ten losses that the server does not notice */
		recovering_vanish(&c);
		emit((int)i);
		assert_back(&c, i);
		fake_turn();
		assert_int_equal(sio_nsp_count(sio_of(fake_io, "/")), 1);
	}
	assert_int_equal(result_of(SIO_RECOVERY_TAKEN_OVER), 10);
	assert_int_equal(fake_io->disconnects[SIO_REASON_ENGINE + EIO_TRANSPORT_CLOSE], 10);
}

/* The server reads the CONNECT of a connection that the client has left after that of the next one. */
static void
a_connection_that_the_client_has_left_takes_over_nothing(void **state)
{
	struct recovering c = {0}, left = {0};

	(void)state;
	recovering_open(&left, 1);
	recovering_open(&c, 2);
	recovering_return(&c);
	memcpy(left.pid, c.pid, sizeof left.pid);
	recovering_return(&left);
	assert_false(left.recovered);
	assert_true(c.session->open);
	assert_int_equal(result_of(SIO_RECOVERY_NO_SESSION), 1);
	/* the same connection, and one that is newer */
	recovering_open(&left, 2);
	memcpy(left.pid, c.pid, sizeof left.pid);
	recovering_return(&left);
	assert_true(left.recovered);
	assert_false(c.session->used);
	recovering_open(&c, 3);
	recovering_return(&c);
	assert_true(c.recovered);
}

static sio_step *waiting;

static void
slow(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	waiting = step;
}

/* The newest connection is lost, too, when the server reads the CONNECT of the older one. */
static void
a_connection_that_the_client_has_left_gets_no_stored_session(void **state)
{
	struct recovering c = {0}, left = {0};

	(void)state;
	for (uint64_t began = 2; began < 6; began += 2) { /* the first connection, and one of a recovered client */
		recovering_open(&left, began - 1);
		recovering_open(&c, began);
		recovering_return(&c);
		assert_int_equal(c.recovered, began > 2);
		emit((int)began / 2);
		recovering_read(&c);
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		memcpy(left.pid, c.pid, sizeof left.pid);
		recovering_return(&left);
		assert_false(left.recovered);
		assert_int_equal(result_of(SIO_RECOVERY_NO_SESSION), began / 2);
	}
	recovering_open(&c, 5);
	assert_back(&c, 2);
}

/* The newest connection waits in a middleware and is refused. */
static void
a_refused_connection_counts_as_the_newest(void **state)
{
	struct recovering c = {0}, left = {0};

	(void)state;
	fake_io->options.skip_middlewares = false;
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sio_use(sio_of(fake_io, "/"), slow, NULL);
	recovering_open(&left, 1);
	recovering_open(&c, 2);
	recovering_return(&c);
	sio_refuse(waiting, "no", NULL);
	fake_turn();
	fake_io->options.skip_middlewares = true;
	memcpy(left.pid, c.pid, sizeof left.pid);
	recovering_return(&left);
	assert_false(left.recovered);
	recovering_open(&c, 2);
	assert_back(&c, 0);
}

static void
the_window_ends(void **state)
{
	struct recovering c = {0}, d = {0};

	(void)state;
	recovering_return(&c);
	recovering_return(&d);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_lose(&d, EIO_TRANSPORT_CLOSE);
	fake_sleep(119000);
	assert_back(&c, 0);
	fake_sleep(3000);
	assert_int_equal(fake_io->recovery->ended, 1);
	assert_new(&d, SIO_RECOVERY_NO_SESSION);
	emit(1);
	fake_sleep(165000);
	assert_int_equal(fake_io->recovery->store.count, 1);
	fake_sleep(2000);
	assert_int_equal(fake_io->recovery->store.count, 0);
	assert_int_equal(fake_io->recovery->store.bytes, 0);
}

static void
some_reasons_end_the_session(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	recovering_lose(&c, EIO_PARSE_ERROR);
	assert_new(&c, SIO_RECOVERY_NO_SESSION);
	sio_disconnect(recovering_socket(&c), false);
	fake_turn();
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_new(&c, SIO_RECOVERY_NO_SESSION);
	recovering_lose(&c, EIO_FORCED_CLOSE);
	assert_back(&c, 0);
}

/* undefined of a client with the MessagePack parser */
static void
an_offset_of_null_is_none(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(1);
	c.auth = "\"offset\":null";
	recovering_return(&c);
	assert_true(c.recovered);
	assert_int_equal(c.count, 1);
}

static void
hostile_pids_and_offsets_are_refused(void **state)
{
	static const char *const offsets[] = {"0-0", "18446744073709551615-18446744073709551615", "\\u0000",
		"AAAAAAAA1", "99999999999999999999999999"};
	struct recovering c = {0}, other = {0};
	char *huge = mem_alloc(100001);
	char good[sizeof c.offset];

	(void)state;
	memset(huge, 'x', 100000);
	huge[100000] = '\0';
	sio_of(fake_io, "/other");
	recovering_return(&c);
	emit(1);
	recovering_read(&c);
	memcpy(good, c.offset, sizeof good);
	for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		(void)snprintf(c.offset, sizeof c.offset, "%s", offsets[i]);
		assert_new(&c, SIO_RECOVERY_OFFSET_GONE);
	}
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_claim(&c, c.pid, huge);
	assert_false(c.recovered);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_claim(&c, c.pid, "");
	assert_false(c.recovered);
	/* the future, zeros, a blank, another epoch */
	for (unsigned i = 0; i < 4; i++) {
		static const char *const ends[] = {"2", "01", "1 ", "1"};

		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		(void)snprintf(c.offset, sizeof c.offset, "%.8s%s", i == 3 ? "xxxxxxxx" : good, ends[i]);
		assert_new(&c, SIO_RECOVERY_OFFSET_GONE);
	}
	c.offset[0] = '\0';
	/* a pid that is nearly right, and one of another namespace; the session is still there for its owner */
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	other = c;
	other.pid[31] ^= 1;
	assert_new(&other, SIO_RECOVERY_NO_SESSION);
	recovering_lose(&other, EIO_TRANSPORT_CLOSE);
	other = c;
	other.nsp = "/other";
	assert_new(&other, SIO_RECOVERY_FOREIGN);
	c.count = 0;
	assert_back(&c, 0);
	mem_free(huge);
}

static void
what_is_emitted_while_middlewares_run_is_not_lost(void **state)
{
	struct recovering c = {0};

	(void)state;
	fake_io->options.skip_middlewares = false;
	recovering_return(&c);
	sio_use(sio_of(fake_io, "/"), slow, NULL);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(1);
	recovering_return(&c);
	assert_int_equal(c.count, 0);
	emit(2);
	assert_true(sio_recovered(sio_step_socket(waiting)));
	assert_string_equal(sio_id(sio_step_socket(waiting)), c.sid);
	sio_next(waiting);
	fake_turn();
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(c.count, 2);
	/* a refused client has got nothing, and keeps its session */
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(3);
	recovering_return(&c);
	sio_refuse(waiting, "no", NULL);
	fake_turn();
	recovering_read(&c);
	assert_int_equal(c.count, 2);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	fake_io->options.skip_middlewares = true;
	assert_back(&c, 3);
	/* a client that is gone again while the middleware waits */
	fake_io->options.skip_middlewares = false;
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	fake_io->options.skip_middlewares = true;
	assert_back(&c, 3);
}

static void
limits_are_kept_and_never_make_a_gap(void **state)
{
	struct recovering c[4] = {{0}};

	(void)state;
	fake_io->options.recovery_max_sessions = 2;
	for (unsigned i = 0; i < 3; i++) {
		recovering_return(&c[i]);
		fake_sleep(1);
		recovering_lose(&c[i], EIO_TRANSPORT_CLOSE);
	}
	assert_int_equal(fake_io->recovery->displaced, 1);
	assert_new(&c[0], SIO_RECOVERY_NO_SESSION);
	emit(1);
	assert_back(&c[1], 1);
	fake_io->recovery->store.max_bytes = 3000;
	for (int i = 2; i < 100; i++) {
		emit(i);
		assert_true(fake_io->recovery->store.bytes <= 3000);
	}
	assert_new(&c[2], SIO_RECOVERY_OFFSET_GONE);
	fake_io->recovery->store.max_bytes = 100000;
	recovering_read(&c[2]);
	recovering_lose(&c[2], EIO_TRANSPORT_CLOSE);
	fake_io->max_emit = 1000;
	c[2].count = 0;
	for (int i = 1; i < 20; i++)
		emit(i);
	assert_new(&c[2], SIO_RECOVERY_TOO_BIG);
}

static int
encode_no_events(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	return packet->type == SIO_EVENT ? ERROR_MEMORY : sio_parser_json.encode(packet, head, messages);
}

static struct sio_parser parser_without_events;

static void
choose_parser_without_events(sio_socket *s, sio_step *step, void *arg)
{
	if (*(bool *)arg)
		s->client->parser = &parser_without_events;
	sio_next(step);
}

static void
a_replay_that_fails_does_not_count(void **state)
{
	struct recovering c = {0};
	bool failing = false;

	(void)state;
	parser_without_events = sio_parser_json;
	parser_without_events.encode = encode_no_events;
	fake_io->options.skip_middlewares = false;
	sio_use(sio_of(fake_io, "/"), choose_parser_without_events, &failing);
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	emit(1);
	failing = true;
	recovering_return(&c);
	assert_false(c.connected);
	assert_false(c.session->open);
	assert_int_equal(result_of(SIO_RECOVERY_FAILED), 1);
	assert_int_equal(fake_io->recovery->sessions.count, 0);
	assert_int_equal(fake_io->nsps.count, 1);
	failing = false;
	assert_new(&c, SIO_RECOVERY_NO_SESSION);
	assert_int_equal(c.count, 0);
}

static void
emit_in_outgoing(sio_socket *s, sio_event *event, void *arg)
{
	unsigned *nested = arg;

	assert_int_equal(sio_argc(event), 1); /* listeners do not see the offset */
	if ((*nested)++ == 0)
		sio_emit(sio_all(sio_socket_nsp(s)), "e", "i", 1);
}

static void
a_listener_that_emits_does_not_disturb_the_order(void **state)
{
	struct recovering c[2] = {{0}};
	unsigned nested = 0;

	(void)state;
	recovering_return(&c[0]);
	recovering_return(&c[1]);
	sio_on_any_outgoing(sio_of(fake_io, "/"), emit_in_outgoing, &nested);
	emit(2);
	for (unsigned i = 0; i < 2; i++) {
		recovering_read(&c[i]);
		recovering_lose(&c[i], EIO_TRANSPORT_CLOSE);
		assert_back(&c[i], 2);
	}
}

static void
auth_hides_the_secret(void **state)
{
	struct recovering c = {0};
	const char *json;
	size_t n;

	(void)state;
	c.auth = "\"token\" : [1, 2]";
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_back(&c, 0);
	json = sio_json(sio_auth(recovering_socket(&c)), &n);
	assert_int_equal(n, strlen("{\"token\":[1, 2]}"));
	assert_memory_equal(json, "{\"token\":[1, 2]}", n);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(missed_events_come_once_and_in_order),
		CASE(a_client_without_events_recovers),
		CASE(a_string_at_the_end_is_not_taken_for_an_offset),
		CASE(a_client_that_comes_before_its_loss_is_noticed_takes_over),
		CASE(a_connection_that_the_client_has_left_takes_over_nothing),
		CASE(a_connection_that_the_client_has_left_gets_no_stored_session),
		CASE(a_refused_connection_counts_as_the_newest),
		CASE(the_window_ends),
		CASE(some_reasons_end_the_session),
		CASE(an_offset_of_null_is_none),
		CASE(hostile_pids_and_offsets_are_refused),
		CASE(what_is_emitted_while_middlewares_run_is_not_lost),
		CASE(a_replay_that_fails_does_not_count),
		CASE(limits_are_kept_and_never_make_a_gap),
		CASE(a_listener_that_emits_does_not_disturb_the_order),
		CASE(auth_hides_the_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
