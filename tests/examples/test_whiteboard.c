/* The whiteboard in one process: what a line reaches, what the board keeps, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sockeye_test.h>

static sio_test *test;

static int start(void **state) {
	test = sio_test_start((const char *const[]){"boardLines", "3", NULL});
	return 0;
}

static int end(void **state) {
	sio_test_end(test);
	return 0;
}

static void a_line_reaches_the_others_and_newcomers(void **state) {
	sio_test_client *one = sio_test_connect(test, NULL, NULL), *two = sio_test_connect(test, NULL, NULL);
	assert_string_equal(sio_test_next(one, "board"), "[[]]");
	sio_test_emit(one, "line", "[0,1,2,3,5]");
	assert_string_equal(sio_test_next(two, "line"), "[[0,1,2,3,5]]");
	assert_null(sio_test_heard(one, "line"));
	assert_string_equal(sio_test_next(sio_test_connect(test, NULL, NULL), "board"), "[[[0,1,2,3,5]]]");
}

static void the_board_keeps_the_newest_lines(void **state) {
	static const char *const lines[] = {"[1,1,1,1,0]", "[2,2,2,2,0]", "[3,3,3,3,0]", "[4,4,4,4,0]"};
	sio_test_client *one = sio_test_connect(test, "/", NULL), *two;
	for (unsigned i = 0; i < 4; i++) sio_test_emit(one, "line", lines[i]);
	assert_true(sio_test_connected(one)); /* and the server has read the lines */
	two = sio_test_connect(test, "/", NULL);
	assert_string_equal(sio_test_next(two, "board"), "[[[2,2,2,2,0],[3,3,3,3,0],[4,4,4,4,0]]]");
	sio_test_emit(one, "clear", NULL);
	assert_string_equal(sio_test_next(two, "board"), "[[]]");
}

static void malformed_lines_are_ignored(void **state) {
	static const char *const lines[] = {
		"", "null", "[]", "[1,2,3,4]", "[1,2,3,4,6]", "[-1,2,3,4,5]", "[1,2,3,10001,5]", "{}"};
	sio_test_client *one = sio_test_connect(test, NULL, NULL), *two = sio_test_connect(test, NULL, NULL);
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) sio_test_emit(one, "line", lines[i]);
	assert_true(sio_test_connected(one));
	assert_null(sio_test_heard(two, "line"));
}

/* An hour, in which heartbeats are exchanged. */
static void clients_stay(void **state) {
	sio_test_client *one = sio_test_connect(test, NULL, NULL);
	sio_test_advance(test, 60 * 60 * 1000);
	assert_true(sio_test_connected(one));
	sio_test_disconnect(one);
	assert_int_equal(sio_clients_count(sio_test_server(test)), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_reaches_the_others_and_newcomers, start, end),
		cmocka_unit_test_setup_teardown(the_board_keeps_the_newest_lines, start, end),
		cmocka_unit_test_setup_teardown(malformed_lines_are_ignored, start, end),
		cmocka_unit_test_setup_teardown(clients_stay, start, end),
	};
	return cmocka_run_group_tests_name("whiteboard", tests, NULL, NULL);
}
