/*
 * Connection state recovery with sessions in Redis: a client comes back while an earlier connection of it has or
 * claims the session, and what is left of a connection that is lost again while its session is being restored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/playing_redis.h"

static sio_step *held_step;

static void
hold_step(sio_socket *s, sio_step *step, void *arg)
{
	(void)s, (void)arg;
	held_step = step;
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

/* The client has connected, has been lost, and sends its CONNECT again. */
static void
come_back(struct recovering *c)
{
	arrive(c);
	recovering_lose(c, EIO_TRANSPORT_CLOSE);
	recovering_return(c);
}

/* This worker gets a message of this kind about the session of its last claim. */
static void
hear(char kind, struct text claim, const char *pid)
{
	struct text key = called(VAULT_CLAIM)->args[0];
	struct buffer out;

	buffer_init(&out, 4096);
	buffer_add_byte(&out, (uint8_t)kind);
	buffer_add_text(&out, claim);
	buffer_add(&out, pid, SIO_PID_HANDLE);
	buffer_add_text(&out, key);
	keep->bus.on_message(&keep->bus, buffer_text(&out));
	fake_turn();
	buffer_fini(&out);
}

/* A claim at another worker asks this worker to give up its last claim. */
static void
ask_to_give(struct text claim, const char *pid)
{
	hear('G', claim, pid);
}

/* A claim that has found the session live at this worker asks it to end the socket. */
static void
ask_to_take(const char *pid)
{
	hear('T', TEXT(""), pid);
}

/* ------------------------------------------------------------------- waiting */

/*
 * The claim has asked this worker itself several times for the session of the former connection. On a busy machine,
 * the last of these messages is read after the claim has got the session.
 */
static void
a_late_message_for_the_former_connection_ends_no_claim(void **state)
{
	struct recovering c = {0};
	struct eio_session *engine;

	(void)state;
	come_back(&c);
	answer(called(VAULT_CLAIM), 0, TEXT("L1"));
	sleep_long(400);
	answer_claim();
	engine = c.session;
	ask_to_take(c.pid);
	assert_true(engine->open);
	assert_int_equal(count_calls(VAULT_RELEASE), 0);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
}

static void
a_claim_waits_while_another_worker_restores_the_session(void **state)
{
	struct recovering c = {0};

	(void)state;
	come_back(&c);
	assert_true(text_is(called(VAULT_CLAIM)->args[11], TEXT("0")));
	answer(called(VAULT_CLAIM), 0, TEXT("L7"));
	recovering_read(&c);
	assert_false(c.connected);
	sleep_long(400);
	assert_int_equal(count_calls(VAULT_CLAIM), 2);
	assert_true(text_is(called(VAULT_CLAIM)->args[11], TEXT("7")));
	answer_claim();
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_TAKEN_OVER], 1);
}

/* The client has come back with another connection, which has the session. */
static void
the_client_of_an_earlier_claim_is_closed(void **state)
{
	struct recovering c = {0};
	struct eio_session *engine;

	(void)state;
	come_back(&c);
	answer(called(VAULT_CLAIM), 0, TEXT("L1"));
	sleep_long(400);
	engine = c.session;
	answer(called(VAULT_CLAIM), 0, TEXT("P"));
	assert_false(engine->open);
	assert_true(list_empty(&keep->vault->asks));
	assert_true(list_empty(&keep->asked));
	assert_int_equal(count_calls(VAULT_RELEASE), 0);
}

static void
a_claim_ends_with_its_client(void **state)
{
	struct recovering c = {0};
	struct text claim;

	(void)state;
	come_back(&c);
	claim = called(VAULT_CLAIM)->args[4];
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	answer_claim();
	assert_int_equal(count_calls(VAULT_READ), 0);
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
	assert_true(text_is(called(VAULT_RELEASE)->args[1], claim));
	assert_true(list_empty(&keep->asked));
}

/* ----------------------------------------------------------------- giving up */

static void
a_session_is_given_up_while_middlewares_run(void **state)
{
	struct recovering c = {0};
	const struct text older = TEXT("wwwwwwwwffffffffffff");
	struct eio_session *engine;
	struct text claim;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sio_use(sio_of(fake_io, "/"), hold_step, NULL);
	recovering_return(&c);
	claim = called(VAULT_CLAIM)->args[4];
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("R"));
	engine = c.session;
	ask_to_give(older, c.pid); /* an older claim of this worker */
	assert_true(engine->open);
	assert_true(text_is(called(VAULT_RELEASE)->args[1], older));
	ask_to_give(claim, c.pid);
	assert_false(engine->open);
	assert_true(text_is(called(VAULT_RELEASE)->args[1], claim));
	assert_int_equal(called(VAULT_RELEASE)->count, 2); /* its window goes on */
	assert_int_equal(keep->recovery->sessions.count, 0);
	sio_next(held_step);
	fake_turn();
	assert_int_equal(count_calls(VAULT_READ), 1);
}

static void
a_session_is_given_up_while_the_log_is_checked(void **state)
{
	struct recovering c = {0};
	struct eio_session *engine;
	struct text claim;

	(void)state;
	come_back(&c);
	claim = called(VAULT_CLAIM)->args[4];
	answer_claim();
	engine = c.session;
	ask_to_give(claim, c.pid);
	assert_false(engine->open);
	assert_int_equal(count_calls(VAULT_RELEASE), 0);
	answer(called(VAULT_READ), 0, TEXT("R"));
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
	assert_true(text_is(called(VAULT_RELEASE)->args[1], claim));
	answer(called(VAULT_RELEASE), 0, TEXT("1"));
	assert_true(list_empty(&keep->vault->asks));
}

/* The script may have given the session to this worker, so this worker stores it, and reports its end. */
static void
a_session_whose_replay_is_awaited_is_stored(void **state)
{
	struct recovering c = {0};
	const struct call *release;
	struct text claim;
	struct buffer out;

	(void)state;
	memset(&ended, 0, sizeof ended);
	sio_on_session_ended(sio_of(fake_io, "/"), on_ended, NULL);
	come_back(&c);
	claim = called(VAULT_CLAIM)->args[4];
	answer_claim();
	assert_int_equal(count_calls(VAULT_READ), 1);
	ask_to_give(claim, c.pid);
	release = called(VAULT_RELEASE);
	assert_int_equal(release->count, 6);
	assert_true(text_is(release->args[1], claim));
	assert_true(text_is(release->args[2], TEXT("1"))); /* the number that answer_claim() gives */
	assert_true(text_is(release->args[3], called(VAULT_CLAIM)->args[3]));
	assert_true(text_is(release->args[4], TEXT("150000")));
	answer_read(); /* comes too late */
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
	assert_int_equal(count_calls(VAULT_END), 0);
	fake_sleep(120010);
	assert_true(text_is(called(VAULT_EXPIRE)->args[2], called(VAULT_RELEASE)->args[5]));
	buffer_init(&out, 1 << 16);
	buffer_add_byte(&out, 'E');
	buffer_add_text(&out, buffer_text(&record));
	answer(called(VAULT_EXPIRE), 0, buffer_text(&out));
	buffer_fini(&out);
	assert_int_equal(ended.count, 1);
	assert_int_equal(ended.why, SIO_SESSION_EXPIRED);
	assert_string_equal(ended.id, c.sid);
}

/* The missed events find a client that is about to leave. */
static void
a_session_whose_client_is_closing_is_stored(void **state)
{
	struct recovering c = {0};

	(void)state;
	come_back(&c);
	answer_claim();
	c.session->open = false;
	answer_read();
	assert_int_equal(count_calls(VAULT_RELEASE), 1);
	assert_int_equal(called(VAULT_RELEASE)->count, 6);
	assert_true(text_is(called(VAULT_RELEASE)->args[1], called(VAULT_CLAIM)->args[4]));
	assert_true(list_empty(&keep->vault->claimed));
}

/* A refused replay would end the session. */
static void
a_replay_that_nobody_waits_for_ends_no_session(void **state)
{
	struct recovering c = {0};
	static const struct text answers[] = {{"N", 1}, {"G", 1}, {"T", 1}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		come_back(&c);
		answer_claim();
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		answer(called(VAULT_READ), i == 3 ? ERROR_CLOSED : 0, i == 3 ? TEXT_NONE : answers[i]);
		assert_true(list_empty(&keep->vault->asks));
		c = (struct recovering){0};
	}
	assert_int_equal(count_calls(VAULT_END), 0);
}

/* At most 64 replays are asked at a time. Those whose clients have left must not count. */
static void
replays_that_nobody_waits_for_delay_no_other(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	for (unsigned i = 0; i < 100; i++) {
		recovering_return(&c);
		answer_claim();
		assert_int_equal(count_calls(VAULT_READ), i + 1);
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		answer(called(VAULT_READ), 0, TEXT("R"));
	}
	assert_int_equal(keep->replays_asked, 0);
}

/* ---------------------------------------------------------------------- marks */

/*
 * Nothing has been replayed, but this worker has emitted an event since the question, which follows the answer. If
 * the client does not receive it, the client comes back with its offset from before.
 */
static void
a_mark_does_not_cover_what_follows_an_empty_replay(void **state)
{
	struct recovering c = {0};
	struct sio_vault_mark saved;

	(void)state;
	come_back(&c);
	answer_claim();
	sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", 7);
	fake_turn();
	answer_read();
	assert_true(sio_vault_mark_read(called(VAULT_SAVE)->args[5], &saved));
	assert_false(saved.replayed);
	assert_int_equal(saved.bound_origin, 0); /* the client had no offset */
	assert_int_equal(saved.local, 0);
	assert_int_equal(saved.place.newest, 0);
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(c.count, 1);
}

/* The client may receive the missed event and lose the other one, with which it comes back after the first one. */
static void
a_mark_does_not_cover_what_follows_a_replay(void **state)
{
	struct recovering c = {0};
	struct sio_vault_mark saved;

	(void)state;
	come_back(&c);
	answer_claim();
	sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", 7);
	fake_turn();
	answer_read_with_event(TEXT_NONE, 1, "2-0");
	assert_true(sio_vault_mark_read(called(VAULT_SAVE)->args[5], &saved));
	assert_true(saved.replayed);
	assert_int_equal(saved.bound_sum, saved.sum);
	assert_int_equal(saved.local, 0);
	assert_int_equal(saved.place.entry.ms, 2);
	assert_int_equal(saved.place.newest, 0);
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(c.count, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_MIDDLEWARES(name) cmocka_unit_test_setup_teardown(name, set_up_middlewares, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_late_message_for_the_former_connection_ends_no_claim),
		CASE(a_claim_waits_while_another_worker_restores_the_session),
		CASE(the_client_of_an_earlier_claim_is_closed),
		CASE(a_claim_ends_with_its_client),
		CASE_MIDDLEWARES(a_session_is_given_up_while_middlewares_run),
		CASE_MIDDLEWARES(a_session_is_given_up_while_the_log_is_checked),
		CASE(a_session_whose_replay_is_awaited_is_stored),
		CASE(a_session_whose_client_is_closing_is_stored),
		CASE(a_replay_that_nobody_waits_for_ends_no_session),
		CASE(replays_that_nobody_waits_for_delay_no_other),
		CASE(a_mark_does_not_cover_what_follows_an_empty_replay),
		CASE(a_mark_does_not_cover_what_follows_a_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
