#include "node/process/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One worker's numbers while the text is being written. */
struct one {
	const struct stats *s;
	unsigned worker;
};

struct metric {
	const char *name, *type, *labels, *help;
	/* Appends the samples of one worker. */
	void (*write)(struct buffer *out, const struct metric *m, struct one w);
	size_t at; /* of a plain number in struct stats */
};

/* --------------------------------------------------------------- samples */

static void
sample(struct buffer *out, const char *name, unsigned worker, const char *label, const char *value, uint64_t number)
{
	buffer_printf(out, "%s{worker=\"%u\"", name, worker);
	if (label != NULL) {
		buffer_printf(out, ",%s=\"", label);
		for (; *value != '\0'; value++) {
			if (*value == '\n') {
				buffer_add(out, "\\n", 2);
				continue;
			}
			if (*value == '"' || *value == '\\')
				buffer_add_byte(out, '\\');
			buffer_add_byte(out, (uint8_t)*value);
		}
		buffer_add_byte(out, '"');
	}
	buffer_printf(out, "} %llu\n", (unsigned long long)number);
}

static void
write_number(struct buffer *out, const struct metric *m, struct one w)
{
	uint64_t number;

	memcpy(&number, (const char *)w.s + m->at, sizeof number);
	sample(out, m->name, w.worker, NULL, NULL, number);
}

static void
write_ready(struct buffer *out, const struct metric *m, struct one w)
{
	sample(out, m->name, w.worker, NULL, NULL, w.s->state == STATS_ACCEPTING);
}

static void
write_started(struct buffer *out, const struct metric *m, struct one w)
{
	sample(out, m->name, w.worker, NULL, NULL, w.s->started_ms / 1000);
}

static void
write_clients(struct buffer *out, const struct metric *m, struct one w)
{
	uint64_t websockets = w.s->engine.websockets, all = w.s->engine.sessions;

	sample(out, m->name, w.worker, "transport", "polling", all > websockets ? all - websockets : 0);
	sample(out, m->name, w.worker, "transport", "websocket", websockets);
}

static void
write_sockets(struct buffer *out, const struct metric *m, struct one w)
{
	for (uint64_t i = 0; i < w.s->namespace_count && i < STATS_NAMESPACES; i++)
		sample(out, m->name, w.worker, "namespace", w.s->namespaces[i].name, w.s->namespaces[i].sockets);
	sample(out, m->name, w.worker, "namespace", "", w.s->other_sockets);
}

static void
write_closed(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
		sample(out, m->name, w.worker, "reason", reason_word((enum reason)i), w.s->closed[i]);
}

static void
write_disconnects(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = 1; i < SIO_REASONS; i++)
		sample(out, m->name, w.worker, "reason", sio_core_reason_text(i), w.s->sockets.disconnects[i]);
}

static void
write_refused(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = 0; i < EIO_CONTEXT_COUNT; i++)
		sample(out, m->name, w.worker, "cause", eio_context_word((enum eio_context)i), w.s->engine.refused[i]);
}

static void
write_bus_up(struct buffer *out, const struct metric *m, struct one w)
{
	static const char *const forms[] = {"alone", "hub", "redis"};
	unsigned form = w.s->broker.form <= BROKER_REDIS ? w.s->broker.form : BROKER_ALONE;

	sample(out, m->name, w.worker, "form", forms[form], form == BROKER_ALONE || w.s->broker.bus.up);
}

/* Where the process is gone its line is left out. */
static void
write_memory(struct buffer *out, const struct metric *m, struct one w)
{
	char path[64];
	unsigned long pages;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%llu/statm", (unsigned long long)w.s->pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fscanf(f, "%*u %lu", &pages) == 1)
		sample(out, m->name, w.worker, NULL, NULL, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
	fclose(f);
}

static void
write_fds(struct buffer *out, const struct metric *m, struct one w)
{
	char path[64];
	uint64_t n = 0;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%llu/fd", (unsigned long long)w.s->pid);
	d = opendir(path);
	if (d == NULL)
		return;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	sample(out, m->name, w.worker, NULL, NULL, n > 2 ? n - 2 : 0); /* . and .. */
}

static void
write_cpu(struct buffer *out, const struct metric *m, struct one w)
{
	unsigned long user, system;
	char path[64], line[1024];
	const char *at;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)w.s->pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(line, sizeof line, f) != NULL && (at = strrchr(line, ')')) != NULL &&
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
		buffer_printf(out, "%s{worker=\"%u\"} %.2f\n", m->name, w.worker,
			(double)(user + system) / (double)sysconf(_SC_CLK_TCK));
	fclose(f);
}

/* ------------------------------------------------------------------ table */

#define AT(member) offsetof(struct stats, member)
#define WORKER "worker"

/* clang-format off */
static const struct metric metrics[] = {
	{"sockeye_ready", "gauge", WORKER, "1 while the worker accepts connections", write_ready, 0},
	{"sockeye_start_time_seconds", "gauge", WORKER, "when the worker started, since the epoch", write_started, 0},
	{"sockeye_clients", "gauge", WORKER ", transport", "connected clients", write_clients, 0},
	{"sockeye_sockets", "gauge", WORKER ", namespace", "sockets of a namespace; the empty name stands for all beyond 64", write_sockets, 0},
	{"sockeye_namespaces", "gauge", WORKER, "namespaces", write_number, AT(sockets.namespaces)},
	{"sockeye_connections", "gauge", WORKER, "open TCP connections of clients", write_number, AT(connections)},
	{"sockeye_queue_bytes", "gauge", WORKER, "bytes that wait for clients to take them", write_number, AT(queued)},
	{"sockeye_disconnects_total", "counter", WORKER ", reason", "sockets that left a namespace", write_disconnects, 0},
	{"sockeye_requests_refused_total", "counter", WORKER ", cause", "Engine.IO requests answered with an error code", write_refused, 0},
	{"sockeye_connections_closed_total", "counter", WORKER ", reason", "TCP connections that ended", write_closed, 0},
	{"sockeye_bus_up", "gauge", WORKER ", form", "1 while other nodes can be reached (form alone: there are none)", write_bus_up, 0},
	{"sockeye_bus_lag_microseconds", "gauge", WORKER, "how long the last message to oneself took through the bus", write_number, AT(broker.bus.lag_us)},
	{"sockeye_bus_queue_bytes", "gauge", WORKER, "bytes that wait for the bus", write_number, AT(broker.bus.queue_bytes)},
	{"sockeye_bus_published_total", "counter", WORKER, "messages given to the bus", write_number, AT(broker.bus.published)},
	{"sockeye_bus_received_total", "counter", WORKER, "messages got from the bus", write_number, AT(broker.bus.received)},
	{"sockeye_bus_published_bytes_total", "counter", WORKER, "their bytes", write_number, AT(broker.bus.bytes_published)},
	{"sockeye_bus_received_bytes_total", "counter", WORKER, "their bytes", write_number, AT(broker.bus.bytes_received)},
	{"sockeye_bus_dropped_total", "counter", WORKER, "messages for other nodes that were dropped: the queue was full, or the server refused them", write_number, AT(broker.bus.dropped)},
	{"sockeye_bus_uncertain_total", "counter", WORKER, "messages on their way when the bus broke: delivered or not", write_number, AT(broker.bus.uncertain)},
	{"sockeye_bus_connects_total", "counter", WORKER, "connections made to the bus", write_number, AT(broker.bus.connects)},
	{"sockeye_bus_alarms_total", "counter", WORKER, "messages to oneself that did not come back", write_number, AT(broker.bus.alarms)},
	{"sockeye_bus_malformed_total", "counter", WORKER, "times the bus's own bytes made no sense", write_number, AT(broker.bus.malformed)},
	{"sockeye_broker_broadcasts_out_total", "counter", WORKER, "broadcasts told to other nodes", write_number, AT(broker.broadcasts_out)},
	{"sockeye_broker_broadcasts_in_total", "counter", WORKER, "broadcasts of other nodes that were delivered", write_number, AT(broker.broadcasts_in)},
	{"sockeye_broker_requests_out_total", "counter", WORKER, "requests sent to other nodes", write_number, AT(broker.requests_out)},
	{"sockeye_broker_requests_in_total", "counter", WORKER, "requests of other nodes", write_number, AT(broker.requests_in)},
	{"sockeye_broker_ignored_total", "counter", WORKER, "messages that were one's own, or for nobody here", write_number, AT(broker.ignored)},
	{"sockeye_broker_malformed_total", "counter", WORKER, "messages dropped because they made no sense", write_number, AT(broker.malformed)},
	{"sockeye_broker_unsupported_total", "counter", WORKER, "messages dropped because their kind is not known", write_number, AT(broker.unsupported)},
	{"sockeye_broker_timeouts_total", "counter", WORKER, "questions that not every node answered in time", write_number, AT(broker.timeouts)},
	{"process_resident_memory_bytes", "gauge", WORKER, "memory of the worker's process", write_memory, 0},
	{"process_cpu_seconds_total", "counter", WORKER, "processor time of the worker's process", write_cpu, 0},
	{"process_open_fds", "gauge", WORKER, "descriptors of the worker's process", write_fds, 0},
};
/* clang-format on */

#define METRIC_COUNT (sizeof metrics / sizeof *metrics)

static void
head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The counters of the loop have a table of their own. */
static void
write_counters(struct buffer *out, const struct stats *all, unsigned count)
{
	char name[96];

	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		snprintf(name, sizeof name, "sockeye_%s_total", counter_name((enum counter)c));
		head(out, name, "counter", counter_help((enum counter)c));
		for (unsigned i = 0; i < count; i++) {
			if (all[i].state != STATS_ABSENT)
				sample(out, name, i, NULL, NULL, all[i].counters[c]);
		}
	}
}

void
metrics_write(struct buffer *out, const struct stats_page *pages, struct stats *snapshot, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!stats_read(&pages[i], &snapshot[i]))
			snapshot[i].state = STATS_ABSENT;
	}
	for (size_t m = 0; m < METRIC_COUNT; m++) {
		head(out, metrics[m].name, metrics[m].type, metrics[m].help);
		for (unsigned i = 0; i < count; i++) {
			if (snapshot[i].state != STATS_ABSENT)
				metrics[m].write(out, &metrics[m], (struct one){&snapshot[i], i});
		}
	}
	write_counters(out, snapshot, count);
}

void
metrics_markdown(struct buffer *out)
{
	buffer_add_text(out, TEXT("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"));
	for (size_t m = 0; m < METRIC_COUNT; m++)
		buffer_printf(out, "| `%s` | %s | %s | %s |\n", metrics[m].name, metrics[m].type, metrics[m].labels,
			metrics[m].help);
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		buffer_printf(out, "| `sockeye_%s_total` | counter | worker | %s |\n", counter_name((enum counter)c),
			counter_help((enum counter)c));
}
