/* The combined option tables: defaults, the path under Socket.IO, names, and the checks across rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/bus_log.h"
#include "broker/bus_stream_store.h"
#include "broker/hub.h"
#include "common/base/error.h"
#include "common/io/log.h"
#include "node/process/process_options.h"

#define TABLES (1 + SERVER_TABLES)

struct settings {
	struct program_options program;
	struct server_options server;
	struct option_table tables[TABLES];
	char error[OPTION_ERROR_MAX];
};

static int
setup(void **state)
{
	struct settings *s = calloc(1, sizeof *s);

	server_options_init(&s->server);
	s->tables[0] = program_options_table(&s->program);
	options_defaults(s->tables, 1);
	server_options_tables(&s->server, s->tables + 1);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct settings *s = *state;

	options_fini(s->tables, 1);
	server_options_fini(&s->server);
	free(s);
	return 0;
}

static int
set(struct settings *s, const char *name, const char *value)
{
	return options_set(s->tables, TABLES, name, value, s->error);
}

static void
defaults(void **state)
{
	struct settings *s = *state;

	assert_int_equal(s->server.front.port, 3000);
	assert_null(s->server.front.host);
	assert_null(s->server.front.public_dir);
	assert_int_equal(s->server.front.max_head_size, 16 * 1024);
	assert_int_equal(s->server.front.max_headers, 100);
	assert_int_equal(s->server.front.head_timeout, 10000);
	assert_int_equal(s->server.front.keep_alive_timeout, 5000);
	assert_int_equal(s->server.sio.connect_timeout, 45000);
	assert_int_equal(s->server.eio.ping_interval, 25000);
	assert_int_equal(s->program.log_level, LOG_INFO);
	assert_null(s->program.app);
}

/* The engine alone uses /engine.io, also after a Socket.IO server was created. */
static void
path_under_socketio(void **state)
{
	struct settings *s = *state;
	struct eio_options alone = {0};
	struct option_table table = eio_options_table(&alone);

	options_defaults(&table, 1);
	assert_string_equal(alone.path, "/engine.io");
	assert_string_equal(s->server.eio.path, "/socket.io");
	options_fini(&table, 1);
}

static void
log_levels(void **state)
{
	static const char *const words[] = {"error", "warn", "info", "debug"};
	static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
	struct settings *s = *state;

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(set(s, "logLevel", words[i]), 0);
		assert_int_equal(s->program.log_level, levels[i]);
	}
	assert_int_equal(set(s, "logLevel", "loud"), ERROR_ARGUMENT);
}

static void
names_are_unique_and_explained(void **state)
{
	struct settings *s = *state;

	for (unsigned t = 0; t < TABLES; t++) {
		assert_non_null(s->tables[t].rows[0].group);
		for (size_t i = 0; i < s->tables[t].count; i++) {
			const struct option_row *row = &s->tables[t].rows[i];
			unsigned same = 0;

			assert_true(strlen(row->help) > 10);
			for (unsigned u = 0; u < TABLES; u++)
				for (size_t k = 0; k < s->tables[u].count; k++)
					same += strcmp(row->name, s->tables[u].rows[k].name) == 0;
			assert_int_equal(same, 1);
		}
	}
}

static void
flags_beat_the_environment(void **state)
{
	struct settings *s = *state;
	char *argv[] = {"sockeye", "--port", "4000", "--no-serve-client", "--tls-min-version=1.3", NULL};

	setenv("SOCKEYE_PORT", "5000", 1);
	setenv("SOCKEYE_PING_INTERVAL", "300ms", 1);
	assert_int_equal(options_read(s->tables, TABLES, 5, argv, s->error), 0);
	unsetenv("SOCKEYE_PORT");
	unsetenv("SOCKEYE_PING_INTERVAL");
	assert_int_equal(s->server.front.port, 4000);
	assert_int_equal(s->server.eio.ping_interval, 300);
	assert_false(s->server.sio.serve_client);
	assert_int_equal(s->server.front.tls_min_version, 1);
}

static void
limits(void **state)
{
	struct settings *s = *state;

	assert_int_equal(set(s, "port", "65536"), ERROR_ARGUMENT);
	assert_int_equal(set(s, "port", "65535"), 0);
	assert_int_equal(set(s, "maxHeadSize", "64k"), ERROR_ARGUMENT);
	assert_int_equal(set(s, "maxHeaders", "0"), ERROR_ARGUMENT);
	assert_int_equal(set(s, "head-timeout", "0"), ERROR_ARGUMENT);
}

static void
checks_across_rows(void **state)
{
	struct settings *s = *state;

	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "trustProxy", "loopback, 10.0.0.0/8"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "trustProxy", "10.0.0.0/99"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "option --trust-proxy: \"10.0.0.0/99\""));
	assert_int_equal(set(s, "trustProxy", NULL), 0);
	assert_string_equal(s->server.front.trust_proxy, "1");
	assert_int_equal(set(s, "corsOrigin", "https://a.example/"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "option --cors-origin: \"https://a.example/\""));
	assert_int_equal(set(s, "corsOrigin", "/^https:/"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "tlsCert", "cert.pem"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "--tls-key"));
	assert_int_equal(set(s, "tlsKey", "key.pem"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "max-queue", "511k"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "max-queue"));
	assert_int_equal(set(s, "max-queue", "512k"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis", "http://h"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "--redis: "));
	assert_int_equal(set(s, "redis", "redis://user@h"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_int_equal(set(s, "redis-password-file", "/nonexistent"), 0); /* files are read later */
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis", ""), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "heartbeat-interval", "6s"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "--heartbeat-timeout"));
	assert_int_equal(set(s, "heartbeat-timeout", "12s"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "path", "no-slash"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
}

static void
routing_is_for_the_classic_mode(void **state)
{
	struct settings *s = *state;

	assert_int_equal(set(s, "redis", "redis://h"), 0);
	assert_int_equal(set(s, "redis-routing", "all"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-mode", "sharded"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "--redis-routing"));
	assert_int_equal(set(s, "redis-routing", "rooms"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-routing-max", "7"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "--redis-routing"));
}

static void
streams_have_a_mode(void **state)
{
	struct settings *s = *state;

	assert_int_equal(set(s, "redis", "redis://h"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-stream-count", "4"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "only --redis-mode streams"));
	assert_int_equal(set(s, "redis-mode", "streams"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis", "redis+cluster://h"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis", "redis+sentinel://h/mymaster"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_true(set(s, "redis-stream-count", "65") < 0);
	assert_true(set(s, "redis-stream-max-len", "99") < 0);
}

static int
check_needs(struct settings *s, const char *given)
{
	return options_check_needs(s->tables, TABLES, s->tables, TABLES, given, s->error);
}

static void
an_option_without_an_effect_is_a_mistake(void **state)
{
	static const struct {
		const char *name, *value, *need, *need_value, *error;
	} cases[] = {
		{"backend-secret-file", "f", "backend", "unix:///b",
			"option --backend-secret-file: has no effect without --backend or --exec"},
		{"cookie-path", "/x", "cookie", "io", "option --cookie-path: has no effect without --cookie"},
		{"cors-credentials", "true", "cors-origin", "*",
			"option --cors-credentials: has no effect without --cors-origin"},
		{"http-compression-threshold", "9", "http-compression", "true",
			"option --http-compression-threshold: has no effect without --http-compression"},
		{"redis-secret", "s", "redis", "redis://h", "option --redis-secret: has no effect without --redis"},
		{"api-max-body", "2k", "api-key-file", "f",
			"option --api-max-body: has no effect without --api-key or --api-key-file"},
		{"skip-middlewares", "false", "connection-state-recovery", "true",
			"option --skip-middlewares: has no effect without --connection-state-recovery"},
		{"exec-count", "2", "exec", "true", "option --exec-count: has no effect without --exec"},
	};
	struct settings *s = *state;

	assert_int_equal(check_needs(s, NULL), 0);
	assert_int_equal(set(s, "http-compression", "false"), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(set(s, cases[i].name, cases[i].value), 0);
		assert_int_equal(check_needs(s, NULL), ERROR_ARGUMENT);
		assert_string_equal(s->error, cases[i].error);
		assert_int_equal(set(s, cases[i].need, cases[i].need_value), 0);
		assert_int_equal(check_needs(s, NULL), 0);
	}
	assert_int_equal(set(s, "backend", ""), 0);
	assert_int_equal(set(s, "exec", ""), 0);
	assert_int_equal(set(s, "exec-count", "1"), 0); /* an option with its default value is allowed */
	assert_int_equal(check_needs(s, NULL), ERROR_ARGUMENT);
	assert_int_equal(check_needs(s, "exec"), 0);
}

/* A misspelled need would refuse every value of the option. */
static void
needs_name_options(void **state)
{
	struct settings *s = *state;
	unsigned rows = 0;

	for (size_t t = 0; t < TABLES; t++) {
		for (size_t i = 0; i < s->tables[t].count; i++) {
			const char *needs = s->tables[t].rows[i].needs;
			struct text rest = text_from(needs != NULL ? needs : ""), one;

			while (text_cut(&rest, '|', &one)) {
				struct option_found found;
				char name[64];

				snprintf(name, sizeof name, "%.*s", (int)one.n, one.at);
				assert_int_equal(options_find(s->tables, TABLES, name, &found, NULL), 0);
				assert_string_equal(found.row->name, name);
				rows++;
			}
		}
	}
	assert_true(rows > 60);
}

/* A namespace has up to three channels, and a room has one. */
static void
the_hub_takes_all_subscriptions_that_the_options_allow(void **state)
{
	struct settings *s = *state;
	struct option_found rooms, namespaces;

	assert_int_equal(options_find(s->tables, TABLES, "redisRoutingMax", &rooms, NULL), 0);
	assert_int_equal(options_find(s->tables, TABLES, "maxChildren", &namespaces, NULL), 0);
	assert_true(rooms.row->max + 3 * namespaces.row->max < HUB_SUBSCRIPTIONS_MAX);
}

/* Keys in Redis begin with these texts, and must not be cut. */
static void
prefixes_of_keys_are_limited(void **state)
{
	static char text[BUS_STREAM_PREFIX_MAX + 2];
	struct settings *s = *state;

	memset(text, 'k', BUS_LOG_KEY_MAX + 1);
	assert_int_equal(set(s, "redis", "redis://h"), 0);
	assert_int_equal(set(s, "redis-key", text), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-log", "true"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_string_equal(s->error, "option --redis-key: with --redis-log, at most 474 bytes");
	text[BUS_LOG_KEY_MAX] = '\0';
	assert_int_equal(set(s, "redis-key", text), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-log", "false"), 0);
	assert_int_equal(set(s, "redis-mode", "streams"), 0);
	memset(text, 'k', BUS_STREAM_PREFIX_MAX + 1);
	assert_int_equal(set(s, "redis-session-key-prefix", text), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_string_equal(s->error, "option --redis-session-key-prefix: at most 1024 bytes");
	text[BUS_STREAM_PREFIX_MAX] = '\0';
	assert_int_equal(set(s, "redis-session-key-prefix", text), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
}

static void
options_of_a_cluster_need_one(void **state)
{
	struct settings *s = *state;

	assert_int_equal(set(s, "redis", "redis://h"), 0);
	assert_int_equal(set(s, "redis-refresh", "5s"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "option --redis-refresh: has no effect without a Redis Cluster"));
	assert_int_equal(set(s, "redis", "redis+cluster://h"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-log", "true"), 0);
	assert_int_equal(set(s, "redis-key", "{}a"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "option --redis-key: with --redis-log in a Redis Cluster, braces must"));
	assert_int_equal(set(s, "redis-key", "{a}"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-log", "false"), 0);
	assert_int_equal(set(s, "redis-max-redirects", "7"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "option --redis-max-redirects: has no effect without sharded channels"));
	assert_int_equal(set(s, "redis-mode", "streams"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_int_equal(set(s, "redis-stream-sharded-pub-sub", "true"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), 0);
	assert_int_equal(set(s, "redis-subscriber", "worker"), 0);
	assert_int_equal(server_options_check(&s->server, s->error), ERROR_ARGUMENT);
	assert_non_null(strstr(s->error, "option --redis-subscriber: "));
}

static void
help_shows_every_flag_and_the_path(void **state)
{
	struct settings *s = *state;
	struct buffer out;

	buffer_init(&out, 1 << 20);
	options_help(s->tables, TABLES, &out);
	assert_int_equal(buffer_error(&out), 0);
	assert_true(text_has(buffer_text(&out), TEXT("--app FILE")));
	assert_true(text_has(buffer_text(&out), TEXT("--tls-cert FILE")));
	assert_true(text_has(buffer_text(&out), TEXT("--connect-timeout MS")));
	assert_true(text_has(buffer_text(&out), TEXT("/socket.io")));
	assert_false(text_has(buffer_text(&out), TEXT("/engine.io")));
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(path_under_socketio, setup, teardown),
		cmocka_unit_test_setup_teardown(log_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_unique_and_explained, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_beat_the_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(checks_across_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(routing_is_for_the_classic_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(streams_have_a_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(an_option_without_an_effect_is_a_mistake, setup, teardown),
		cmocka_unit_test_setup_teardown(needs_name_options, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_hub_takes_all_subscriptions_that_the_options_allow, setup, teardown),
		cmocka_unit_test_setup_teardown(prefixes_of_keys_are_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(options_of_a_cluster_need_one, setup, teardown),
		cmocka_unit_test_setup_teardown(help_shows_every_flag_and_the_path, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
