/*
 * Connection state recovery with sessions in Redis: which scripts a worker calls, and what it makes of answers, of
 * lost answers and of refusals.
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

/* --------------------------------------------------------------- broadcasts */

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

/* ------------------------------------------------------------------- writes */

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

/* ------------------------------------------------------------------- late */

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
#define CASE_MIDDLEWARES(name) cmocka_unit_test_setup_teardown(name, set_up_middlewares, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(the_log_is_read_once_if_nothing_is_asked_meanwhile),
		CASE_MIDDLEWARES(before_middlewares_the_log_is_checked),
		CASE_MIDDLEWARES(a_claim_whose_answer_is_lost_is_made_again),
		CASE(a_claim_that_nobody_waits_for_is_given_back),
		CASE(a_claim_that_cannot_be_given_back_ends),
		CASE(a_claim_is_tried_again_however_many_others_come),
		CASE(a_replay_waits_until_the_rooms_of_the_session_are_subscribed_to),
		CASE(a_replay_that_was_put_off_waits_for_the_rooms_too),
		CASE(a_replay_whose_rooms_are_not_confirmed_fails),
		CASE(a_client_that_leaves_before_its_replay_ends_the_subscription),
		CASE(a_broadcast_runs_no_script),
		CASE(a_replay_that_fails_at_once_calls_back_later),
		CASE(events_that_their_worker_holds_back_are_awaited),
		CASE_MIDDLEWARES(events_that_their_worker_holds_back_are_awaited_before_middlewares),
		CASE(events_that_never_come_are_not_awaited_for_long),
		CASE(a_replay_whose_message_is_lost_leaves_nothing),
		CASE_MIDDLEWARES(a_replay_after_a_time_without_a_log_fails_at_once),
		CASE(what_redis_refuses_is_sent_again_after_longer_and_longer_pauses),
		CASE(what_a_lost_connection_has_not_taken_is_sent_again_soon),
		CASE(an_older_record_is_withdrawn_if_redis_refuses_a_newer_one),
		CASE(an_older_record_of_a_lost_client_is_withdrawn_too),
		CASE(the_worker_that_has_stored_a_session_removes_and_reports_it),
		CASE(a_session_that_is_gone_or_malformed_is_not_reported),
		CASE(a_room_joined_while_disconnecting_is_saved),
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
