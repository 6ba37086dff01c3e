/* A client comes back in streams mode, and the session in Redis is that of another worker. The test plays Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/base64.h"
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
static char base64[1024];
static uint64_t record_last; /* the last event for the client, in the session that Redis has */
static uint64_t record_lost; /* when the client was lost */

static void
window_is_2_minutes(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
}

static int
start(void **state)
{
	(void)state;
	memset(&client, 0, sizeof client);
	record_last = record_lost = 0;
	recovering_start(window_is_2_minutes);
	fake_broker_start(BUS_FORM_STREAMS);
	fake_stream_start();
	sio_core_set_broker(fake_io, &fake_broker);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
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
	item.text = text_of(base64, BASE64_ENCODED(map.len));
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
	const struct wire_stream_entry entry = {.id = {6, 0}, .nsp = TEXT("/"), .type = TEXT("3")};
	struct sio_stream *stream = fake_io->recovery->stream;

	(void)state;
	stream->replays_count += REPLAYS; /* of others */
	recovering_claim(&client, PID, "6-0");
	answer_record_of("");
	fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	assert_asked("GETRANGE XRANGE DEL ");
	answer_number(1);
	fake_sleep(19000);
	recovering_read(&client);
	assert_asked("");
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
	answer_record_of("");
	fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	answer_number(1);
	assert_asked("GETRANGE XRANGE DEL XRANGE ");
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
	fake_stream.question->on_entry(fake_stream.question, &own);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	answer_number(1);
	assert_asked("XRANGE DEL XRANGE ");
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
	assert_asked("GETRANGE XRANGE DEL XRANGE ");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
