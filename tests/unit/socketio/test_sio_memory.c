/*
 * What happens when memory is missing for bytes whose number a peer chose: values read as absent, lists end with an
 * error, and only the client that sent the bytes is closed. An allocation that aborts ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/faults.h"
#include "tests/unit/socketio/fake_engine.h"

#define LONG 20000 /* bytes of the allocation that is refused */
#define NONE_ABOVE 4000

static char long_text[LONG + 1];
static struct http_header fields[] = {{{"X-Long", 6}, {long_text, LONG}}, {{"x-long", 6}, {"b", 1}}};
static struct eio_session *first, *second; /* the sender, and another client, which must not notice anything */
static sio_socket *socket_now;
static sio_event *kept;
static unsigned called;
static unsigned handshakes; /* fetched and readable */
static int error_seen;

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	socket_now = s;
}

static void
connect_one(unsigned which, struct eio_session **out)
{
	*out = fake_open(which);
	fake_receive(*out, false, "0", 1);
	fake_turn();
}

static int
start(void **state)
{
	struct sio_options o = fake_options();
	static char query[LONG + 16];

	(void)state;
	memset(long_text, 'x', LONG);
	(void)snprintf(query, sizeof query, "long=%s", long_text);
	fake_fields = fields;
	fake_field_count = 2;
	fake_query = query;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	connect_one(1, &second);
	connect_one(0, &first);
	called = 0;
	error_seen = 0;
	handshakes = 0;
	kept = NULL;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fault_above = SIZE_MAX;
	fake_stop();
	return 0;
}

static uint64_t
counted(void)
{
	return fake_loop.counters.value[COUNT_NO_MEMORY];
}

/* A packet that contains the long text. */
static void
send_long(const char *head, const char *tail)
{
	char *message = malloc(2 * LONG);
	int n = snprintf(message, 2 * LONG, "%s%s%s", head, long_text, tail);

	fake_receive(first, false, message, (size_t)n);
	free(message);
}

static void
assert_first_closed_alone(void)
{
	fault_above = SIZE_MAX;
	assert_int_equal(called, 1);
	fake_turn();
	assert_false(first->used);
	assert_true(second->open);
	assert_true(counted() >= 1);
}

/* ------------------------------------------------------------------ values */

static void
on_string(sio_socket *s, sio_event *e, void *arg)
{
	size_t n = 7;

	(void)arg;
	called++;
	fault_above = NONE_ABOVE;
	assert_null(sio_string(sio_arg(e, 0), &n));
	assert_int_equal(n, 0);
	assert_true(sio_connected(s));
}

static void
test_string_reads_as_absent(void **state)
{
	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_string, NULL);
	send_long("2[\"e\",\"\\n", "\"]");
	assert_first_closed_alone();
}

static void
on_each(sio_socket *s, sio_event *e, void *arg)
{
	sio_value member;
	const char *key;
	size_t cursor = 0;

	(void)s;
	(void)arg;
	called++;
	fault_above = NONE_ABOVE;
	assert_false(sio_each(sio_arg(e, 0), &cursor, &key, &member));
}

static void
test_keys_end_the_walk(void **state)
{
	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_each, NULL);
	send_long("2[\"e\",{\"", "\":1}]");
	assert_first_closed_alone();
}

static void
on_msgpack(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	called++;
	fault_above = NONE_ABOVE;
	assert_null(sio_msgpack(sio_arg(e, 0)));
	fault_above = SIZE_MAX;
	assert_non_null(sio_msgpack(sio_arg(e, 0))); /* the failure is not remembered as the result */
}

static void
test_msgpack_strings(void **state)
{
	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_msgpack, NULL);
	send_long("2[\"e\",[1,\"\\n", "\"]]");
	assert_first_closed_alone();
}

static void
test_msgpack_elements(void **state)
{
	char *message = malloc(LONG + 16);
	size_t n = (size_t)sprintf(message, "2[\"e\",[1");

	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_msgpack, NULL);
	while (n < LONG)
		n += (size_t)sprintf(message + n, ",1");
	n += (size_t)sprintf(message + n, "]]");
	fake_receive(first, false, message, n);
	free(message);
	assert_first_closed_alone();
}

static void
on_handshake(sio_socket *s, sio_event *e, void *arg)
{
	(void)e;
	(void)arg;
	called++;
	fault_above = NONE_ABOVE;
	assert_null(sio_header(s, "X-Long"));
	assert_null(sio_query(s, "long"));
	assert_non_null(sio_url(s));
	assert_string_equal(sio_address(s), "192.0.2.7");
}

static void
test_handshake_reads_as_absent(void **state)
{
	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_handshake, NULL);
	fake_receive(first, false, "2[\"e\"]", 6);
	assert_first_closed_alone();
}

/* ------------------------------------------------------------------ events */

static void
on_keep_without(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	called++;
	fault_above = NONE_ABOVE;
	kept = sio_event_keep(e);
	fault_above = SIZE_MAX;
	assert_int_equal(sio_argc(e), 1); /* the event itself is complete */
}

static void
test_event_is_kept_without_its_bytes(void **state)
{
	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_keep_without, NULL);
	send_long("27[\"e\",\"", "\"]");
	assert_string_equal(sio_event_name(kept), "");
	assert_int_equal(sio_argc(kept), 0);
	assert_int_equal(sio_type_of(sio_arg(kept, 0)), SIO_NONE);
	assert_true(sio_wants_ack(kept));
	assert_first_closed_alone();
	assert_null(sio_event_socket(kept));
	assert_int_equal(sio_ack(kept, NULL), SIO_ERR_STATE);
	sio_event_release(kept);
}

static void
on_keep(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	called++;
	kept = sio_event_keep(e);
}

static void
test_kept_event_closes_at_its_release(void **state)
{
	char message[900];
	int n = snprintf(message, sizeof message, "27[\"e\",\"\\n%.800s\"]", long_text);

	(void)state;
	(void)sio_on(sio_of(fake_io, "/"), "e", on_keep, NULL);
	fake_receive(first, false, message, (size_t)n); /* exactly as much as may wait for the application */
	fault_above = 600;
	assert_null(sio_string(sio_arg(kept, 0), NULL));
	fault_above = SIZE_MAX;
	fake_turn();
	assert_true(first->open);
	sio_event_release(kept);
	assert_first_closed_alone();
}

/* ----------------------------------------------------------------- answers */

static void
on_answer(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	(void)arg;
	called++;
	error_seen = error;
	assert_int_equal(sio_answers_count(answers), 1);
	fault_above = NONE_ABOVE;
	assert_null(sio_string(sio_answer(answers, 0), NULL));
}

static void
test_answer_of_one_reads_as_absent(void **state)
{
	(void)state;
	assert_int_equal(sio_emit_ack(sio_only(socket_now), on_answer, NULL, "q", NULL), 0);
	send_long("30[\"\\n", "\"]");
	assert_first_closed_alone();
}

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	(void)arg;
	called++;
	error_seen = error;
	assert_int_equal(sio_answers_count(answers), 1);
	assert_int_equal(sio_answers_missing(answers), 1);
}

static void
test_answer_of_many_is_missing(void **state)
{
	static char message[LONG + 16];
	int n;

	(void)state;
	assert_int_equal(sio_emit_ack(sio_all(sio_of(fake_io, "/")), on_answers, NULL, "q", NULL), 0);
	fake_receive(second, false, "30[1]", 5);
	n = snprintf(message, sizeof message, "30[\"%s\"]", long_text);
	fault_above = NONE_ABOVE;
	sio_core_ops()->on_message(first, first->owner, false, (uint8_t *)message, (size_t)n);
	assert_first_closed_alone();
	assert_int_equal(error_seen, SIO_ERR_SYSTEM);
}

/* -------------------------------------------------------------------- data */

static void
test_data_stays_as_it_was(void **state)
{
	char text[800] = "";

	(void)state;
	memset(text, 'x', sizeof text - 1);
	assert_int_equal(sio_set_data(socket_now, "s", text), 0);
	text[0] = 'y';
	fault_above = 600; /* now there is memory to pack it */
	assert_int_equal(sio_set_data(socket_now, "s", text), SIO_ERR_SYSTEM);
	fault_above = SIZE_MAX;
	assert_int_equal(*sio_string(sio_data(socket_now), NULL), 'x');
}

/* ------------------------------------------------------------------- lists */

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)silent;
	(void)arg;
	called++;
	error_seen = error;
	assert_true(n <= 2);
	for (unsigned i = 0; i < n; i++)
		handshakes += sio_type_of(sio_get(sockets[i].handshake, "headers")) == SIO_OBJECT;
}

static void
test_fetch_ends_with_an_error(void **state)
{
	(void)state;
	fault_above = ARENA_CHUNK_MIN - 1; /* the list needs more */
	assert_int_equal(sio_fetch(sio_all(sio_of(fake_io, "/")), on_fetched, NULL), 0);
	fake_turn();
	assert_int_equal(called, 1);
	assert_int_equal(error_seen, SIO_ERR_SYSTEM);
	assert_int_equal(handshakes, 0);
	assert_true(first->open && second->open);
}

/* The list takes little memory. A handshake that cannot be written when it is read is SIO_NONE. */
static void
test_fetched_handshake_needs_memory(void **state)
{
	(void)state;
	fault_above = NONE_ABOVE; /* the long header field needs more */
	assert_int_equal(sio_fetch(sio_all(sio_of(fake_io, "/")), on_fetched, NULL), 0);
	fake_turn();
	assert_int_equal(called, 1);
	assert_int_equal(error_seen, 0);
	assert_int_equal(handshakes, 0);
	fault_above = SIZE_MAX;
	assert_int_equal(sio_fetch(sio_all(sio_of(fake_io, "/")), on_fetched, NULL), 0);
	fake_turn();
	assert_int_equal(handshakes, 2);
}

static void
on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)rooms;
	(void)n;
	(void)silent;
	(void)arg;
	called++;
	error_seen = error;
}

static void
test_rooms_end_with_an_error(void **state)
{
	char room[500];

	(void)state;
	memset(room, 'r', sizeof room);
	room[sizeof room - 1] = '\0';
	assert_int_equal(sio_join(socket_now, room), 0);
	fault_above = 400;
	assert_int_equal(sio_all_rooms(sio_of(fake_io, "/"), on_rooms, NULL), 0);
	fault_above = SIZE_MAX;
	fake_turn();
	assert_int_equal(called, 1);
	assert_int_equal(error_seen, SIO_ERR_SYSTEM);
}

/* A client may choose the name of a room. */
static void
test_room_is_refused(void **state)
{
	char room[500] = "";

	(void)state;
	memset(room, 'r', sizeof room - 1);
	fault_above = 400;
	assert_int_equal(sio_join(socket_now, room), SIO_ERR_SYSTEM);
	fault_above = SIZE_MAX;
	assert_false(sio_in_room(socket_now, room));
	assert_int_equal(fake_loop.counters.value[COUNT_ROOMS_REFUSED], 1);
	assert_int_equal(sio_join(socket_now, room), 0);
	assert_true(sio_in_room(socket_now, room));
}

static void
refuse_at_length(sio_socket *s, sio_step *step, void *arg)
{
	(void)s, (void)arg;
	called++;
	fault_above = NONE_ABOVE;
	error_seen = sio_refuse(step, long_text, NULL);
	fault_above = SIZE_MAX;
}

static void
test_refusal_without_its_text(void **state)
{
	struct eio_session *third;

	(void)state;
	sio_use(sio_of(fake_io, "/"), refuse_at_length, NULL);
	connect_one(2, &third);
	assert_int_equal(called, 1);
	assert_int_equal(error_seen, SIO_ERR_SYSTEM);
	assert_true(text_starts(buffer_text(&third->sent), TEXT("4{")));
	assert_true(third->sent.len < 100);
}

/* A list of receivers grows by doubling from 16. */
static void
test_broadcast_is_refused_whole(void **state)
{
	struct sio_scratch *scratch = sio_scratch_take(&fake_io->turn);
	struct sio_selector who = {0};

	(void)state;
	fault_above = 100;
	assert_int_equal(sio_rooms_select(sio_of(fake_io, "/"), &who, &scratch->selection), SIO_ERR_SYSTEM);
	fault_above = SIZE_MAX;
	assert_int_equal(scratch->selection.count, 0);
	assert_int_equal(sio_rooms_select(sio_of(fake_io, "/"), &who, &scratch->selection), 0);
	assert_int_equal(scratch->selection.count, 2);
	sio_scratch_give(&fake_io->turn, scratch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_string_reads_as_absent),
		TEST(test_keys_end_the_walk),
		TEST(test_msgpack_strings),
		TEST(test_msgpack_elements),
		TEST(test_handshake_reads_as_absent),
		TEST(test_event_is_kept_without_its_bytes),
		TEST(test_kept_event_closes_at_its_release),
		TEST(test_answer_of_one_reads_as_absent),
		TEST(test_answer_of_many_is_missing),
		TEST(test_data_stays_as_it_was),
		TEST(test_fetch_ends_with_an_error),
		TEST(test_fetched_handshake_needs_memory),
		TEST(test_rooms_end_with_an_error),
		TEST(test_room_is_refused),
		TEST(test_refusal_without_its_text),
		TEST(test_broadcast_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
