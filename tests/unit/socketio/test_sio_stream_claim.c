/* A client comes back in streams mode, and the session in Redis is that of another worker. The test plays Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "node/socketio/sio_stream_letter.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_state.h"

#define FAKE_STREAM
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/fake_stream.h"

#define PID "pidpidpidpidpidpidpid"
#define TICK_MS 250
#define REPLAYS 64 /* that run at the same time */

static struct recovering client;
static char base64[1024]; /* the session that Redis has */
static size_t base64_n;
static sio_step *steps[4];
static unsigned steps_count;
static uint64_t record_last; /* the last event for the client, in the session that Redis has */
static uint64_t record_lost; /* when the client was lost */

static void
window_is_2_minutes(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
}

/* A middleware that does not decide yet. */
static void
wait_for_it(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	must(steps_count < sizeof steps / sizeof *steps);
	steps[steps_count++] = step;
}

static int
start(void **state)
{
	(void)state;
	memset(&client, 0, sizeof client);
	record_last = record_lost = 0;
	steps_count = 0;
	recovering_start(window_is_2_minutes);
	fake_broker_start(BUS_FORM_STREAMS);
	fake_stream_start();
	fake_stream.up = true;
	sio_core_set_broker(fake_io, &fake_broker);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	while (steps_count > 0)
		sio_next(steps[--steps_count]);
	fake_turn();
	sio_core_set_broker(fake_io, NULL);
	recovering_stop();
	fake_stream_stop();
	fake_broker_stop();
	return 0;
}

/* Answers that Redis has a session of this worker; "": of a lost client. */
static void
answer_record_of(const char *owner)
{
	struct sio_stream_session record = {.sid = TEXT("sidsidsidsidsidsidsi"),
		.pid = TEXT(PID),
		.own = true,
		.nsp = TEXT("/"),
		.owner = text_from(owner),
		.start = stream_number_of((struct wire_stream_id){5, 0}),
		.last = record_last,
		.lost = record_lost};
	struct resp_item item = {.type = RESP_BULK};
	struct buffer map;

	buffer_init(&map, SIO_STREAM_SESSION_MAX);
	sio_stream_session_write(&map, &record, 0);
	assert_int_equal(buffer_error(&map), 0);
	assert_true(BASE64_ENCODED(map.len) <= sizeof base64);
	base64_encode(map.data, map.len, base64);
	base64_n = BASE64_ENCODED(map.len);
	item.text = text_of(base64, base64_n);
	fake_stream_answer(0, &item);
	buffer_fini(&map);
}

static void
answer_record(void)
{
	answer_record_of("other");
}

static void
answer_number(int64_t n)
{
	struct resp_item item = {.type = RESP_INTEGER, .integer = n};

	fake_stream_answer(0, &item);
}

/* Asserts that these are the commands since the last call. */
static void
assert_asked(const char *words)
{
	struct text log = buffer_text(&fake_stream.log);

	if (!text_is(log, text_from(words)))
		fail_msg("asked \"%.*s\"", (int)log.n, log.at);
	buffer_reset(&fake_stream.log);
}

/* The claim finds the entry of the client's position, and takes the session that it has read. */
static void
find_entry(const struct wire_stream_entry *entry)
{
	assert_asked("XRANGE ");
	fake_stream.question->on_entry(fake_stream.question, entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	assert_asked("EVAL ");
	assert_true(text_is(buffer_text(&fake_stream.old), text_of(base64, base64_n)));
}

/* Asserts the worker of the session that was stored last; "": its client is away. */
static void
assert_stored_for(const char *owner)
{
	struct text value = buffer_text(&fake_stream.session);
	struct sio_stream_session record;
	struct buffer map, rooms;

	buffer_init(&map, SIO_STREAM_SESSION_MAX);
	buffer_init(&rooms, SIO_STREAM_SESSION_MAX);
	map.len = (size_t)base64_decode(value, buffer_room(&map, BASE64_DECODED_MAX(value.n)));
	assert_int_equal(sio_stream_session_read(buffer_text(&map), 0, &rooms, &record), 0);
	assert_true(text_is(record.owner, text_from(owner)));
	assert_true(text_is(record.sid, TEXT("sidsidsidsidsidsidsi")));
	buffer_fini(&map);
	buffer_fini(&rooms);
}

/* A client comes back. Its claim waits until Redis answers whether the session is still the one that was read. */
static void
come_back_to_swap(void)
{
	const struct wire_stream_entry entry = {.id = {6, 0}, .nsp = TEXT("/"), .type = TEXT("3")};

	recovering_claim(&client, PID, "6-0");
	assert_asked("GETRANGE ");
	answer_record_of("");
	find_entry(&entry);
}

/* A message of the worker "other". */
static void
hear(const struct sio_stream_letter *letter)
{
	sio_core_broker_ops()->on_direct(sio_of(fake_io, "/"), text_of((const char *)letter->bytes, letter->n));
	fake_turn();
}

/* The client is back at the worker "other", which asks for its session. */
static void
other_asks(void)
{
	struct sio_stream_letter letter = {.bytes = {'T'}, .n = 1};

	sio_stream_letter_put(&letter, TEXT("other"));
	sio_stream_letter_put(&letter, TEXT(PID));
	sio_stream_letter_put(&letter, TEXT(""));
	hear(&letter);
}

/* The worker "other" has let the session go. `busy`: "1" if a client of it had it. */
static void
other_lets_go(const char *busy)
{
	struct sio_stream_letter letter = {.bytes = {'L'}, .n = 1};

	sio_stream_letter_put(&letter, TEXT(PID));
	sio_stream_letter_put(&letter, TEXT("1"));
	sio_stream_letter_put(&letter, text_from(busy));
	hear(&letter);
}

/* The client comes back, and Redis knows no subscription of the session's worker. */
static void
come_back_to_silence(void)
{
	recovering_claim(&client, PID, "6-0");
	assert_asked("GETRANGE ");
	answer_record();
	assert_asked("other ");
	answer_number(0);
}

static void
a_worker_without_a_subscription_is_dead(void **state)
{
	(void)state;
	fake_stream.gathered = true;
	come_back_to_silence();
	assert_asked("XRANGE ");
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY}); /* the entry is gone */
	assert_asked("SET ");						/* the new session */
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
}

static void
right_after_an_outage_the_worker_may_come_back(void **state)
{
	(void)state;
	come_back_to_silence();
	assert_asked("");
	fake_sleep(TICK_MS);
	assert_asked("GETRANGE ");
	answer_record();
	assert_asked("other ");
	answer_number(1); /* it is back */
	assert_asked("");
	assert_false(client.connected);
}

static void
a_worker_that_is_back_may_have_removed_the_session(void **state)
{
	(void)state;
	come_back_to_silence();
	fake_sleep(TICK_MS);
	assert_asked("GETRANGE ");
	fake_stream_answer(0, &(struct resp_item){.type = RESP_NIL});
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
}

static void
a_worker_that_does_not_come_back_is_dead(void **state)
{
	(void)state;
	come_back_to_silence();
	for (unsigned i = 0; i < 12; i++) {
		fake_sleep(TICK_MS);
		assert_asked("GETRANGE ");
		answer_record();
		assert_asked("other ");
		fake_stream.gathered = i == 11;
		answer_number(0);
	}
	assert_asked("XRANGE ");
}

static void
a_claim_ends_although_others_are_awaited(void **state)
{
	(void)state;
	come_back_to_silence();
	assert_asked("");
	fake_sleep(5000);
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_HUB], 1);
}

/* The client would otherwise wait for as long as others are served before it. */
static void
a_replay_waits_for_its_turn_for_20_s(void **state)
{
	struct sio_stream *stream = fake_io->recovery->stream;

	(void)state;
	stream->replays_count += REPLAYS; /* of others */
	come_back_to_swap();
	fake_stream_answer_swap(1);
	assert_asked("");
	fake_sleep(19000);
	recovering_read(&client);
	assert_asked("PEXPIRE ");
	assert_false(client.connected);
	fake_sleep(1000);
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_HUB], 1);
	assert_int_equal(stream->replays_count, REPLAYS);
	stream->replays_count -= REPLAYS;
}

/* The worker has read events without a receiver, and the client has got them from another worker. */
static void
a_volatile_event_does_not_move_the_offset_back(void **state)
{
	const struct wire_stream_entry entry = {.id = {9, 0}, .nsp = TEXT("/"), .type = TEXT("3")};

	(void)state;
	fake_stream.position = record_last = stream_number_of((struct wire_stream_id){9, 0});
	recovering_claim(&client, PID, "9-0");
	assert_asked("GETRANGE ");
	answer_record_of("");
	find_entry(&entry);
	fake_stream_answer_swap(1);
	assert_asked("XRANGE ");
	fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	recovering_read(&client);
	memcpy(client.pid, PID, sizeof PID);
	assert_true(client.connected);
	sio_emit(sio_volatile(sio_only(recovering_socket(&client))), "e", "is", 1, "text");
	fake_turn();
	recovering_read(&client);
	assert_int_equal(client.count, 1);
	assert_string_equal(client.offset, "9-0");
}

/* The dead worker did not store which event was the last one for the client, but the client's offset includes it. */
static void
rooms_may_change_after_the_death_of_a_worker(void **state)
{
	const struct wire_stream_entry own = {.id = {6, 0}, .nsp = TEXT("/"), .type = TEXT("3")};
	const struct wire_stream_entry other = {.id = {9, 0}, .nsp = TEXT("/other"), .type = TEXT("3")};
	struct recovering back = {0};

	(void)state;
	fake_stream.gathered = true;
	fake_stream.position = stream_number_of(other.id);
	come_back_to_silence();
	find_entry(&own);
	fake_stream_answer_swap(1);
	assert_asked("XRANGE ");
	fake_stream.question->on_entry(fake_stream.question, &own);
	fake_stream.question->on_entry(fake_stream.question, &other);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	recovering_read(&client);
	memcpy(client.pid, PID, sizeof PID);
	assert_int_equal(sio_join(recovering_socket(&client), "room"), 0);
	fake_turn();
	assert_asked("SET SET ");
	recovering_claim(&back, PID, "6-0"); /* the loss has not been noticed, and no event has come since */
	assert_asked("SET GETRANGE ");
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 0);
}

/* The session of a client that has come back and is lost again before it has connected. */
static void
lose_again(uint64_t lost)
{
	const struct wire_stream_entry entry = {.id = {6, 0}, .nsp = TEXT("/"), .type = TEXT("3")};

	record_lost = lost;
	recovering_claim(&client, PID, "6-0");
	answer_record_of("");
	fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	answer_number(1);
	assert_asked("GETRANGE XRANGE EVAL XRANGE ");
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	memset(&client, 0, sizeof client);
}

/* The time of the machine has been set back since the loss, or another machine's is ahead. */
static void
a_loss_in_the_future_does_not_prolong_the_window(void **state)
{
	(void)state;
	lose_again(loop_wall_ms() - 60000);
	assert_asked("SET ");
	assert_in_range(fake_stream.window, 1, 60000);
	lose_again(loop_wall_ms() + 3600000);
	assert_asked("SET ");
	assert_in_range(fake_stream.window, 1, 120000);
}

/* A client comes back, and its middlewares wait. Redis then says that this worker has the session. */
static void
come_back_to_middlewares(void)
{
	fake_io->options.skip_middlewares = false;
	sio_use(sio_of(fake_io, "/"), wait_for_it, NULL);
	come_back_to_swap();
	assert_stored_for("own");
	fake_stream_answer_swap(1);
	assert_asked("");
	assert_false(client.connected);
}

static void
another_worker_gets_the_session_while_middlewares_run(void **state)
{
	(void)state;
	come_back_to_middlewares();
	other_asks();
	assert_asked("SET other ");
	assert_stored_for("");
	assert_true(fake_stream.replaces); /* another worker may have taken it from a worker that seemed to be dead */
}

static void
another_client_gets_the_session_while_middlewares_run(void **state)
{
	struct recovering back = {0};

	(void)state;
	come_back_to_middlewares();
	recovering_claim(&back, PID, "6-0");
	assert_asked("SET GETRANGE ");
	assert_stored_for("");
}

/* Two connections of one client: the CONNECT of the older one is read last. */
static void
an_older_connection_does_not_get_the_session(void **state)
{
	struct recovering old = {0};

	(void)state;
	recovering_open(&old, 1);
	recovering_open(&client, 2);
	come_back_to_middlewares();
	recovering_claim(&old, PID, "6-0");
	assert_asked("");
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_SESSION], 1);
}

static void
a_session_is_stored_again_if_its_client_is_lost_while_middlewares_run(void **state)
{
	(void)state;
	come_back_to_middlewares();
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_asked("SET ");
	assert_stored_for("");
}

/*
 * Two connections of one client ask for its session at this worker. The older one gets it, and is connected before
 * the next one learns of this.
 */
static void
the_next_connection_gets_the_session_of_a_connected_one(void **state)
{
	const struct wire_stream_entry entry = {.id = {6, 0}, .nsp = TEXT("/"), .type = TEXT("3")};
	struct bus_stream_question *older, *newer;
	struct recovering next = {0};

	(void)state;
	fake_stream.position = stream_number_of((struct wire_stream_id){6, 0});
	recovering_open(&client, 1);
	recovering_open(&next, 2);
	come_back_to_swap();
	older = fake_stream.question;
	recovering_claim(&next, PID, "6-0");
	assert_asked("GETRANGE ");
	answer_record_of("");
	find_entry(&entry);
	newer = fake_stream.question;
	fake_stream.question = older;
	fake_stream_answer_swap(1);
	assert_asked("XRANGE ");
	fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	recovering_read(&client);
	assert_string_equal(client.pid, PID);
	assert_asked("SET ");
	fake_stream.question = newer;
	fake_stream_answer_swap(-1);
	fake_sleep(TICK_MS);
	assert_asked("PEXPIRE GETRANGE "); /* the session of the older connection lives on */
	answer_record_of("own");
	assert_asked("SET "); /* the older connection ends, and leaves the session */
	assert_stored_for("");
	fake_sleep(TICK_MS);
	assert_asked("GETRANGE ");
	answer_record_of("");
	find_entry(&entry);
	fake_stream_answer_swap(1);
	assert_asked("XRANGE "); /* its missed events */
}

/* The client could otherwise come back once more with a session that has ended. */
static void
a_session_whose_events_are_gone_is_removed(void **state)
{
	(void)state;
	come_back_to_swap();
	fake_stream_answer_swap(1);
	assert_asked("XRANGE ");
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_asked("DEL SET "); /* of the old session, and of the new one */
}

static void
a_session_that_another_claim_has_taken_is_asked_for(void **state)
{
	const struct wire_stream_entry entry = {.id = {6, 0}, .nsp = TEXT("/"), .type = TEXT("3")};

	(void)state;
	come_back_to_swap();
	fake_stream_answer_swap(-1);
	assert_asked("");
	fake_sleep(TICK_MS);
	assert_asked("GETRANGE ");
	answer_record();
	assert_asked("other ");
	answer_number(1);
	other_lets_go("1");
	assert_asked("GETRANGE ");
	answer_record_of("");
	find_entry(&entry);
	fake_stream_answer_swap(1);
	assert_asked("XRANGE "); /* its missed events */
}

/* A Node.js server removes the session as soon as it has it. */
static void
a_session_that_another_server_has_removed_is_not_made_again(void **state)
{
	(void)state;
	come_back_to_swap();
	fake_stream_answer_swap(-2);
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_asked("SET "); /* the new session */
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_SESSION], 1);
}

/* One client after the other comes to the worker "other", and leaves. */
static void
a_worker_that_has_the_session_once_more_is_asked_again(void **state)
{
	(void)state;
	recovering_claim(&client, PID, "6-0");
	answer_record();
	answer_number(1);
	assert_asked("GETRANGE other ");
	other_lets_go("1");
	assert_asked("GETRANGE ");
	answer_record();
	assert_asked("");
	fake_sleep(TICK_MS);
	assert_asked("GETRANGE ");
	answer_record();
	assert_asked("other ");
	answer_number(1);
	other_lets_go("0");
	assert_asked("GETRANGE ");
	answer_record(); /* the session may have moved on since */
	assert_asked("");
	fake_sleep(TICK_MS);
	assert_asked("GETRANGE ");
	answer_record();
	assert_asked("other ");
	answer_number(1);
	other_lets_go("0");
	assert_asked("GETRANGE ");
	answer_record(); /* the worker could not store it */
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
}

static void
a_claim_needs_no_new_record(void **state)
{
	(void)state;
	come_back_to_swap();
	fake_stream_answer_swap(0); /* Redis is full */
	assert_asked("XRANGE ");    /* its missed events */
}

static void
a_claim_needs_no_scripts(void **state)
{
	(void)state;
	come_back_to_swap();
	fake_stream_answer(ERROR_CLOSED, &(struct resp_item){.type = RESP_ERROR, .text = TEXT("NOPERM")});
	assert_asked("DEL ");
	answer_number(1);
	assert_asked("XRANGE "); /* its missed events */
}

static void
a_claim_fails_if_the_answer_of_redis_is_lost(void **state)
{
	(void)state;
	come_back_to_swap();
	fake_stream_answer(ERROR_CLOSED, NULL);
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_HUB], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_worker_without_a_subscription_is_dead, start, stop),
		cmocka_unit_test_setup_teardown(right_after_an_outage_the_worker_may_come_back, start, stop),
		cmocka_unit_test_setup_teardown(a_worker_that_is_back_may_have_removed_the_session, start, stop),
		cmocka_unit_test_setup_teardown(a_worker_that_does_not_come_back_is_dead, start, stop),
		cmocka_unit_test_setup_teardown(a_claim_ends_although_others_are_awaited, start, stop),
		cmocka_unit_test_setup_teardown(a_replay_waits_for_its_turn_for_20_s, start, stop),
		cmocka_unit_test_setup_teardown(a_volatile_event_does_not_move_the_offset_back, start, stop),
		cmocka_unit_test_setup_teardown(a_loss_in_the_future_does_not_prolong_the_window, start, stop),
		cmocka_unit_test_setup_teardown(rooms_may_change_after_the_death_of_a_worker, start, stop),
		cmocka_unit_test_setup_teardown(another_worker_gets_the_session_while_middlewares_run, start, stop),
		cmocka_unit_test_setup_teardown(another_client_gets_the_session_while_middlewares_run, start, stop),
		cmocka_unit_test_setup_teardown(an_older_connection_does_not_get_the_session, start, stop),
		cmocka_unit_test_setup_teardown(the_next_connection_gets_the_session_of_a_connected_one, start, stop),
		cmocka_unit_test_setup_teardown(
			a_session_is_stored_again_if_its_client_is_lost_while_middlewares_run, start, stop),
		cmocka_unit_test_setup_teardown(a_session_whose_events_are_gone_is_removed, start, stop),
		cmocka_unit_test_setup_teardown(a_session_that_another_claim_has_taken_is_asked_for, start, stop),
		cmocka_unit_test_setup_teardown(
			a_session_that_another_server_has_removed_is_not_made_again, start, stop),
		cmocka_unit_test_setup_teardown(a_worker_that_has_the_session_once_more_is_asked_again, start, stop),
		cmocka_unit_test_setup_teardown(a_claim_needs_no_new_record, start, stop),
		cmocka_unit_test_setup_teardown(a_claim_needs_no_scripts, start, stop),
		cmocka_unit_test_setup_teardown(a_claim_fails_if_the_answer_of_redis_is_lost, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
