/* Connection state recovery of sockets that a backend serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/backend/backend_group.h"
#include "node/backend/backend_late.h"
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/backend/fake_link.h"

#define WINDOW_MS 120000

static void
recovery_is_on(struct sio_options *o)
{
	o->connection_state_recovery = true;
	o->max_disconnection_duration = WINDOW_MS;
	o->loss_notice = 45000;
	o->recovery_max_bytes = 1 << 20;
}

static void
backend_comes(unsigned i, const char *name, bool recovers)
{
	struct backend_hello hello = link_hello(name);

	hello.recovers = recovers;
	(void)link_ready(i, &hello);
}

static int
set_up(void **state)
{
	struct backend_limits limits = fake_limits();

	(void)state;
	backends_start_with(&limits, recovery_is_on);
	backend_comes(0, "b0", true);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	backends_stop();
	return 0;
}

/* The handle of the newest OPEN. */
static uint32_t
opened(unsigned link)
{
	return fake_links[link].handles;
}

static void
accept_open(unsigned link, struct recovering *c)
{
	assert_true(link_gets(link, BACKEND_ACCEPT, 0, opened(link), 0, ""));
	fake_turn();
	recovering_read(c);
}

/* A client in the room "r" with data, which has got event 1. Returns its handle. */
static uint32_t
joined(struct recovering *c)
{
	uint32_t handle;

	*c = (struct recovering){.nsp = NULL};
	recovering_return(c);
	accept_open(0, c);
	handle = opened(0);
	assert_true(c->connected);
	assert_true(link_rooms(0, BACKEND_JOIN, handle, "r"));
	assert_true(link_gets(0, BACKEND_DATA, 0, handle, 0, "{\"user\":\"ann\"}"));
	assert_true(link_casts(0, 0, 0, "r", "", "[\"e\",1]"));
	recovering_read(c);
	assert_int_equal(c->count, 1);
	(void)link_sent(0);
	return handle;
}

static void
comes_back(struct recovering *c)
{
	recovering_return(c);
	assert_false(c->connected);
}

static void
assert_got(const struct recovering *c, unsigned count)
{
	assert_int_equal(c->count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(c->got[i], i + 1);
}

static void
comes_back_as_the_same_socket(void **state)
{
	struct recovering c;
	char sid[sizeof c.sid];
	uint32_t handle = joined(&c);

	(void)state;
	memcpy(sid, c.sid, sizeof sid);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_non_null(strstr(link_sent(0), "CLOSED h="));
	assert_true(link_casts(0, 0, 0, "r", "", "[\"e\",2]"));
	comes_back(&c);
	assert_non_null(strstr(link_sent(0), "OPEN flags=6 h=4 id=3 '*' '{}' {r} '{\"user\":\"ann\"}'\n"));
	/* an event between OPEN and ACCEPT is missed, too, and comes in order */
	assert_true(link_casts(0, 0, 0, "", "", "[\"e\",3]"));
	accept_open(0, &c);
	assert_true(c.recovered);
	assert_string_equal(c.sid, sid);
	assert_got(&c, 3);
	assert_true(link_gets(0, BACKEND_EMIT, 0, opened(0), 0, "[\"e\",4]"));
	recovering_read(&c);
	assert_got(&c, 4);
	assert_true(opened(0) > handle);
}

static void
another_backend_takes_over(void **state)
{
	struct recovering c;

	(void)state;
	(void)joined(&c);
	recovering_lose(&c, EIO_PING_TIMEOUT);
	link_lost(0);
	recovering_return(&c); /* waits for a backend */
	assert_false(c.connected);
	backend_comes(1, "b1", true);
	assert_non_null(strstr(link_sent(1), "OPEN flags=6 h=2 id=1 '*' '{}' {r} '{\"user\":\"ann\"}'\n"));
	/* the backend is lost before it answers: the next one gets the same OPEN */
	link_lost(1);
	backend_comes(2, "b2", true);
	assert_non_null(strstr(link_sent(2), "OPEN flags=6 h=2 id=1 '*' '{}' {r} '{\"user\":\"ann\"}'\n"));
	accept_open(2, &c);
	assert_true(c.recovered);
	assert_got(&c, 1);
}

static void
is_new_for_a_backend_without_recovery(void **state)
{
	struct recovering c;
	char sid[sizeof c.sid];

	(void)state;
	(void)joined(&c);
	memcpy(sid, c.sid, sizeof sid);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	link_lost(0);
	backend_comes(1, "b1", false);
	comes_back(&c);
	assert_non_null(strstr(link_sent(1), "OPEN h=2 id=1 '*' '{}'\n"));
	accept_open(1, &c);
	assert_false(c.recovered);
	assert_string_not_equal(c.sid, sid);
}

static void
a_refused_client_may_try_again(void **state)
{
	struct recovering c;

	(void)state;
	(void)joined(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_true(link_casts(0, 0, 0, "r", "", "[\"e\",2]"));
	comes_back(&c);
	assert_true(link_gets(0, BACKEND_REFUSE, 0, opened(0), 0, "{\"message\":\"no\"}"));
	fake_turn();
	recovering_read(&c);
	assert_false(c.connected);
	assert_int_equal(c.count, 1);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	comes_back(&c);
	accept_open(0, &c);
	assert_true(c.recovered);
	assert_got(&c, 2);
}

static void
starts_anew_if_missed_events_are_gone_after_the_answer(void **state)
{
	struct recovering c;
	char sid[sizeof c.sid];
	uint32_t first;

	(void)state;
	(void)joined(&c);
	memcpy(sid, c.sid, sizeof sid);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_true(link_casts(0, 0, 0, "r", "", "[\"e\",2]"));
	comes_back(&c);
	first = opened(0);
	fake_io->recovery->store.max_bytes = 1;
	for (unsigned i = 0; i < 3; i++)
		assert_true(link_casts(0, 0, 0, "r", "", "[\"e\",3]"));
	(void)link_sent(0);
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, first, 0, ""));
	EXPECT_FRAMES(0, "CLOSED h=4 transport close\nOPEN h=5 id=3 '*' '{}'\n");
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, opened(0), 0, ""));
	fake_turn();
	recovering_read(&c);
	assert_true(c.connected);
	assert_false(c.recovered);
	assert_string_not_equal(c.sid, sid);
	assert_int_equal(c.count, 1);
	assert_false(sio_in_room(recovering_socket(&c), "r"));
}

static void
the_end_of_a_session_is_told(void **state)
{
	struct recovering c;

	(void)state;
	(void)joined(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	(void)link_sent(0);
	fake_sleep(WINDOW_MS + 2000);
	EXPECT_FRAMES(0, "ENDED '*' 'expired' '{\"user\":\"ann\"}'\n");
	/* a backend that does not know the frame ENDED gets none */
	(void)joined(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	link_lost(0);
	backend_comes(1, "b1", false);
	fake_sleep(WINDOW_MS + 2000);
	EXPECT_FRAMES(1, "");
}

/* ------------------------------------------------------------- late frames */

static void
a_late_emit_is_not_missed(void **state)
{
	struct recovering c;
	uint32_t handle = joined(&c);

	(void)state;
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_true(link_gets(0, BACKEND_EMIT, 0, handle, 0, "[\"e\",2]"));
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_VOLATILE, handle, 0, "[\"e\",7]"));
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, handle, 9, "[\"e\",7]"));
	assert_false(link_gets(0, BACKEND_EMIT, BACKEND_F_BIN, handle, 0, "x"));
	comes_back(&c);
	assert_true(link_gets(0, BACKEND_EMIT, 0, handle, 0, "[\"e\",3]"));
	accept_open(0, &c);
	assert_true(c.recovered);
	assert_true(link_gets(0, BACKEND_EMIT, 0, handle, 0, "[\"e\",4]"));
	recovering_read(&c);
	assert_got(&c, 4);
}

static void
late_rooms_end_the_session(void **state)
{
	struct recovering c;
	char sid[sizeof c.sid];
	uint32_t handle = joined(&c);

	(void)state;
	memcpy(sid, c.sid, sizeof sid);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	(void)link_sent(0);
	assert_true(link_rooms(0, BACKEND_JOIN, handle, "late"));
	fake_turn();
	EXPECT_FRAMES(0, "ENDED '*' 'displaced' '{\"user\":\"ann\"}'\n");
	comes_back(&c);
	accept_open(0, &c);
	assert_false(c.recovered);
	assert_string_not_equal(c.sid, sid);
}

static void
late_rooms_reach_the_socket_that_is_back(void **state)
{
	struct recovering c;
	uint32_t handle = joined(&c);

	(void)state;
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	comes_back(&c);
	(void)link_sent(0);
	assert_true(link_rooms(0, BACKEND_JOIN, handle, "late"));
	EXPECT_FRAMES(0, "JOIN h=4 {late}\n");
	accept_open(0, &c);
	assert_true(c.recovered);
	assert_true(sio_in_room(recovering_socket(&c), "late"));
	assert_true(link_rooms(0, BACKEND_LEAVE, handle, "late"));
	EXPECT_FRAMES(0, "LEAVE h=4 {late}\n");
	assert_false(sio_in_room(recovering_socket(&c), "late"));
}

static void
late_frames_have_limits(void **state)
{
	const struct backend_member *m = backend_link_owned(&fake_links[0]);
	struct recovering c;
	uint32_t handle = joined(&c), first = handle;

	(void)state;
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_non_null(backend_late_find(m, handle));
	fake_sleep(BACKEND_LATE_MS + 200);
	assert_null(backend_late_find(m, handle));
	assert_true(link_gets(0, BACKEND_EMIT, 0, handle, 0, "[\"e\",2]"));
	comes_back(&c);
	accept_open(0, &c);
	assert_true(c.recovered);
	assert_got(&c, 1);
	first = opened(0);
	for (unsigned i = 0; i < BACKEND_LATE_MAX; i++) {
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		comes_back(&c);
		accept_open(0, &c);
	}
	assert_non_null(backend_late_find(m, first));
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_null(backend_late_find(m, first));
	assert_int_equal(m->late_count, BACKEND_LATE_MAX);
	link_lost(0);
}

/* A client that has left on purpose has no late frames. */
static void
others_have_no_late_frames(void **state)
{
	const struct backend_member *m = backend_link_owned(&fake_links[0]);
	struct recovering c;
	uint32_t handle = joined(&c);

	(void)state;
	assert_true(link_gets(0, BACKEND_DISC, 0, handle, 0, ""));
	fake_turn();
	assert_null(backend_late_find(m, handle));
	assert_true(link_gets(0, BACKEND_EMIT, 0, handle, 0, "[\"e\",2]"));
	assert_true(link_rooms(0, BACKEND_JOIN, handle, "late"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back_as_the_same_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_backend_takes_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_new_for_a_backend_without_recovery, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_client_may_try_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			starts_anew_if_missed_events_are_gone_after_the_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_of_a_session_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_late_emit_is_not_missed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_rooms_end_the_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_rooms_reach_the_socket_that_is_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_frames_have_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_have_no_late_frames, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
