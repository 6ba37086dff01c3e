#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/io/log.h"

static char last[8192];
static size_t last_n;
static unsigned lines;
static enum log_level last_level;

static void
keep_line(void *arg, enum log_level level, const char *line, size_t n)
{
	assert_ptr_equal(arg, last);
	assert_true(n < sizeof(last));
	memcpy(last, line, n);
	last[n] = '\0';
	last_n = n;
	last_level = level;
	lines++;
}

static int
start(void **state)
{
	(void)state;
	lines = 0;
	last[0] = '\0';
	log_set_level(LOG_INFO);
	log_set_sink(keep_line, last);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(LOG_INFO);
	return 0;
}

/* The part of the line after the time and the level. */
static const char *
rest(void)
{
	const char *at = strstr(last, " event=");

	assert_non_null(at);
	return at + 1;
}

/* The time that the line shows. */
static time_t
written_at(const char *line)
{
	struct tm tm = {0};

	assert_non_null(strptime(line, "time=%Y-%m-%dT%H:%M:%S", &tm));
	return timegm(&tm);
}

static void
a_line_has_time_level_event_and_pairs(void **state)
{
	int year, month, day, hour, minute, second, ms, used = 0;
	time_t before = time(NULL);

	(void)state;
	log_event(LOG_WARN, "listening", "port", LOG_INT(3000), "address", LOG_STR("::"), NULL);
	assert_string_equal(rest(), "event=listening port=3000 address=::\n");
	assert_int_equal(sscanf(last, "time=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ level=warn %n", &year, &month, &day, &hour,
				 &minute, &second, &ms, &used),
		7);
	assert_ptr_equal(last + used, rest());
	assert_in_range(written_at(last), before, time(NULL) + 1); /* time() may lag by a tick */
	assert_int_equal(last_level, LOG_WARN);
}

static void
numbers_are_signed_and_wide(void **state)
{
	(void)state;
	log_event(LOG_INFO, "n", "a", LOG_INT(INT64_MIN), "b", LOG_INT(INT64_MAX), NULL);
	assert_string_equal(rest(), "event=n a=-9223372036854775808 b=9223372036854775807\n");
}

static void
a_peer_cannot_forge_a_line(void **state)
{
	(void)state;
	log_event(LOG_INFO, "request", "path", LOG_STR("/x\ntime=0 level=error event=forged"), NULL);
	assert_string_equal(rest(), "event=request path=\"/x\\ntime=0 level=error event=forged\"\n");
	assert_null(memchr(last, '\n', last_n - 1));
	log_event(LOG_INFO, "request", "path", LOG_STR("a\" admin=\"1"), NULL);
	assert_string_equal(rest(), "event=request path=\"a\\\" admin=\\\"1\"\n");
	log_event(LOG_INFO, "request", "path", LOG_STR("admin=1"), NULL);
	assert_string_equal(rest(), "event=request path=\"admin=1\"\n");
	log_event(LOG_INFO, "request", "path", LOG_STR("back\\slash"), NULL);
	assert_string_equal(rest(), "event=request path=\"back\\\\slash\"\n");
	log_event(LOG_INFO, "a\nb", "k k\n", LOG_STR("v"), NULL);
	assert_string_equal(rest(), "event=\"a\\nb\" k_k_=v\n");
}

static void
controls_and_other_alphabets_are_escaped(void **state)
{
	struct text nul = text_of("a\0b", 3);

	(void)state;
	log_event(LOG_INFO, "e", "v", LOG_STR("\x1b[31m\r\t\x7f\xc3\xa9"), NULL);
	assert_string_equal(rest(), "event=e v=\"\\x1b[31m\\r\\t\\x7f\\xc3\\xa9\"\n");
	log_event(LOG_INFO, "e", "v", LOG_TEXT(nul), "empty", LOG_STR(""), "none", LOG_TEXT(TEXT_NONE), NULL);
	assert_string_equal(rest(), "event=e v=\"a\\x00b\" empty=\"\" none=\"\"\n");
}

static void
long_values_are_cut_and_a_line_stays_within_4_kib(void **state)
{
	static char huge[100000];
	struct text value = text_of(huge, sizeof(huge));

	(void)state;
	memset(huge, 'x', sizeof(huge));
	log_event(LOG_INFO, "e", "v", LOG_TEXT(value), "after", LOG_INT(1), NULL);
	assert_non_null(strstr(last, "xxx... after=1\n"));

	memset(huge, '\n', sizeof(huge));
	log_event(LOG_INFO, "e", "a", LOG_TEXT(value), "b", LOG_TEXT(value), "c", LOG_TEXT(value), "d",
		LOG_TEXT(value), "e", LOG_TEXT(value), "f", LOG_TEXT(value), NULL);
	assert_true(last_n <= 4096);
	assert_int_equal(last[last_n - 1], '\n');
	assert_null(memchr(last, '\n', last_n - 1));
	assert_non_null(strstr(last, "\\n...\" b=\""));

	/* every length around the limits */
	memset(huge, 'y', sizeof(huge));
	for (size_t n = 900; n < 1100; n++) {
		struct text t = text_of(huge, n);

		log_event(
			LOG_INFO, "e", "a", LOG_TEXT(t), "b", LOG_TEXT(t), "c", LOG_TEXT(t), "d", LOG_TEXT(t), NULL);
		assert_true(last_n <= 4096);
		assert_int_equal(last[last_n - 1], '\n');
	}
}

static void
lines_above_the_level_are_not_made(void **state)
{
	(void)state;
	log_event(LOG_DEBUG, "quiet", NULL);
	assert_int_equal(lines, 0);
	assert_false(log_enabled(LOG_DEBUG));
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "loud", NULL);
	assert_int_equal(lines, 1);
	log_set_level(LOG_ERROR);
	assert_false(log_enabled(LOG_WARN));
	assert_true(log_enabled(LOG_ERROR));
}

static void
a_limit_counts_what_it_holds_back(void **state)
{
	struct log_limit limit = {0};

	(void)state;
	assert_true(log_allow(&limit, 2, 5000));
	log_event(LOG_INFO, "e", NULL);
	assert_string_equal(rest(), "event=e\n");
	assert_true(log_allow(&limit, 2, 5001));
	log_event(LOG_INFO, "e", NULL);
	for (int i = 0; i < 7; i++)
		assert_false(log_allow(&limit, 2, 5999));
	assert_true(log_allow(&limit, 2, 6000));
	log_event(LOG_INFO, "e", "k", LOG_INT(1), NULL);
	assert_string_equal(rest(), "event=e suppressed=7 k=1\n");
	log_event(LOG_INFO, "other", NULL);
	assert_string_equal(rest(), "event=other\n");
}

static void
without_a_sink_a_line_is_one_write_to_stderr(void **state)
{
	int ends[2], saved = dup(STDERR_FILENO);
	char line[256];

	(void)state;
	log_set_sink(NULL, NULL);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_event(LOG_ERROR, "to_stderr", "k", LOG_INT(7), NULL);
	dup2(saved, STDERR_FILENO);
	ssize_t n = read(ends[0], line, sizeof(line) - 1);
	assert_true(n > 0);
	line[n] = '\0';
	assert_non_null(strstr(line, " level=error event=to_stderr k=7\n"));
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

/* Reads all lines that wait in a pipe into `got`; returns their number. */
static unsigned
read_lines(int fd, char got[8192])
{
	ssize_t n = read(fd, got, 8191);
	unsigned told = 0;

	assert_in_range(n, 1, 8190);
	got[n] = '\0';
	for (const char *at = got; (at = strchr(at, '\n')) != NULL; at++)
		told++;
	return told;
}

/* The reader has stopped. Without a limit on the wait, this test would never end. */
static void
a_reader_that_stands_still_costs_lines(void **state)
{
	int ends[2], saved = dup(STDERR_FILENO);
	char got[8192], wanted[64];
	unsigned told;

	(void)state;
	log_set_sink(NULL, NULL);
	assert_int_equal(pipe(ends), 0);
	assert_in_range(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096, 8190);
	alarm(30);
	dup2(ends[1], STDERR_FILENO);
	for (int i = 0; i < 500; i++)
		log_event(LOG_INFO, "stuck", NULL);
	told = read_lines(ends[0], got);
	log_event(LOG_INFO, "read", NULL);
	snprintf(wanted, sizeof wanted, " event=read lost=%u\n", 500 - told);
	assert_int_equal(read_lines(ends[0], got), 1);
	assert_non_null(strstr(got, wanted));
	log_event(LOG_INFO, "again", NULL);
	assert_int_equal(read_lines(ends[0], got), 1);
	assert_non_null(strstr(got, " event=again\n"));
	dup2(saved, STDERR_FILENO);
	alarm(0);
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

static volatile sig_atomic_t ticks;

static void
on_tick(int number)
{
	(void)number;
	if (++ticks > 2000)
		_exit(1);
}

/* A signal that arrives while a line waits for its reader must not turn the wait into a write that never returns. */
static void
signals_while_a_reader_stands_still(void **state)
{
	struct itimerval each = {{0, 10000}, {0, 10000}};
	int ends[2], status;
	pid_t child;

	(void)state;
	log_set_sink(NULL, NULL);
	assert_int_equal(pipe(ends), 0);
	assert_in_range(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096, 8190);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		signal(SIGALRM, on_tick);
		setitimer(ITIMER_REAL, &each, NULL);
		for (int i = 0; i < 500; i++)
			log_event(LOG_INFO, "stuck", NULL);
		_exit(ticks > 0 ? 0 : 2);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ends[0]);
	close(ends[1]);
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that may not grow simulates a full disk. */
static void
a_line_that_was_cut_short_is_ended(void **state)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	char got[1024] = "", *line;
	ssize_t n;

	(void)state;
	log_set_sink(NULL, NULL);
	signal(SIGXFSZ, SIG_IGN);
	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	limit_files(80);
	log_event(LOG_INFO, "cut", "k", LOG_STR("0123456789012345678901234567890123456789"), NULL);
	log_event(LOG_INFO, "nothing", NULL);
	limit_files(RLIM_INFINITY);
	log_event(LOG_INFO, "whole", NULL);
	log_event(LOG_INFO, "next", NULL);
	limit_files(80);
	log_event(LOG_INFO, "nothing", NULL);
	limit_files(RLIM_INFINITY);
	log_set_origin("worker", 3); /* the parent reports the lines that the parent lost */
	log_event(LOG_INFO, "child", NULL);
	log_set_origin(NULL, 0);
	dup2(saved, STDERR_FILENO);
	n = pread(fileno(file), got, sizeof got - 1, 0);
	assert_in_range(n, 81, sizeof got - 2);
	line = strtok(got, "\n");
	assert_int_equal(strlen(line), 80);
	assert_string_equal(strchr(strtok(NULL, "\n"), ' '), " level=info event=whole lost=2");
	assert_string_equal(strchr(strtok(NULL, "\n"), ' '), " level=info event=next");
	assert_string_equal(strchr(strtok(NULL, "\n"), ' '), " level=info event=child worker=3");
	assert_null(strtok(NULL, "\n"));
	close(saved);
	fclose(file);
}

/* A value of exactly this many bytes is logged whole; one byte more is cut. */
static void
a_value_fits_or_is_cut(void **state)
{
	static const char fills[] = {'x', ' ', '\n', '\x01'};
	char value[2000];

	(void)state;
	for (size_t i = 0; i < sizeof fills; i++) {
		size_t fits;

		memset(value, fills[i], sizeof value);
		fits = log_value_fits(value, sizeof value);
		assert_in_range(fits, 200, 1024);
		assert_int_equal(log_value_fits(value, fits), fits);
		log_event(LOG_INFO, "fits", "k", LOG_TEXT(text_of(value, fits)), NULL);
		assert_null(strstr(last, "..."));
		log_event(LOG_INFO, "fits", "k", LOG_TEXT(text_of(value, fits + 5)), NULL);
		assert_non_null(strstr(last, "..."));
	}
	assert_int_equal(log_value_fits(value, 0), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

/* The line after the time, in JSON. */
static const char *
json_rest(void)
{
	const char *at = strstr(last, ",\"level\":");

	assert_non_null(at);
	assert_int_equal(strncmp(last, "{\"time\":\"2", 10), 0);
	assert_int_equal(strlen("{\"time\":\"2026-11-29T08:27:48.123Z\""), at - last);
	return at;
}

static void
test_json(void **state)
{
	(void)state;
	log_set_format(LOG_JSON);
	log_event(LOG_WARN, "listening", "port", LOG_INT(-3000), "path", LOG_STR("/a b"), "empty", LOG_STR(""), NULL);
	assert_string_equal(json_rest(),
		",\"level\":\"warn\",\"event\":\"listening\",\"port\":-3000,\"path\":\"/a b\",\"empty\":\"\"}\n");
	log_event(LOG_INFO, "e", "v", LOG_STR("\"\\\n\r\t\x01\x7f=\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f"),
		"k\"=", LOG_INT(1), NULL);
	assert_string_equal(json_rest(),
		",\"level\":\"info\",\"event\":\"e\",\"v\":\"\\\"\\\\\\n\\r\\t\\u0001\\u007f=\xc3\xa9\xe2\x82\xac"
		"\xf0\x9f\x90\x9f\",\"k__\":1}\n");
	/* a lone continuation, an overlong form, a surrogate, a sequence that the end cuts */
	log_event(LOG_INFO, "e", "v", LOG_STR("\x80\xc0\xaf\xed\xa0\x80|\xe2\x82"), NULL);
	assert_string_equal(json_rest(), ",\"level\":\"info\",\"event\":\"e\",\"v\":"
					 "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\"}"
					 "\n");
	log_set_format(LOG_LOGFMT);
}

/* An application chooses its keys, and some readers of JSON refuse an object that has a key twice. */
static void
test_keys_of_the_log_come_once(void **state)
{
	(void)state;
	log_set_format(LOG_JSON);
	log_set_origin("worker", 3);
	log_event(LOG_INFO, "e", "level", LOG_STR("high"), "time", LOG_INT(1), "event", LOG_INT(2), "worker",
		LOG_INT(4), "lost", LOG_INT(5), "suppressed", LOG_INT(6), "levels", LOG_INT(7), NULL);
	assert_string_equal(json_rest(),
		",\"level\":\"info\",\"event\":\"e\",\"worker\":3,\"level_\":\"high\",\"time_\":1,\"event_\":2,"
		"\"worker_\":4,\"lost_\":5,\"suppressed_\":6,\"levels\":7}\n");
	log_set_origin(NULL, 0);
	log_set_format(LOG_LOGFMT);
}

/* However long the values are, a line is complete JSON: no character is cut, and the line ends with a brace. */
static void
test_long_json(void **state)
{
	static char value[3000];

	(void)state;
	log_set_format(LOG_JSON);
	for (size_t shift = 0; shift < 12; shift++) {
		for (size_t i = 0; i + 2 < sizeof value; i += 2)
			memcpy(value + i, shift % 2 ? "\xc3\xa9" : "\x01\x02", 2);
		memset(value, 'x', shift);
		value[sizeof value - 1] = '\0';
		log_event(LOG_INFO, "e", "a", LOG_STR(value), "b", LOG_STR(value), "c", LOG_STR(value), "d",
			LOG_STR(value), "e", LOG_STR(value), "f", LOG_INT(INT64_MIN), NULL);
		assert_true(last_n <= 4096);
		assert_string_equal(last + last_n - 2, "}\n");
		assert_non_null(strstr(last, "...\",\"b\":\""));
		assert_true(strstr(last, "\\...") == NULL && strstr(last, "\xc3...") == NULL);
	}
	log_set_format(LOG_LOGFMT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_line_has_time_level_event_and_pairs),
		CASE(numbers_are_signed_and_wide),
		CASE(a_peer_cannot_forge_a_line),
		CASE(controls_and_other_alphabets_are_escaped),
		CASE(a_value_fits_or_is_cut),
		CASE(long_values_are_cut_and_a_line_stays_within_4_kib),
		CASE(lines_above_the_level_are_not_made),
		CASE(a_limit_counts_what_it_holds_back),
		CASE(without_a_sink_a_line_is_one_write_to_stderr),
		CASE(signals_while_a_reader_stands_still),
		CASE(a_reader_that_stands_still_costs_lines),
		CASE(a_line_that_was_cut_short_is_ended),
		cmocka_unit_test_setup_teardown(test_json, start, stop),
		cmocka_unit_test_setup_teardown(test_keys_of_the_log_come_once, start, stop),
		cmocka_unit_test_setup_teardown(test_long_json, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
