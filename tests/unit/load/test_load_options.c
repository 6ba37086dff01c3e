#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/load/load_options.h"
#include "tests/load/messages.h"
#include "tests/load/scenario.h"

#define WORDS_MAX 100

static struct load_options o;
static char error[OPTION_ERROR_MAX];

static int
free_options(void **state)
{
	(void)state;
	load_options_fini(&o);
	return 0;
}

/* Splits a line into words at blanks; _ stands for a blank inside a word. */
static int
read_line(const char *line)
{
	static char copy[100000];
	char *argv[WORDS_MAX + 2] = {"sockeye-load"}, *save = NULL;
	int argc = 1;

	load_options_fini(&o);
	assert_true(strlen(line) < sizeof copy);
	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(argc <= WORDS_MAX);
		for (char *c = word; *c; c++)
			if (*c == '_')
				*c = ' ';
		argv[argc++] = word;
	}
	error[0] = '\0';
	return load_options_read(&o, argc, argv, error);
}

static void
test_defaults(void **state)
{
	(void)state;
	assert_int_equal(read_line("echo http://h"), 0);
	assert_string_equal(o.scenario->name, "echo");
	assert_int_equal(o.url_count, 1);
	assert_string_equal(o.urls[0], "http://h");
	assert_int_equal(o.clients, 100);
	assert_int_equal(o.processes, 1);
	assert_int_equal(o.transport, LOAD_WEBSOCKET);
	assert_string_equal(o.path, "/socket.io/");
	assert_true(o.verify && o.reconnect);
	assert_false(o.browser_headers || o.binary || o.quiet);
	assert_string_equal(o.event, "echo");
	assert_int_equal(o.size, 64);
	assert_int_equal(o.in_flight, 1);
	assert_int_equal(o.warm_up_ms, 1000);
	assert_int_equal(o.duration_ms, 10000);
	assert_int_equal(o.timeout_ms, 10000);
}

static void
test_every_option(void **state)
{
	(void)state;
	assert_int_equal(
		read_line("cluster http://a http://b/n --clients 7 --processes=2 --transport upgrade --path /x/ "
			  "--auth {\"a\":1} --query a=b&c=d --header A:_b|C:_d --browser-headers --ca f --no-verify "
			  "--source-addresses 3 --connect-rate 5 --connecting 6 --no-reconnect --stay 2s --event e "
			  "--size 1k --binary --in-flight 8 --message-rate 9 --senders 4 --room-size 11 --timeout 3s "
			  "--seed 12 --warm-up 0 --duration 1m --settle 5 --server-pid 1,2 --json j --plot p "
			  "--assert lost=0 --quiet"),
		0);
	assert_string_equal(error, "");
	assert_int_equal(o.url_count, 2);
	assert_string_equal(o.urls[1], "http://b/n");
	assert_int_equal(o.clients, 7);
	assert_int_equal(o.processes, 2);
	assert_int_equal(o.transport, LOAD_UPGRADE);
	assert_string_equal(o.headers, "A: b|C: d");
	assert_false(o.verify || o.reconnect);
	assert_int_equal(o.source_addresses, 3);
	assert_int_equal(o.connect_rate, 5);
	assert_int_equal(o.connecting, 6);
	assert_int_equal(o.stay_ms, 2000);
	assert_int_equal(o.size, 1024);
	assert_true(o.binary && o.quiet && o.browser_headers);
	assert_int_equal(o.in_flight, 8);
	assert_int_equal(o.message_rate, 9);
	assert_int_equal(o.senders, 4);
	assert_int_equal(o.room_size, 11);
	assert_int_equal(o.seed, 12);
	assert_int_equal(o.warm_up_ms, 0);
	assert_int_equal(o.duration_ms, 60000);
	assert_int_equal(o.pid_count, 2);
	assert_int_equal(o.pids[1], 2);
	assert_int_equal(o.criterion_count, 1);
}

static void
test_help_and_version(void **state)
{
	(void)state;
	assert_int_equal(read_line("--help"), 1);
	assert_int_equal(read_line("echo --version"), 2);
}

static void
test_options_that_scenarios_decide(void **state)
{
	static const struct {
		const char *name, *event;
		uint64_t senders;
	} all[] = {{"connect", "connect", 1}, {"idle", "idle", 1}, {"echo", "echo", 100}, {"ack", "ack", 100},
		{"broadcast", "broadcast", 1}, {"room", "room", 1}, {"cluster", "broadcast", 1},
		{"churn", "churn", 1}, {"polling", "echo", 100}, {"storm", "storm", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		char line[100];

		snprintf(line, sizeof line, "%s http://a http://b", all[i].name);
		assert_int_equal(read_line(line), 0);
		assert_ptr_equal(o.scenario, scenario_at((unsigned)i));
		assert_ptr_equal(o.scenario, scenario_find(all[i].name));
		assert_string_equal(o.scenario->name, all[i].name);
		assert_non_null(strstr(SCENARIO_NAMES, all[i].name));
		assert_string_equal(o.event, all[i].event);
		assert_int_equal(messages_senders(&o), all[i].senders);
		assert_int_equal(o.transport, strcmp(all[i].name, "polling") == 0 ? LOAD_POLLING : LOAD_WEBSOCKET);
		assert_int_equal(o.connect_rate, strcmp(all[i].name, "churn") == 0 ? SCENARIO_CHURN_RATE : 0);
		assert_int_equal(o.connecting, strcmp(all[i].name, "storm") == 0 ? 100 : 0);
	}
	assert_null(scenario_at(sizeof all / sizeof all[0]));
	assert_int_equal(read_line("polling http://a --transport upgrade --event x --senders 3"), 0);
	assert_int_equal(o.transport, LOAD_POLLING);
	assert_string_equal(o.event, "x");
	assert_int_equal(messages_senders(&o), 3);
	assert_int_equal(read_line("churn http://a --connect-rate 7"), 0);
	assert_int_equal(o.connect_rate, 7);
	assert_int_equal(read_line("storm http://a --connecting 7"), 0);
	assert_int_equal(o.connecting, 7);
}

/* Expects one line that names the mistake. */
static void
assert_refused(const char *line, const char *why)
{
	int result = read_line(line);

	if (result >= 0)
		fail_msg("taken: %s", line);
	if (strstr(error, why) == NULL)
		fail_msg("%s\ngives \"%s\",\nwhich is not \"%s\"", line, error, why);
	assert_null(strchr(error, '\n'));
	assert_true(strlen(error) > 10 && strlen(error) < 400);
}

static void
test_wrong_words(void **state)
{
	char many[1000] = "echo";

	(void)state;
	assert_refused("", "give a scenario and a URL, e.g. sockeye-load echo http://localhost:3000");
	assert_refused("--clients 3", "give a scenario");
	assert_refused("echoo http://h", "\"echoo\" is not a scenario (use connect, idle, echo");
	assert_refused("http://h echo", "\"http://h\" is not a scenario");
	assert_refused("Echo http://h", "is not a scenario");
	assert_refused("echo", "echo needs the URL of a server");
	for (unsigned i = 0; i < LOAD_URLS_MAX; i++)
		strcat(many, " http://h");
	assert_int_equal(read_line(many), 0);
	assert_int_equal(o.url_count, LOAD_URLS_MAX);
	strcat(many, " http://one-more");
	assert_refused(many, "unexpected argument \"http://one-more\"");
}

static void
test_wrong_options(void **state)
{
	static const char *const all[][2] = {
		{"--client 3", "unknown option --client; did you mean --clients?"},
		{"--clients 0", "--clients"},
		{"--clients x", "--clients"},
		{"--clients", "option --clients: needs a value"},
		{"--clients 10000001", "--clients"},
		{"--processes 65", "--processes"},
		{"--processes 3 --clients 2", "option --processes: more processes than --clients"},
		{"--senders 101", "option --senders: more senders than --clients"},
		{"--transport webtransport", "--transport"},
		{"--size 47", "--size"},
		{"--size 17m", "--size"},
		{"--in-flight 0", "--in-flight"},
		{"--duration 99", "--duration"},
		{"--path x", "option --path: \"x\" is not a path (it must begin with / and have no query)"},
		{"--path /a?b", "option --path: \"/a?b\" is not a path"},
		{"--path /a_b", "option --path: \"/a b\" is not a path"},
		{"--path /a\r\nX:y", "--path"},
		{"--path=", "--path"},
		{"--query a_b", "option --query: \"a b\" is not a query string, such as a=1&b=2"},
		{"--query a#b", "--query"},
		{"--query a\nb", "--query"},
		{"--query a\tb", "--query"},
		{"--path /a\tb", "--path"},
		{"--event a\"b", "option --event: \"a\"b\" contains a quote"},
		{"--event a\\b", "--event"},
		{"--event a\nb", "--event"},
		{"--event a\tb", "--event"},
		{"--event a\x1e"
		 "b",
			"--event"},
		{"--event=", "option --event: the name is empty or longer than 512 bytes"},
		{"--auth x", "option --auth: \"x\" is not a JSON object, such as '{\"token\":\"abc\"}'"},
		{"--auth {", "--auth"},
		{"--auth [1]", "--auth"},
		{"--auth {}x", "--auth"},
		{"--auth {a:1}", "--auth"},
		{"--auth {\"a\":\x1e}", "--auth"},
		{"--auth=", "--auth"},
		{"--header A", "option --header: \"A\" is not of the form 'Name: value'"},
		{"--header :b", "--header"},
		{"--header A:b|C|D:e", "option --header: \"C\" is not of the form 'Name: value'"},
		{"--header A:b||C:d", "option --header: \"\" is not"},
		{"--header A:b\r\nC:d", "--header"},
		{"--header A:b\nC:d", "--header"},
		{"--header A_B:c", "--header"},
		{"--server-pid x", "option --server-pid: \"x\" is not a list of process ids, such as 123,456"},
		{"--server-pid 0", "--server-pid"},
		{"--assert p99", "option --assert: "},
		{"--assert p99<1ms,nothing=0", "option --assert: "},
		{"extra_url --senders x", "--senders"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		char line[200];

		snprintf(line, sizeof line, "echo http://h %s", all[i][0]);
		assert_refused(line, all[i][1]);
	}
}

static void
test_long_values(void **state)
{
	static const char *const options[] = {
		"--path /", "--query ", "--event ", "--auth ", "--server-pid ", "--assert "};
	static char line[60000];

	(void)state;
	for (size_t i = 2; i < sizeof options / sizeof options[0]; i++) {
		strcpy(line, "echo http://h ");
		strcat(line, options[i]);
		memset(line + strlen(line), 'x', 50000);
		line[14 + strlen(options[i]) + 50000] = '\0';
		assert_refused(line, "--");
	}
	strcpy(line, "echo http://h --header A:");
	memset(line + strlen(line), 'x', LOAD_HEADERS_MAX);
	line[25 + LOAD_HEADERS_MAX - 1] = '\0';
	assert_refused(line, "option --header: more than 16 KB");
	line[25 + LOAD_HEADERS_MAX - 2] = '\0';
	assert_int_equal(read_line(line), 0);
	strcpy(line, "echo http://h --event ");
	memset(line + strlen(line), 'x', 512);
	line[22 + 513] = line[22 + 512] = '\0';
	assert_int_equal(read_line(line), 0);
	line[22 + 512] = 'x';
	assert_refused(line, "option --event: the name is empty or longer");
}

static void
test_auth_is_taken(void **state)
{
	(void)state;
	assert_int_equal(read_line("echo http://h --auth {}"), 0);
	assert_int_equal(read_line("echo http://h --auth _{\"a\":[{}]}_"), 0);
	assert_int_equal(read_line("echo http://h --header A:"), 0);
}

static void
test_checks_of_scenarios(void **state)
{
	(void)state;
	assert_refused("cluster http://a", "cluster needs the URLs of two nodes or more");
	assert_refused("broadcast http://a --clients 10000 --senders 10000",
		"option --senders: 10000 senders with 10000 receivers exceed the limit of");
	assert_int_equal(read_line("broadcast http://a --clients 10000 --senders 6000"), 0);
	assert_int_equal(read_line("echo http://a --clients 10000000"), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_teardown(name, free_options)
	const struct CMUnitTest tests[] = {
		T(test_defaults),
		T(test_every_option),
		T(test_help_and_version),
		T(test_options_that_scenarios_decide),
		T(test_wrong_words),
		T(test_wrong_options),
		T(test_long_values),
		T(test_auth_is_taken),
		T(test_checks_of_scenarios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
