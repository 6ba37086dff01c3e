/* The live scores in one process: a score that is written by the thread, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sockeye_test.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static sio_test *test;
static char path[] = "/tmp/sockeye-scores-XXXXXX";

static int start(void **state) {
	snprintf(path, sizeof path, "/tmp/sockeye-scores-XXXXXX");
	close(mkstemp(path));
	test = sio_test_start((const char *const[]){"scoresFile", path, "scores-key", "sesame", NULL});
	return 0;
}

static int end(void **state) {
	sio_test_end(test);
	unlink(path);
	return 0;
}

static void a_score_is_written_and_told(void **state) {
	sio_test_client *one = sio_test_connect(test, "/", "{\"key\":\"sesame\"}"),
			*two = sio_test_connect(test, "/", NULL);
	char line[32];
	FILE *file;
	assert_string_equal(sio_test_next(two, "scores"), "[[]]");
	assert_string_equal(sio_test_ask(one, "set", "\"Reds\",3"), "[{\"ok\":\"written\"}]");
	assert_string_equal(sio_test_next(two, "score"), "[{\"team\":\"Reds\",\"points\":3}]");
	file = fopen(path, "r");
	assert_non_null(fgets(line, sizeof line, file));
	fclose(file);
	assert_string_equal(line, "3 Reds\n");
	assert_string_equal(
		sio_test_next(sio_test_connect(test, "/", NULL), "scores"), "[[{\"team\":\"Reds\",\"points\":3}]]");
}

static void what_is_refused(void **state) {
	sio_test_client *one = sio_test_connect(test, "/", "{\"key\":\"wrong\"}");
	assert_string_equal(sio_test_ask(one, "set", "\"Reds\",3"), "[{\"error\":\"wrong key\"}]");
	one = sio_test_connect(test, "/", "{\"key\":\"sesame\"}");
	assert_string_equal(sio_test_ask(one, "set", "\"\",3"), "[{\"error\":\"not a team\"}]");
	assert_string_equal(sio_test_ask(one, "set", "\"Reds\",\"3\""), "[{\"error\":\"not a number\"}]");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_score_is_written_and_told, start, end),
		cmocka_unit_test_setup_teardown(what_is_refused, start, end),
	};
	return cmocka_run_group_tests_name("scores", tests, NULL, NULL);
}
