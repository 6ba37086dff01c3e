/*
 * Joins with history and connection state recovery with sessions in Redis. The test plays Redis and the store of the
 * history. test_sio_history_keep.c has the cases that do not depend on the place of the sessions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_keep_session.h"

#include "tests/unit/socketio/playing_redis.h"
#include "tests/unit/socketio/fake_history.h"

static struct recovering client;
static const struct text room = {"room", 4};

static void
change(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->history = (char *)"room*=100";
}

/* The client waits for the history, which has one event. */
static int
start(void **state)
{
	(void)state;
	memset(&client, 0, sizeof client);
	set_up_with(change);
	store_start();
	arrive(&client);
	peer_stores("/#room", 1, 1);
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 0, NULL, NULL), 0);
	fake_turn();
	return 0;
}

static int
stop(void **state)
{
	sio_core_set_history(fake_io, NULL);
	fake_turn();
	tear_down(state);
	store_stop();
	return 0;
}

/* Redis takes the session as it was saved last. Returns the mark that replaces those before. */
static struct sio_vault_mark
take_saved(void)
{
	const struct call *save = called(VAULT_SAVE);
	struct sio_vault_mark changed;

	assert_true(text_is(save->args[6], TEXT("1")));
	assert_true(sio_vault_mark_read(save->args[5], &changed));
	buffer_reset(&record);
	buffer_add_text(&record, save->args[4]);
	buffer_reset(&mark);
	buffer_add_text(&mark, save->args[5]);
	answer_all(VAULT_SAVE, 0, TEXT("1"));
	return changed;
}

static void
a_session_in_redis_says_that_a_join_is_under_way(void **state)
{
	struct sio_vault_mark changed = take_saved();

	(void)state;
	assert_true(changed.bound_origin == keep->origin && changed.bound_sum == SIO_KEEP_UNREACHED);
	sio_keep_tell_quiet(keep);
	assert_true(sio_vault_mark_read(called(VAULT_QUIET)->args[3], &changed));
	assert_true(changed.bound_origin == keep->origin && changed.bound_sum == SIO_KEEP_UNREACHED);
	store_answers(0, 1);
	changed = take_saved();
	assert_true(changed.bound_origin == keep->origin && changed.bound_sum == changed.sum);
}

static void
a_session_in_redis_says_that_an_empty_history_has_come(void **state)
{
	struct sio_vault_mark changed;

	(void)state;
	store_answers(0, 0);
	changed = take_saved();
	assert_int_equal(changed.bound_origin, 0);
}

static void
a_client_that_is_back_while_it_waits_is_new(void **state)
{
	(void)state;
	(void)take_saved();
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	answer_claim();
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
}

static void
an_event_of_the_history_is_not_replayed(void **state)
{
	(void)state;
	store_answers(0, 1);
	recovering_read(&client);
	assert_int_equal(client.count, 1);
	(void)take_saved();
	redis.sent = keep->local; /* the log has what was recorded for the socket */
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	answer_claim();
	answer_read_with_event(room, 1, "2-0");
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(client.count, 1);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
	assert_int_equal(count_calls(VAULT_END), 1);
}

/* The same event, from a session that is not of this client's history: the records are read as they must be. */
static void
an_event_that_is_in_no_history_is_replayed(void **state)
{
	(void)state;
	store_answers(0, 0);
	(void)take_saved();
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	recovering_return(&client);
	answer_claim();
	answer_read_with_event(room, 1, "2-0");
	recovering_read(&client);
	assert_true(client.recovered);
	assert_int_equal(client.count, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_session_in_redis_says_that_a_join_is_under_way),
		CASE(a_session_in_redis_says_that_an_empty_history_has_come),
		CASE(a_client_that_is_back_while_it_waits_is_new),
		CASE(an_event_of_the_history_is_not_replayed),
		CASE(an_event_that_is_in_no_history_is_replayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
