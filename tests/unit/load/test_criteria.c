#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "tests/load/criteria.h"

static struct criterion c[CRITERIA_MAX];
static char error[CRITERIA_ERROR_MAX];

static void
test_every_name_with_its_kind(void **state)
{
	static const struct {
		const char *name;
		enum criterion_what what;
		enum criterion_kind kind;
	} names[] = {
		{"p50", CRITERION_LATENCY, CRITERION_KIND_TIME},
		{"mean", CRITERION_LATENCY_MEAN, CRITERION_KIND_TIME},
		{"min", CRITERION_LATENCY_MIN, CRITERION_KIND_TIME},
		{"max", CRITERION_LATENCY_MAX, CRITERION_KIND_TIME},
		{"connect-p50", CRITERION_CONNECT, CRITERION_KIND_TIME},
		{"connect-max", CRITERION_CONNECT_MAX, CRITERION_KIND_TIME},
		{"away-p50", CRITERION_AWAY, CRITERION_KIND_TIME},
		{"away-max", CRITERION_AWAY_MAX, CRITERION_KIND_TIME},
		{"lost", CRITERION_LOST, CRITERION_KIND_COUNT},
		{"missed", CRITERION_MISSED, CRITERION_KIND_COUNT},
		{"duplicated", CRITERION_DUPLICATED, CRITERION_KIND_COUNT},
		{"reordered", CRITERION_REORDERED, CRITERION_KIND_COUNT},
		{"unanswered", CRITERION_UNANSWERED, CRITERION_KIND_COUNT},
		{"errors", CRITERION_ERRORS, CRITERION_KIND_COUNT},
		{"sent", CRITERION_SENT, CRITERION_KIND_COUNT},
		{"received", CRITERION_RECEIVED, CRITERION_KIND_COUNT},
		{"joined", CRITERION_JOINED, CRITERION_KIND_COUNT},
		{"left", CRITERION_LEFT, CRITERION_KIND_COUNT},
		{"recovered", CRITERION_RECOVERED, CRITERION_KIND_COUNT},
		{"not-recovered", CRITERION_NOT_RECOVERED, CRITERION_KIND_COUNT},
		{"messages", CRITERION_MESSAGES, CRITERION_KIND_COUNT},
		{"deliveries", CRITERION_DELIVERIES, CRITERION_KIND_COUNT},
		{"connects", CRITERION_CONNECTS, CRITERION_KIND_COUNT},
		{"memory", CRITERION_MEMORY, CRITERION_KIND_BYTES},
		{"socket-memory", CRITERION_SOCKET_MEMORY, CRITERION_KIND_BYTES},
		{"memory-after", CRITERION_MEMORY_AFTER, CRITERION_KIND_BYTES},
		{"cpu", CRITERION_CPU, CRITERION_KIND_PERCENT},
		{"cpu-per-message", CRITERION_CPU_PER_MESSAGE, CRITERION_KIND_TIME},
		{"cpu-per-delivery", CRITERION_CPU_PER_DELIVERY, CRITERION_KIND_TIME},
	};

	(void)state;
	assert_int_equal(sizeof names / sizeof *names, CRITERION_CPU_PER_DELIVERY + 1);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		char text[CRITERION_TEXT_MAX];

		snprintf(text, sizeof text, "%s>=7", names[i].name);
		assert_int_equal(criteria_parse(text, c, error), 1);
		assert_string_equal(error, "");
		assert_string_equal(c[0].text, text);
		assert_int_equal(c[0].what, names[i].what);
		assert_int_equal(c[0].relation, CRITERION_GE);
		assert_int_equal(criterion_kind(c[0].what), names[i].kind);
		assert_true(c[0].bound == (names[i].kind == CRITERION_KIND_TIME ? 7e6 : 7));
		assert_false(c[0].has_value);
		assert_false(c[0].holds);
	}
}

static void
test_percents(void **state)
{
	(void)state;
	assert_int_equal(criteria_parse("p0<1,p50<1,p99.9<1,p99.99<1,p100<1,connect-p99.5<1,away-p0<1", c, error), 7);
	assert_true(c[0].percent == 0);
	assert_true(c[1].percent == 50);
	assert_true(c[2].percent == 99.9);
	assert_true(c[3].percent == 99.99);
	assert_true(c[4].percent == 100);
	assert_true(c[5].percent == 99.5);
}

static void
test_every_unit(void **state)
{
	static const struct {
		const char *text;
		double bound;
	} units[] = {
		{"p99<50", 50e6},
		{"p99<50ns", 50},
		{"p99<50us", 50e3},
		{"p99<50ms", 50e6},
		{"p99<50s", 50e9},
		{"p99<1.5ms", 1.5e6},
		{"p99<0.25s", 0.25e9},
		{"memory<1500", 1500},
		{"memory<1.5k", 1536},
		{"memory<2m", 2 * 1024 * 1024},
		{"sent>1500", 1500},
		{"sent>1.5k", 1500},
		{"deliveries>2m", 2e6},
		{"cpu<90", 90},
		{"cpu<90%", 90},
		{"cpu-per-message<8us", 8e3},
		{"sent<999999999999999", 999999999999999},
		{"cpu<0.00000000000001", 1e-14},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
		assert_int_equal(criteria_parse(units[i].text, c, error), 1);
		assert_true(c[0].bound == units[i].bound);
	}
}

static void
test_every_relation(void **state)
{
	static const struct {
		const char *text;
		enum criterion_relation relation;
		bool less, equal, more; /* whether the relation holds for such a value */
	} relations[] = {
		{"lost<5", CRITERION_LT, true, false, false},
		{"lost<=5", CRITERION_LE, true, true, false},
		{"lost=5", CRITERION_EQ, false, true, false},
		{"lost!=5", CRITERION_NE, true, false, true},
		{"lost>=5", CRITERION_GE, false, true, true},
		{"lost>5", CRITERION_GT, false, false, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof relations / sizeof *relations; i++) {
		assert_int_equal(criteria_parse(relations[i].text, c, error), 1);
		assert_int_equal(c[0].relation, relations[i].relation);
		assert_true(c[0].bound == 5);
		assert_int_equal(criterion_compare(c[0].relation, 4, 5), relations[i].less);
		assert_int_equal(criterion_compare(c[0].relation, 5, 5), relations[i].equal);
		assert_int_equal(criterion_compare(c[0].relation, 6, 5), relations[i].more);
	}
}

static void
test_blanks_around_words_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(criteria_parse("  p99 < 50 ms ,\tlost = 0 ", c, error), 2);
	assert_string_equal(c[0].text, "p99 < 50 ms");
	assert_true(c[0].bound == 50e6);
	assert_string_equal(c[1].text, "lost = 0");
	assert_int_equal(c[1].what, CRITERION_LOST);
}

static void
test_as_many_as_there_is_room_for(void **state)
{
	char text[CRITERIA_MAX * 7 + 8] = "";

	(void)state;
	for (unsigned i = 0; i < CRITERIA_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%slost=%u", i > 0 ? "," : "", i % 10);
	assert_int_equal(criteria_parse(text, c, error), CRITERIA_MAX);
	assert_true(c[CRITERIA_MAX - 1].bound == (CRITERIA_MAX - 1) % 10);
	snprintf(text + strlen(text), sizeof text - strlen(text), ",sent=0");
	assert_int_equal(criteria_parse(text, c, error), ERROR_ARGUMENT);
	assert_string_equal(error, "assertion \"sent=0\": more than 32 assertions");
}

static void
test_the_longest_text(void **state)
{
	char text[CRITERION_TEXT_MAX + 1];

	(void)state;
	memset(text, ' ', sizeof text);
	memcpy(text, "lost=", 5);
	text[CRITERION_TEXT_MAX - 2] = '0';
	text[CRITERION_TEXT_MAX - 1] = '\0';
	assert_int_equal(criteria_parse(text, c, error), 1);
	assert_string_equal(c[0].text, text);
	text[CRITERION_TEXT_MAX - 2] = ' ';
	text[CRITERION_TEXT_MAX - 1] = '0';
	text[CRITERION_TEXT_MAX] = '\0';
	assert_int_equal(criteria_parse(text, c, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "\": longer than 63 characters"));
}

static void
test_bad_text_gives_one_clear_line(void **state)
{
	static const struct {
		const char *text, *line; /* a part of the error line */
	} bad[] = {
		{"", "nothing between the commas"},
		{"  ", "nothing between the commas"},
		{"lost=0,", "assertion \"\": nothing between the commas"},
		{",lost=0", "nothing between the commas"},
		{"lost=0,,sent>1", "nothing between the commas"},
		{"p99", "assertion \"p99\": a relation is missing: one of < <= = != >= >"},
		{"p99!50", "a relation is missing"},
		{"p99 50ms", "a relation is missing"},
		{"lost=0,p98", "assertion \"p98\": "},
		{"<50ms", "unknown name \"\""},
		{"p<50ms", "unknown name \"p\"; use p<percent>, connect-p<percent>, away-p<percent>, mean, "
			   "min, max, connect-max"},
		{"latency<50ms", "unknown name \"latency\""},
		{"P99<50ms", "unknown name \"P99\""},
		{"lost\n=0", "unknown name \"lost?\""},
		{"\x01\x7f=0", "assertion \"\?\?=0\": unknown name \"\?\?\""},
		{"p101<50ms", "a percentile is p0 to p100, such as p50 or p99.9"},
		{"p100.1<50ms", "a percentile is p0 to p100"},
		{"p99.<50ms", "a percentile is p0 to p100"},
		{"p99..9<50ms", "a percentile is p0 to p100"},
		{"p9x<50ms", "a percentile is p0 to p100"},
		{"connect-p1e1<50ms", "a percentile is p0 to p100"},
		{"p0000000000000001<50ms", "a percentile is p0 to p100"},
		{"p99<", "a number must follow the relation, such as 50, 0.5 or 10k"},
		{"p99<ms", "a number must follow"},
		{"p99<-5ms", "a number must follow"},
		{"p99<.5ms", "a number must follow"},
		{"p99==5", "a number must follow"},
		{"p99<nan", "a number must follow"},
		{"sent>1000000000000000", "the number has more than 15 digits"},
		{"p99<50m", "unknown unit \"m\"; here it is ns, us, ms or s (ms without)"},
		{"p99<1e3", "unknown unit \"e3\""},
		{"p99<1.2.3", "unknown unit \".3\""},
		{"p99<5.", "unknown unit \".\""},
		{"p99<5<6", "unknown unit \"<6\""},
		{"memory<5ms", "unknown unit \"ms\"; here it is k or m (bytes without)"},
		{"memory<5K", "unknown unit \"K\""},
		{"lost=0%", "unknown unit \"%\"; here it is k, m or nothing"},
		{"cpu<5k", "unknown unit \"k\"; here it is % or nothing"},
		{"cpu<5\n\n%", "unknown unit \"\?\?%\""},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(error, 'x', sizeof error);
		assert_int_equal(criteria_parse(bad[i].text, c, error), ERROR_ARGUMENT);
		assert_non_null(memchr(error, '\0', sizeof error));
		if (!strstr(error, bad[i].line))
			fail_msg("%s: %s", bad[i].text, error);
		for (const char *at = error; *at; at++)
			assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
		assert_memory_equal(error, "assertion \"", 11);
	}
}

/* The list of names must not be cut. */
static void
test_the_longest_line_is_whole(void **state)
{
	char text[CRITERION_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text + sizeof text - 3, "=0", 3);
	assert_int_equal(criteria_parse(text, c, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, ", cpu, cpu-per-message, cpu-per-delivery"));
	assert_true(strlen(error) < sizeof error - 1);
}

static void
test_a_long_text_is_refused_in_a_short_line(void **state)
{
	static char text[100000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	assert_int_equal(criteria_parse(text, c, error), ERROR_ARGUMENT);
	assert_true(strlen(error) < 150);
	assert_non_null(strstr(error, "xxx...\": longer than 63 characters"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_name_with_its_kind),
		cmocka_unit_test(test_percents),
		cmocka_unit_test(test_every_unit),
		cmocka_unit_test(test_every_relation),
		cmocka_unit_test(test_blanks_around_words_are_ignored),
		cmocka_unit_test(test_as_many_as_there_is_room_for),
		cmocka_unit_test(test_the_longest_text),
		cmocka_unit_test(test_bad_text_gives_one_clear_line),
		cmocka_unit_test(test_the_longest_line_is_whole),
		cmocka_unit_test(test_a_long_text_is_refused_in_a_short_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
