/* The ends of sessions in Redis: which are waited for, when they are removed, and who learns of it. The test plays
 * Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_expiry.h"
#include "node/socketio/sio_nsp.h"
#include "tests/unit/socketio/recovering.h"

#define WINDOW_MS 120000
#define PIDS 300

static struct {
	struct sio_expiring *asked[PIDS];
	unsigned count, cancelled;
	bool unreachable;
} redis;

static struct {
	unsigned count;
	char id[SIO_ID_LENGTH + 1], data[64];
	sio_session_end why;
} ended;

static bool
redis_remove(struct sio_expiring *expiring)
{
	redis.asked[redis.count++] = expiring;
	return !redis.unreachable;
}

static void
redis_cancel(struct sio_expiring *expiring)
{
	(void)expiring;
	redis.cancelled++;
}

static const struct sio_expiry_peer peer = {redis_remove, redis_cancel};

static void
on_ended(sio_nsp *nsp, const sio_ended_session *session, void *arg)
{
	size_t n;
	const char *json = sio_json(session->data, &n);

	(void)nsp;
	(void)arg;
	ended.count++;
	ended.why = session->why;
	(void)snprintf(ended.id, sizeof ended.id, "%s", session->id);
	(void)snprintf(ended.data, sizeof ended.data, "%.*s", (int)n, json);
}

static void
limits(struct sio_options *o)
{
	o->max_disconnection_duration = WINDOW_MS;
	o->recovery_max_sessions = PIDS - 10;
	o->max_children = 1;
	o->cleanup_empty_child_namespaces = 1;
}

static struct sio_expiry *expiry;
static sio_nsp *root;

static int
set_up(void **state)
{
	(void)state;
	memset(&redis, 0, sizeof redis);
	memset(&ended, 0, sizeof ended);
	recovering_start(limits);
	root = sio_of(fake_io, "/");
	sio_expiry_new(fake_io->recovery, &peer);
	expiry = fake_io->recovery->expiry;
	sio_on_session_ended(root, on_ended, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sio_expiry_free(fake_io->recovery->expiry);
	recovering_stop();
	return 0;
}

static struct text
pid_of(unsigned i)
{
	static char pid[SIO_PID_LENGTH + 1];

	return text_of(pid, (size_t)snprintf(pid, sizeof pid, "pid-%028u", i));
}

static void
lose(unsigned i)
{
	sio_expiry_add(expiry, root, pid_of(i), WINDOW_MS, TEXT("token"));
}

static void
answer_removed(unsigned i)
{
	struct sio_stored *data = sio_stored_new(TEXT("{\"user\":\"ann\"}"), NULL);

	sio_expiry_removed(redis.asked[i], TEXT("abcdefghij0123456789"), data);
	sio_stored_unref(data);
	fake_turn();
}

static void
a_session_is_removed_and_reported_when_its_window_has_ended(void **state)
{
	(void)state;
	lose(0);
	fake_sleep(WINDOW_MS - 10);
	assert_int_equal(redis.count, 0);
	fake_sleep(20);
	assert_int_equal(redis.count, 1);
	assert_memory_equal(redis.asked[0]->token, "token\0", 6);
	assert_true(text_is(sio_expiring_pid(redis.asked[0]), pid_of(0)));
	assert_int_equal(ended.count, 0);
	answer_removed(0);
	assert_int_equal(ended.count, 1);
	assert_string_equal(ended.id, "abcdefghij0123456789");
	assert_string_equal(ended.data, "{\"user\":\"ann\"}");
	assert_int_equal(ended.why, SIO_SESSION_EXPIRED);
	assert_int_equal(fake_io->recovery->ended, 1);
	fake_sleep(2 * WINDOW_MS);
	assert_int_equal(redis.count, 1);
}

static void
a_client_that_is_back_is_not_reported(void **state)
{
	(void)state;
	lose(0);
	lose(1);
	sio_expiry_forget(expiry, pid_of(1)); /* back at this worker */
	fake_sleep(WINDOW_MS + 10);
	assert_int_equal(redis.count, 1);
	sio_expiry_gone(redis.asked[0]); /* back at another worker */
	fake_sleep(2 * WINDOW_MS);
	assert_int_equal(redis.count, 1);
	assert_int_equal(ended.count, 0);
}

static void
a_client_that_is_lost_again_is_waited_for_anew(void **state)
{
	(void)state;
	lose(0);
	fake_sleep(WINDOW_MS / 2);
	lose(0);
	fake_sleep(WINDOW_MS / 2 + 10);
	assert_int_equal(redis.count, 0);
	fake_sleep(WINDOW_MS / 2);
	assert_int_equal(redis.count, 1);
}

static void
without_an_answer_it_asks_again_until_redis_has_dropped_the_session(void **state)
{
	unsigned asked;

	(void)state;
	lose(0);
	redis.unreachable = true;
	fake_sleep(WINDOW_MS + 10);
	for (unsigned i = 0; i < 100; i++)
		fake_sleep(1000);
	asked = redis.count;
	assert_in_range(asked, 25, 32);
	assert_int_equal(ended.count, 0);
	/* another one is asked again, and answered */
	lose(1);
	fake_sleep(WINDOW_MS + 10);
	assert_int_equal(redis.count, asked + 1);
	redis.unreachable = false;
	fake_sleep(1010);
	assert_int_equal(redis.count, asked + 2);
	answer_removed(asked + 1);
	assert_int_equal(ended.count, 1);
}

static void
a_session_that_is_ended_is_reported_as_displaced(void **state)
{
	(void)state;
	lose(0);
	assert_false(sio_expiry_end(expiry, pid_of(1)));
	assert_true(sio_expiry_end(expiry, pid_of(0)));
	assert_int_equal(redis.count, 1);
	answer_removed(0);
	assert_int_equal(ended.why, SIO_SESSION_DISPLACED);
	assert_int_equal(fake_io->recovery->displaced, 1);
	assert_false(sio_expiry_end(expiry, pid_of(0)));
	/* while the end of its window is being asked for */
	lose(2);
	fake_sleep(WINDOW_MS + 10);
	assert_true(sio_expiry_end(expiry, pid_of(2)));
	assert_int_equal(redis.count, 2);
	answer_removed(1);
	assert_int_equal(ended.count, 2);
	assert_int_equal(ended.why, SIO_SESSION_DISPLACED);
}

static void
the_oldest_is_forgotten_beyond_the_limit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIDS; i++)
		lose(i);
	for (unsigned i = 0; i < PIDS; i++)
		assert_int_equal(sio_expiry_end(expiry, pid_of(i)), i >= 10);
	assert_int_equal(redis.count, PIDS - 10);
	assert_int_equal(redis.cancelled, 0);
}

static void
at_most_256_are_asked_at_a_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIDS - 10; i++)
		lose(i);
	fake_sleep(WINDOW_MS + 10);
	assert_int_equal(redis.count, 256);
	answer_removed(0);
	sio_expiry_gone(redis.asked[1]);
	assert_int_equal(redis.count, 258);
	sio_expiry_free(expiry);
	assert_int_equal(redis.cancelled, 256);
	assert_int_equal(ended.count, 1);
}

/* The answers of the 256 fail when the connection is lost, and then Redis can be asked for none of the others. */
static void
all_that_wait_for_their_turn_are_tried_again_later(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIDS - 20; i++)
		lose(i);
	fake_sleep(WINDOW_MS + 10);
	assert_int_equal(redis.count, 256);
	redis.unreachable = true;
	sio_expiry_again(redis.asked[0]);
	assert_int_equal(redis.count, PIDS - 20);
	redis.unreachable = false;
	redis.count = 0;
	fake_sleep(1010); /* 255 still wait for their answers */
	assert_int_equal(redis.count, 1);
	sio_expiry_gone(redis.asked[0]);
	assert_int_equal(redis.count, 2);
}

static void
without_a_listener_nobody_waits(void **state)
{
	(void)state;
	assert_true(sio_expiry_wanted(root));
	assert_int_equal(sio_off_session_ended(root, on_ended, NULL), 0);
	assert_false(sio_expiry_wanted(root));
}

static void
a_namespace_stays_while_its_sessions_are_waited_for_unless_another_needs_its_place(void **state)
{
	sio_nsp *parent = sio_of_pattern(fake_io, "^/c[0-9]$", NULL);
	struct recovering first = {.nsp = "/c1"}, second = {.nsp = "/c2"};

	(void)state;
	sio_on_session_ended(parent, on_ended, NULL);
	recovering_return(&first);
	sio_expiry_add(expiry, sio_nsp_find(fake_io, TEXT("/c1")), pid_of(0), WINDOW_MS, TEXT(""));
	recovering_lose(&first, EIO_PARSE_ERROR);
	assert_non_null(sio_nsp_find(fake_io, TEXT("/c1")));
	fake_sleep(WINDOW_MS + 10);
	answer_removed(0);
	assert_int_equal(ended.count, 1);
	assert_null(sio_nsp_find(fake_io, TEXT("/c1")));
	recovering_return(&first);
	sio_expiry_add(expiry, sio_nsp_find(fake_io, TEXT("/c1")), pid_of(0), WINDOW_MS, TEXT(""));
	recovering_lose(&first, EIO_PARSE_ERROR);
	recovering_return(&second);
	fake_turn();
	assert_true(second.connected);
	assert_null(sio_nsp_find(fake_io, TEXT("/c1")));
	fake_sleep(WINDOW_MS + 10);
	assert_int_equal(redis.count, 1);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_session_is_removed_and_reported_when_its_window_has_ended),
		CASE(a_client_that_is_back_is_not_reported),
		CASE(a_client_that_is_lost_again_is_waited_for_anew),
		CASE(without_an_answer_it_asks_again_until_redis_has_dropped_the_session),
		CASE(a_session_that_is_ended_is_reported_as_displaced),
		CASE(the_oldest_is_forgotten_beyond_the_limit),
		CASE(at_most_256_are_asked_at_a_time),
		CASE(all_that_wait_for_their_turn_are_tried_again_later),
		CASE(without_a_listener_nobody_waits),
		CASE(a_namespace_stays_while_its_sessions_are_waited_for_unless_another_needs_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
