/*
 * Connection state recovery with sessions in Redis: a client that is lost again before it has received what was
 * replayed to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/playing_redis.h"

/* Redis takes the session as it was saved last. Returns its mark. */
static struct sio_vault_mark
take_saved(void)
{
	const struct call *save = called(VAULT_SAVE);
	struct sio_vault_mark saved;

	assert_non_null(save);
	assert_true(text_is(save->args[6], TEXT("1"))); /* it replaces the marks before */
	assert_true(sio_vault_mark_read(save->args[5], &saved));
	buffer_reset(&record);
	buffer_add_text(&record, save->args[4]);
	buffer_reset(&mark);
	buffer_add_text(&mark, save->args[5]);
	answer_all(VAULT_SAVE, 0, TEXT("1"));
	return saved;
}

/* The client comes back. One event is replayed to it, which it does not receive. Returns the saved mark. */
static struct sio_vault_mark
lose_a_replay(struct recovering *c)
{
	recovering_return(c);
	answer_claim();
	answer_read_with_event(TEXT_NONE, 1, "2-0");
	return take_saved();
}

/* The event is from this worker, and the log has it. */
static void
arrive_and_get_an_event(struct recovering *c)
{
	arrive(c);
	sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", 7);
	fake_turn();
	recovering_read(c);
	assert_int_equal(c->count, 1);
	redis.sent = keep->local;
}

static void
a_replay_is_repeated_until_it_arrives(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(lose_a_replay(&c).replayed);
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	}
	recovering_return(&c);
	answer_claim();
	/* the log is read from where the client was at first */
	assert_true(text_is(called(VAULT_READ)->args[4], TEXT("1-0")));
	answer_read_with_event(TEXT_NONE, 1, "2-0");
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.got[0], 1);
}

/*
 * The client's offset is from this worker. The worker has not heard the missed event, because it subscribes only to
 * rooms that have a socket here. The replay must not end with the number of this offset.
 */
static void
an_offset_of_this_worker_is_not_taken_for_the_end_of_the_replay(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive_and_get_an_event(&c);
	for (unsigned i = 0; i < 3; i++) {
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		(void)lose_a_replay(&c);
		assert_true(text_is(called(VAULT_READ)->args[4], TEXT("1-0")));
	}
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	assert_true(text_is(called(VAULT_READ)->args[4], TEXT("1-0")));
	answer_read_with_event(TEXT_NONE, 1, "2-0");
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(c.count, 2);
	assert_int_equal(c.got[1], 1);
}

static void
an_offset_of_this_worker_is_no_bound_after_a_change_of_rooms(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive_and_get_an_event(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	(void)lose_a_replay(&c);
	assert_int_equal(sio_join(sio_find(sio_of(fake_io, "/"), c.sid), "room"), 0);
	fake_turn();
	(void)take_saved();
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
}

/* The rooms of the session would decide about the replayed events, too. */
static void
a_replay_is_not_repeated_if_rooms_have_changed(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	(void)lose_a_replay(&c);
	assert_int_equal(sio_join(sio_find(sio_of(fake_io, "/"), c.sid), "room"), 0);
	fake_turn();
	assert_false(take_saved().replayed);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
}

/* Nothing was replayed, so the client's own offset stays the bound. */
static void
an_empty_replay_notes_nothing(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	answer_read();
	assert_false(take_saved().replayed);
	assert_true(list_empty(&keep->vault->firsts));
}

/* A listener of "disconnecting" or a middleware may end the session before it is saved. */
static void
a_session_that_ends_at_once_leaves_nothing(void **state)
{
	struct recovering c = {0}, other = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	answer_read_with_event(TEXT_NONE, 1, "2-0");
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	arrive(&other);
	assert_true(list_empty(&keep->vault->firsts));
}

/* The answer finds a client that is about to leave. The next return to this worker has a mark of its own. */
static void
a_replay_to_a_closing_client_notes_nothing(void **state)
{
	struct recovering c = {0};
	struct buffer out;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	found_event(&out, TEXT_NONE, 1, "2-0");
	c.session->open = false; /* the end of the turn tells the client's sockets */
	keep->bus.on_message(&keep->bus, buffer_text(&out));
	fake_turn();
	buffer_fini(&out);
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
	assert_true(list_empty(&keep->vault->firsts));
	c.session = NULL;
	recovering_return(&c);
	answer_claim();
	answer_read_with_event(TEXT_NONE, 2, "3-0");
	assert_int_equal(take_saved().place.entry.ms, 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_replay_is_repeated_until_it_arrives),
		CASE(an_offset_of_this_worker_is_not_taken_for_the_end_of_the_replay),
		CASE(an_offset_of_this_worker_is_no_bound_after_a_change_of_rooms),
		CASE(a_replay_is_not_repeated_if_rooms_have_changed),
		CASE(an_empty_replay_notes_nothing),
		CASE(a_session_that_ends_at_once_leaves_nothing),
		CASE(a_replay_to_a_closing_client_notes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
