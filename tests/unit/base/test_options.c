/* Options by name: defaults, types, ranges, the forms of a name, and the error for each bad value. */
#include "tests/unit/base/option_bench.h"

static void
test_names(void **state)
{
	static const char *const names[][3] = {
		{"pingInterval", "ping-interval", "SOCKEYE_PING_INTERVAL"},
		{"maxHttpBufferSize", "max-http-buffer-size", "SOCKEYE_MAX_HTTP_BUFFER_SIZE"},
		{"allowEIO3", "allow-eio3", "SOCKEYE_ALLOW_EIO3"},
		{"tlsCAFile", "tls-ca-file", "SOCKEYE_TLS_CA_FILE"},
		{"URL", "url", "SOCKEYE_URL"},
		{"port", "port", "SOCKEYE_PORT"},
		{"max-queue", "max-queue", "SOCKEYE_MAX_QUEUE"},
	};
	char name[OPTION_NAME_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		option_flag_name(names[i][0], name);
		assert_string_equal(name, names[i][1]);
		option_env_name(names[i][0], name);
		assert_string_equal(name, names[i][2]);
		for (unsigned j = 0; j < sizeof names / sizeof names[0]; j++) {
			assert_int_equal(option_has_flag_name(names[i][0], text_from(names[j][1])), i == j);
			assert_int_equal(option_has_env_name(names[i][0], text_from(names[j][2])), i == j);
		}
	}
	assert_false(option_has_flag_name("pingInterval", TEXT("ping-interva")));
	assert_false(option_has_flag_name("pingInterval", TEXT("ping-interval-")));
	assert_false(option_has_flag_name("pingInterval", TEXT("pinginterval")));
	assert_false(option_has_env_name("pingInterval", TEXT("SOCKEYE_")));
	assert_false(option_has_env_name("pingInterval", TEXT("PING_INTERVAL")));
}

static void
test_defaults(void **state)
{
	(void)state;
	assert_true(low.cors);
	assert_false(low.tls);
	assert_int_equal(low.ping_interval, 25000);
	assert_int_equal(low.size, 1000000);
	assert_int_equal(low.port, 3000);
	assert_int_equal(low.any, 0);
	assert_string_equal(low.path, "/socket.io");
	assert_int_equal(high.adapter, 0);
	assert_string_equal(high.transports, "polling,websocket");
	assert_null(high.origins);
	assert_null(high.note);
	assert_false(high.allow_eio3);
}

static void
test_flags(void **state)
{
	static const char *const yes[] = {"true", "1", "yes", "on", "TRUE", "On"};
	static const char *const no[] = {"false", "0", "no", "off", "False", "OFF"};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(set("tls", yes[i]), 0);
		assert_true(low.tls);
		assert_int_equal(set("tls", no[i]), 0);
		assert_false(low.tls);
	}
	assert_int_equal(set("tls", NULL), 0);
	assert_true(low.tls);
	check_refused("tls", "maybe", "maybe");
	check_refused("tls", "", "true");
	assert_true(low.tls);
}

/* A flag whose default the program computes. */
static void
test_auto(void **state)
{
	static const struct option_row row = {"cleanUp", OPTION_AUTO, 0, .initial = "auto", .help = "tidy"};
	char line[OPTION_ERROR_MAX], *words[] = {"program", "--no-clean-up"};
	int value = 5;
	struct option_table table = {&row, 1, &value, false};
	struct buffer help;

	(void)state;
	options_defaults(&table, 1);
	assert_int_equal(value, -1);
	assert_int_equal(options_set(&table, 1, "cleanUp", "on", line), 0);
	assert_int_equal(value, 1);
	assert_int_equal(options_set(&table, 1, "cleanUp", "auto", line), 0);
	assert_int_equal(value, -1);
	assert_int_equal(options_read(&table, 1, 2, words, line), 0);
	assert_int_equal(value, 0);
	words[1] = "--clean-up";
	assert_int_equal(options_read(&table, 1, 2, words, line), 0);
	assert_int_equal(value, 1);
	assert_int_equal(options_set(&table, 1, "cleanUp", "maybe", line), ERROR_ARGUMENT);
	assert_non_null(strstr(line, "auto, true or false"));
	assert_int_equal(value, 1);
	buffer_init(&help, 4096);
	options_help(&table, 1, &help);
	buffer_add_byte(&help, 0);
	assert_non_null(strstr((const char *)help.data, "--[no-]clean-up"));
	buffer_fini(&help);
	options_fini(&table, 1);
}

static void
test_numbers_and_ranges(void **state)
{
	(void)state;
	assert_int_equal(set("port", "0"), 0);
	assert_int_equal(low.port, 0);
	assert_int_equal(set("port", "65535"), 0);
	assert_int_equal(low.port, 65535);
	check_refused("port", "65536", "0 to 65535");
	check_refused("port", "-1", "whole number");
	check_refused("port", "80x", "whole number");
	check_refused("port", "1k", "whole number");
	check_refused("port", "10ms", "whole number");
	check_refused("port", "", "whole number");
	check_refused("port", "99999999999999999999999999", "0 to 65535");
	assert_int_equal(low.port, 65535);
	assert_int_equal(set("any", "18446744073709551615"), 0);
	assert_true(low.any == UINT64_MAX);
	assert_int_equal(set("port", NULL), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "needs a value"));
}

static void
test_times(void **state)
{
	(void)state;
	assert_int_equal(set("pingInterval", "300"), 0);
	assert_int_equal(low.ping_interval, 300);
	assert_int_equal(set("pingInterval", "301ms"), 0);
	assert_int_equal(low.ping_interval, 301);
	assert_int_equal(set("pingInterval", "25s"), 0);
	assert_int_equal(low.ping_interval, 25000);
	assert_int_equal(set("pingInterval", "2m"), 0);
	assert_int_equal(low.ping_interval, 120000);
	check_refused("pingInterval", "9", "10 to 3600000");
	check_refused("pingInterval", "61m", "10 to 3600000");
	check_refused("pingInterval", "18446744073709551615m", "10 to 3600000");
	check_refused("pingInterval", "25 s", "duration");
	check_refused("pingInterval", "s", "duration");
	check_refused("pingInterval", "1e3", "duration");
	check_refused("pingInterval", "1k", "duration");
	check_refused("pingInterval", "2.5s", "duration");
	assert_int_equal(low.ping_interval, 120000);
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
	} good[] = {{"1000000", 1000000}, {"1e6", 1000000}, {"2E3", 2000}, {"5e0", 5}, {"64k", 65536}, {"64K", 65536},
		{"1m", 1048576}, {"2g", UINT64_C(2) << 30}, {"1e18", UINT64_C(1000000000000000000)}};

	(void)state;
	for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(set("maxHttpBufferSize", good[i].value), 0);
		assert_true(low.size == good[i].size);
	}
	check_refused("maxHttpBufferSize", "0", "out of range");
	check_refused("maxHttpBufferSize", "99e18", "out of range");
	check_refused("maxHttpBufferSize", "99999999999999999999", "out of range");
	check_refused("maxHttpBufferSize", "1e19", "size");
	check_refused("maxHttpBufferSize", "1e", "size");
	check_refused("maxHttpBufferSize", "1e-3", "size");
	check_refused("maxHttpBufferSize", "e6", "size");
	check_refused("maxHttpBufferSize", "10s", "size");
	check_refused("maxHttpBufferSize", "1kb", "size");
	check_refused("maxHttpBufferSize", "", "size");
}

static void
test_texts_choices_and_lists(void **state)
{
	(void)state;
	assert_int_equal(set("path", "/a b,c"), 0);
	assert_string_equal(low.path, "/a b,c");
	assert_int_equal(set("path", ""), 0);
	assert_string_equal(low.path, "");

	assert_int_equal(set("adapter", "redis"), 0);
	assert_int_equal(high.adapter, 2);
	check_refused("adapter", "Redis", "alone|hub|redis");
	check_refused("adapter", "", "alone|hub|redis");
	check_refused("adapter", "hub|redis", "alone|hub|redis");
	assert_int_equal(high.adapter, 2);

	assert_int_equal(set("transports", " websocket ,\tpolling"), 0);
	assert_string_equal(high.transports, "websocket,polling");
	assert_int_equal(set("transports", "websocket"), 0);
	assert_string_equal(high.transports, "websocket");
	check_refused("transports", "websocket,webtransport", "polling|websocket");
	check_refused("transports", "websocket,", "empty");
	check_refused("transports", "websocket, ", "empty");
	check_refused("transports", ",websocket", "empty");
	check_refused("transports", "", "empty");
	assert_string_equal(high.transports, "websocket");
	assert_int_equal(set("corsOrigin", "http://a, http://b"), 0);
	assert_string_equal(high.origins, "http://a,http://b");
	check_refused("corsOrigin", "a,,b", "empty");
	assert_int_equal(set("corsOrigin", ""), 0);
	assert_string_equal(high.origins, "");
}

static void
test_refused_values_are_shown_cut_and_on_one_line(void **state)
{
	static char value[5000];

	(void)state;
	memset(value, 'x', sizeof value - 1);
	value[3] = '\n';
	check_refused("port", value, "\"xxx?xxx");
	assert_true(strlen(error) < 200);
	check_refused("adapter", value, "alone|hub|redis");
}

static void
test_set_by_each_form_of_the_name(void **state)
{
	(void)state;
	assert_int_equal(set("pingInterval", "100"), 0);
	assert_int_equal(low.ping_interval, 100);
	assert_int_equal(set("ping-interval", "200"), 0);
	assert_int_equal(low.ping_interval, 200);
	assert_int_equal(set("SOCKEYE_PING_INTERVAL", "300"), 0);
	assert_int_equal(low.ping_interval, 300);
	assert_int_equal(set("allow-eio3", "1"), 0);
	assert_true(high.allow_eio3);
	assert_int_equal(set("PingInterval", "1"), ERROR_NOT_FOUND);
	assert_int_equal(set("", "1"), ERROR_NOT_FOUND);
	assert_int_equal(options_set(tables, 2, "nothing", "1", NULL), ERROR_NOT_FOUND);
}

static void
test_unknown_names_suggest_the_nearest(void **state)
{
	static char endless[4000];

	(void)state;
	assert_int_equal(set("pingIntervall", "1"), ERROR_NOT_FOUND);
	assert_string_equal(error, "unknown option pingIntervall; did you mean pingInterval?");
	assert_int_equal(set("png-interval", "1"), ERROR_NOT_FOUND);
	assert_non_null(strstr(error, "did you mean ping-interval?"));
	assert_int_equal(set("SOCKEYE_PROT", "1"), ERROR_NOT_FOUND);
	assert_non_null(strstr(error, "did you mean SOCKEYE_PORT?"));
	assert_int_equal(set("somethingElse", "1"), ERROR_NOT_FOUND);
	assert_null(strstr(error, "mean"));
	memset(endless, 'y', sizeof endless - 1);
	endless[5] = '\n';
	assert_int_equal(set(endless, "1"), ERROR_NOT_FOUND);
	assert_true(strlen(error) < 200);
	assert_null(strchr(error, '\n'));
	assert_int_equal(read_words("--prot", "1", NULL), ERROR_NOT_FOUND);
	assert_string_equal(error, "unknown option --prot; did you mean --port?");
	assert_int_equal(read_words("--no-cros", NULL), ERROR_NOT_FOUND);
	assert_non_null(strstr(error, "--no-cros"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_defaults),
		TEST(test_flags),
		TEST(test_auto),
		TEST(test_numbers_and_ranges),
		TEST(test_times),
		TEST(test_sizes),
		TEST(test_texts_choices_and_lists),
		TEST(test_refused_values_are_shown_cut_and_on_one_line),
		TEST(test_set_by_each_form_of_the_name),
		TEST(test_unknown_names_suggest_the_nearest),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
