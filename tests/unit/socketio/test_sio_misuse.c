/*
 * Mistakes in calls of the public functions: an error and one warning line. In a build with checked handles (make
 * DEBUG=1) they print a line that names the function and the mistake, and end the program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/socketio/fake_engine.h"

static char line[4096];
static unsigned lines;
static sio_socket *socket_of_0;

static void
on_line(void *arg, enum log_level level, const char *text, size_t n)
{
	(void)arg;
	(void)level;
	must(n < sizeof line);
	memcpy(line, text, n);
	line[n] = '\0';
	lines++;
}

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	socket_of_0 = s;
}

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	fake_receive(fake_open(0), false, "0", 1);
	fake_turn();
	line[0] = '\0';
	lines = 0;
	log_set_level(LOG_WARN);
	log_set_sink(on_line, NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(LOG_ERROR);
	fake_stop();
	return 0;
}

static void
on_event(sio_socket *s, sio_event *event, void *arg)
{
	(void)s;
	(void)event;
	(void)arg;
}

/*
 * Expects `error` from the call, and `words` in its log line. Lines are rate-limited, so each call runs in a process
 * of its own.
 */
#define tells(error, words, call)                                                                                    \
	do {                                                                                                         \
		pid_t child_ = fork();                                                                               \
		int status_;                                                                                         \
                                                                                                                     \
		if (child_ == 0)                                                                                     \
			_exit((call) == (error) && lines == 1 && strstr(line, words) != NULL ? 0 : 1);               \
		assert_int_equal(waitpid(child_, &status_, 0), child_);                                              \
		if (!WIFEXITED(status_) || WEXITSTATUS(status_) != 0)                                                \
			fail_msg("%s: %d, line %s", #call, status_, line);                                           \
	} while (0)

static void
test_the_text_of_the_line(void **state)
{
	sio_target t = sio_only(socket_of_0);

	(void)state;
	tells(SIO_ERR_ARGUMENT,
		"event=call_failed function=sio_emit name=news format=sQ position=2 reason=\"unknown letter\"",
		sio_emit(t, "news", "sQ", "x"));
	tells(SIO_ERR_ARGUMENT, "format={s:i position=5 reason=\"unclosed bracket\"",
		sio_emit(t, "news", "{s:i", "x", 1));
	tells(SIO_ERR_ARGUMENT, "format={s} position=3 reason=\"a key without a value\"",
		sio_emit(t, "news", "{s}", "x"));
	tells(SIO_ERR_ARGUMENT, "position=1 reason=\"the text is not UTF-8\"", sio_emit(t, "news", "s", "\xff"));
	tells(SIO_ERR_ARGUMENT, "reason=\"the event name is not UTF-8\"", sio_emit(t, "ne\xff", ""));
	tells(SIO_ERR_ARGUMENT, "position=2 reason=\"the text is not JSON\"", sio_emit(t, "news", "ij", 1, "{"));
	tells(SIO_ERR_ARGUMENT, "a number in place of a string", sio_emit(t, "news", "s", (char *)(uintptr_t)5));
	tells(SIO_ERR_RESERVED, "name=connect reason=\"the event name is reserved\"", sio_emit(t, "connect", ""));
	tells(SIO_ERR_ARGUMENT, "function=sio_set_data", sio_set_data(socket_of_0, "ii", 1, 2));
	tells(SIO_ERR_ARGUMENT, "function=sio_join", sio_join(socket_of_0, "\xff"));
	tells(SIO_ERR_ARGUMENT, "function=sio_on name", sio_on(sio_of(fake_io, "/"), "\xff", on_event, NULL));
	tells(SIO_ERR_ARGUMENT, "function=sio_emit", sio_emit(sio_to(t, NULL), "news", ""));
	tells(SIO_ERR_ARGUMENT, "function=sio_emit", sio_emit(sio_to(t, "\xff"), "news", ""));
	tells(SIO_ERR_ARGUMENT, "function=sio_sockets_join", sio_sockets_join(t, "\xff"));
	tells(SIO_ERR_ARGUMENT, "function=sio_server_side_emit",
		sio_server_side_emit(sio_of(fake_io, "/"), "\xff", ""));
	tells(0, "function=sio_of", sio_of(fake_io, "/\xff") != NULL);
}

static void
test_namespace_that_no_client_can_name(void **state)
{
	char name[513] = "";

	(void)state;
	memset(name, 'n', 512);
	tells(0, "function=sio_of", sio_of(fake_io, name) != NULL); /* the missing slash is added */
	name[511] = '\0';
	assert_non_null(sio_of(fake_io, name));
}

static void
test_lines_are_sampled(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(sio_emit(sio_only(socket_of_0), "news", "Q"), SIO_ERR_ARGUMENT);
	assert_in_range(lines, 0, 5); /* one line per second of the wall clock, which may advance meanwhile */
}

static void
on_ack_twice(sio_socket *s, sio_event *event, void *arg)
{
	(void)s;
	(void)arg;
	assert_int_equal(sio_ack(event, ""), 0);
	assert_int_equal(sio_ack(event, ""), SIO_ERR_STATE);
}

static void
test_the_end_of_a_race_is_silent(void **state)
{
	(void)state;
	sio_on(sio_of(fake_io, "/"), "twice", on_ack_twice, NULL);
	fake_receive(&fake_engine.sessions[0], false, "21[\"twice\"]", 11);
	assert_int_equal(lines, 0);
}

#ifndef SIO_CHECKED

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	(void)error;
	(void)answers;
	(void)arg;
	fail();
}

static void
on_release(sio_socket *s, sio_event *event, void *arg)
{
	sio_event *kept = sio_event_keep(event);

	(void)s;
	(void)arg;
	sio_event_release(kept);
	sio_event_release(kept);
	sio_event_release(event);
	assert_int_equal(sio_ack(event, "s", "there"), SIO_OK);
}

/* One release too many of a living event, or of an event that was not kept, does not free it. */
static void
test_released_too_often(void **state)
{
	struct eio_session *c = &fake_engine.sessions[0];

	(void)state;
	sio_on(sio_of(fake_io, "/"), "release", on_release, NULL);
	fake_receive(c, false, "21[\"release\"]", 13);
	fake_turn();
	buffer_add_byte(&c->sent, '\0');
	assert_non_null(strstr((const char *)c->sent.data, "31[\"there\"]"));
}

static void
test_null(void **state)
{
	const char *rooms[] = {"a", NULL};
	sio_value v = {0};
	size_t n = 1;

	(void)state;
	assert_int_equal(sio_emit(sio_only(NULL), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_others(NULL), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_everyone(NULL), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_to(sio_all(NULL), "r"), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_only(socket_of_0), NULL, ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_to_many(sio_only(socket_of_0), rooms, 2), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit_ack(sio_all(NULL), on_answers, NULL, "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit_ack(sio_only(socket_of_0), NULL, NULL, "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_fetch(sio_all(NULL), NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_all_rooms(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_sockets_join(sio_all(NULL), "x"), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_sockets_leave(sio_all(NULL), "x"), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_disconnect_sockets(sio_all(NULL), true), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_server_side_emit(NULL, "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_server_side_emit_ack(NULL, 0, on_answers, NULL, "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_on(NULL, "x", on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_on(sio_of(fake_io, "/"), "x", NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off(NULL, "x", on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_socket_on(NULL, "x", on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_socket_on(socket_of_0, NULL, on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_socket_once(socket_of_0, "x", NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_socket_off(socket_of_0, NULL, on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_any(NULL, on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_any_outgoing(NULL, on_event, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_connection(NULL, on_connection, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_upgrade(NULL, on_connection, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_disconnecting(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_disconnect(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_error(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_off_room(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	sio_on_session_ended(NULL, NULL, NULL);
	assert_int_equal(sio_off_session_ended(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_local_sockets(sio_all(NULL), NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_local_rooms(NULL, NULL, NULL), 0);
	assert_int_equal(sio_room_size(sio_of(fake_io, "/"), NULL), 0);
	assert_false(sio_header_next(socket_of_0, NULL, NULL, NULL));
	assert_null(sio_disconnect_details(NULL));
	assert_int_equal(sio_nodes(NULL, NULL, 0), 0);
	assert_int_equal(sio_nodes(fake_io, NULL, 1), 0);
	assert_int_equal(sio_silent_nodes(fake_io, NULL), 0);
	assert_int_equal(sio_join(NULL, "x"), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_join(socket_of_0, (const char *)(uintptr_t)42), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_set_data(NULL, ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_refuse(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_step_on_gone(NULL, NULL, NULL), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_ack(NULL, ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_add_header(NULL, "a", "b"), SIO_ERR_ARGUMENT);
	assert_null(sio_of(NULL, "/"));
	assert_null(sio_of(fake_io, NULL));
	assert_null(sio_of_pattern(fake_io, NULL, NULL));
	assert_null(sio_of_function(fake_io, NULL, NULL));
	assert_null(sio_id(NULL));
	assert_null(sio_find(sio_of(fake_io, "/"), NULL));
	assert_null(sio_query(socket_of_0, NULL));
	assert_null(sio_header(socket_of_0, NULL));
	assert_int_equal(sio_emit(sio_to_many(sio_all(sio_of(fake_io, "/")), NULL, 2), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(
		sio_emit(sio_except_many(sio_all(sio_of(fake_io, "/")), NULL, 2), "x", ""), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_emit(sio_to_many(sio_only(socket_of_0), NULL, 0), "x", ""), SIO_OK);
	assert_null(sio_room_next(NULL, &n));
	assert_null(sio_room_next(socket_of_0, NULL));
	assert_false(sio_each(v, NULL, NULL, &v));
	n = 0;
	assert_false(sio_each(sio_auth(socket_of_0), &n, NULL, NULL));
	assert_int_equal(sio_argc(NULL), 0);
	assert_int_equal(sio_type_of(sio_arg(NULL, 0)), SIO_NONE);
	assert_int_equal(sio_type_of(sio_get(v, NULL)), SIO_NONE);
	sio_next(NULL);
	sio_leave(NULL, "x");
	sio_leave_all(NULL);
	sio_disconnect(NULL, true);
	sio_on_connection(NULL, on_connection, NULL);
	sio_on_connection(sio_of(fake_io, "/"), NULL, NULL);
	sio_event_release(NULL);
}

#else

static sio_event *kept_event;
static sio_value kept_value;
static unsigned nexts;

static void
on_keep(sio_socket *s, sio_event *event, void *arg)
{
	(void)s;
	(void)arg;
	kept_event = event;
	kept_value = sio_arg(event, 0);
	assert_int_equal(sio_type_of(kept_value), SIO_STRING);
}

/* Expects the call to end a child by SIGABRT after a line with these words. */
#define aborts(words, call)                                                                                          \
	do {                                                                                                         \
		int pipe_[2], status_;                                                                               \
		pid_t child_;                                                                                        \
		char got_[4096];                                                                                     \
		ssize_t n_;                                                                                          \
                                                                                                                     \
		assert_int_equal(pipe(pipe_), 0);                                                                    \
		child_ = fork();                                                                                     \
		if (child_ == 0) {                                                                                   \
			log_set_sink(NULL, NULL);                                                                    \
			dup2(pipe_[1], 2);                                                                           \
			(void)signal(SIGABRT, SIG_DFL);                                                              \
			(void)(call);                                                                                \
			_exit(0);                                                                                    \
		}                                                                                                    \
		close(pipe_[1]);                                                                                     \
		n_ = read(pipe_[0], got_, sizeof got_ - 1);                                                          \
		got_[n_ > 0 ? n_ : 0] = '\0';                                                                        \
		close(pipe_[0]);                                                                                     \
		assert_int_equal(waitpid(child_, &status_, 0), child_);                                              \
		if (!WIFSIGNALED(status_) || WTERMSIG(status_) != SIGABRT || strstr(got_, words) == NULL)            \
			fail_msg("%s: status %d, \"%s\"", #call, status_, got_);                                     \
	} while (0)

/* A pointer from the previous event must not pass for this event's, wherever the two lie. */
static void
on_next(sio_socket *s, sio_event *event, void *arg)
{
	sio_event *copy = sio_event_keep(event);

	(void)s;
	(void)arg;
	assert_int_equal(sio_type_of(sio_arg(event, 0)), SIO_STRING);
	aborts("function=sio_argc argument=event mistake=\"it is no longer valid\"", sio_argc(kept_event));
	aborts("function=sio_string argument=value mistake=\"it is no longer valid\"",
		sio_string(kept_value, NULL) == NULL);
	aborts("function=sio_event_release argument=event mistake=\"it is no longer valid\"",
		(sio_event_release(copy), sio_event_release(copy), 0));
	aborts("function=sio_event_release argument=event mistake=\"it is no longer valid\"",
		(sio_event_release(event), 0));
	sio_event_release(copy);
	nexts++;
}

static void
test_checked_handles(void **state)
{
	struct eio_session *c = &fake_engine.sessions[0];
	sio_nsp *main = sio_of(fake_io, "/");
	sio_socket *s = socket_of_0;
	int nothing = 0;

	(void)state;
	aborts("function=sio_join argument=socket mistake=\"it is NULL\"", sio_join(NULL, "x"));
	aborts("function=sio_all argument=namespace mistake=\"it is NULL\"", sio_emit(sio_all(NULL), "x", ""));
	aborts("function=sio_join argument=socket mistake=\"it is something else\" why=namespace",
		sio_join((sio_socket *)main, "x"));
	aborts("function=sio_id argument=socket mistake=\"it is something else, or was destroyed long ago\"",
		sio_id((sio_socket *)&nothing) == NULL);
	aborts("function=sio_of argument=server mistake=\"it is something else\" why=socket",
		sio_of((sio_server *)s, "/") == NULL);
	aborts("function=sio_room_next argument=cursor mistake=\"it is NULL\"", sio_room_next(s, NULL) == NULL);
	aborts("function=sio_each argument=result mistake=\"it is NULL\"",
		sio_each(sio_auth(s), &(size_t){0}, NULL, NULL));
	sio_on(main, "keep", on_keep, NULL);
	fake_receive(c, false, "2[\"keep\",\"x\"]", 13);
	aborts("function=sio_argc argument=event mistake=\"it is no longer valid\" why=\"its callback has returned",
		sio_argc(kept_event));
	aborts("function=sio_string argument=value mistake=\"it is no longer valid\"",
		sio_string(kept_value, NULL) == NULL);
	sio_on(main, "next", on_next, NULL);
	fake_receive(c, false, "2[\"next\",\"x\"]", 13);
	assert_int_equal(nexts, 1);
	fake_gone(c, EIO_TRANSPORT_CLOSE);
	aborts("function=sio_only argument=socket mistake=\"it is no longer valid\" why=\"its disconnect listeners",
		sio_emit(sio_only(s), "x", ""));
	fake_turn();
	aborts("function=sio_disconnect argument=socket mistake=\"it is no longer valid\"",
		(sio_disconnect(s, true), 0));
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_text_of_the_line, start, stop),
		cmocka_unit_test_setup_teardown(test_namespace_that_no_client_can_name, start, stop),
		cmocka_unit_test_setup_teardown(test_lines_are_sampled, start, stop),
		cmocka_unit_test_setup_teardown(test_the_end_of_a_race_is_silent, start, stop),
#ifndef SIO_CHECKED
		cmocka_unit_test_setup_teardown(test_null, start, stop),
		cmocka_unit_test_setup_teardown(test_released_too_often, start, stop),
#else
		cmocka_unit_test_setup_teardown(test_checked_handles, start, stop),
#endif
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("sio_misuse", tests, NULL, NULL);
}
