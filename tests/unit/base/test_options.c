#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/option.h"
#include "common/base/options.h"
#include "tests/unit/base/death.h"

struct low {
	bool cors, tls;
	uint64_t ping_interval, size, port, any;
	char *path;
};

struct high {
	int adapter;
	char *transports, *origins, *note;
	bool allow_eio3;
};

static const struct option_row low_rows[] = {
	{"cors", OPTION_FLAG, offsetof(struct low, cors), .initial = "true", .help = "answer other origins",
		.group = "Engine"},
	{"tls", OPTION_FLAG, offsetof(struct low, tls), .help = "encrypt"},
	{"pingInterval", OPTION_MS, offsetof(struct low, ping_interval), .initial = "25s", .min = 10, .max = 3600000,
		.value = "MS", .help = "time between two pings"},
	{"maxHttpBufferSize", OPTION_BYTES, offsetof(struct low, size), .initial = "1e6", .min = 1, .value = "BYTES",
		.help = "longest message that a client may send, which is a rather long sentence so that it must be "
			"wrapped at least once on its way"},
	{"port", OPTION_NUMBER, offsetof(struct low, port), .initial = "3000", .max = 65535, .value = "N",
		.help = "TCP port"},
	{"any", OPTION_NUMBER, offsetof(struct low, any), .help = "any number"},
	{"path", OPTION_TEXT, offsetof(struct low, path), .initial = "/socket.io", .help = "where it listens"},
};

static const struct option_row high_rows[] = {
	{"adapter", OPTION_CHOICE, offsetof(struct high, adapter), .choices = "alone|hub|redis",
		.help = "how nodes meet", .group = "Cluster"},
	{"transports", OPTION_LIST, offsetof(struct high, transports), .initial = "polling,websocket",
		.choices = "polling|websocket", .help = "what clients may use"},
	{"corsOrigin", OPTION_LIST, offsetof(struct high, origins), .help = "origins"},
	{"note", OPTION_TEXT, offsetof(struct high, note), .help = "free | text", .group = "Other"},
	{"allowEIO3", OPTION_FLAG, offsetof(struct high, allow_eio3), .help = "old clients"},
};

static struct low low;
static struct high high;
static const struct option_table tables[] = {
	{low_rows, sizeof low_rows / sizeof low_rows[0], &low, false},
	{high_rows, sizeof high_rows / sizeof high_rows[0], &high, false},
};
static char error[OPTION_ERROR_MAX];

static int
setup(void **state)
{
	(void)state;
	memset(&low, 0xee, sizeof low);
	memset(&high, 0xee, sizeof high);
	memset(error, 0, sizeof error);
	options_defaults(tables, 2);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	options_fini(tables, 2);
	assert_null(low.path);
	assert_null(high.transports);
	unsetenv("SOCKEYE_PORT");
	unsetenv("SOCKEYE_PING_INTERVAL");
	unsetenv("SOCKEYE_ALLOW_EIO3");
	unsetenv("SOCKEYE_PROT");
	return 0;
}

static int
set(const char *name, const char *value)
{
	memset(error, 0, sizeof error);
	return options_set(tables, 2, name, value, error);
}

static void
check_refused(const char *name, const char *value, const char *part)
{
	assert_int_equal(set(name, value), ERROR_ARGUMENT);
	assert_true(strncmp(error, name, strlen(name)) == 0);
	if (!strstr(error, part))
		fail_msg("\"%s\" lacks \"%s\"", error, part);
	assert_null(strchr(error, '\n'));
	assert_int_equal(options_set(tables, 2, name, value, NULL), ERROR_ARGUMENT);
}

/* Up to eight words after the program's name, closed by NULL. */
static int
read_words(const char *first, ...)
{
	char *words[10] = {(char *)(uintptr_t) "sockeye"};
	int argc = 1;
	va_list more;

	va_start(more, first);
	for (const char *word = first; word; word = va_arg(more, const char *))
		words[argc++] = (char *)(uintptr_t)word;
	va_end(more);
	memset(error, 0, sizeof error);
	return options_read(tables, 2, argc, words, error);
}

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
	}
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

/* A flag that the program decides when nobody else does. */
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
	check_refused("port", "-1", "digits");
	check_refused("port", "80x", "digits");
	check_refused("port", "1k", "digits");
	check_refused("port", "10ms", "digits");
	check_refused("port", "", "digits");
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
	check_refused("pingInterval", "25 s", "time");
	check_refused("pingInterval", "s", "time");
	check_refused("pingInterval", "1e3", "time");
	check_refused("pingInterval", "1k", "time");
	check_refused("pingInterval", "2.5s", "time");
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

/* A program that takes words too, and no environment. */
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
	assert_string_equal(error, "\"http://b\" is one word too many; see --help");
	argv[5] = "-v";
	assert_int_equal(
		options_read_words(&table, 1, 6, (char **)(uintptr_t)argv, words, 3, &count, error), ERROR_ARGUMENT);
	assert_string_equal(error, "\"-v\" is no option; options begin with --, see --help");
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
	check_words_refused(read_words("--port", NULL), "--port needs a value");
	check_words_refused(read_words("--port", "--tls", NULL), "--port needs a value");
	check_words_refused(read_words("--port", "http", NULL), "--port: \"http\"");
	check_words_refused(read_words("--port=", NULL), "--port: \"\"");
	check_words_refused(read_words("--tls=perhaps", NULL), "--tls: \"perhaps\"");
	check_words_refused(read_words("--no-tls=true", NULL), "--no-tls takes no value");
	check_words_refused(read_words("--tls", "true", NULL), "\"true\" is no option");
	check_words_refused(read_words("app.so", NULL), "\"app.so\" is no option");
	check_words_refused(read_words("-p", "80", NULL), "\"-p\" is no option");
	check_words_refused(read_words("--", NULL), "is no option");
	check_words_refused(read_words("", NULL), "is no option");
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
	/* flags win */
	assert_int_equal(read_words("--port=9090", "--no-allow-eio3", NULL), 0);
	assert_int_equal(low.port, 9090);
	assert_int_equal(low.ping_interval, 7000);
	assert_false(high.allow_eio3);

	setenv("SOCKEYE_PORT", "http", 1);
	check_words_refused(read_words(NULL), "SOCKEYE_PORT: \"http\"");
	setenv("SOCKEYE_PORT", "", 1); /* as if it were not there */
	low.port = 1234;
	assert_int_equal(read_words(NULL), 0);
	assert_int_equal(low.port, 1234);
	unsetenv("SOCKEYE_PORT");
	setenv("SOCKEYE_PROT", "1", 1);
	assert_int_equal(read_words("--port=1", NULL), ERROR_NOT_FOUND);
	assert_string_equal(error, "unknown option SOCKEYE_PROT; did you mean SOCKEYE_PORT?");
	/* what the user needs then */
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

/* How often `word` stands in `text` as a word of its own. */
static unsigned
occurrences(const char *text, const char *word)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, word)); at++) {
		char before = at > text ? at[-1] : ' ', after = at[strlen(word)];

		count += !strchr(letters, before) && (after == '\0' || !strchr(letters, after));
	}
	return count;
}

static void
each_row_once(const char *text, bool api_name)
{
	for (unsigned t = 0; t < 2; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			char name[OPTION_NAME_MAX];

			option_env_name(tables[t].rows[r].name, name);
			assert_int_equal(occurrences(text, name), 1);
			if (api_name) {
				char cell[OPTION_NAME_MAX + 8];

				snprintf(cell, sizeof cell, "\n| %s |", tables[t].rows[r].name);
				assert_non_null(strstr(text, cell));
			}
		}
	}
}

static void
test_help(void **state)
{
	struct buffer out;
	struct text rest, line;

	(void)state;
	buffer_init(&out, 100000);
	options_help(tables, 2, &out);
	rest = buffer_text(&out);
	while (text_cut(&rest, '\n', &line)) {
		assert_true(line.n <= 100);
		assert_false(text_ends(line, TEXT(" ")));
	}
	buffer_add_byte(&out, 0);
	assert_int_equal(buffer_error(&out), 0);
	each_row_once((char *)out.data, false);
	assert_non_null(strstr((char *)out.data, "  --ping-interval MS "));
	assert_non_null(strstr((char *)out.data, "  --[no-]cors "));
	assert_non_null(strstr((char *)out.data, "  --path VALUE "));
	assert_non_null(strstr((char *)out.data, "time between two pings; 10 to 3600000; default 25s"));
	assert_non_null(strstr((char *)out.data, "one of alone|hub|redis; default alone"));
	assert_int_equal(strncmp((char *)out.data, "Engine\n", 7), 0);
	assert_int_equal(occurrences((char *)out.data, "\nCluster\n"), 1);
	assert_int_equal(occurrences((char *)out.data, "\nOther\n"), 1);
	buffer_fini(&out);
}

static void
test_markdown(void **state)
{
	struct buffer out;
	struct text rest, line;
	unsigned lines = 0;

	(void)state;
	buffer_init(&out, 100000);
	options_markdown(tables, 2, &out);
	rest = buffer_text(&out);
	for (; text_cut(&rest, '\n', &line); lines++) {
		unsigned bars = 0;

		for (size_t i = 0; i < line.n; i++)
			bars += line.at[i] == '|' && (i == 0 || line.at[i - 1] != '\\');
		assert_int_equal(bars, 5);
	}
	assert_int_equal(lines, 2 + tables[0].count + tables[1].count);
	buffer_add_byte(&out, 0);
	each_row_once((char *)out.data, true);
	assert_non_null(strstr((char *)out.data, "| pingInterval | `--ping-interval` | `SOCKEYE_PING_INTERVAL` | "
						 "time between two pings; 10 to 3600000; "
						 "default 25s |\n"));
	assert_non_null(strstr((char *)out.data, "free \\| text"));
	buffer_fini(&out);
}

static void
two_of_one_name(void)
{
	static const struct option_row rows[] = {
		{"port", OPTION_NUMBER, 0, .help = ""}, {"port", OPTION_NUMBER, 0, .help = ""}};
	uint64_t into;
	const struct option_table table = {rows, 2, &into, false};

	options_defaults(&table, 1);
}

static void
bad_default(void)
{
	static const struct option_row rows[] = {{"port", OPTION_NUMBER, 0, .initial = "5", .max = 4, .help = ""}};
	uint64_t into;
	const struct option_table table = {rows, 1, &into, false};

	options_defaults(&table, 1);
}

static void
long_name(void)
{
	static const struct option_row rows[] = {
		{"anOptionWhoseNameIsSoVeryLongThatNobodyWouldEverTypeItInFullX", OPTION_NUMBER, 0, .help = ""}};
	uint64_t into;
	const struct option_table table = {rows, 1, &into, false};

	options_defaults(&table, 1);
}

static void
test_broken_tables_abort(void **state)
{
	char said[512];

	(void)state;
	assert_true(aborts(two_of_one_name, said, sizeof said));
	assert_true(aborts(bad_default, said, sizeof said));
	assert_true(aborts(long_name, said, sizeof said));
}

/* A switch may go without a value, and takes the next word for one if that is not an option. */
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
	assert_string_equal(into.origins, "a,b,c,d"); /* flags replace what the environment says */
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
		TEST(test_words),
		TEST(test_words_between),
		TEST(test_wrong_words),
		TEST(test_environment),
		TEST(test_questions),
		TEST(test_help),
		TEST(test_markdown),
		TEST(test_switches),
		TEST(test_broken_tables_abort),
		TEST(test_a_flag_that_may_be_given_several_times),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
