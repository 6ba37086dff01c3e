/* The list of fetched sockets: it stays whole while sockets change and end, and writes a handshake when it is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_fetched.h"
#include "node/socketio/sio_rooms.h"
#include "tests/unit/socketio/fake_engine.h"

#define SOCKETS 3u

static sio_socket *sockets[SOCKETS];
static struct eio_session *sessions[SOCKETS];
static unsigned count;
static struct sio_fetched_list list;

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	sockets[count++] = s;
}

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	count = 0;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	for (unsigned i = 0; i < SOCKETS; i++) {
		char connect[32];
		int n = snprintf(connect, sizeof connect, "0{\"n\":%u}", i);

		sessions[i] = fake_open(i);
		fake_receive(sessions[i], false, connect, (size_t)n);
	}
	fake_turn();
	assert_int_equal(count, SOCKETS);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	sio_fetched_fini(&list);
	fake_stop(); /* fails if a handshake is still referenced */
	return 0;
}

/* Lists all sockets, as sio_fetch() does. */
static void
fetch_all(void)
{
	struct sio_selection all = {.at = sockets, .count = SOCKETS};

	sio_fetched_add_sockets(&list, &all);
	assert_int_equal(list.error, 0);
	assert_int_equal(list.count, SOCKETS);
}

static void
assert_json(sio_value value, const char *wanted)
{
	size_t n = 0;
	const char *json = sio_json(value, &n);

	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(json, wanted, n);
}

static void
test_list_outlives_sockets(void **state)
{
	char ids[SOCKETS][SIO_ID_LENGTH + 1];

	(void)state;
	sio_join(sockets[1], "red");
	sio_join(sockets[1], "blue");
	sio_set_data(sockets[1], "{s:i}", "a", 1);
	sio_leave(sockets[2], sio_id(sockets[2]));
	for (unsigned i = 0; i < SOCKETS; i++)
		memcpy(ids[i], sio_id(sockets[i]), sizeof ids[i]);
	fetch_all();
	sio_leave(sockets[1], "red");
	sio_set_data(sockets[1], "{s:i}", "a", 2);
	for (unsigned i = 0; i < SOCKETS; i++)
		sio_disconnect(sockets[i], true);
	fake_turn();
	fake_turn();
	assert_int_equal(sio_of(fake_io, "/")->count, 0);
	for (unsigned i = 0; i < SOCKETS; i++)
		assert_string_equal(list.at[i].id, ids[i]);
	assert_int_equal(list.at[0].rooms_count, 1);
	assert_string_equal(list.at[0].rooms[0], ids[0]);
	assert_int_equal(list.at[1].rooms_count, 3);
	assert_string_equal(list.at[1].rooms[1], "red");
	assert_string_equal(list.at[1].rooms[2], "blue");
	assert_int_equal(list.at[2].rooms_count, 0);
	assert_json(list.at[0].data, "{}");
	assert_json(list.at[1].data, "{\"a\":1}");
	assert_json(sio_get(list.at[2].handshake, "auth"), "{\"n\":2}");
	assert_string_equal(sio_string(sio_get(sio_get(list.at[0].handshake, "query"), "name"), NULL), "a b!");
}

/* No handshake is written before it is read, and then it is written once. */
static void
test_handshake_is_late(void **state)
{
	const struct sio_value_owner *owner;
	const char *first;
	size_t n;

	(void)state;
	fetch_all();
	for (unsigned i = 0; i < SOCKETS; i++) {
		owner = list.at[i].handshake.owner;
		assert_null(owner->json.at);
	}
	first = sio_json(list.at[0].handshake, &n);
	assert_non_null(first);
	assert_ptr_equal(sio_json(list.at[0].handshake, &n), first);
	owner = list.at[1].handshake.owner;
	assert_null(owner->json.at);
}

/* Whichever function reads the handshake first finds the text. */
static void
test_all_readers(void **state)
{
	sio_value member, handshake;
	const char *key;
	size_t cursor = 0;

	(void)state;
	fetch_all();
	assert_int_equal(sio_type_of(list.at[0].handshake), SIO_OBJECT);
	assert_int_equal(sio_length(list.at[1].handshake), 9);
	assert_true(sio_each(list.at[2].handshake, &cursor, &key, &member));
	assert_string_equal(key, "headers");
	sio_fetched_fini(&list);
	fetch_all();
	handshake = list.at[0].handshake;
	assert_int_equal(sio_int(handshake, 7), 7);
	assert_null(sio_string(handshake, NULL));
	assert_null(sio_binary(handshake, NULL));
	assert_false(sio_bool(handshake, false));
	assert_int_equal(sio_type_of(sio_at(handshake, 0)), SIO_NONE);
	assert_non_null(sio_msgpack(list.at[1].handshake));
	assert_int_equal(sio_set_data(sockets[0], "v", list.at[2].handshake), 0);
	assert_json(sio_get(sio_data(sockets[0]), "auth"), "{\"n\":2}");
}

/* ---------------------------------------------------------------- the mark "_admin" */

static void
assert_answer(const char *data, const char *mark, const char *wanted)
{
	struct attachments attachments = {0};
	struct buffer json;

	if (data != NULL)
		assert_int_equal(sio_set_data(sockets[0], "j", data), 0);
	buffer_init(&json, 65536);
	sio_fetched_write(sockets[0], text_from(mark), &json, &attachments);
	assert_int_equal(buffer_error(&json), 0);
	buffer_add_byte(&json, '\0');
	assert_non_null(strstr((const char *)json.data, wanted));
	attachments_fini(&attachments);
	buffer_fini(&json);
}

static void
test_answers_have_the_mark(void **state)
{
	(void)state;
	assert_answer(NULL, "", "\"data\":{}}");
	assert_answer(NULL, "{\"x\":1}", "\"data\":{\"_admin\":{\"x\":1}}}");
	assert_answer("{\"a\":[1]}", "", "\"data\":{\"a\":[1]}}");
	assert_answer("{\"a\":[1]}", "{\"x\":1}", "\"data\":{\"a\":[1],\"_admin\":{\"x\":1}}}");
	assert_answer("{ \"a\":1 \n}", "{}", "1,\"_admin\":{}}}");
	assert_answer("{ }", "{}", "\"data\":{\"_admin\":{}}}");
	assert_answer("[{\"a\":1}]", "{}", "\"data\":[{\"a\":1}]}");
	assert_answer("\"text {}\"", "{}", "\"data\":\"text {}\"}");
}

static void
assert_unmarked(const char *data, const char *wanted)
{
	for (int unmark = 0; unmark < 2; unmark++) {
		char answer[512];
		const char *json;
		size_t n, at = 0;

		list.unmark = unmark == 1;
		(void)snprintf(
			answer, sizeof answer, "[{\"id\":\"a\",\"handshake\":{},\"rooms\":[],\"data\":%s}]", data);
		sio_fetched_add_answer(&list, text_from(answer), NULL);
		assert_int_equal(list.count, 1);
		json = sio_json(list.at[0].data, &n);
		if (!list.unmark)
			assert_memory_equal(json, data, n);
		for (size_t i = 0; i < n && list.unmark; i++) {
			if (json[i] != ' ') /* blanks stand for what was taken out */
				assert_int_equal(json[i], wanted[at++]);
		}
		assert_int_equal(at, list.unmark ? strlen(wanted) : 0);
		sio_fetched_fini(&list);
	}
}

static void
test_the_mark_is_taken_out(void **state)
{
	(void)state;
	assert_unmarked("{\"_admin\":{\"clientId\":\"x\"}}", "{}");
	assert_unmarked("{\"_admin\":{\"a\":[1,2]},\"b\":2}", "{\"b\":2}");
	assert_unmarked("{\"b\":2,\"_admin\":7}", "{\"b\":2}");
	assert_unmarked("{\"b\":2 , \"_admin\" : 7 , \"c\":{\"_admin\":1}}", "{\"b\":2,\"c\":{\"_admin\":1}}");
	assert_unmarked("{\"_admin\":1,\"_admin\":2,\"c\":3}", "{\"c\":3}");
	assert_unmarked("{\"\\u005fadmin\":1,\"c\":3}", "{\"c\":3}");
	assert_unmarked("{\"_admin\":1 , \"_admin\":2}", "{}");
	assert_unmarked("{\"a\":1,\"_admin\":1,\"_admin\":2 ,\"b\":3}", "{\"a\":1,\"b\":3}");
	assert_unmarked("{\"a\":\"_admin\"}", "{\"a\":\"_admin\"}");
	assert_unmarked("[\"_admin\"]", "[\"_admin\"]");
	assert_unmarked("\"_admin\"", "\"_admin\"");
}

#define MARKS 200000

/* The time grows with the length of the answer, not with its square; otherwise this test would take minutes. */
static void
test_many_marks_are_taken_out(void **state)
{
	struct buffer answer;
	sio_value data;

	(void)state;
	buffer_init(&answer, 16 << 20);
	buffer_add_text(&answer, TEXT("[{\"id\":\"a\",\"data\":{"));
	for (unsigned i = 0; i < MARKS; i++)
		buffer_add_text(&answer, TEXT("\"_admin\":1,"));
	buffer_add_text(&answer, TEXT("\"b\":2}}]"));
	list.unmark = true;
	sio_fetched_add_answer(&list, buffer_text(&answer), NULL);
	data = list.at[0].data;
	assert_int_equal(sio_length(data), 1);
	assert_int_equal(sio_int(sio_get(data, "b"), 0), 2);
	buffer_fini(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_have_the_mark, start, stop),
		cmocka_unit_test_setup_teardown(test_the_mark_is_taken_out, start, stop),
		cmocka_unit_test_setup_teardown(test_many_marks_are_taken_out, start, stop),
		cmocka_unit_test_setup_teardown(test_list_outlives_sockets, start, stop),
		cmocka_unit_test_setup_teardown(test_handshake_is_late, start, stop),
		cmocka_unit_test_setup_teardown(test_all_readers, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
