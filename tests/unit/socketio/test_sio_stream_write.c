/* Sessions that Redis does not take, in streams mode. The test plays Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_state.h"
#include "node/socketio/sio_stream_write.h"

#define FAKE_STREAM
#include "tests/unit/log_lines.h"
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/fake_stream.h"

#define OOM "OOM command not allowed when used memory > 'maxmemory'."
#define MISCONF "MISCONF Redis is configured to save RDB snapshots"
#define NOPERM "NOPERM User default has no permissions to run the 'set' command"

static struct recovering client;
static struct resp_item kept_record;

static void
window_is_2_minutes(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
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

static bool
has_asked(const char *word)
{
	return text_has(buffer_text(&fake_stream.log), text_from(word));
}

static int
start(void **state)
{
	(void)state;
	memset(&client, 0, sizeof client);
	log_lines_start();
	recovering_start(window_is_2_minutes);
	fake_broker_start(BUS_FORM_STREAMS);
	fake_stream_start();
	fake_stream.up = true;
	fake_stream.position = stream_number_of((struct wire_stream_id){5, 0});
	sio_core_set_broker(fake_io, &fake_broker);
	recovering_return(&client);
	assert_true(client.connected);
	assert_asked("SET ");
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
	log_lines_stop();
	return 0;
}

static void
answer_write(const char *error)
{
	fake_stream_answer_write(fake_stream.write, error);
}

/* Keeps the record that has been stored last, for an answer. */
static void
keep_record(void)
{
	static char copy[2048];

	kept_record = (struct resp_item){.type = RESP_BULK, .text = buffer_text(&fake_stream.session)};
	assert_true(kept_record.text.n < sizeof copy);
	kept_record.text.at = memcpy(copy, kept_record.text.at, kept_record.text.n);
}

static void
join(const char *room)
{
	assert_int_equal(sio_join(recovering_socket(&client), room), 0);
	fake_turn();
}

static uint64_t
unsaved(enum sio_unsaved reason)
{
	return fake_io->recovery->unsaved[reason];
}

/* With the older record, the client could be recovered in its older rooms after the death of the worker. */
static void
a_record_that_redis_refuses_is_removed_and_stored_later(void **state)
{
	(void)state;
	answer_write(NULL);
	join("room");
	assert_asked("SET ");
	answer_write(OOM);
	assert_asked("DEL ");
	answer_write(NULL);
	fake_sleep(999);
	assert_asked("");
	fake_sleep(1);
	assert_asked("SET ");
	answer_write(OOM);
	assert_asked("DEL ");
	answer_write(NULL);
	assert_int_equal(unsaved(SIO_UNSAVED_OUT_OF_MEMORY), 2);
	assert_int_equal(times_logged("sessions are not stored in Redis: OOM"), 1);
	fake_sleep(2000);
	assert_asked("SET ");
	answer_write(NULL);
	assert_int_equal(times_logged("sessions are stored in Redis again"), 1);
	fake_sleep(32000);
	assert_false(has_asked("SET"));
}

static void
a_removal_that_redis_refuses_is_repeated(void **state)
{
	(void)state;
	keep_record();
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_asked("SET ");
	answer_write(NOPERM);
	assert_asked("DEL ");
	assert_int_equal(unsaved(SIO_UNSAVED_DENIED), 1);
	for (unsigned ms = 1000; ms <= 32000; ms *= 2) {
		answer_write(NOPERM);
		buffer_reset(&fake_stream.log);
		fake_sleep(ms);
		assert_true(has_asked("GETRANGE"));
	}
	buffer_reset(&fake_stream.log);
	fake_stream_end_write(fake_stream.write, &kept_record);
	assert_asked("EVAL ");
	assert_true(text_is(buffer_text(&fake_stream.old), kept_record.text) && fake_stream.session.len == 0);
	fake_stream_end_write(fake_stream.write, &(struct resp_item){.type = RESP_INTEGER, .integer = 0});
	fake_sleep(32000);
	assert_asked("");
}

static void
a_late_removal_needs_no_scripts(void **state)
{
	(void)state;
	keep_record();
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_asked("SET ");
	answer_write(NOPERM);
	assert_asked("DEL ");
	answer_write(NOPERM);
	fake_sleep(1000);
	assert_asked("GETRANGE ");
	fake_stream_end_write(fake_stream.write, &kept_record);
	assert_asked("EVAL ");
	answer_write(NOPERM);
	fake_sleep(2000);
	assert_asked("GETRANGE ");
	fake_stream_end_write(fake_stream.write, &kept_record);
	assert_asked("DEL ");
	answer_write(NULL);
	fake_sleep(32000);
	assert_asked("");
}

/* Redis has not answered, and another worker has taken this one for dead and continues the session. */
static void
a_late_removal_spares_the_session_of_another_worker(void **state)
{
	static char base64[2048];
	struct sio_stream_session record = {.sid = TEXT("sidsidsidsidsidsidsi"),
		.pid = text_from(client.pid),
		.nsp = TEXT("/"),
		.owner = TEXT("other")};
	struct resp_item item = {.type = RESP_BULK};
	struct buffer map;

	(void)state;
	buffer_init(&map, 1024);
	sio_stream_session_write(&map, &record, 0);
	base64_encode(map.data, map.len, base64);
	item.text = text_of(base64, BASE64_ENCODED(map.len));
	buffer_fini(&map);
	answer_write(NULL);
	fake_stream.up = false;
	sio_disconnect(recovering_socket(&client), true);
	fake_turn();
	assert_asked("GETRANGE ");
	fake_stream_end_write(fake_stream.write, &item);
	assert_asked("");
	fake_sleep(32000);
	assert_asked("");
}

/* The record expires, although Redis never takes the removal. */
static void
a_removal_ends_with_its_record(void **state)
{
	uint64_t before = fake_loop.now;

	(void)state;
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	answer_write(OOM);
	for (unsigned i = 0; fake_stream.write != NULL; i++) {
		assert_in_range(i, 0, 20);
		answer_write(MISCONF);
		fake_sleep(32000);
	}
	assert_in_range(fake_loop.now - before, 120000, 400000);
}

static void
the_last_of_several_records_decides(void **state)
{
	struct bus_stream_question *first;

	(void)state;
	answer_write(NULL);
	join("room");
	first = fake_stream.write;
	join("other room");
	assert_asked("SET SET ");
	fake_stream_answer_write(first, OOM);
	assert_asked("");
	answer_write(NULL);
	fake_sleep(32000);
	assert_false(has_asked("SET"));
	assert_int_equal(unsaved(SIO_UNSAVED_OUT_OF_MEMORY), 1);
}

/* The later records replace the first one only if Redis has taken it. */
static void
the_first_of_several_records_is_needed_by_the_others(void **state)
{
	struct bus_stream_question *first = fake_stream.write, *second;

	(void)state;
	join("room");
	second = fake_stream.write;
	join("other room");
	assert_asked("SET SET ");
	assert_true(fake_stream.replaces);
	fake_stream_answer_write(first, OOM);
	assert_asked("DEL ");
	first = fake_stream.write;
	fake_stream_answer_nil(second);
	fake_stream_answer_write(first, NULL);
	assert_false(logged("sessions are stored in Redis again"));
	assert_int_equal(unsaved(SIO_UNSAVED_OUT_OF_MEMORY), 1);
	fake_sleep(1000);
	assert_asked("SET ");
	assert_false(fake_stream.replaces);
	answer_write(NULL);
	assert_true(logged("sessions are stored in Redis again"));
	fake_sleep(32000);
	assert_false(has_asked("SET"));
}

static void
the_record_of_a_lost_client_needs_the_first_one(void **state)
{
	struct bus_stream_question *first = fake_stream.write;

	(void)state;
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_asked("SET ");
	assert_true(fake_stream.replaces);
	fake_stream_answer_write(first, OOM);
	assert_asked("DEL ");
	assert_int_equal(unsaved(SIO_UNSAVED_OUT_OF_MEMORY), 1);
}

/* Another server has claimed the session, or Redis has lost it. */
static void
a_record_that_is_gone_is_not_made_again(void **state)
{
	(void)state;
	answer_write(NULL);
	join("room");
	assert_asked("SET ");
	fake_stream_answer_nil(fake_stream.write);
	fake_sleep(1000);
	assert_asked("");
	join("other room");
	assert_asked("SET ");
	assert_true(fake_stream.replaces);
}

/* After its loss, the client could otherwise not continue the session. */
static void
a_newer_record_ends_a_removal_that_waits(void **state)
{
	(void)state;
	answer_write(MISCONF);
	answer_write(MISCONF);
	assert_asked("DEL ");
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_asked("SET ");
	answer_write(NULL);
	fake_sleep(32000);
	assert_asked("");
}

static void
a_newer_record_ends_a_removal_that_is_sent(void **state)
{
	struct bus_stream_question *removal;

	(void)state;
	answer_write(MISCONF);
	removal = fake_stream.write;
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	assert_asked("DEL SET ");
	fake_stream_answer_write(removal, MISCONF);
	answer_write(NULL);
	fake_sleep(32000);
	assert_asked("");
}

static void
a_session_has_one_removal(void **state)
{
	(void)state;
	answer_write(NULL);
	fake_stream.full = true;
	join("a");
	join("b");
	join("c");
	assert_int_equal(unsaved(SIO_UNSAVED_QUEUE_FULL), 3);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	fake_stream.full = false;
	fake_sleep(1000);
	assert_asked("DEL ");
}

/* Beyond the limit, the oldest removal is forgotten, and the worker says so. */
static void
removals_that_wait_have_a_limit(void **state)
{
	char pid[SIO_STREAM_PID_MAX + 1];
	unsigned removed = 0;

	(void)state;
	answer_write(NULL);
	fake_stream.full = true;
	for (unsigned i = 0; i <= SIO_STREAM_REMOVALS_MAX; i++) {
		(void)snprintf(pid, sizeof pid, "%032u", i);
		assert_false(logged("too many sessions wait to be removed"));
		sio_stream_remove(sio_of(fake_io, "/"), text_from(pid), false);
	}
	assert_true(logged("too many sessions wait to be removed"));
	fake_stream.full = false;
	fake_sleep(1000);
	for (size_t at = 0; at < fake_stream.log.len; at += strlen("DEL "))
		removed++;
	assert_int_equal(removed, SIO_STREAM_REMOVALS_MAX);
}

static void
a_session_waits_while_too_many_commands_wait(void **state)
{
	(void)state;
	answer_write(NULL);
	fake_stream.full = true;
	join("room");
	assert_asked("");
	assert_int_equal(unsaved(SIO_UNSAVED_QUEUE_FULL), 1);
	assert_true(logged("sessions are not stored in Redis: queue_full"));
	fake_stream.full = false;
	fake_sleep(1000);
	assert_asked("DEL SET ");
}

/*
 * This worker has lost the client, could not store the session, and could not remove the older record, which
 * therefore says that the worker still has it.
 */
static void
an_outdated_record_is_not_continued(void **state)
{
	(void)state;
	keep_record();
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	answer_write(OOM);
	answer_write(OOM);
	assert_asked("SET DEL ");
	recovering_claim(&client, client.pid, NULL);
	assert_asked("GETRANGE ");
	fake_stream_answer(0, &kept_record);
	fake_sleep(250); /* the session may have moved on since */
	assert_asked("GETRANGE ");
	fake_stream_answer(0, &kept_record);
	recovering_read(&client);
	assert_true(client.connected && !client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_SESSION], 1);
}

/* The client comes back and leaves before Redis answers that its session is its own. */
static void
a_session_that_cannot_be_stored_again_is_counted(void **state)
{
	const struct wire_stream_entry entry = {.id = {5, 0}, .nsp = TEXT("/"), .type = TEXT("3")};

	(void)state;
	answer_write(NULL);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	keep_record();
	answer_write(NULL);
	recovering_claim(&client, client.pid, NULL);
	fake_stream_answer(0, &kept_record);
	fake_stream.question->on_entry(fake_stream.question, &entry);
	fake_stream_answer(0, &(struct resp_item){.type = RESP_ARRAY});
	assert_asked("SET GETRANGE XRANGE EVAL ");
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	fake_stream.full = true;
	fake_stream_answer_swap(1);
	assert_int_equal(unsaved(SIO_UNSAVED_QUEUE_FULL), 1);
	assert_true(logged("sessions are not stored in Redis: queue_full"));
}

static void
a_room_joined_while_disconnecting_is_stored(void **state)
{
	struct sio_stream_session record;
	struct buffer map, rooms;
	uint8_t *room;

	(void)state;
	sio_on_disconnecting(sio_of(fake_io, "/"), join_late, NULL);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	keep_record();
	buffer_init(&map, 4096);
	buffer_init(&rooms, 4096);
	room = buffer_room(&map, BASE64_DECODED_MAX(kept_record.text.n));
	map.len = (size_t)base64_decode(kept_record.text, room);
	assert_int_equal(sio_stream_session_read(buffer_text(&map), 0, &rooms, &record), 0);
	assert_int_equal(record.room_count, 1);
	assert_true(text_has(record.rooms, TEXT("late room")) && record.owner.n == 0);
	buffer_fini(&map);
	buffer_fini(&rooms);
}

/* The entry that the broker adds for a broadcast is all that it costs Redis. */
static void
a_broadcast_asks_redis_for_nothing(void **state)
{
	(void)state;
	fake_stream.up = true;
	answer_write(NULL);
	buffer_reset(&fake_broker.log);
	for (int i = 0; i < 3; i++) {
		sio_emit(sio_all(sio_of(fake_io, "/")), "e", "i", i);
		fake_turn();
	}
	assert_true(text_is(
		fake_broker_log(), TEXT("numbered / [\"e\",0]\nnumbered / [\"e\",1]\nnumbered / [\"e\",2]\n")));
	assert_asked("");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_broadcast_asks_redis_for_nothing, start, stop),
		cmocka_unit_test_setup_teardown(a_record_that_redis_refuses_is_removed_and_stored_later, start, stop),
		cmocka_unit_test_setup_teardown(a_removal_that_redis_refuses_is_repeated, start, stop),
		cmocka_unit_test_setup_teardown(a_late_removal_needs_no_scripts, start, stop),
		cmocka_unit_test_setup_teardown(a_late_removal_spares_the_session_of_another_worker, start, stop),
		cmocka_unit_test_setup_teardown(a_removal_ends_with_its_record, start, stop),
		cmocka_unit_test_setup_teardown(the_last_of_several_records_decides, start, stop),
		cmocka_unit_test_setup_teardown(the_first_of_several_records_is_needed_by_the_others, start, stop),
		cmocka_unit_test_setup_teardown(the_record_of_a_lost_client_needs_the_first_one, start, stop),
		cmocka_unit_test_setup_teardown(a_record_that_is_gone_is_not_made_again, start, stop),
		cmocka_unit_test_setup_teardown(a_newer_record_ends_a_removal_that_waits, start, stop),
		cmocka_unit_test_setup_teardown(a_newer_record_ends_a_removal_that_is_sent, start, stop),
		cmocka_unit_test_setup_teardown(a_session_has_one_removal, start, stop),
		cmocka_unit_test_setup_teardown(removals_that_wait_have_a_limit, start, stop),
		cmocka_unit_test_setup_teardown(a_session_waits_while_too_many_commands_wait, start, stop),
		cmocka_unit_test_setup_teardown(an_outdated_record_is_not_continued, start, stop),
		cmocka_unit_test_setup_teardown(a_session_that_cannot_be_stored_again_is_counted, start, stop),
		cmocka_unit_test_setup_teardown(a_room_joined_while_disconnecting_is_stored, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
