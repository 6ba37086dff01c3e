#include "tests/load/load_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "tests/load/control.h"
#include "tests/load/message.h"
#include "tests/load/scenario.h"

#define MINUTE_MS (60 * UINT64_C(1000))
#define HOUR_MS (60 * MINUTE_MS)
#define CLIENTS_MAX 10000000
#define RATE_MAX 100000000
#define FLIGHT_MAX 65536
#define EVENT_MAX 512
#define BLANKS " \t\v\f\r\n" /* would end the target of a request */
#define AT(member) offsetof(struct load_options, member)

/* clang-format off */
static const struct option_row rows[] = {
	{ .group = "Clients",
	  .name = "clients", .type = OPTION_NUMBER, .offset = AT(clients), .initial = "100", .min = 1, .max = CLIENTS_MAX,
	  .value = "N", .help = "Clients in all load processes together; churn: at most this many at once" },
	{ .name = "processes", .type = OPTION_NUMBER, .offset = AT(processes), .initial = "1", .min = 1,
	  .max = LOAD_PROCESSES_MAX, .value = "N",
	  .help = "Load processes; use at most one per core" },
	{ .name = "transport", .type = OPTION_CHOICE, .offset = AT(transport), .initial = "websocket",
	  .choices = "websocket|polling|upgrade", .value = "NAME",
	  .help = "WebSocket only, long-polling only, or long-polling first and then WebSocket as browsers do" },
	{ .name = "path", .type = OPTION_TEXT, .offset = AT(path), .initial = "/socket.io/", .value = "PATH",
	  .help = "Path of the Engine.IO endpoint" },
	{ .name = "auth", .type = OPTION_TEXT, .offset = AT(auth), .value = "JSON",
	  .help = "Object sent with CONNECT, as the client's auth option" },
	{ .name = "query", .type = OPTION_TEXT, .offset = AT(query), .value = "A=B&C=D",
	  .help = "Added to the query string of each request" },
	{ .name = "header", .type = OPTION_TEXT, .offset = AT(headers), .value = "'NAME: VALUE'",
	  .help = "Header field of each request; separate several by |" },
	{ .name = "browserHeaders", .type = OPTION_FLAG, .offset = AT(browser_headers), .initial = "false",
	  .help = "Send the header fields of a desktop browser, about 500 bytes" },
	{ .name = "perMessageDeflate", .type = OPTION_FLAG, .offset = AT(per_message_deflate), .initial = "false",
	  .help = "Offer to receive compressed messages by WebSocket; 40 KiB more for each client" },
	{ .name = "ca", .type = OPTION_TEXT, .offset = AT(ca), .value = "FILE",
	  .help = "Authority (PEM) that signed the server's certificate; unset: the system's authorities" },
	{ .name = "verify", .type = OPTION_FLAG, .offset = AT(verify), .initial = "true",
	  .help = "Check the server's certificate" },
	{ .name = "sourceAddresses", .type = OPTION_NUMBER, .offset = AT(source_addresses), .initial = "0", .max = 60000,
	  .value = "N",
	  .help = "Connect to a server on loopback from this many addresses 127.x.y.z; 0: one per 4,000 clients, 1: the default address" },

	{ .group = "Connections",
	  .name = "connectRate", .type = OPTION_NUMBER, .offset = AT(connect_rate), .initial = "0", .max = RATE_MAX,
	  .value = "N", .help = "New clients per second; 0: as fast as --connecting allows (churn: 100)" },
	{ .name = "connecting", .type = OPTION_NUMBER, .offset = AT(connecting), .initial = "0", .max = CLIENTS_MAX,
	  .value = "N", .help = "Clients that may be connecting at the same time; 0: 256 (storm: no limit)" },
	{ .name = "reconnect", .type = OPTION_FLAG, .offset = AT(reconnect), .initial = "true",
	  .help = "Reconnect clients that fail or are cut off, as stock clients do" },
	{ .name = "reconnectionDelay", .type = OPTION_MS, .offset = AT(reconnection_delay_ms), .initial = "1s", .min = 1,
	  .max = 5000, .value = "MS",
	  .help = "First delay before a client reconnects; it doubles with each failure, to at most 5 s" },
	{ .name = "randomization", .type = OPTION_FLAG, .offset = AT(randomization), .initial = "true",
	  .help = "Make each of these delays longer or shorter by up to a half; with --no-randomization, clients that are lost together reconnect together" },
	{ .name = "recover", .type = OPTION_FLAG, .offset = AT(recover), .initial = "false",
	  .help = "Clients that reconnect ask to recover their sessions; messages that a recovered client does not receive count as lost, not as missed" },
	{ .name = "stay", .type = OPTION_MS, .offset = AT(stay_ms), .initial = "10s", .min = 1, .max = 24 * HOUR_MS,
	  .value = "MS", .help = "churn: how long each client stays" },

	{ .group = "Messages",
	  .name = "event", .type = OPTION_TEXT, .offset = AT(event), .value = "NAME",
	  .help = "Name of the event that is sent; unset: the scenario's" },
	{ .name = "size", .type = OPTION_BYTES, .offset = AT(size), .initial = "64", .min = MESSAGE_SIZE_MIN,
	  .max = MESSAGE_SIZE_MAX, .value = "BYTES",
	  .help = "Payload: one string argument, or one binary attachment" },
	{ .name = "binary", .type = OPTION_FLAG, .offset = AT(binary), .initial = "false",
	  .help = "Send binary payloads" },
	{ .name = "inFlight", .type = OPTION_NUMBER, .offset = AT(in_flight), .initial = "1", .min = 1, .max = FLIGHT_MAX,
	  .value = "N",
	  .help = "Closed loop: messages that each sender keeps under way; a broadcast ends when all clients of its process have received it" },
	{ .name = "messageRate", .type = OPTION_NUMBER, .offset = AT(message_rate), .initial = "0", .max = RATE_MAX,
	  .value = "N",
	  .help = "Open loop: messages per second of all senders together, regardless of answers, with latency measured from when each message was due; 0: closed loop" },
	{ .name = "senders", .type = OPTION_NUMBER, .offset = AT(senders), .initial = "0", .max = CLIENTS_MAX,
	  .value = "N", .help = "Clients that send; 0: all clients in echo, ack and polling, otherwise one" },
	{ .name = "roomSize", .type = OPTION_NUMBER, .offset = AT(room_size), .initial = "10", .min = 1,
	  .max = CLIENTS_MAX, .value = "N", .help = "room: clients in each room" },
	{ .name = "timeout", .type = OPTION_MS, .offset = AT(timeout_ms), .initial = "10s", .min = 1, .max = HOUR_MS,
	  .value = "MS",
	  .help = "Time limit for a client to join, and for an answer in the closed loop, after which the message counts as unanswered" },
	{ .name = "spin", .type = OPTION_FLAG, .offset = AT(spin), .initial = "false",
	  .help = "Poll without sleeping while messages flow: latencies exclude the wake-up time of an idle core, but each process occupies a core" },
	{ .name = "seed", .type = OPTION_NUMBER, .offset = AT(seed), .initial = "1", .max = UINT64_MAX, .value = "N",
	  .help = "Seed of the random numbers: delays, padding, masks" },

	{ .group = "Time",
	  .name = "warmUp", .type = OPTION_MS, .offset = AT(warm_up_ms), .initial = "1s", .max = HOUR_MS, .value = "MS",
	  .help = "Time for which messages flow before the measured run" },
	{ .name = "duration", .type = OPTION_MS, .offset = AT(duration_ms), .initial = "10s", .min = 100,
	  .max = 24 * HOUR_MS, .value = "MS", .help = "Length of the measured run; idle: how long clients stay connected" },
	{ .name = "settle", .type = OPTION_MS, .offset = AT(settle_ms), .initial = "2s", .max = HOUR_MS, .value = "MS",
	  .help = "Time limit at the end for messages under way, and for the server to free memory after all clients have left" },

	{ .group = "Result",
	  .name = "serverPid", .type = OPTION_TEXT, .offset = AT(server_pid), .value = "PID,...",
	  .help = "Report the CPU time and memory of these processes and their descendants" },
	{ .name = "json", .type = OPTION_TEXT, .offset = AT(json), .value = "FILE", .help = "Write the report as JSON" },
	{ .name = "plot", .type = OPTION_TEXT, .offset = AT(plot), .value = "FILE.svg",
	  .help = "Draw latency and throughput over time" },
	{ .name = "assert", .type = OPTION_TEXT, .offset = AT(assertions), .value = "LIST",
	  .help = "Exit with code 3 unless all hold, e.g. 'p99<50ms,lost=0,deliveries>100k'" },
	{ .name = "quiet", .type = OPTION_FLAG, .offset = AT(quiet), .initial = "false",
	  .help = "Do not show progress on standard error" },
};
/* clang-format on */

struct option_table
load_options_table(struct load_options *o)
{
	return (struct option_table){rows, sizeof rows / sizeof rows[0], o, true};
}

static int options_refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int
options_refuse(char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, OPTION_ERROR_MAX, format, args);
	va_end(args);
	control_replace(error);
	return ERROR_ARGUMENT;
}

static int
read_words(struct load_options *o, const char **words, size_t count, char *error)
{
	if (count == 0)
		return options_refuse(error, "give a scenario and a URL, e.g. %s; see --help",
			"sockeye-load echo http://localhost:3000");
	o->scenario = scenario_find(words[0]);
	if (o->scenario == NULL)
		return options_refuse(error, "\"%.40s\" is not a scenario (use " SCENARIO_NAMES ")", words[0]);
	if (count == 1)
		return options_refuse(error, "%s needs the URL of a server, e.g. http://localhost:3000", words[0]);
	o->url_count = (unsigned)count - 1;
	memcpy(o->urls, words + 1, o->url_count * sizeof *words);
	return 0;
}

/* The auth payload must be an object (Socket.IO protocol v5, "Connection to a namespace"). */
static int
check_auth(const char *auth, char *error)
{
	struct text text = text_trim(text_from(auth));

	if (text.n < 2 || text.at[0] != '{' || json_check(text, 64) < 0)
		return options_refuse(
			error, "option --auth: \"%.60s\" is not a JSON object, such as '{\"token\":\"abc\"}'", auth);
	return 0;
}

/* A field is a name without blanks, a colon, and a value that does not end the line. */
static bool
field_is_valid(struct text field)
{
	const char *colon = memchr(field.at, ':', field.n);

	if (colon == NULL || colon == field.at || memchr(field.at, ' ', (size_t)(colon - field.at)))
		return false;
	for (size_t i = 0; i < field.n; i++)
		if (control_is(field.at[i]))
			return false;
	return true;
}

static int
check_headers(const char *headers, char *error)
{
	struct text rest = text_from(headers), field;

	if (rest.n > LOAD_HEADERS_MAX)
		return options_refuse(error, "option --header: more than 16 KB");
	while (text_cut(&rest, '|', &field))
		if (!field_is_valid(text_trim(field)))
			return options_refuse(error, "option --header: \"%.*s\" is not of the form 'Name: value'",
				(int)(field.n < 60 ? field.n : 60), field.at);
	return 0;
}

static int
check_event(const char *event, char *error)
{
	size_t n = strlen(event);

	for (size_t i = 0; i < n; i++)
		if (control_is(event[i]) || event[i] == '"' || event[i] == '\\')
			return options_refuse(error,
				"option --event: \"%.60s\" contains a quote, a backslash or a control character",
				event);
	if (n == 0 || n > EVENT_MAX)
		return options_refuse(error, "option --event: the name is empty or longer than 512 bytes");
	return 0;
}

/* Checks what the rows of the table cannot express. */
static int
options_check(struct load_options *o, char *error)
{
	int count;

	if (o->path[0] != '/' || strpbrk(o->path, BLANKS "?#"))
		return options_refuse(error,
			"option --path: \"%.60s\" is not a path (it must begin with / and have no query)", o->path);
	if (o->query && strpbrk(o->query, BLANKS "#"))
		return options_refuse(
			error, "option --query: \"%.60s\" is not a query string, such as a=1&b=2", o->query);
	if (o->event && check_event(o->event, error) < 0)
		return ERROR_ARGUMENT;
	if (o->auth && check_auth(o->auth, error) < 0)
		return ERROR_ARGUMENT;
	if (o->headers && check_headers(o->headers, error) < 0)
		return ERROR_ARGUMENT;
	if (o->senders > o->clients)
		return options_refuse(error, "option --senders: more senders than --clients");
	if (o->processes > o->clients)
		return options_refuse(error, "option --processes: more processes than --clients");
	if (o->server_pid) {
		count = observe_parse_pids(o->server_pid, o->pids);
		if (count < 0)
			return options_refuse(error,
				"option --server-pid: \"%.60s\" is not a list of process ids, such as 123,456",
				o->server_pid);
		o->pid_count = (unsigned)count;
	}
	if (o->assertions) {
		char why[CRITERIA_ERROR_MAX];

		count = criteria_parse(o->assertions, o->criteria, why);
		if (count < 0)
			return options_refuse(error, "option --assert: %s", why);
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
		result = options_check(o, error);
	return result;
}

void
load_options_fini(struct load_options *o)
{
	struct option_table table = load_options_table(o);

	options_fini(&table, 1);
}
