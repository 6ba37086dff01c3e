/* The command line and the environment as sources of options: words, switches, arguments, --help. */
#include "tests/unit/base/option_bench.h"

/* A program that accepts words among the options and reads no environment. */
static void
test_words_between(void **state)
{
	uint64_t clients = 0;
	const struct option_row row = {
		.name = "clients", .type = OPTION_NUMBER, .initial = "1", .min = 1, .help = "many"};
	const struct option_table table = {&row, 1, &clients, true};
	const char *argv[] = {"load", "echo", "--clients", "7", "http://a", "http://b", NULL}, *words[3];
	struct buffer help;
	size_t count;

	(void)state;
	setenv("SOCKEYE_CLIENTS", "9", 1);
	setenv("SOCKEYE_OTHER", "x", 1);
	options_defaults(&table, 1);
	assert_int_equal(options_read_words(&table, 1, 6, (char **)(uintptr_t)argv, words, 3, &count, error), 0);
	assert_int_equal(count, 3);
	assert_string_equal(words[0], "echo");
	assert_string_equal(words[2], "http://b");
	assert_int_equal(clients, 7);
	assert_int_equal(
		options_read_words(&table, 1, 6, (char **)(uintptr_t)argv, words, 2, &count, error), ERROR_ARGUMENT);
	assert_string_equal(error, "unexpected argument \"http://b\"; see --help");
	argv[5] = "-v";
	assert_int_equal(
		options_read_words(&table, 1, 6, (char **)(uintptr_t)argv, words, 3, &count, error), ERROR_ARGUMENT);
	assert_string_equal(error, "unexpected argument \"-v\"; options begin with --, see --help");
	buffer_init(&help, 10000);
	options_help(&table, 1, &help);
	assert_false(text_has(buffer_text(&help), TEXT("SOCKEYE_")));
	buffer_fini(&help);
	unsetenv("SOCKEYE_CLIENTS");
	unsetenv("SOCKEYE_OTHER");
}

static void
test_words(void **state)
{
	(void)state;
	assert_int_equal(read_words(NULL), 0);
	assert_int_equal(
		read_words("--port", "80", "--ping-interval=5s", "--tls", "--no-cors", "--allow-eio3=yes", NULL), 0);
	assert_int_equal(low.port, 80);
	assert_int_equal(low.ping_interval, 5000);
	assert_true(low.tls);
	assert_false(low.cors);
	assert_true(high.allow_eio3);
	assert_int_equal(read_words("--tls=off", "--port=1", "--port", "2", "--note=a=b", "--path", "-x", NULL), 0);
	assert_false(low.tls);
	assert_int_equal(low.port, 2);
	assert_string_equal(high.note, "a=b");
	assert_string_equal(low.path, "-x");
	assert_int_equal(read_words("--note=--tls", "--path=", NULL), 0);
	assert_string_equal(high.note, "--tls");
	assert_string_equal(low.path, "");
	assert_false(low.tls);
}

static void
check_words_refused(int result, const char *part)
{
	assert_int_equal(result, ERROR_ARGUMENT);
	if (!strstr(error, part))
		fail_msg("\"%s\" lacks \"%s\"", error, part);
}

static void
test_wrong_words(void **state)
{
	(void)state;
	check_words_refused(read_words("--port", NULL), "option --port: needs a value");
	check_words_refused(read_words("--port", "--tls", NULL), "option --port: needs a value");
	check_words_refused(read_words("--port", "http", NULL), "--port: \"http\"");
	check_words_refused(read_words("--port=", NULL), "--port: \"\"");
	check_words_refused(read_words("--tls=perhaps", NULL), "--tls: \"perhaps\"");
	check_words_refused(read_words("--no-tls=true", NULL), "option --no-tls: takes no value");
	check_words_refused(read_words("--tls", "true", NULL), "unexpected argument \"true\"");
	check_words_refused(read_words("app.so", NULL), "unexpected argument \"app.so\"");
	check_words_refused(read_words("-p", "80", NULL), "unexpected argument \"-p\"");
	check_words_refused(read_words("--", NULL), "unexpected argument");
	check_words_refused(read_words("", NULL), "unexpected argument");
	assert_int_equal(read_words("--no-port", NULL), ERROR_NOT_FOUND);
	assert_int_equal(read_words("--no-", NULL), ERROR_NOT_FOUND);
	assert_int_equal(read_words("--=x", NULL), ERROR_NOT_FOUND);
	assert_int_equal(read_words("--pingInterval=5", NULL), ERROR_NOT_FOUND);
	assert_non_null(strstr(error, "did you mean --ping-interval?"));
}

static void
test_environment(void **state)
{
	(void)state;
	setenv("SOCKEYE_PORT", "8080", 1);
	setenv("SOCKEYE_PING_INTERVAL", "7s", 1);
	setenv("SOCKEYE_ALLOW_EIO3", "on", 1);
	assert_int_equal(read_words(NULL), 0);
	assert_int_equal(low.port, 8080);
	assert_int_equal(low.ping_interval, 7000);
	assert_true(high.allow_eio3);
	/* flags win over the environment */
	assert_int_equal(read_words("--port=9090", "--no-allow-eio3", NULL), 0);
	assert_int_equal(low.port, 9090);
	assert_int_equal(low.ping_interval, 7000);
	assert_false(high.allow_eio3);

	setenv("SOCKEYE_PORT", "http", 1);
	check_words_refused(read_words(NULL), "SOCKEYE_PORT: \"http\"");
	setenv("SOCKEYE_PORT", "", 1); /* an empty variable counts as unset */
	low.port = 1234;
	assert_int_equal(read_words(NULL), 0);
	assert_int_equal(low.port, 1234);
	unsetenv("SOCKEYE_PORT");
	setenv("SOCKEYE_PROT", "1", 1);
	assert_int_equal(read_words("--port=1", NULL), ERROR_NOT_FOUND);
	assert_string_equal(error, "unknown option SOCKEYE_PROT; did you mean SOCKEYE_PORT?");
	/* --help works even if the environment is wrong */
	assert_int_equal(read_words("--help", NULL), 1);
}

static void
test_questions(void **state)
{
	(void)state;
	assert_int_equal(read_words("--help", NULL), 1);
	assert_int_equal(read_words("--version", NULL), 2);
	assert_int_equal(read_words("--tls", "--help", "nonsense", NULL), 1);
	assert_int_equal(read_words("--port=1", "--version", NULL), 2);
}

/* A switch may stand without a value. It takes the next word as its value unless that is an option. */
static void
test_switches(void **state)
{
	struct {
		char *trust;
		bool after;
	} into;
	static const struct option_row switch_rows[] = {
		{"trustProxy", OPTION_SWITCH, 0, .initial = "false", .choices = "1", .value = "WHO", .help = "whom",
			.group = "Here"},
		{"after", OPTION_FLAG, sizeof(char *), .help = "another"},
	};
	const struct option_table table = {switch_rows, 2, &into, true};
	static const struct {
		const char *words[4], *trust;
		bool after;
	} cases[] = {
		{{"p", NULL}, "false", false},
		{{"p", "--trust-proxy", NULL}, "1", false},
		{{"p", "--trust-proxy", "--after", NULL}, "1", true},
		{{"p", "--trust-proxy", "10.0.0.0/8", "--after"}, "10.0.0.0/8", true},
		{{"p", "--trust-proxy=", NULL}, "", false},
		{{"p", "--trust-proxy=true", "--after", NULL}, "true", true},
		{{"p", "--no-trust-proxy", "--after", NULL}, "false", true},
	};
	struct buffer help;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int n = 0;

		while (n < 4 && cases[i].words[n])
			n++;
		options_defaults(&table, 1);
		assert_int_equal(options_read(&table, 1, n, (char **)(uintptr_t)cases[i].words, error), 0);
		assert_string_equal(into.trust, cases[i].trust);
		assert_int_equal(into.after, cases[i].after);
		options_fini(&table, 1);
	}
	options_defaults(&table, 1);
	assert_int_equal(options_set(&table, 1, "trustProxy", NULL, error), 0);
	assert_string_equal(into.trust, "1");
	options_fini(&table, 1);
	buffer_init(&help, 4096);
	options_help(&table, 1, &help);
	assert_non_null(memmem(help.data, help.len, "--trust-proxy [WHO] ", 20));
	assert_null(memmem(help.data, help.len, "one of", 6));
	buffer_fini(&help);
}

static void
test_a_flag_that_may_be_given_several_times(void **state)
{
	static const struct option_row rows[] = {
		{"peer", OPTION_EACH, offsetof(struct high, origins), .value = "URL", .help = "peers",
			.group = "Peers"},
		{"note", OPTION_TEXT, offsetof(struct high, note), .help = "text"},
	};
	static struct high into;
	const struct option_table each = {rows, 2, &into, false};
	char *words[] = {"sockeye", "--peer", "a", "--note=x", "--peer=b,c", "--peer", "d"};
	char *empty[] = {"sockeye", "--peer", "a", "--peer="};

	(void)state;
	options_defaults(&each, 1);
	assert_null(into.origins);
	setenv("SOCKEYE_PEER", "from,environment", 1);
	assert_int_equal(options_read(&each, 1, 1, words, error), 0);
	assert_string_equal(into.origins, "from,environment");
	assert_int_equal(options_read(&each, 1, 7, words, error), 0);
	assert_string_equal(into.origins, "a,b,c,d"); /* flags replace the values from the environment */
	assert_int_equal(options_read(&each, 1, 4, empty, error), ERROR_ARGUMENT);
	assert_int_equal(options_set(&each, 1, "peer", "e", error), 0);
	assert_string_equal(into.origins, "e");
	unsetenv("SOCKEYE_PEER");
	options_fini(&each, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_words),
		TEST(test_words_between),
		TEST(test_wrong_words),
		TEST(test_environment),
		TEST(test_questions),
		TEST(test_switches),
		TEST(test_a_flag_that_may_be_given_several_times),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
