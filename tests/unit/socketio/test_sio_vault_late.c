/*
 * Connection state recovery with sessions in Redis: what a worker makes up for after it was without Redis.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/playing_redis.h"

/* The connection to Redis is lost with all calls that wait for an answer. */
static void
lose_redis(void)
{
	redis.down = true;
	for (unsigned i = 0; i < redis.count; i++) {
		if (redis.calls[i].call != NULL)
			answer(&redis.calls[i], ERROR_CLOSED, TEXT_NONE);
	}
}

static void
find_redis(void)
{
	redis.down = false;
	keep->bus.on_ready(&keep->bus);
	sleep_long(200);
}

/* The client joins a room, and is lost, while Redis is away. */
static void
join_and_leave_without_redis(struct recovering *c)
{
	arrive(c);
	answer_all(VAULT_QUIET, 0, TEXT("1"));
	lose_redis();
	sio_join(recovering_socket(c), "new room");
	fake_turn();
	lose_redis();
	recovering_lose(c, EIO_TRANSPORT_CLOSE);
	lose_redis();
}

static void
what_redis_did_not_learn_of_a_lost_socket_is_written_later(void **state)
{
	struct recovering c = {0};
	const struct call *late;

	(void)state;
	join_and_leave_without_redis(&c);
	sleep_long(5000);
	assert_null(called(VAULT_LATE));
	find_redis();
	late = called(VAULT_LATE);
	assert_non_null(late);
	assert_true(text_is(late->args[3], TEXT("/")));
	assert_non_null(memmem(late->args[4].at, late->args[4].n, "new room", 8));
	assert_in_range(atoi(late->args[2].at), 110000, 115000); /* of 120 s */
	assert_in_range(atoi(late->args[6].at), 5000, 6000);
	answer(called(VAULT_LATE), ERROR_CLOSED, TEXT_NONE);
	sleep_long(3000);
	assert_int_equal(count_calls(VAULT_LATE), 2);
	answer(called(VAULT_LATE), 0, TEXT("1"));
	sleep_long(3000);
	assert_int_equal(count_calls(VAULT_LATE), 2);
	assert_int_equal(keep->vault->late.count, 0);
	assert_int_equal(keep->vault->late_bytes, 0);
}

static void
a_socket_that_leaves_with_a_saved_session_needs_nothing_later(void **state)
{
	struct recovering c[2] = {{0}};

	(void)state;
	arrive(&c[0]);
	recovering_lose(&c[0], EIO_TRANSPORT_CLOSE);
	assert_int_equal(keep->vault->late.count, 0);
	recovering_return(&c[1]);
	recovering_lose(&c[1], EIO_TRANSPORT_CLOSE); /* the answer to the save is awaited */
	assert_int_equal(keep->vault->late.count, 1);
	answer_all(VAULT_SAVE, 0, TEXT("1"));
	assert_int_equal(keep->vault->late.count, 0);
	sleep_long(1000);
	assert_null(called(VAULT_LATE));
}

static void
a_session_that_ended_without_redis_ends_later(void **state)
{
	struct recovering c = {0};
	unsigned ends;

	(void)state;
	arrive(&c);
	lose_redis();
	sio_disconnect(recovering_socket(&c), false);
	fake_turn();
	lose_redis();
	ends = count_calls(VAULT_END);
	sleep_long(1000);
	assert_int_equal(count_calls(VAULT_END), ends);
	find_redis();
	assert_int_equal(count_calls(VAULT_END), ends + 1);
	answer(called(VAULT_END), 0, TEXT("1"));
	assert_int_equal(keep->vault->late.count, 0);
	assert_null(called(VAULT_LATE));
}

static void
a_session_whose_time_has_passed_without_redis_ends(void **state)
{
	struct recovering c = {0};

	(void)state;
	join_and_leave_without_redis(&c);
	sleep_long(121000);
	find_redis();
	assert_null(called(VAULT_LATE));
	assert_non_null(called(VAULT_END));
}

/* Another worker wants the session before the timer runs. */
static void
what_is_late_is_written_when_the_session_is_asked_for(void **state)
{
	struct recovering c = {0};
	struct buffer take;
	struct text key;
	unsigned stores;

	(void)state;
	join_and_leave_without_redis(&c);
	key = called(VAULT_STORE)->args[0];
	stores = count_calls(VAULT_STORE);
	redis.down = false;
	buffer_init(&take, 4096);
	buffer_add_byte(&take, 'T');
	buffer_add(&take, c.pid, SIO_PID_HANDLE);
	buffer_add_text(&take, key);
	keep->bus.on_message(&keep->bus, buffer_text(&take));
	buffer_fini(&take);
	assert_non_null(called(VAULT_LATE));
	assert_int_equal(count_calls(VAULT_STORE), stores);
	answer(called(VAULT_LATE), 0, TEXT("X"));
	assert_int_equal(keep->vault->late.count, 0);
}

/* What is late is written before the claim, and is not written over the session that lives again. */
static void
what_is_late_precedes_the_claim_of_this_worker(void **state)
{
	struct recovering c = {0};

	(void)state;
	join_and_leave_without_redis(&c);
	redis.down = false;
	recovering_return(&c);
	assert_non_null(called(VAULT_LATE));
	assert_true(called(VAULT_LATE) < called(VAULT_CLAIM));
	assert_int_equal(keep->vault->late.count, 1);
	answer_claim();
	assert_int_equal(keep->vault->late.count, 0);
}

static void
after_a_loss_of_redis_no_worker_counts_as_dead_for_a_while(void **state)
{
	struct recovering c[3] = {{0}};

	(void)state;
	arrive(&c[0]);
	recovering_lose(&c[0], EIO_TRANSPORT_CLOSE);
	recovering_return(&c[0]);
	assert_true(text_is(called(VAULT_CLAIM)->args[10], TEXT("1")));
	lose_redis();
	find_redis();
	sleep_long(500);
	assert_true(text_is(called(VAULT_CLAIM)->args[10], TEXT("0")));
	answer(called(VAULT_CLAIM), 0, TEXT("W"));
	sleep_long(2800);
	answer_all(VAULT_CLAIM, 0, TEXT("W"));
	sleep_long(400);
	assert_true(text_is(called(VAULT_CLAIM)->args[10], TEXT("1")));
	answer_claim();
	answer_read();
	recovering_read(&c[0]);
	assert_true(c[0].recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_TAKEN_OVER], 0);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(what_redis_did_not_learn_of_a_lost_socket_is_written_later),
		CASE(a_socket_that_leaves_with_a_saved_session_needs_nothing_later),
		CASE(a_session_that_ended_without_redis_ends_later),
		CASE(a_session_whose_time_has_passed_without_redis_ends),
		CASE(what_is_late_is_written_when_the_session_is_asked_for),
		CASE(what_is_late_precedes_the_claim_of_this_worker),
		CASE(after_a_loss_of_redis_no_worker_counts_as_dead_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
