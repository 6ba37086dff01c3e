#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "tests/load/report.h"

static const char *const urls[] = {"http://127.0.0.1:3000/chat", "https://[::1]:3001"};
static const pid_t pids[] = {1234, 5678};
static const double tester_cpu[] = {97.04, 12};

struct settings {
	uint64_t clients, duration, size, rate;
	bool binary;
	int transport;
	char *auth, *list, *none;
};

static const struct option_row rows[] = {
	{.name = "clients", .type = OPTION_NUMBER, .offset = offsetof(struct settings, clients)},
	{.name = "transport",
		.type = OPTION_CHOICE,
		.offset = offsetof(struct settings, transport),
		.choices = "websocket|polling|upgrade"},
	{.name = "size", .type = OPTION_BYTES, .offset = offsetof(struct settings, size)},
	{.name = "binary", .type = OPTION_FLAG, .offset = offsetof(struct settings, binary)},
	{.name = "duration", .type = OPTION_MS, .offset = offsetof(struct settings, duration)},
	{.name = "rateMs", .type = OPTION_MS, .offset = offsetof(struct settings, rate)},
	{.name = "auth", .type = OPTION_TEXT, .offset = offsetof(struct settings, auth)},
	{.name = "list", .type = OPTION_LIST, .offset = offsetof(struct settings, list)},
	{.name = "none", .type = OPTION_TEXT, .offset = offsetof(struct settings, none)},
};
static struct settings settings = {.clients = UINT64_MAX,
	.duration = 10000,
	.size = 64,
	.rate = 5,
	.transport = 1,
	.auth = "{\"token\":\"a\nb\"}",
	.list = "a,b"};
static const struct option_table table = {.rows = rows, .count = sizeof rows / sizeof *rows, .into = &settings};

struct fixture {
	struct report r;
	struct buffer out;
	struct series_second *series;
};

static struct histogram *
times(unsigned n, uint64_t step)
{
	struct histogram *h = mem_alloc(sizeof *h);

	histogram_init(h);
	for (unsigned i = 1; i <= n; i++)
		histogram_record(h, i * step);
	return h;
}

static int
setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof *f);

	f->series = mem_zalloc(2 * sizeof *f->series);
	f->series[0] = (struct series_second){.messages = 600, .deliveries = 1200, .joined = 99};
	series_record(&f->series[0], 2000000);
	f->series[1] = (struct series_second){.messages = 400, .deliveries = 800, .joined = 100};
	f->r = (struct report){.scenario = "echo",
		.urls = urls,
		.url_count = 2,
		.options = &table,
		.seconds = 2.5,
		.wanted = 120,
		.opened = 110,
		.joined = 100,
		.left = 7,
		.reconnected = 3,
		.connects = 2431.4321,
		.sent = 1234567,
		.received = 2000000,
		.lost = 1,
		.missed = 2,
		.duplicated = 3,
		.reordered = 4,
		.unanswered = 5,
		.bytes_received = 26214400,
		.errors = {[LOAD_ERROR_REFUSED] = 12, [LOAD_ERROR_PING] = 1},
		.first_error = "connect: \x1b[31mConnection\xc2\x9b refused\n",
		.latency = times(1000, 1000),
		.connect_time = times(100, 1000000),
		.series = f->series,
		.series_count = 2,
		.has_server = true,
		.has_memory = true,
		.server_processes = 3,
		.server_pids = pids,
		.server_pid_count = 2,
		.server_user = 1.5,
		.server_system = 0.5,
		.memory_before = 10u << 20,
		.memory = (10u << 20) + 131250,
		.memory_after = (10u << 20) - (1u << 20),
		.has_memory_after = true,
		.socket_bytes = 2097152,
		.tester_cpu = tester_cpu,
		.tester_count = 2,
		.bottleneck = "one of its processes used 97 % of a core; give it --processes 2"};
	buffer_init(&f->out, 1 << 20);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	mem_free(f->r.latency);
	mem_free(f->r.connect_time);
	mem_free(f->r.away_time);
	mem_free(f->series);
	buffer_fini(&f->out);
	mem_free(f);
	return 0;
}

static double
value_of(const struct report *r, enum criterion_what what, double percent)
{
	double value = -1;

	assert_int_equal(report_value(r, what, percent, &value), 0);
	return value;
}

static void
test_every_value(void **state)
{
	struct fixture *f = *state;
	const struct report *r = &f->r;

	assert_true(report_message_rate(r) == 1234567 / 2.5);
	assert_true(report_delivery_rate(r) == 800000);
	assert_int_equal(report_errors(r), 13);
	assert_true(fabs(value_of(r, CRITERION_LATENCY, 50) - 500000) <= 500);
	assert_true(fabs(value_of(r, CRITERION_LATENCY, 99.9) - 999000) <= 999);
	assert_true(value_of(r, CRITERION_LATENCY_MEAN, 0) == 500500);
	assert_true(value_of(r, CRITERION_LATENCY_MIN, 0) == 1000);
	assert_true(value_of(r, CRITERION_LATENCY_MAX, 0) == 1000000);
	assert_true(fabs(value_of(r, CRITERION_CONNECT, 90) - 90000000) <= 90000);
	assert_true(value_of(r, CRITERION_CONNECT_MAX, 0) == 100000000);
	assert_true(value_of(r, CRITERION_LOST, 0) == 1);
	assert_true(value_of(r, CRITERION_MISSED, 0) == 2);
	assert_true(value_of(r, CRITERION_DUPLICATED, 0) == 3);
	assert_true(value_of(r, CRITERION_REORDERED, 0) == 4);
	assert_true(value_of(r, CRITERION_UNANSWERED, 0) == 5);
	assert_true(value_of(r, CRITERION_ERRORS, 0) == 13);
	assert_true(value_of(r, CRITERION_SENT, 0) == 1234567);
	assert_true(value_of(r, CRITERION_RECEIVED, 0) == 2000000);
	assert_true(value_of(r, CRITERION_JOINED, 0) == 100);
	assert_true(value_of(r, CRITERION_LEFT, 0) == 7);
	assert_true(value_of(r, CRITERION_MESSAGES, 0) == 1234567 / 2.5);
	assert_true(value_of(r, CRITERION_DELIVERIES, 0) == 800000);
	assert_true(value_of(r, CRITERION_CONNECTS, 0) == 2431.4321);
	assert_true(value_of(r, CRITERION_MEMORY, 0) == 1312.5);
	assert_true(value_of(r, CRITERION_SOCKET_MEMORY, 0) == 20971.52);
	assert_true(value_of(r, CRITERION_MEMORY_AFTER, 0) == -1048576);
	assert_true(value_of(r, CRITERION_CPU, 0) == 80);
	assert_true(value_of(r, CRITERION_CPU_PER_MESSAGE, 0) == 2e9 / 1234567);
	assert_true(value_of(r, CRITERION_CPU_PER_DELIVERY, 0) == 1000);
}

static void
no_value(const struct report *r, enum criterion_what what)
{
	double value;

	assert_int_equal(report_value(r, what, 50, &value), ERROR_NOT_FOUND);
}

static void
test_unmeasured_values_are_absent(void **state)
{
	struct fixture *f = *state;
	struct report r = f->r;

	r.latency = NULL;
	histogram_init(r.connect_time);
	no_value(&r, CRITERION_LATENCY);
	no_value(&r, CRITERION_LATENCY_MEAN);
	no_value(&r, CRITERION_LATENCY_MIN);
	no_value(&r, CRITERION_LATENCY_MAX);
	no_value(&r, CRITERION_CONNECT);
	no_value(&r, CRITERION_CONNECT_MAX);
	r.has_memory_after = false;
	no_value(&r, CRITERION_MEMORY_AFTER);
	assert_true(value_of(&r, CRITERION_MEMORY, 0) == 1312.5);
	r.has_memory = false;
	r.has_memory_after = true;
	no_value(&r, CRITERION_MEMORY);
	no_value(&r, CRITERION_MEMORY_AFTER);
	assert_true(value_of(&r, CRITERION_CPU, 0) == 80);
	r.sent = r.received = 0;
	no_value(&r, CRITERION_CPU_PER_MESSAGE);
	no_value(&r, CRITERION_CPU_PER_DELIVERY);
	r.has_memory = true;
	r.joined = 0;
	no_value(&r, CRITERION_MEMORY);
	no_value(&r, CRITERION_SOCKET_MEMORY);
	r.seconds = 0;
	no_value(&r, CRITERION_MESSAGES);
	no_value(&r, CRITERION_DELIVERIES);
	no_value(&r, CRITERION_CPU);
	assert_true(report_message_rate(&r) == 0);
	r = f->r;
	r.has_server = false;
	no_value(&r, CRITERION_MEMORY);
	no_value(&r, CRITERION_MEMORY_AFTER);
	no_value(&r, CRITERION_CPU);
	no_value(&r, CRITERION_CPU_PER_MESSAGE);
	no_value(&r, CRITERION_CPU_PER_DELIVERY);
}

static void
test_criteria_are_judged(void **state)
{
	struct fixture *f = *state;
	struct criterion c[CRITERIA_MAX];
	char error[CRITERIA_ERROR_MAX];

	assert_int_equal(criteria_parse("max<=1ms,lost=1,connect-p50<51ms,cpu-per-delivery<=1us", c, error), 4);
	assert_true(report_judge(&f->r, c, 4));
	for (unsigned i = 0; i < 4; i++)
		assert_true(c[i].has_value && c[i].holds);
	assert_true(c[0].value == 1e6);

	assert_int_equal(criteria_parse("max<1ms,lost=1", c, error), 2);
	assert_false(report_judge(&f->r, c, 2));
	assert_true(c[0].has_value);
	assert_false(c[0].holds);
	assert_true(c[1].holds);

	/* nothing was measured, so the report omits it */
	f->r.has_server = false;
	assert_int_equal(criteria_parse("lost=1,cpu<1000", c, error), 2);
	assert_false(report_judge(&f->r, c, 2));
	assert_false(c[1].has_value);
	assert_false(c[1].holds);
	assert_true(report_judge(&f->r, c, 0));
}

static const char *
text(struct fixture *f)
{
	buffer_reset(&f->out);
	report_text(&f->r, &f->out);
	buffer_add_byte(&f->out, '\0');
	assert_int_equal(buffer_error(&f->out), 0);
	return (const char *)f->out.data;
}

/* cmocka cuts long texts, so this shows where they differ */
static void
assert_text(const char *got, const char *want)
{
	size_t same = 0;

	while (got[same] && got[same] == want[same])
		same++;
	if (got[same] != want[same])
		fail_msg("is \"%.70s\", not \"%.70s\"", got + same, want + same);
}

static void
test_the_text_of_everything(void **state)
{
	struct fixture *f = *state;
	struct criterion c[CRITERIA_MAX];
	char error[CRITERIA_ERROR_MAX];

	f->r.criterion_count =
		(unsigned)criteria_parse("p50<10ms, lost = 0,messages>100k,memory<=1.5k,cpu<50,mean>1s", c, error);
	report_judge(&f->r, c, f->r.criterion_count);
	c[5].has_value = false;
	f->r.criteria = c;
	assert_text(text(f),
		"echo: 2.5 s measured, http://127.0.0.1:3000/chat, https://[::1]:3001\n"
		"\n"
		"clients     100 of 120 joined, 110 connections opened, 7 left, 3 reconnected; 2,431 joined per "
		"second\n"
		"sent              1,234,567         493,827 per second\n"
		"received          2,000,000         800,000 per second, 10.0 MiB/s\n"
		"lost                      1\n"
		"missed                    2   while their client was away\n"
		"duplicated                3\n"
		"reordered                 4\n"
		"unanswered                5   not answered in time, or no sender was connected\n"
		"\n"
		"times in ms         latency        connect\n"
		"  count               1,000            100\n"
		"  min                 0.001          1.000\n"
		"  mean                0.500         50.500\n"
		"  p50                 0.500         50.004\n"
		"  p90                 0.900         90.046\n"
		"  p99                 0.990         99.025\n"
		"  p99.9               0.999        100.000\n"
		"  p99.99              1.000        100.000\n"
		"  max                 1.000        100.000\n"
		"\n"
		"errors                   13\n"
		"  refused                12   nobody listens\n"
		"  ping                    1   no ping in time\n"
		"  the first: connect: ?[31mConnection? refused?\n"
		"\n"
		"server      3 processes, pid 1234, 5678 and descendants\n"
		"  CPU       80.0 % of a core: 1.50 s user, 0.50 s system\n"
		"            1.6 us per message sent, 1.0 us per message received\n"
		"  memory    10.1 MiB with all clients, 10.0 MiB before: 1,312 bytes per client\n"
		"            9.0 MiB after all had left (-1.0 MiB)\n"
		"kernel      2.0 MiB for this machine's sockets: 20,972 bytes per client\n"
		"tester      CPU 97 %, 12 %\n"
		"\n"
		"The tester, not the server, set the limit here: one of its processes used 97 % of a core; give it "
		"--processes 2\n"
		"\n"
		"assertions\n"
		"  p50<10ms            500.2 us   holds\n"
		"  lost = 0                   1   does not hold\n"
		"  messages>100k      493,826.8   holds\n"
		"  memory<=1.5k     1,312 bytes   holds\n"
		"  cpu<50                80.0 %   does not hold\n"
		"  mean>1s         not measured   does not hold\n");
}

static void
test_the_text_has_only_what_applies(void **state)
{
	struct fixture *f = *state;

	mem_free(f->r.latency);
	mem_free(f->r.connect_time);
	f->r = (struct report){
		.scenario = "idle", .urls = urls, .url_count = 1, .seconds = 60, .wanted = 5000, .joined = 5000};
	f->r.opened = 5000;
	assert_text(text(f), "idle: 60.0 s measured, http://127.0.0.1:3000/chat\n"
			     "\n"
			     "clients     5,000 of 5,000 joined\n");
	f->r.has_server = true;
	f->r.server_pids = pids;
	f->r.server_processes = f->r.server_pid_count = 1;
	assert_non_null(strstr(text(f), "server      1 process, pid 1234\n"));
	assert_non_null(strstr(text(f), "  memory    cannot be read; run as the server's user or as root\n"));
	f->r.connect_time = times(3, 1);
	assert_non_null(strstr(text(f), "times in ms         connect\n  count                   3\n"));
	f->r.latency = NULL;
}

/* Huge numbers neither overflow their texts nor break the lines. */
static void
test_the_text_of_the_largest_numbers(void **state)
{
	struct fixture *f = *state;

	f->r.sent = f->r.received = f->r.wanted = f->r.lost = f->r.memory = UINT64_MAX;
	f->r.seconds = 1e-9;
	f->r.connects = INFINITY;
	f->r.server_user = 1e300;
	assert_non_null(strstr(text(f), "sent                      ?               ? per second\n"));
	assert_non_null(strstr(text(f), "; ? joined per second"));
	f->r.sent = 1000000000000000;
	assert_non_null(strstr(text(f), "sent        1,000,000,000,000,000"));
}

static struct text
json(struct fixture *f)
{
	struct text whole;

	buffer_reset(&f->out);
	report_json(&f->r, &f->out);
	assert_int_equal(buffer_error(&f->out), 0);
	whole = buffer_text(&f->out);
	assert_int_equal(json_check(whole, 8), 0);
	return whole;
}

/* The raw JSON of a member. `keys` lists the expected keys in order, separated by blanks. */
static void
assert_keys(struct text object, const char *keys)
{
	struct text want = text_from(keys), name, key, value;

	assert_int_equal(json_type(object), JSON_OBJECT);
	while (json_object_next(&object, &key, &value)) {
		assert_true(text_cut(&want, ' ', &name));
		if (!json_string_is(key, name))
			fail_msg("%.*s, not %.*s", (int)key.n, key.at, (int)name.n, name.at);
	}
	assert_int_equal(want.n, 0);
}

static struct text
member(struct text object, const char *key)
{
	struct text value = json_object_get(object, text_from(key));

	if (!value.at)
		fail_msg("no %s", key);
	return value;
}

static void
assert_raw(struct text value, const char *raw)
{
	if (!text_is(value, text_from(raw)))
		fail_msg("%.*s, not %s", (int)value.n, value.at, raw);
}

#define LATENCY_KEYS "count min mean p50 p90 p99 p99.9 p99.99 max"
#define SERVER_KEYS                                                                                                  \
	"pids processes userSeconds systemSeconds cpuPercent cpuMicrosecondsPerMessage cpuMicrosecondsPerDelivery "  \
	"memoryBefore memory memoryPerClient memoryAfter"

static void
test_the_json_of_everything(void **state)
{
	struct fixture *f = *state;
	struct criterion c[CRITERIA_MAX];
	char error[CRITERIA_ERROR_MAX];
	struct text whole, rest, element;

	f->r.criterion_count = (unsigned)criteria_parse("max<0.5ms,memory<2k,cpu<1%", c, error);
	report_judge(&f->r, c, f->r.criterion_count);
	c[2].has_value = false;
	f->r.criteria = c;
	whole = json(f);
	assert_keys(whole, "tool version scenario urls options seconds clients rates latency connectTime messages "
			   "errors server kernel tester series assert");
	assert_raw(member(whole, "tool"), "\"sockeye-load\"");
	assert_raw(member(whole, "version"), "\"" SOCKEYE_VERSION "\"");
	assert_raw(member(whole, "scenario"), "\"echo\"");
	assert_raw(member(whole, "urls"), "[\"http://127.0.0.1:3000/chat\",\"https://[::1]:3001\"]");
	assert_raw(member(whole, "options"),
		"{\"clients\":18446744073709551615,\"transport\":\"polling\",\"size\":64,\"binary\":false,"
		"\"durationMs\":10000,\"rateMs\":5,\"auth\":\"{\\\"token\\\":\\\"a\\nb\\\"}\",\"list\":\"a,b\","
		"\"none\":null}");
	assert_raw(member(whole, "seconds"), "2.5");
	assert_raw(member(whole, "clients"),
		"{\"wanted\":120,\"opened\":110,\"joined\":100,\"left\":7,\"reconnected\":3}");
	assert_raw(member(whole, "rates"), "{\"connects\":2431.432,\"messages\":493826.8,\"deliveries\":800000}");
	assert_keys(member(whole, "latency"), LATENCY_KEYS);
	assert_raw(member(member(whole, "latency"), "count"), "1000");
	assert_raw(member(member(whole, "latency"), "min"), "0.001");
	assert_raw(member(member(whole, "latency"), "mean"), "0.5005");
	assert_raw(member(member(whole, "latency"), "p99.99"), "1");
	assert_raw(member(member(whole, "latency"), "max"), "1");
	assert_keys(member(whole, "connectTime"), LATENCY_KEYS);
	assert_raw(member(member(whole, "connectTime"), "max"), "100");
	assert_raw(member(whole, "messages"), "{\"sent\":1234567,\"received\":2000000,\"lost\":1,\"missed\":2,"
					      "\"duplicated\":3,\"reordered\":4,\"unanswered\":5}");
	assert_raw(member(whole, "errors"), "{\"refused\":12,\"ping\":1}");
	assert_keys(member(whole, "server"), SERVER_KEYS);
	assert_raw(member(whole, "server"),
		"{\"pids\":[1234,5678],\"processes\":3,\"userSeconds\":1.5,\"systemSeconds\":0.5,\"cpuPercent\":80,"
		"\"cpuMicrosecondsPerMessage\":1.62,\"cpuMicrosecondsPerDelivery\":1,\"memoryBefore\":10485760,"
		"\"memory\":10617010,\"memoryPerClient\":1312.5,\"memoryAfter\":9437184}");
	assert_raw(member(whole, "kernel"), "{\"socketBytes\":2097152,\"socketBytesPerClient\":20971.52}");
	assert_raw(member(whole, "tester"),
		"{\"cpuPercent\":[97,12],\"bottleneck\":true,"
		"\"why\":\"one of its processes used 97 % of a core; give it --processes 2\"}");

	rest = member(whole, "series");
	assert_true(json_array_next(&rest, &element));
	assert_raw(element, "{\"second\":0,\"joined\":99,\"messages\":600,\"deliveries\":1200,\"p50\":2,\"p99\":2,"
			    "\"max\":2}");
	assert_true(json_array_next(&rest, &element));
	assert_raw(element, "{\"second\":1,\"joined\":100,\"messages\":400,\"deliveries\":800,\"p50\":0,\"p99\":0,"
			    "\"max\":0}");
	assert_false(json_array_next(&rest, &element));

	rest = member(whole, "assert");
	assert_true(json_array_next(&rest, &element));
	assert_raw(element, "{\"criterion\":\"max<0.5ms\",\"value\":1,\"holds\":false}");
	assert_true(json_array_next(&rest, &element));
	assert_raw(element, "{\"criterion\":\"memory<2k\",\"value\":1312.5,\"holds\":true}");
	assert_true(json_array_next(&rest, &element));
	assert_raw(element, "{\"criterion\":\"cpu<1%\",\"value\":null,\"holds\":false}");
	assert_false(json_array_next(&rest, &element));
}

/* With --recover. */
static void
add_recovery(struct report *r)
{
	r->recovers = true;
	r->recovered = 9999;
	r->not_recovered = 1;
	r->replayed = 30000;
	r->recovery_seconds = 2.3456;
	r->away_time = times(100, 20000000);
}

static void
test_recovery(void **state)
{
	struct fixture *f = *state;
	struct criterion c[CRITERIA_MAX];
	char error[CRITERIA_ERROR_MAX];
	struct text whole;

	assert_null(strstr(text(f), "recovered"));
	assert_int_equal(criteria_parse("recovered=9999,not-recovered<=1,away-max<=2s,away-p50<1.1s", c, error), 4);
	assert_false(report_judge(&f->r, c, 4));
	for (unsigned i = 0; i < 4; i++)
		assert_false(c[i].has_value);
	add_recovery(&f->r);
	assert_true(report_judge(&f->r, c, 4));
	assert_non_null(
		strstr(text(f), "recovered             9,999   2.346 s from the first loss to the last return\n"
				"renewed                   1   came back without their sessions\n"
				"replayed             30,000   missed messages that recovered clients received\n"));
	assert_non_null(strstr(text(f), "times in ms         latency        connect           away\n"
					"  count               1,000            100            100\n"
					"  min                 0.001          1.000         20.000\n"));
	whole = json(f);
	assert_keys(whole, "tool version scenario urls options seconds clients rates latency connectTime recovery "
			   "awayTime messages errors server kernel tester series assert");
	assert_raw(member(whole, "recovery"),
		"{\"recovered\":9999,\"notRecovered\":1,\"replayed\":30000,\"seconds\":2.346}");
	assert_keys(member(whole, "awayTime"), LATENCY_KEYS);
	assert_raw(member(member(whole, "awayTime"), "max"), "2000");
}

static void
test_the_json_of_a_nearly_empty_report(void **state)
{
	struct fixture *f = *state;
	struct text whole;

	mem_free(f->r.latency);
	mem_free(f->r.connect_time);
	f->r = (struct report){.scenario = "idle", .urls = urls};
	whole = json(f);
	assert_keys(whole, "tool version scenario urls options seconds clients rates latency connectTime messages "
			   "errors kernel tester series assert");
	assert_raw(member(whole, "urls"), "[]");
	assert_raw(member(whole, "options"), "{}");
	assert_raw(member(whole, "latency"), "{\"count\":0,\"min\":0,\"mean\":0,\"p50\":0,\"p90\":0,\"p99\":0,"
					     "\"p99.9\":0,\"p99.99\":0,\"max\":0}");
	assert_raw(member(whole, "errors"), "{}");
	assert_raw(member(whole, "kernel"), "{\"socketBytes\":0,\"socketBytesPerClient\":null}");
	assert_raw(member(whole, "tester"), "{\"cpuPercent\":[],\"bottleneck\":false,\"why\":\"\"}");
	assert_raw(member(whole, "series"), "[]");
	assert_raw(member(whole, "assert"), "[]");

	/* watched, but its memory cannot be read */
	f->r.has_server = true;
	whole = json(f);
	assert_keys(member(whole, "server"), SERVER_KEYS);
	assert_raw(member(member(whole, "server"), "cpuPercent"), "null");
	assert_raw(member(member(whole, "server"), "memory"), "null");
	assert_raw(member(member(whole, "server"), "memoryPerClient"), "null");
	assert_raw(member(member(whole, "server"), "memoryAfter"), "null");
}

static void
test_hostile_words_stay_valid_json(void **state)
{
	static const char *const hostile[] = {"http://\"\\\n\x01\xff/"};
	struct fixture *f = *state;

	f->r.urls = hostile;
	f->r.url_count = 1;
	f->r.seconds = NAN;
	f->r.connects = INFINITY;
	f->r.server_user = -INFINITY;
	snprintf(f->r.bottleneck, sizeof f->r.bottleneck, "\"},{\xc3");
	json(f);
}

static void
test_every_error_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++) {
		assert_true(strlen(load_error_name(i)) > 0 && strlen(load_error_name(i)) <= 10);
		assert_true(strlen(load_error_words(i)) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(load_error_name(i), load_error_name(j));
	}
	assert_string_equal(load_error_name(LOAD_ERROR_REFUSED), "refused");
	assert_string_equal(load_error_name(LOAD_ERROR_HANDSHAKE), "handshake");
	assert_string_equal(load_error_name(LOAD_ERROR_PING), "ping");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_value),
		TEST(test_unmeasured_values_are_absent),
		TEST(test_criteria_are_judged),
		TEST(test_the_text_of_everything),
		TEST(test_recovery),
		TEST(test_the_text_has_only_what_applies),
		TEST(test_the_text_of_the_largest_numbers),
		TEST(test_the_json_of_everything),
		TEST(test_the_json_of_a_nearly_empty_report),
		TEST(test_hostile_words_stay_valid_json),
		cmocka_unit_test(test_every_error_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
