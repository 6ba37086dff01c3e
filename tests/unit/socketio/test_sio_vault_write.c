/*
 * Connection state recovery with sessions in Redis: what a worker writes about the sessions of its sockets, and how
 * it removes those of lost clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/playing_redis.h"

/* The transaction in which the bus records a broadcast (bus_log_write.c) is all that it costs Redis. */
static void
a_broadcast_runs_no_script(void **state)
{
	struct broker_nsp nsp = {.broker = &fake_broker, .name = TEXT("/")};
	struct recovering c = {0};
	unsigned before;

	(void)state;
	arrive(&c);
	sleep_long(2000);
	sio_of(fake_io, "/")->broker = &nsp;
	before = redis.count;
	buffer_reset(&fake_broker.log);
	for (int i = 0; i < 3; i++) {
		sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", i);
		fake_turn();
	}
	assert_true(text_is(
		fake_broker_log(), TEXT("broadcast / [\"e\",0]\nbroadcast / [\"e\",1]\nbroadcast / [\"e\",2]\n")));
	assert_int_equal(redis.count, before);
	sio_of(fake_io, "/")->broker = NULL;
}

static void
what_redis_refuses_is_sent_again_after_longer_and_longer_pauses(void **state)
{
	struct recovering c[8] = {{0}}, other = {0};
	unsigned saved;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		recovering_return(&c[i]);
	for (unsigned i = 0; i < 25; i++) {
		answer_all(VAULT_SAVE, ERROR_UNSUPPORTED, TEXT("OOM command not allowed"));
		sleep_long(1000);
	}
	saved = count_calls(VAULT_SAVE);
	assert_in_range(saved, 8 * 4, 8 * 7); /* after 0, 1, 2, 4, 8, 16 s */
	recovering_return(&other);	      /* the new session is written alone, without the sessions that wait */
	assert_int_equal(count_calls(VAULT_SAVE), saved + 1);
	/* Redis takes writes again */
	answer_all(VAULT_SAVE, 0, TEXT("1"));
	sleep_long(33000);
	answer_all(VAULT_SAVE, 0, TEXT("1"));
	answer_all(VAULT_QUIET, 0, TEXT("1"));
	saved = count_calls(VAULT_SAVE);
	sleep_long(10000);
	assert_int_equal(count_calls(VAULT_SAVE), saved);
	recovering_lose(&c[0], EIO_TRANSPORT_CLOSE);
	assert_int_equal(count_calls(VAULT_SAVE), saved);
}

/* A lost connection is not a refusal: once it is back, the sessions of new clients are written at once. */
static void
what_a_lost_connection_has_not_taken_is_sent_again_soon(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	for (unsigned i = 1; i <= 25; i++) {
		answer_all(VAULT_SAVE, ERROR_CLOSED, TEXT_NONE);
		sleep_long(2000);
		assert_in_range(count_calls(VAULT_SAVE), i + 1, 2 * i + 1);
		assert_non_null(called(VAULT_SAVE)->call);
	}
}

static void
join(const struct recovering *c, const char *room)
{
	assert_int_equal(sio_join(recovering_socket(c), room), 0);
	fake_turn();
}

/* With the older record, the client could be recovered in its older rooms after the death of the worker. */
static void
an_older_record_is_withdrawn_if_redis_refuses_a_newer_one(void **state)
{
	struct recovering c = {0};
	struct call *first;

	(void)state;
	arrive(&c);
	join(&c, "one");
	first = called(VAULT_SAVE);
	join(&c, "two");
	answer(first, ERROR_UNSUPPORTED, TEXT("OOM command not allowed"));
	assert_null(called(VAULT_WITHDRAW)); /* the newer one decides */
	answer(called(VAULT_SAVE), ERROR_CLOSED, TEXT_NONE);
	assert_null(called(VAULT_WITHDRAW)); /* Redis may have taken it */
	sleep_long(2000);
	answer(called(VAULT_SAVE), ERROR_UNSUPPORTED, TEXT("OOM command not allowed"));
	assert_int_equal(count_calls(VAULT_WITHDRAW), 1);
	assert_true(text_is(called(VAULT_WITHDRAW)->args[0], first->args[0]));
	assert_true(text_is(called(VAULT_WITHDRAW)->args[1], first->args[1]));
	sleep_long(2000);
	answer(called(VAULT_SAVE), 0, TEXT("1"));
	assert_int_equal(count_calls(VAULT_WITHDRAW), 1);
}

static void
an_older_record_of_a_lost_client_is_withdrawn_too(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	join(&c, "one");
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_null(called(VAULT_LATE));
	answer_all(VAULT_SAVE, ERROR_UNSUPPORTED, TEXT("OOM command not allowed"));
	assert_int_equal(count_calls(VAULT_WITHDRAW), 1);
	sleep_long(100);
	assert_true(called(VAULT_LATE) > called(VAULT_WITHDRAW));
}

static struct {
	unsigned count;
	char id[SIO_ID_LENGTH + 1];
	sio_session_end why;
} ended;

static void
on_ended(sio_nsp *nsp, const sio_ended_session *session, void *arg)
{
	(void)nsp, (void)arg;
	ended.count++;
	ended.why = session->why;
	(void)snprintf(ended.id, sizeof ended.id, "%s", session->id);
}

static void
the_worker_that_has_stored_a_session_removes_and_reports_it(void **state)
{
	struct recovering c = {0};
	struct buffer out;

	(void)state;
	memset(&ended, 0, sizeof ended);
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_true(text_is(called(VAULT_STORE)->args[2], TEXT("120000")));
	assert_int_equal(called(VAULT_STORE)->args[3].n, 0); /* nobody listens */
	c = (struct recovering){0};
	sio_on_session_ended(sio_of(fake_io, "/"), on_ended, NULL);
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_true(text_is(called(VAULT_STORE)->args[2], TEXT("150000")));
	assert_int_equal(called(VAULT_STORE)->args[3].n, 20);
	fake_sleep(119990);
	assert_int_equal(count_calls(VAULT_EXPIRE), 0);
	fake_sleep(20);
	assert_true(text_is(called(VAULT_EXPIRE)->args[2], called(VAULT_STORE)->args[3]));
	answer(called(VAULT_EXPIRE), 0, TEXT("V")); /* another worker has claimed it */
	fake_sleep(1010);
	assert_int_equal(count_calls(VAULT_EXPIRE), 2);
	assert_int_equal(ended.count, 0);
	buffer_init(&out, 1 << 16);
	buffer_add_byte(&out, 'E');
	buffer_add_text(&out, buffer_text(&record));
	answer(called(VAULT_EXPIRE), 0, buffer_text(&out));
	buffer_fini(&out);
	assert_int_equal(ended.count, 1);
	assert_string_equal(ended.id, c.sid);
	assert_int_equal(ended.why, SIO_SESSION_EXPIRED);
}

static void
a_session_that_is_gone_or_malformed_is_not_reported(void **state)
{
	static const struct text answers[] = {{"0", 1}, {"E", 1}, {"Exxxxxxxxx", 10}, {"", 0}};

	(void)state;
	memset(&ended, 0, sizeof ended);
	sio_on_session_ended(sio_of(fake_io, "/"), on_ended, NULL);
	for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct recovering c = {0};

		arrive(&c);
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		fake_sleep(120010);
		assert_int_equal(count_calls(VAULT_EXPIRE), i + 1);
		answer(called(VAULT_EXPIRE), 0, answers[i]);
	}
	fake_sleep(60000);
	assert_int_equal(count_calls(VAULT_EXPIRE), 4);
	assert_int_equal(ended.count, 0);
}

static void
a_room_joined_while_disconnecting_is_saved(void **state)
{
	struct recovering c = {0};
	const struct call *save;

	(void)state;
	arrive(&c);
	sio_on_disconnecting(sio_of(fake_io, "/"), join_late, NULL);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	save = called(VAULT_SAVE);
	assert_true(text_has(save->args[4], TEXT("late room")));
	assert_true(save < called(VAULT_STORE));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_broadcast_runs_no_script),
		CASE(what_redis_refuses_is_sent_again_after_longer_and_longer_pauses),
		CASE(what_a_lost_connection_has_not_taken_is_sent_again_soon),
		CASE(an_older_record_is_withdrawn_if_redis_refuses_a_newer_one),
		CASE(an_older_record_of_a_lost_client_is_withdrawn_too),
		CASE(the_worker_that_has_stored_a_session_removes_and_reports_it),
		CASE(a_session_that_is_gone_or_malformed_is_not_reported),
		CASE(a_room_joined_while_disconnecting_is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
