/*
 * Connection state recovery with sessions in Redis: how a worker claims a session, and which scripts it calls for the
 * missed events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/playing_redis.h"

/* ------------------------------------------------------------------- claims */

static void
the_log_is_read_once_if_nothing_is_asked_meanwhile(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	assert_int_equal(count_calls(VAULT_READ), 1);
	assert_true(called(VAULT_READ)->args[13].n > 0); /* the script publishes the events that it finds */
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(count_calls(VAULT_READ), 1);
}

static void
before_middlewares_the_log_is_checked(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	assert_int_equal(called(VAULT_READ)->args[13].n, 0);
	answer(called(VAULT_READ), 0, TEXT("R"));
	assert_int_equal(count_calls(VAULT_READ), 2);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
}

static void
a_claim_whose_answer_is_lost_is_made_again(void **state)
{
	struct recovering c = {0};
	struct text first;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	first = called(VAULT_CLAIM)->args[4];
	answer(called(VAULT_CLAIM), ERROR_CLOSED, TEXT_NONE);
	sleep_long(1000);
	assert_int_equal(count_calls(VAULT_CLAIM), 2);
	assert_true(text_is(called(VAULT_CLAIM)->args[4], first));
	answer_claim();
	/* now the connection breaks while the log is checked */
	answer(called(VAULT_READ), ERROR_CLOSED, TEXT_NONE);
	sleep_long(1000);
	assert_int_equal(count_calls(VAULT_CLAIM), 3);
	assert_true(text_is(called(VAULT_CLAIM)->args[4], first));
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("R"));
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
}

/* Redis has forgotten the script, its keys are being moved, or the connection has broken. */
static void
a_replay_whose_answer_is_lost_is_made_again(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(count_calls(VAULT_READ), i);
		answer(called(VAULT_READ), ERROR_CLOSED, TEXT_NONE);
		sleep_long(400);
	}
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
	assert_int_equal(count_calls(VAULT_END), 0);
}

/* The script of the first attempt has run. This worker has sent an event since, which its message may lack. */
static void
the_message_of_an_earlier_attempt_recovers_nobody(void **state)
{
	struct recovering c = {0};
	struct buffer out;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	buffer_init(&out, 1 << 16);
	buffer_add_text(&out, called(VAULT_READ)->args[14]);
	buffer_add_text(&out, TEXT("1-0\n"));
	answer(called(VAULT_READ), ERROR_CLOSED, TEXT_NONE);
	sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", 7);
	redis.sent = 1;
	sleep_long(400);
	assert_int_equal(count_calls(VAULT_READ), 2);
	keep->bus.on_message(&keep->bus, buffer_text(&out));
	fake_turn();
	buffer_fini(&out);
	assert_int_equal(count_calls(VAULT_END), 1);
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_HUB], 1);
}

/* The script has run before the connection for commands broke. The message comes by the one for subscriptions. */
static void
the_message_of_a_replay_counts_while_no_other_can_be_asked_for(void **state)
{
	struct recovering c = {0};
	struct buffer out;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	buffer_init(&out, 1 << 16);
	buffer_add_text(&out, called(VAULT_READ)->args[14]);
	buffer_add_text(&out, TEXT("1-0\n"));
	redis.down = true;
	answer(called(VAULT_READ), ERROR_CLOSED, TEXT_NONE);
	sleep_long(400);
	assert_int_equal(count_calls(VAULT_READ), 1);
	keep->bus.on_message(&keep->bus, buffer_text(&out));
	fake_turn();
	redis.down = false;
	buffer_fini(&out);
	recovering_read(&c);
	assert_true(c.recovered);
}

static void
a_claim_that_nobody_waits_for_is_given_back(void **state)
{
	struct recovering c = {0};
	struct text claim;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	claim = called(VAULT_CLAIM)->args[4];
	sleep_long(6000); /* the client goes on as a new one */
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	answer(called(VAULT_CLAIM), ERROR_CLOSED, TEXT_NONE);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(count_calls(VAULT_RELEASE), i);
		assert_true(text_is(called(VAULT_RELEASE)->args[1], claim));
		answer(called(VAULT_RELEASE), ERROR_CLOSED, TEXT_NONE);
		sleep_long(400);
	}
	answer(called(VAULT_RELEASE), 0, TEXT("1"));
	sleep_long(40000);
	assert_int_equal(count_calls(VAULT_RELEASE), 4);
}

static void
a_claim_that_cannot_be_given_back_ends(void **state)
{
	struct recovering c = {0};
	unsigned tried;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	sleep_long(6000);
	answer(called(VAULT_CLAIM), ERROR_CLOSED, TEXT_NONE);
	for (unsigned i = 0; i < 40; i++) {
		answer_all(VAULT_RELEASE, ERROR_CLOSED, TEXT_NONE);
		sleep_long(1000);
	}
	tried = count_calls(VAULT_RELEASE);
	assert_in_range(tried, 20, 35);
	sleep_long(10000);
	assert_int_equal(count_calls(VAULT_RELEASE), tried);
}

/* Each new claim that has to wait arms the timer. It must not delay the claims that already wait. */
static void
a_claim_is_tried_again_however_many_others_come(void **state)
{
	struct recovering first = {0}, other = {0};
	unsigned tried = 0;
	struct text claim;

	(void)state;
	arrive(&first);
	recovering_lose(&first, EIO_TRANSPORT_CLOSE);
	recovering_return(&first);
	claim = called(VAULT_CLAIM)->args[4];
	for (unsigned i = 0; i < 40; i++) {
		recovering_claim(&other, first.pid, NULL);
		answer_all(VAULT_CLAIM, 0, TEXT("L"));
		recovering_lose(&other, EIO_TRANSPORT_CLOSE);
		sleep_long(10);
	}
	for (unsigned i = 0; i < redis.count; i++)
		tried += redis.calls[i].script == VAULT_CLAIM && text_is(redis.calls[i].args[4], claim);
	assert_true(tried > 2);
}

/* ------------------------------------------------------------------ replays */

static void
a_replay_that_fails_at_once_calls_back_later(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	keep->local = 1; /* an own event that was dropped before it was sent */
	answer_claim();
	recovering_read(&c);
	assert_false(c.connected);
	sleep_long(20);
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
	assert_int_equal(count_calls(VAULT_READ), 0);
}

/*
 * After an outage, the worker that the client has lost waits for the other servers before it sends the events that
 * the client has already received.
 */
static void
events_that_their_worker_holds_back_are_awaited(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("O"));
	sleep_long(3000);
	assert_int_equal(count_calls(VAULT_READ), 2);
	answer(called(VAULT_READ), 0, TEXT("O"));
	sleep_long(400);
	assert_int_equal(count_calls(VAULT_READ), 3);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
}

static void
events_that_their_worker_holds_back_are_awaited_before_middlewares(void **state)
{
	struct recovering c = {0};
	struct text first;

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	first = called(VAULT_CLAIM)->args[4];
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("O"));
	sleep_long(400);
	assert_int_equal(count_calls(VAULT_CLAIM), 2);
	assert_true(text_is(called(VAULT_CLAIM)->args[4], first));
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("R"));
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
}

/* The worker has dropped them, as a full queue makes it do. */
static void
events_that_never_come_are_not_awaited_for_long(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	for (unsigned i = 0; i < 50; i++) {
		answer_all(VAULT_READ, 0, TEXT("O"));
		sleep_long(100);
	}
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
	assert_true(list_empty(&keep->vault->asks));
}

/* The script has published what it found, and this worker has lost the connection that hears it. */
static void
a_replay_whose_message_is_lost_leaves_nothing(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_return(&c);
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("R"));
	assert_false(list_empty(&keep->vault->asks));
	sleep_long(8000);
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_true(list_empty(&keep->vault->asks));
}

static void
watch_rooms(struct broker_nsp *nsp)
{
	sio_of(fake_io, "/")->broker = nsp;
	fake_broker.log_rooms = fake_broker.waits = true;
}

/* Between the subscription and the replay, and between the replay and the live events, nothing may be lost. */
static void
a_replay_waits_until_the_rooms_of_the_session_are_subscribed_to(void **state)
{
	struct broker_nsp nsp = {.broker = &fake_broker, .name = TEXT("/")};
	struct recovering c = {0};
	char own[64];

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	watch_rooms(&nsp);
	recovering_return(&c);
	answer_claim();
	(void)snprintf(own, sizeof own, "own appeared / %s\n", c.sid);
	assert_non_null(memmem(fake_broker_log().at, fake_broker_log().n, own, strlen(own)));
	sleep_long(1000);
	assert_int_equal(count_calls(VAULT_READ), 0);
	fake_broker.waits = false;
	fake_broker_confirm();
	assert_int_equal(count_calls(VAULT_READ), 1);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
	sio_of(fake_io, "/")->broker = NULL;
}

/* The timer that has put the replay off must not end the wait. */
static void
a_replay_that_was_put_off_waits_for_the_rooms_too(void **state)
{
	struct broker_nsp nsp = {.broker = &fake_broker, .name = TEXT("/")};
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	watch_rooms(&nsp);
	redis.point.behind = true;
	recovering_return(&c);
	answer_claim();
	redis.point.behind = false;
	sleep_long(1000);
	assert_int_equal(count_calls(VAULT_READ), 0);
	fake_broker.waits = false;
	fake_broker_confirm();
	assert_int_equal(count_calls(VAULT_READ), 1);
	answer_read();
	recovering_read(&c);
	assert_true(c.recovered);
	sio_of(fake_io, "/")->broker = NULL;
}

/* The server has not confirmed the rooms in time, so this worker may miss their messages. */
static void
a_replay_whose_rooms_are_not_confirmed_fails(void **state)
{
	struct broker_nsp nsp = {.broker = &fake_broker, .name = TEXT("/")};
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	watch_rooms(&nsp);
	recovering_return(&c);
	answer_claim();
	fake_broker.waits = false;
	redis.point.gaps++;
	fake_broker_confirm();
	answer_read();
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	sio_of(fake_io, "/")->broker = NULL;
}

static void
a_client_that_leaves_before_its_replay_ends_the_subscription(void **state)
{
	struct broker_nsp nsp = {.broker = &fake_broker, .name = TEXT("/")};
	struct recovering c = {0};
	char own[64];

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	watch_rooms(&nsp);
	recovering_return(&c);
	answer_claim();
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	(void)snprintf(own, sizeof own, "empty / %s\n", c.sid);
	assert_non_null(memmem(fake_broker_log().at, fake_broker_log().n, own, strlen(own)));
	fake_broker.waits = false;
	fake_broker_confirm();
	assert_int_equal(count_calls(VAULT_READ), 0);
	sio_of(fake_io, "/")->broker = NULL;
}

static sio_step *held_step;

static void
hold_step(sio_socket *s, sio_step *step, void *arg)
{
	(void)s, (void)arg;
	held_step = step;
}

/* While the middlewares run, Redis loses its log and begins a new one. The claim is lost with the old log. */
static void
a_replay_after_a_time_without_a_log_fails_at_once(void **state)
{
	struct recovering c = {0};

	(void)state;
	arrive(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sio_use(sio_of(fake_io, "/"), hold_step, NULL);
	recovering_return(&c);
	answer_claim();
	answer(called(VAULT_READ), 0, TEXT("R"));
	redis.unknown = true;
	sleep_long(1100);
	assert_false(keep->welcome);
	redis.unknown = false;
	sleep_long(1100);
	assert_true(keep->welcome);
	sio_next(held_step);
	fake_turn();
	sleep_long(20);
	sio_next(held_step); /* the step of the new socket */
	fake_turn();
	recovering_read(&c);
	assert_true(c.connected && !c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_HUB], 1);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_MIDDLEWARES(name) cmocka_unit_test_setup_teardown(name, set_up_middlewares, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(the_log_is_read_once_if_nothing_is_asked_meanwhile),
		CASE_MIDDLEWARES(before_middlewares_the_log_is_checked),
		CASE_MIDDLEWARES(a_claim_whose_answer_is_lost_is_made_again),
		CASE(a_replay_whose_answer_is_lost_is_made_again),
		CASE(the_message_of_an_earlier_attempt_recovers_nobody),
		CASE(the_message_of_a_replay_counts_while_no_other_can_be_asked_for),
		CASE(a_claim_that_nobody_waits_for_is_given_back),
		CASE(a_claim_that_cannot_be_given_back_ends),
		CASE(a_claim_is_tried_again_however_many_others_come),
		CASE(a_replay_waits_until_the_rooms_of_the_session_are_subscribed_to),
		CASE(a_replay_that_was_put_off_waits_for_the_rooms_too),
		CASE(a_replay_whose_rooms_are_not_confirmed_fails),
		CASE(a_client_that_leaves_before_its_replay_ends_the_subscription),
		CASE(a_replay_that_fails_at_once_calls_back_later),
		CASE(events_that_their_worker_holds_back_are_awaited),
		CASE_MIDDLEWARES(events_that_their_worker_holds_back_are_awaited_before_middlewares),
		CASE(events_that_never_come_are_not_awaited_for_long),
		CASE(a_replay_whose_message_is_lost_leaves_nothing),
		CASE_MIDDLEWARES(a_replay_after_a_time_without_a_log_fails_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
