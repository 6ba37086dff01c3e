#include "tests/load/load_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "tests/load/message.h"
#include "tests/load/scenario.h"

#define MINUTE_MS (60 * UINT64_C(1000))
#define HOUR_MS (60 * MINUTE_MS)
#define CLIENTS_MAX 10000000
#define RATE_MAX 100000000
#define FLIGHT_MAX 65536
#define EVENT_MAX 512
#define BLANKS " \t\v\f\r\n" /* would end a request's target */
#define AT(member) offsetof(struct load_options, member)

/* clang-format off */
static const struct option_row rows[] = {
	{ .group = "Clients",
	  .name = "clients", .type = OPTION_NUMBER, .offset = AT(clients), .initial = "100", .min = 1, .max = CLIENTS_MAX,
	  .value = "N", .help = "Clients over all load processes; churn: at most so many at once" },
	{ .name = "processes", .type = OPTION_NUMBER, .offset = AT(processes), .initial = "1", .min = 1,
	  .max = LOAD_PROCESSES_MAX, .value = "N",
	  .help = "Load processes, each on a core of its own if there is one" },
	{ .name = "transport", .type = OPTION_CHOICE, .offset = AT(transport), .initial = "websocket",
	  .choices = "websocket|polling|upgrade", .value = "NAME",
	  .help = "WebSocket at once, long-polling alone, or long-polling first and then WebSocket as browsers do" },
	{ .name = "path", .type = OPTION_TEXT, .offset = AT(path), .initial = "/socket.io/", .value = "PATH",
	  .help = "Path of the Engine.IO endpoint" },
	{ .name = "auth", .type = OPTION_TEXT, .offset = AT(auth), .value = "JSON",
	  .help = "Object sent with CONNECT, as the client's auth option" },
	{ .name = "query", .type = OPTION_TEXT, .offset = AT(query), .value = "A=B&C=D",
	  .help = "Added to the query string of each request" },
	{ .name = "header", .type = OPTION_TEXT, .offset = AT(headers), .value = "'NAME: VALUE'",
	  .help = "Header field of each request; several are separated by | signs" },
	{ .name = "browserHeaders", .type = OPTION_FLAG, .offset = AT(browser_headers), .initial = "false",
	  .help = "Send the header fields of a desktop browser, about 500 bytes" },
	{ .name = "ca", .type = OPTION_TEXT, .offset = AT(ca), .value = "FILE",
	  .help = "Authority (PEM) that signed the server's certificate; unset: the system's authorities" },
	{ .name = "verify", .type = OPTION_FLAG, .offset = AT(verify), .initial = "true",
	  .help = "Check the server's certificate" },
	{ .name = "sourceAddresses", .type = OPTION_NUMBER, .offset = AT(source_addresses), .initial = "0", .max = 60000,
	  .value = "N",
	  .help = "Connect from so many addresses 127.x.y.z to a server on loopback; 0: one for each 4,000 clients, 1: the usual one" },

	{ .group = "Coming and going",
	  .name = "connectRate", .type = OPTION_NUMBER, .offset = AT(connect_rate), .initial = "0", .max = RATE_MAX,
	  .value = "N", .help = "New clients per second; 0: as fast as they are served (churn: 100)" },
	{ .name = "connecting", .type = OPTION_NUMBER, .offset = AT(connecting), .initial = "0", .max = CLIENTS_MAX,
	  .value = "N", .help = "Clients underway at once, beyond which new ones wait; 0: 256 (storm: no limit)" },
	{ .name = "reconnect", .type = OPTION_FLAG, .offset = AT(reconnect), .initial = "true",
	  .help = "Clients that fail or are cut off come back after 0.5 to 1.5 s, at most 5 s, as stock clients do" },
	{ .name = "stay", .type = OPTION_MS, .offset = AT(stay_ms), .initial = "10s", .min = 1, .max = 24 * HOUR_MS,
	  .value = "MS", .help = "churn: how long each client stays" },

	{ .group = "Messages",
	  .name = "event", .type = OPTION_TEXT, .offset = AT(event), .value = "NAME",
	  .help = "Name of the event that is sent; unset: the scenario's" },
	{ .name = "size", .type = OPTION_BYTES, .offset = AT(size), .initial = "64", .min = MESSAGE_SIZE_MIN,
	  .max = MESSAGE_SIZE_MAX, .value = "BYTES",
	  .help = "Payload: one string argument, or one binary attachment" },
	{ .name = "binary", .type = OPTION_FLAG, .offset = AT(binary), .initial = "false",
	  .help = "Payloads are binary" },
	{ .name = "inFlight", .type = OPTION_NUMBER, .offset = AT(in_flight), .initial = "1", .min = 1, .max = FLIGHT_MAX,
	  .value = "N",
	  .help = "Closed loop: each sender has so many messages under way; a broadcast is over when all clients of its process have it" },
	{ .name = "messageRate", .type = OPTION_NUMBER, .offset = AT(message_rate), .initial = "0", .max = RATE_MAX,
	  .value = "N",
	  .help = "Open loop: so many messages per second over all senders, whatever comes back, latency counted from when each was due; 0: closed loop" },
	{ .name = "senders", .type = OPTION_NUMBER, .offset = AT(senders), .initial = "0", .max = CLIENTS_MAX,
	  .value = "N", .help = "Clients that send; 0: all for echo, ack and polling, else one" },
	{ .name = "roomSize", .type = OPTION_NUMBER, .offset = AT(room_size), .initial = "10", .min = 1,
	  .max = CLIENTS_MAX, .value = "N", .help = "room: clients in each room" },
	{ .name = "timeout", .type = OPTION_MS, .offset = AT(timeout_ms), .initial = "10s", .min = 1, .max = HOUR_MS,
	  .value = "MS",
	  .help = "Time for a client to join, and for an answer in the closed loop before the message counts as unanswered" },
	{ .name = "spin", .type = OPTION_FLAG, .offset = AT(spin), .initial = "false",
	  .help = "Poll without sleeping while messages flow: latencies without the time an idle core takes to wake up, for a core in each process" },
	{ .name = "seed", .type = OPTION_NUMBER, .offset = AT(seed), .initial = "1", .max = UINT64_MAX, .value = "N",
	  .help = "Of all that is random here: delays, padding, masks" },

	{ .group = "Time",
	  .name = "warmUp", .type = OPTION_MS, .offset = AT(warm_up_ms), .initial = "1s", .max = HOUR_MS, .value = "MS",
	  .help = "Messages flow for so long before anything is measured" },
	{ .name = "duration", .type = OPTION_MS, .offset = AT(duration_ms), .initial = "10s", .min = 100,
	  .max = 24 * HOUR_MS, .value = "MS", .help = "The measured time; idle: how long clients are held" },
	{ .name = "settle", .type = OPTION_MS, .offset = AT(settle_ms), .initial = "2s", .max = HOUR_MS, .value = "MS",
	  .help = "At the end: wait so long for what is under way, and for the server's memory when all have left" },

	{ .group = "Result",
	  .name = "serverPid", .type = OPTION_TEXT, .offset = AT(server_pid), .value = "PID,...",
	  .help = "Processes whose CPU time and memory are reported, with all their children" },
	{ .name = "json", .type = OPTION_TEXT, .offset = AT(json), .value = "FILE", .help = "Write the report as JSON" },
	{ .name = "plot", .type = OPTION_TEXT, .offset = AT(plot), .value = "FILE.svg",
	  .help = "Draw latency and throughput over time" },
	{ .name = "assert", .type = OPTION_TEXT, .offset = AT(assertions), .value = "LIST",
	  .help = "Exit with 3 unless all hold, e.g. 'p99<50ms,lost=0,deliveries>100k'" },
	{ .name = "quiet", .type = OPTION_FLAG, .offset = AT(quiet), .initial = "false",
	  .help = "No line per second on standard error" },
};
/* clang-format on */

struct option_table
load_options_table(struct load_options *o)
{
	return (struct option_table){rows, sizeof rows / sizeof rows[0], o, true};
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static int refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int
refuse(char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, OPTION_ERROR_MAX, format, args);
	va_end(args);
	for (char *c = error; *c; c++) /* it stays one line, whatever was given */
		if (is_control(*c))
			*c = '?';
	return ERROR_ARGUMENT;
}

static int
read_words(struct load_options *o, const char **words, size_t count, char *error)
{
	if (count == 0)
		return refuse(error, "give a scenario and an address, e.g. %s; see --help",
			"sockeye-load echo http://localhost:3000");
	o->scenario = scenario_find(words[0]);
	if (o->scenario == NULL)
		return refuse(error, "\"%.40s\" is no scenario; there are: " SCENARIO_NAMES, words[0]);
	if (count == 1)
		return refuse(error, "%s needs the address of a server, e.g. http://localhost:3000", words[0]);
	o->url_count = (unsigned)count - 1;
	memcpy(o->urls, words + 1, o->url_count * sizeof *words);
	return 0;
}

/* The auth payload: an object, and nothing else (Socket.IO protocol v5, "Connection to a namespace"). */
static int
check_auth(const char *auth, char *error)
{
	struct text text = text_trim(text_from(auth));

	if (text.n < 2 || text.at[0] != '{' || json_check(text, 64) < 0)
		return refuse(error, "--auth: \"%.60s\" is no JSON object, as '{\"token\":\"abc\"}' is one", auth);
	return 0;
}

/* A name without blanks and a colon; nothing that ends the line. */
static bool
field_good(struct text field)
{
	const char *colon = memchr(field.at, ':', field.n);

	if (colon == NULL || colon == field.at || memchr(field.at, ' ', (size_t)(colon - field.at)))
		return false;
	for (size_t i = 0; i < field.n; i++)
		if (is_control(field.at[i]))
			return false;
	return true;
}

static int
check_headers(const char *headers, char *error)
{
	struct text rest = text_from(headers), field;

	if (rest.n > LOAD_HEADERS_MAX)
		return refuse(error, "--header: more than 16 KB");
	while (text_cut(&rest, '|', &field))
		if (!field_good(text_trim(field)))
			return refuse(error, "--header: \"%.*s\" is not of the form 'Name: value'",
				(int)(field.n < 60 ? field.n : 60), field.at);
	return 0;
}

static int
check_event(const char *event, char *error)
{
	size_t n = strlen(event);

	for (size_t i = 0; i < n; i++)
		if (is_control(event[i]) || event[i] == '"' || event[i] == '\\')
			return refuse(
				error, "--event: \"%.60s\" has a quote, a backslash or a line's end in it", event);
	if (n == 0 || n > EVENT_MAX)
		return refuse(error, "--event: the name is empty or longer than 512 bytes");
	return 0;
}

/* What one option's row cannot say. */
static int
check(struct load_options *o, char *error)
{
	int count;

	if (o->path[0] != '/' || strpbrk(o->path, BLANKS "?#"))
		return refuse(error, "--path: \"%.60s\" is no path; it begins with / and has no query", o->path);
	if (o->query && strpbrk(o->query, BLANKS "#"))
		return refuse(error, "--query: \"%.60s\" is no query string, as a=1&b=2 is one", o->query);
	if (o->event && check_event(o->event, error) < 0)
		return ERROR_ARGUMENT;
	if (o->auth && check_auth(o->auth, error) < 0)
		return ERROR_ARGUMENT;
	if (o->headers && check_headers(o->headers, error) < 0)
		return ERROR_ARGUMENT;
	if (o->senders > o->clients)
		return refuse(error, "--senders: there are more of them than --clients");
	if (o->processes > o->clients)
		return refuse(error, "--processes: there are more of them than --clients");
	if (o->server_pid) {
		count = observe_parse_pids(o->server_pid, o->pids);
		if (count < 0)
			return refuse(error, "--server-pid: \"%.60s\" is no list of process ids, as 123,456 is one",
				o->server_pid);
		o->pid_count = (unsigned)count;
	}
	if (o->assertions) {
		char why[CRITERIA_ERROR_MAX];

		count = criteria_parse(o->assertions, o->criteria, why);
		if (count < 0)
			return refuse(error, "--assert: %s", why);
		o->criterion_count = (unsigned)count;
	}
	return scenario_check(o, error);
}

int
load_options_read(struct load_options *o, int argc, char **argv, char error[OPTION_ERROR_MAX])
{
	struct option_table table = load_options_table(o);
	const char *words[LOAD_URLS_MAX + 1];
	size_t count;
	int result;

	*o = (struct load_options){.scenario = NULL};
	options_defaults(&table, 1);
	result = options_read_words(&table, 1, argc, argv, words, LOAD_URLS_MAX + 1, &count, error);
	if (result == 0)
		result = read_words(o, words, count, error);
	if (result == 0)
		result = check(o, error);
	return result;
}

void
load_options_fini(struct load_options *o)
{
	struct option_table table = load_options_table(o);

	options_fini(&table, 1);
}
