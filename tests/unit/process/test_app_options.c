/* The options of an application: which declarations are refused, and what the functions that read them return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/sockeye.h"

struct fixture {
	struct ev_loop *ev;
	sio_server *io;
	char error[SIO_ERROR_LINE];
};

static const sio_option board[] = {
	{"scoreFast", SIO_OPTION_FLAG, "true", "Sends each score at once", 0, 0, NULL, false, false, {0, 0}},
	{"scoreLimit", SIO_OPTION_NUMBER, "10", "Maximum score", 1, 100, NULL, false, true, {0, 0}},
	{"scorePause", SIO_OPTION_MS, "2s", "Time between scores", 0, 0, NULL, false, false, {0, 0}},
	{"scoreSize", SIO_OPTION_BYTES, "2k", "Size of a score", 0, 0, NULL, false, false, {0, 0}},
	{"scoreTitle", SIO_OPTION_TEXT, NULL, "Title of the board", 0, 0, NULL, false, false, {0, 0}},
	{"scoreOrder", SIO_OPTION_CHOICE, "low", "Which score comes first", 0, 0, "high|low", false, false, {0, 0}},
	{0},
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->ev = ev_loop_new(0);
	f->io = sio_server_new(f->ev);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sio_server_free(f->io);
	ev_loop_destroy(f->ev);
	free(f);
	return 0;
}

static void
defaults_are_read(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_declare_options(f->io, board, f->error), 0);
	assert_true(sio_option_flag(f->io, "scoreFast"));
	assert_int_equal(sio_option_number(f->io, "scoreLimit"), 10);
	assert_int_equal(sio_option_number(f->io, "scorePause"), 2000);
	assert_int_equal(sio_option_number(f->io, "scoreSize"), 2048);
	assert_string_equal(sio_option_text(f->io, "scoreTitle"), "");
	assert_int_equal(sio_option_number(f->io, "scoreOrder"), 1);
	assert_int_equal(sio_option_number(f->io, "pingInterval"), 25000);
}

static void
values_are_set_by_each_form_of_a_name(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_declare_options(f->io, board, f->error), 0);
	assert_int_equal(sio_set_option(f->io, "scoreLimit", "100", f->error), 0);
	assert_int_equal(sio_set_option(f->io, "score-title", "Cup", f->error), 0);
	assert_int_equal(sio_set_option(f->io, "SOCKEYE_SCORE_FAST", "no", f->error), 0);
	assert_int_equal(sio_option_number(f->io, "scoreLimit"), 100);
	assert_string_equal(sio_option_text(f->io, "scoreTitle"), "Cup");
	assert_false(sio_option_flag(f->io, "scoreFast"));
}

static void
wrong_values_have_the_errors_of_every_option(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_declare_options(f->io, board, f->error), 0);
	assert_int_equal(sio_set_option(f->io, "scoreLimit", "101", f->error), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->error, "option scoreLimit: \"101\""));
	assert_int_equal(sio_set_option(f->io, "scoreOrder", "up", f->error), SIO_ERR_ARGUMENT);
	assert_non_null(strstr(f->error, "use one of high|low"));
	assert_int_equal(sio_set_option(f->io, "scoreLimt", "1", f->error), SIO_ERR_NOT_FOUND);
	assert_non_null(strstr(f->error, "did you mean scoreLimit?"));
	assert_int_equal(sio_option_number(f->io, "scoreLimit"), 10);
}

static void
another_name_or_kind_reads_as_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_declare_options(f->io, board, f->error), 0);
	assert_int_equal(sio_option_number(f->io, "scoreFast"), 0);
	assert_false(sio_option_flag(f->io, "scoreLimit"));
	assert_string_equal(sio_option_text(f->io, "scoreOrder"), "");
	assert_string_equal(sio_option_text(f->io, NULL), "");
	assert_int_equal(sio_option_number(f->io, "unknown"), 0);
}

static void
options_are_declared_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sio_declare_options(f->io, board, f->error), 0);
	assert_int_equal(sio_declare_options(f->io, board, f->error), SIO_ERR_STATE);
	assert_string_equal(f->error, "option scoreFast: options are declared once, before the server listens");
}

static void
faulty_declarations_are_refused(void **state)
{
	static char longer[502];
	static const struct {
		sio_option first, second;
		const char *error;
	} faults[] = {
		{{.name = "port", .help = "x"}, {0}, "option port: the name is in use already"},
		{{.name = "help", .help = "x"}, {0}, "option help: the name is in use already"},
		{{.name = "health", .help = "x"}, {0}, "option health: the name is in use already"},
		{{.name = "allowEio3", .help = "x"}, {0}, "option allowEio3: the name is in use already"},
		{{.name = "Port", .help = "x"}, {0}, "option Port: the name must begin"},
		{{.name = "score-limit", .help = "x"}, {0}, "option score-limit: the name must begin"},
		{{.name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .help = "x"}, {0}, "the name must begin"},
		{{.name = "a"}, {0}, "option a: has no help text"},
		{{.name = "a", .help = "x\ny"}, {0}, "option a: a text is longer than"},
		{{.name = "a", .help = longer}, {0}, "option a: a text is longer than"},
		{{.name = "a", .kind = 77, .help = "x"}, {0}, "option a: unknown kind"},
		{{.name = "a", .kind = SIO_OPTION_CHOICE, .help = "x"}, {0}, "option a: has no choices"},
		{{.name = "a", .kind = SIO_OPTION_NUMBER, .help = "x", .min = 2, .max = 1}, {0},
			"option a: the minimum"},
		{{.name = "a", .kind = SIO_OPTION_NUMBER, .help = "x", .min = 2}, {0}, "option a: has a minimum"},
		{{.name = "a", .kind = SIO_OPTION_MS, .help = "x", .initial = "soon"}, {0},
			"option a: \"soon\" is not a"},
		{{.name = "aB", .help = "x"}, {.name = "aB", .help = "x"}, "option aB: is declared twice"},
	};
	struct fixture *f = *state;

	memset(longer, 'x', sizeof longer - 1);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		const sio_option declared[] = {faults[i].first, faults[i].second, {0}};

		assert_int_equal(sio_declare_options(f->io, declared, f->error), SIO_ERR_ARGUMENT);
		if (!strstr(f->error, faults[i].error))
			fail_msg("\"%s\" instead of \"%s\"", f->error, faults[i].error);
	}
	assert_int_equal(sio_declare_options(f->io, board, f->error), 0);
}

static void
at_most_64_options_are_declared(void **state)
{
	struct fixture *f = *state;
	sio_option many[66] = {{0}};
	char names[65][8];

	for (unsigned i = 0; i < 65; i++) {
		snprintf(names[i], sizeof names[i], "n%u", i);
		many[i] = (sio_option){.name = names[i], .help = "x"};
	}
	assert_int_equal(sio_declare_options(f->io, many, f->error), SIO_ERR_ARGUMENT);
	assert_string_equal(f->error, "option n64: an application can have at most 64 options");
	many[64].name = NULL;
	assert_int_equal(sio_declare_options(f->io, many, f->error), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(values_are_set_by_each_form_of_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_values_have_the_errors_of_every_option, setup, teardown),
		cmocka_unit_test_setup_teardown(another_name_or_kind_reads_as_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(options_are_declared_once, setup, teardown),
		cmocka_unit_test_setup_teardown(faulty_declarations_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(at_most_64_options_are_declared, setup, teardown),
	};

	return cmocka_run_group_tests_name("app_options", tests, NULL, NULL);
}
