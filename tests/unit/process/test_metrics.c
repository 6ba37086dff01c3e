/* The metrics text of small pages, line by line: Prometheus reads what the pages contain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/process/metrics.h"
#include "node/process/metrics_node.h"
#include "node/socketio/sio_tables.h"

#define NOW 20000
#define WORKERS 3

static struct stats_page pages[WORKERS];
static struct stats snapshot[WORKERS];
static struct stats stats;
static struct buffer out;

static int
setup(void **state)
{
	(void)state;
	memset(pages, 0, sizeof pages);
	stats = (struct stats){.pid = (uint64_t)getpid(), .state = STATS_ACCEPTING, .beat_ms = NOW - 250};
	buffer_init(&out, 1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buffer_fini(&out);
	return 0;
}

static const struct exec_stats no_programs = {.count = 0};
static const struct hub_stats no_hub = {.clients = 0};
static const struct hub_life new_hub = {.restarts = 0};

static struct sio_recovery_stats kept;
static const struct history_table history;

static const char *
write_text(void)
{
	buffer_reset(&out);
	metrics_write(&out, pages, snapshot, WORKERS, NOW);
	metrics_write_exec(&out, &no_programs);
	metrics_write_hub_life(&out, &new_hub);
	metrics_write_hub(&out, &no_hub);
	metrics_write_history(&out, &history);
	metrics_write_keeper(&out, &kept);
	buffer_add_byte(&out, '\0');
	assert_int_equal(buffer_error(&out), 0);
	return (const char *)buffer_text(&out).at;
}

/* Expects exactly these lines, head and samples, for one metric. */
static void
expect(const char *name, const char *lines)
{
	const char *text = write_text(), *from, *to;
	char head[128];

	snprintf(head, sizeof head, "# HELP %s ", name);
	from = strstr(text, head);
	assert_non_null(from);
	to = strstr(from + 1, "# HELP ");
	if (to == NULL)
		to = from + strlen(from);
	if ((size_t)(to - from) != strlen(lines) || memcmp(from, lines, strlen(lines)) != 0)
		fail_msg("%.*s\nis not\n%s", (int)(to - from), from, lines);
}

/* Expects one line for each reason of the table. */
static void
expect_ended(void)
{
	char lines[8192] = "# HELP sockeye_sessions_ended_total Engine.IO sessions that ended\n"
			   "# TYPE sockeye_sessions_ended_total counter\n";

	for (unsigned i = 0; i < EIO_CAUSE_COUNT; i++) {
		size_t n = strlen(lines);

		snprintf(lines + n, sizeof lines - n,
			"sockeye_sessions_ended_total{worker=\"1\",reason=\"%s\",cause=\"%s\"} %d\n",
			eio_close_reason_text(eio_cause_reason((enum eio_cause)i)), eio_cause_text((enum eio_cause)i),
			i == EIO_CAUSE_NO_PONG	   ? 6
			: i == EIO_CAUSE_TOO_LARGE ? 2
						   : 0);
	}
	expect("sockeye_sessions_ended_total", lines);
}

static void
test_exact(void **state)
{
	(void)state;
	stats.started_ms = 1700000000042;
	stats.connections = 5;
	stats.queued = 100;
	stats.engine.queued = 23;
	stats.engine.sessions = 3;
	stats.engine.websockets = 2;
	stats.counters[COUNT_PACKETS_IN] = UINT64_MAX;
	stats.engine.ended[EIO_CAUSE_NO_PONG] = 6;
	stats.engine.ended[EIO_CAUSE_TOO_LARGE] = 2;
	stats.broker.bus.lag_us = 1000250;
	durations_add(&stats.turns, 80);
	durations_add(&stats.turns, 700000);
	durations_add(&stats.turns, 6000000);
	stats_write(&pages[1], &stats);
	expect("sockeye_ready", "# HELP sockeye_ready 1 while the worker accepts connections and does not hang\n"
				"# TYPE sockeye_ready gauge\n"
				"sockeye_ready{worker=\"1\"} 1\n");
	expect("sockeye_heartbeat_age_seconds", "# HELP sockeye_heartbeat_age_seconds time since the worker last "
						"wrote its numbers, which it does twice a second unless it hangs\n"
						"# TYPE sockeye_heartbeat_age_seconds gauge\n"
						"sockeye_heartbeat_age_seconds{worker=\"1\"} 0.250\n");
	expect("sockeye_start_time_seconds",
		"# HELP sockeye_start_time_seconds start time of the worker, in seconds since the epoch\n"
		"# TYPE sockeye_start_time_seconds gauge\n"
		"sockeye_start_time_seconds{worker=\"1\"} 1700000000.042\n");
	expect("sockeye_clients", "# HELP sockeye_clients connected clients\n"
				  "# TYPE sockeye_clients gauge\n"
				  "sockeye_clients{worker=\"1\",transport=\"polling\"} 1\n"
				  "sockeye_clients{worker=\"1\",transport=\"websocket\"} 2\n");
	expect("sockeye_queue_bytes", "# HELP sockeye_queue_bytes bytes queued for clients\n"
				      "# TYPE sockeye_queue_bytes gauge\n"
				      "sockeye_queue_bytes{worker=\"1\"} 123\n");
	expect_ended();
	expect("sockeye_bus_lag_seconds", "# HELP sockeye_bus_lag_seconds time that the last message from the worker "
					  "to itself took through the bus\n"
					  "# TYPE sockeye_bus_lag_seconds gauge\n"
					  "sockeye_bus_lag_seconds{worker=\"1\"} 1.000250\n");
	expect("sockeye_loop_turn_seconds", "# HELP sockeye_loop_turn_seconds time that one turn of the event loop "
					    "took, with the writes at its end: the lag that "
					    "other clients may have noticed\n"
					    "# TYPE sockeye_loop_turn_seconds histogram\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.0001\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.0005\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.001\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.005\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.01\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.05\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.1\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"0.5\"} 1\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"1\"} 2\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"5\"} 2\n"
					    "sockeye_loop_turn_seconds_bucket{worker=\"1\",le=\"+Inf\"} 3\n"
					    "sockeye_loop_turn_seconds_sum{worker=\"1\"} 6.700080\n"
					    "sockeye_loop_turn_seconds_count{worker=\"1\"} 3\n");
	expect("sockeye_packets_received_total",
		"# HELP sockeye_packets_received_total Socket.IO packets received\n"
		"# TYPE sockeye_packets_received_total counter\n"
		"sockeye_packets_received_total{worker=\"1\"} 18446744073709551615\n");
}

static void
test_refused(void **state)
{
	(void)state;
	stats.engine.refused[EIO_CONTEXT_SID] = 4;
	stats.engine.refused[EIO_CONTEXT_FORBIDDEN] = 2;
	stats_write(&pages[0], &stats);
	expect("sockeye_requests_refused_total",
		"# HELP sockeye_requests_refused_total Engine.IO requests answered with an error code\n"
		"# TYPE sockeye_requests_refused_total counter\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"MIDDLEWARE_FAILURE\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"0\",cause=\"UNKNOWN_TRANSPORT\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"INVALID_ORIGIN\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"1\",cause=\"UNKNOWN_SID\"} 4\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"TRANSPORT_MISMATCH\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"PROTOCOL_MISMATCH\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"2\",cause=\"BAD_HANDSHAKE_METHOD\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"TRANSPORT_HANDSHAKE_ERROR\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"ID_GENERATION_ERROR\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"4\",cause=\"FOREIGN_ORIGIN\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"JSONP\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"4\",cause=\"FORBIDDEN\"} 2\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"5\",cause=\"UNSUPPORTED_PROTOCOL_VERSION\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"SERVER_CLOSED\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"TOO_MANY_SESSIONS\"} 0\n"
		"sockeye_requests_refused_total{worker=\"0\",code=\"3\",cause=\"NO_MEMORY\"} 0\n");
}

/* Clients may choose names of namespaces. */
static void
test_escapes(void **state)
{
	(void)state;
	stats_add_namespace(&stats, TEXT("/"), 1);
	stats_add_namespace(&stats, TEXT("/a\"} 1\nb\\n\xc3\xa9\t"), 2);
	stats.other_sockets = 3;
	stats_write(&pages[0], &stats);
	expect("sockeye_sockets", "# HELP sockeye_sockets sockets in a namespace; `other` sums up the namespaces "
				  "beyond 64 and those with long names\n"
				  "# TYPE sockeye_sockets gauge\n"
				  "sockeye_sockets{worker=\"0\",namespace=\"/\"} 1\n"
				  "sockeye_sockets{worker=\"0\",namespace=\"/a\\\"} 1\\nb\\\\n\xc3\xa9\t\"} 2\n"
				  "sockeye_sockets{worker=\"0\",namespace=\"other\"} 3\n");
}

/* A page with a wrong list length is not read beyond its list. */
static void
test_count_bounded(void **state)
{
	(void)state;
	stats.namespace_count = UINT64_MAX;
	stats_write(&pages[0], &stats);
	assert_non_null(strstr(write_text(), "namespace=\"other\"} 0\n"));
}

/* One head for all workers. A hung worker is not ready. A starting or dead one is not counted. */
static void
test_workers(void **state)
{
	(void)state;
	stats_write(&pages[0], &stats);
	stats.beat_ms = NOW - STATS_HUNG_MS;
	stats_write(&pages[1], &stats);
	stats.state = STATS_DRAINING;
	stats.beat_ms = NOW + 1; /* after the reader has read its clock */
	stats_write(&pages[2], &stats);
	expect("sockeye_ready", "# HELP sockeye_ready 1 while the worker accepts connections and does not hang\n"
				"# TYPE sockeye_ready gauge\n"
				"sockeye_ready{worker=\"0\"} 1\n"
				"sockeye_ready{worker=\"1\"} 0\n"
				"sockeye_ready{worker=\"2\"} 0\n");
	expect("sockeye_heartbeat_age_seconds", "# HELP sockeye_heartbeat_age_seconds time since the worker last "
						"wrote its numbers, which it does twice a second unless it hangs\n"
						"# TYPE sockeye_heartbeat_age_seconds gauge\n"
						"sockeye_heartbeat_age_seconds{worker=\"0\"} 0.250\n"
						"sockeye_heartbeat_age_seconds{worker=\"1\"} 10.000\n"
						"sockeye_heartbeat_age_seconds{worker=\"2\"} 0.000\n");
	stats_clear(&pages[0]);
	atomic_fetch_add(&pages[1].sequence, 1); /* died while writing */
	assert_null(strstr(write_text(), "worker=\"0\""));
	assert_null(strstr(write_text(), "worker=\"1\""));
	assert_non_null(strstr(write_text(), "sockeye_ready{worker=\"2\"} 0\n"));
}

static void
test_bus(void **state)
{
	static const char head[] = "# HELP sockeye_bus_up 1 while other nodes can be reached; always 1 with form "
				   "alone, which has no other nodes\n# TYPE sockeye_bus_up gauge\n";
	char lines[512];

	(void)state;
	stats_write(&pages[0], &stats); /* the worker is starting and has no value yet */
	expect("sockeye_bus_up", head);
	stats.has_broker = true;
	stats_write(&pages[0], &stats);
	stats.broker.form = BUS_FORM_REDIS;
	stats_write(&pages[1], &stats);
	stats.broker.form = BUS_FORM_HUB;
	stats.broker.bus.up = true;
	stats_write(&pages[2], &stats);
	snprintf(lines, sizeof lines, "%s%s", head,
		"sockeye_bus_up{worker=\"0\",form=\"alone\"} 1\n"
		"sockeye_bus_up{worker=\"1\",form=\"redis\"} 0\n"
		"sockeye_bus_up{worker=\"2\",form=\"hub\"} 1\n");
	expect("sockeye_bus_up", lines);
}

static double
number_of(const char *sample)
{
	const char *at = strstr(write_text(), sample);
	double number;

	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(sample), " %lf\n", &number), 1);
	return number;
}

/* The lines of this process; a process that has ended has none. */
static void
test_process(void **state)
{
	double fds;
	int fd;

	(void)state;
	stats_write(&pages[0], &stats);
	stats.pid = (uint64_t)INT32_MAX + 1;
	stats_write(&pages[1], &stats);
	assert_true(number_of("process_resident_memory_bytes{worker=\"0\"}") > 500000);
	fds = number_of("process_open_fds{worker=\"0\"}");
	fd = dup(0);
	assert_true(number_of("process_open_fds{worker=\"0\"}") == fds + 1);
	close(fd);
	for (double before = number_of("process_cpu_seconds_total{worker=\"0\"}");
		number_of("process_cpu_seconds_total{worker=\"0\"}") < before + 0.02;)
		;
	assert_null(strstr(write_text(), "process_open_fds{worker=\"1\"}"));
	assert_null(strstr(write_text(), "process_cpu_seconds_total{worker=\"1\"}"));
	assert_null(strstr(write_text(), "process_resident_memory_bytes{worker=\"1\"}"));
}

/* Each metric of the text is in the table once with its type, and vice versa. */
static void
test_markdown(void **state)
{
	const char *text, *at;
	unsigned metrics = 0, rows = 0;
	struct buffer table;

	(void)state;
	buffer_init(&table, 1 << 20);
	metrics_markdown(&table);
	buffer_add_byte(&table, '\0');
	assert_int_equal(buffer_error(&table), 0);
	text = write_text();
	for (at = text; (at = strstr(at, "# TYPE ")) != NULL; at++, metrics++) {
		char name[96], type[16], row[160], again[128];

		assert_int_equal(sscanf(at, "# TYPE %95s %15s\n", name, type), 2);
		snprintf(row, sizeof row, "\n| `%s` | %s | %s", name, type,
			strcmp(name, "sockeye_build_info") == 0	  ? "version"
			: strncmp(name, "sockeye_exec_", 13) == 0 ? "number"
			: strncmp(name, "sockeye_hub_", 12) == 0  ? "|"
								  : "worker");
		assert_non_null(strstr((const char *)buffer_text(&table).at, row));
		snprintf(again, sizeof again, "# TYPE %s ", name);
		assert_null(strstr(at + 1, again));
		assert_int_equal(strcmp(type, "counter") == 0, strcmp(name + strlen(name) - 6, "_total") == 0);
	}
	for (at = (const char *)buffer_text(&table).at; (at = strchr(at, '\n')) != NULL; at++)
		rows++;
	assert_int_equal(rows, metrics + 2); /* the head of the table has two rows */
	buffer_fini(&table);
}

static void
the_hub_shows_what_it_keeps(void **state)
{
	(void)state;
	kept = (struct sio_recovery_stats){.sessions = 3, .age_ms = 1500, .displaced = 2};
	expect("sockeye_hub_recovery_sessions",
		"# HELP sockeye_hub_recovery_sessions lost clients of all workers that may come back and continue\n"
		"# TYPE sockeye_hub_recovery_sessions gauge\n"
		"sockeye_hub_recovery_sessions 3\n");
	expect("sockeye_hub_recovery_age_seconds", "# HELP sockeye_hub_recovery_age_seconds age of the oldest event "
						   "that the hub keeps for lost clients\n"
						   "# TYPE sockeye_hub_recovery_age_seconds gauge\n"
						   "sockeye_hub_recovery_age_seconds 1.500\n");
}

static void
programs_have_their_numbers(void **state)
{
	struct exec_stats exec = {.count = 2};

	(void)state;
	exec.of[0].ready = 1;
	exec.of[0].running = 2;
	exec.of[1].restarts = 7;
	metrics_write_exec(&out, &exec);
	buffer_add_byte(&out, '\0');
	assert_string_equal(buffer_text(&out).at,
		"# HELP sockeye_exec_ready 1 while the program with this number is ready\n"
		"# TYPE sockeye_exec_ready gauge\n"
		"sockeye_exec_ready{number=\"0\"} 1\n"
		"sockeye_exec_ready{number=\"1\"} 0\n"
		"# HELP sockeye_exec_running running programs with this number: two during a deploy, more while old "
		"ones are slow to end\n"
		"# TYPE sockeye_exec_running gauge\n"
		"sockeye_exec_running{number=\"0\"} 2\n"
		"sockeye_exec_running{number=\"1\"} 0\n"
		"# HELP sockeye_exec_restarts_total restarts of programs that ended unexpectedly\n"
		"# TYPE sockeye_exec_restarts_total counter\n"
		"sockeye_exec_restarts_total{number=\"0\"} 0\n"
		"sockeye_exec_restarts_total{number=\"1\"} 7\n");
}

static void
restarts_of_the_hub_are_counted(void **state)
{
	struct hub_life life = {.restarts = 3, .kills = 2};

	(void)state;
	metrics_write_hub_life(&out, &life);
	buffer_add_byte(&out, '\0');
	assert_string_equal(buffer_text(&out).at,
		"# HELP sockeye_hub_restarts_total restarts of the hub after an unexpected end\n"
		"# TYPE sockeye_hub_restarts_total counter\n"
		"sockeye_hub_restarts_total 3\n"
		"# HELP sockeye_hub_kills_total times that the master ended the hub because its event loop did not "
		"turn\n"
		"# TYPE sockeye_hub_kills_total counter\n"
		"sockeye_hub_kills_total 2\n");
}

static const char *
hub_line(const struct hub_stats *hub, const char *line)
{
	buffer_reset(&out);
	buffer_add_byte(&out, '\n');
	metrics_write_hub(&out, hub);
	buffer_add_byte(&out, '\0');
	return strstr(buffer_text(&out).at, line);
}

static void
the_hub_has_its_connection_to_redis(void **state)
{
	struct hub_stats hub = {.clients = 4, .subscriptions = 70, .topics = 30, .counting = 3, .deliveries = 1000};

	(void)state;
	hub.bus = (struct bus_stats){.up = true, .received = 400, .bytes_received = 1 << 20, .lag_us = 1002003};
	assert_non_null(hub_line(&hub, "\nsockeye_hub_up 1\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_lag_seconds 1.002003\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_workers 4\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_subscriptions 30\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_worker_subscriptions 70\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_counting_connections 3\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_received_total 400\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_received_bytes_total 1048576\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_delivered_total 1000\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_downs_total 0\n"));
	hub.bus.up = false;
	hub.bus.downs = 2;
	assert_non_null(hub_line(&hub, "\nsockeye_hub_up 0\n"));
	assert_non_null(hub_line(&hub, "\nsockeye_hub_downs_total 2\n"));
}

static void
the_build_is_named_once(void **state)
{
	(void)state;
	expect("sockeye_build_info", "# HELP sockeye_build_info always 1; its labels say what runs\n"
				     "# TYPE sockeye_build_info gauge\n"
				     "sockeye_build_info{version=\"" SOCKEYE_VERSION "\"} 1\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_count_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process, setup, teardown),
		cmocka_unit_test_setup_teardown(the_hub_has_its_connection_to_redis, setup, teardown),
		cmocka_unit_test_setup_teardown(test_markdown, setup, teardown),
		cmocka_unit_test_setup_teardown(the_build_is_named_once, setup, teardown),
		cmocka_unit_test_setup_teardown(programs_have_their_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(the_hub_shows_what_it_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(restarts_of_the_hub_are_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
