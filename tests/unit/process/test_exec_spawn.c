/* Which commands may replace the shell that runs them (exec). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/process/exec_spawn.h"

static void
one_program_with_its_arguments_is_simple(void **state)
{
	static const char *const simple[] = {"node server.js", "  node --import @sockeye/backend/register server.js ",
		"/usr/bin/python3 -m app", "node 'a b;c' \"x & y\" z\\;w", "\"my program\" --flag=1",
		"node $FILE ${X:-y} *.js", "cdx", "node \"a\\\"b\"", "node a='b'"};

	(void)state;
	for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++) {
		if (!exec_is_simple(simple[i]))
			fail_msg("%s", simple[i]);
	}
}

static void
a_command_that_needs_the_shell_is_not_simple(void **state)
{
	static const char *const others[] = {"", "   ", "cd app && node server.js", "a; b", "a | b", "a & b", "(a)",
		"{ a; }", "PORT=1 node server.js", "exec node server.js", "if true; then a; fi", "a\nb", "a `b`",
		"a $(b)", "a \"$(b)\"", "a \"`b`\"", "a 'open", "a \"open", ". ./env", "a > file", "a # b",
		"export A"};

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (exec_is_simple(others[i]))
			fail_msg("%s", others[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_program_with_its_arguments_is_simple),
		cmocka_unit_test(a_command_that_needs_the_shell_is_not_simple),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
