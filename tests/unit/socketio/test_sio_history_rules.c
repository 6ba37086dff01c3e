/* The option --history: its rules, which rooms they match, and faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "node/socketio/sio_history_rules.h"

static struct sio_history_rules rules;
static char error[512];

static unsigned
count(const char *nsp, const char *room)
{
	const struct history_limits *limits = sio_history_rules_find(&rules, text_from(nsp), text_from(room));

	return limits != NULL ? limits->count : 0;
}

static void
the_first_rule_that_matches_counts(void **state)
{
	(void)state;
	assert_int_equal(
		sio_history_rules_parse(&rules,
			" room:vip=7/2d, room:*=50/1h,/chat:team-?=200, /*:x*y*z=3/30s,*=1/5m,", error, sizeof error),
		0);
	assert_int_equal(rules.count, 5);
	assert_int_equal(count("/", "room:vip"), 7);
	assert_int_equal(count("/", "room:"), 50);
	assert_int_equal(count("/", "room:a"), 50);
	assert_int_equal(count("/", "Room:a"), 1);
	assert_int_equal(count("/chat", "room:a"), 0);
	assert_int_equal(count("/chat", "team-1"), 200);
	assert_int_equal(count("/chat", "team-"), 0);
	assert_int_equal(count("/chat", "team-12"), 0);
	assert_int_equal(count("/any/thing", "xyz"), 3);
	assert_int_equal(count("/any/thing", "x y y z"), 3);
	assert_int_equal(count("/any/thing", "x y z!"), 0);
	assert_int_equal(rules.at[0].limits.age_ms, 2 * 24 * 3600 * 1000);
	assert_int_equal(rules.at[1].limits.age_ms, 3600 * 1000);
	assert_int_equal(rules.at[2].limits.age_ms, 0);
	assert_int_equal(rules.at[3].limits.age_ms, 30 * 1000);
	sio_history_rules_fini(&rules);
}

static void
a_bare_star_leaves_the_rooms_of_sockets_out(void **state)
{
	(void)state;
	assert_int_equal(sio_history_rules_parse(&rules, "*=5", error, sizeof error), 0);
	assert_int_equal(count("/", "abcdefghij_BCDEFGH-9"), 0);
	assert_int_equal(count("/", "abcdefghij:BCDEFGH-9"), 5);
	assert_int_equal(count("/", "abcdefghij_BCDEFGH-90"), 5);
	sio_history_rules_fini(&rules);
	assert_int_equal(sio_history_rules_parse(&rules, "a*=5", error, sizeof error), 0);
	assert_int_equal(count("/", "abcdefghij_BCDEFGH-9"), 5);
	sio_history_rules_fini(&rules);
}

static void
faults_are_named(void **state)
{
	static const char *const bad[][2] = {{"room", "=COUNT"}, {"room=", "count"}, {"room=0", "count"},
		{"room=1001", "count"}, {"room=-1", "count"}, {"room=5/", "age"}, {"room=5/h", "age"},
		{"room=5/0s", "age"}, {"room=5/5", "age"}, {"room=5/367d", "age"}, {"room=5/1h/2", "age"},
		{"=5", "names no room"}, {"/chat=5", "names no room"}, {"/chat:=5", "names no room"},
		{"ok=1,room=x", "\"room=x\""}};
	char many[1024] = "";

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(sio_history_rules_parse(&rules, bad[i][0], error, sizeof error) < 0);
		assert_non_null(strstr(error, bad[i][1]));
		assert_null(rules.text);
	}
	for (int i = 0; i <= SIO_HISTORY_RULES_MAX; i++)
		strcat(many, "a=1,");
	assert_true(sio_history_rules_parse(&rules, many, error, sizeof error) < 0);
	assert_non_null(strstr(error, "64 rules"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_rule_that_matches_counts),
		cmocka_unit_test(a_bare_star_leaves_the_rooms_of_sockets_out), cmocka_unit_test(faults_are_named)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
