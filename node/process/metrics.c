#include "node/process/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/process/process_tables.h"

/* One worker's numbers while the text is being written. */
struct one {
	const struct stats *s;
	unsigned worker;
	uint64_t now; /* of the loop's clock */
};

struct metric {
	const char *name, *type, *labels, *help;
	/* Appends the samples of one worker. */
	void (*write)(struct buffer *out, const struct metric *m, struct one w);
	size_t at; /* of a plain number in struct stats */
};

/* --------------------------------------------------------------- samples */

static void
begin(struct buffer *out, const char *name, unsigned worker)
{
	buffer_printf(out, "%s{worker=\"%u\"", name, worker);
}

static void
label(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, ",%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buffer_add_text(out, TEXT("\\n"));
			continue;
		}
		if (*value == '"' || *value == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, (uint8_t)*value);
	}
	buffer_add_byte(out, '"');
}

static void
end(struct buffer *out, uint64_t number)
{
	buffer_printf(out, "} %llu\n", (unsigned long long)number);
}

static void
sample(struct buffer *out, const struct metric *m, struct one w, uint64_t number)
{
	begin(out, m->name, w.worker);
	end(out, number);
}

static void
sample_of(struct buffer *out, const struct metric *m, struct one w, const char *name, const char *value,
	uint64_t number)
{
	begin(out, m->name, w.worker);
	label(out, name, value);
	end(out, number);
}

/* Whole numbers of a smaller unit, with so many decimal places. */
static void
sample_seconds(struct buffer *out, const struct metric *m, struct one w, uint64_t number, unsigned unit, int places)
{
	begin(out, m->name, w.worker);
	buffer_printf(out, "} %llu.%0*llu\n", (unsigned long long)(number / unit), places,
		(unsigned long long)(number % unit));
}

static void
write_number(struct buffer *out, const struct metric *m, struct one w)
{
	uint64_t number;

	memcpy(&number, (const char *)w.s + m->at, sizeof number);
	sample(out, m, w, number);
}

static void
write_ready(struct buffer *out, const struct metric *m, struct one w)
{
	sample(out, m, w, stats_accepts(w.s, w.now));
}

static void
write_started(struct buffer *out, const struct metric *m, struct one w)
{
	sample_seconds(out, m, w, w.s->started_ms, 1000, 3);
}

/* The clock is the reader's of its turn's begin: a worker may have written after it. */
static void
write_age(struct buffer *out, const struct metric *m, struct one w)
{
	sample_seconds(out, m, w, w.now > w.s->beat_ms ? w.now - w.s->beat_ms : 0, 1000, 3);
}

static void
write_clients(struct buffer *out, const struct metric *m, struct one w)
{
	uint64_t websockets = w.s->engine.websockets, all = w.s->engine.sessions;

	sample_of(out, m, w, "transport", "polling", all > websockets ? all - websockets : 0);
	sample_of(out, m, w, "transport", "websocket", websockets);
}

/* Names begin with a slash, so none is "other". */
static void
write_sockets(struct buffer *out, const struct metric *m, struct one w)
{
	for (uint64_t i = 0; i < w.s->namespace_count && i < STATS_NAMESPACES; i++)
		sample_of(out, m, w, "namespace", w.s->namespaces[i].name, w.s->namespaces[i].sockets);
	sample_of(out, m, w, "namespace", "other", w.s->other_sockets);
}

static void
write_queue(struct buffer *out, const struct metric *m, struct one w)
{
	sample(out, m, w, w.s->queued + w.s->engine.queued);
}

static void
write_closed(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = REASON_NONE + 1; i < NAMES_MAX; i++) {
		const struct names_row *row = names_find(&process_reasons, i);

		if (row != NULL)
			sample_of(out, m, w, "reason", row->word, w.s->closed[i]);
	}
}

static void
write_ended(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = 0; i < EIO_CAUSE_COUNT; i++) {
		begin(out, m->name, w.worker);
		label(out, "reason", eio_close_reason_text(eio_cause_reason((enum eio_cause)i)));
		label(out, "cause", eio_cause_text((enum eio_cause)i));
		end(out, w.s->engine.ended[i]);
	}
}

static void
write_disconnects(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = 1; i < SIO_REASONS; i++)
		sample_of(out, m, w, "reason", sio_core_reason_text(i), w.s->sockets.disconnects[i]);
}

static void
write_refused(struct buffer *out, const struct metric *m, struct one w)
{
	char code[8];

	for (unsigned i = 0; i < EIO_CONTEXT_COUNT; i++) {
		snprintf(code, sizeof code, "%u", (unsigned)eio_context_code((enum eio_context)i));
		begin(out, m->name, w.worker);
		label(out, "code", code);
		label(out, "cause", eio_context_word((enum eio_context)i));
		end(out, w.s->engine.refused[i]);
	}
}

static void
write_links(struct buffer *out, const struct metric *m, struct one w)
{
	if (!w.s->has_backends)
		return;
	sample_of(out, m, w, "state", "ready", w.s->backends.ready);
	sample_of(out, m, w, "state", "draining", w.s->backends.draining);
}

/* Of each type that there was. */
static void
write_frames(struct buffer *out, const struct metric *m, struct one w, const uint64_t frames[BACKEND_TYPES])
{
	for (unsigned i = 0; w.s->has_backends && i < BACKEND_TYPES; i++) {
		if (frames[i] > 0)
			sample_of(out, m, w, "type", backend_type_name((uint8_t)i), frames[i]);
	}
}

static void
write_frames_in(struct buffer *out, const struct metric *m, struct one w)
{
	write_frames(out, m, w, w.s->backends.frames_in);
}

static void
write_frames_out(struct buffer *out, const struct metric *m, struct one w)
{
	write_frames(out, m, w, w.s->backends.frames_out);
}

static void
write_lost(struct buffer *out, const struct metric *m, struct one w)
{
	for (unsigned i = 0; w.s->has_backends && i < BACKEND_LOST_REASONS; i++)
		sample_of(out, m, w, "reason", backend_lost_word(i), w.s->backends.lost[i]);
}

static void
write_attached(struct buffer *out, const struct metric *m, struct one w)
{
	const struct backend_clients_stats *b = &w.s->behind;

	for (unsigned i = 0; i < b->instance_count; i++)
		sample_of(out, m, w, "instance", b->instances[i].name, b->instances[i].sessions);
	if (b->other_sessions > 0)
		sample_of(out, m, w, "instance", "", b->other_sessions);
}

/* A number that only a worker with backends has. */
static void
write_behind(struct buffer *out, const struct metric *m, struct one w)
{
	if (w.s->has_backends)
		write_number(out, m, w);
}

static void
write_times(struct buffer *out, const struct metric *m, struct one w)
{
	const struct backend_times *t = (const void *)((const char *)w.s + m->at);
	uint64_t n = 0;

	if (!w.s->has_backends)
		return;
	for (unsigned i = 0; i < BACKEND_SECONDS; i++) {
		n += t->bucket[i];
		buffer_printf(out, "%s_bucket{worker=\"%u\",le=\"", m->name, w.worker);
		if (i < BACKEND_SECONDS - 1)
			buffer_printf(out, "%g\"} %llu\n", backend_seconds[i], (unsigned long long)n);
		else
			buffer_printf(out, "+Inf\"} %llu\n", (unsigned long long)n);
	}
	buffer_printf(out, "%s_sum{worker=\"%u\"} %.3f\n", m->name, w.worker, (double)t->ms / 1000);
	buffer_printf(out, "%s_count{worker=\"%u\"} %llu\n", m->name, w.worker, (unsigned long long)n);
}

static void
write_bus_up(struct buffer *out, const struct metric *m, struct one w)
{
	const struct bus_form *form = bus_form_of(w.s->broker.form);

	if (w.s->has_broker && form != NULL)
		sample_of(out, m, w, "form", form->name, form->alone || w.s->broker.bus.up);
}

static void
write_lag(struct buffer *out, const struct metric *m, struct one w)
{
	sample_seconds(out, m, w, w.s->broker.bus.lag_us, 1000000, 6);
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
		sample(out, m, w, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
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
	sample(out, m, w, n > 2 ? n - 2 : 0); /* . and .. */
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
		sample_seconds(out, m, w, (uint64_t)(user + system) * 100 / (uint64_t)sysconf(_SC_CLK_TCK), 100, 2);
	fclose(f);
}

/* ------------------------------------------------------------------ table */

/* write_number() reads 64 bits. */
#define AT(member)                                                                                                   \
	(offsetof(struct stats, member) + 0 * sizeof(char[sizeof(((struct stats *)0)->member) == 8 ? 1 : -1]))
#define WORKER "worker"

/* clang-format off */
static const struct metric metrics[] = {
	{"sockeye_ready", "gauge", WORKER, "1 while the worker accepts connections and does not hang", write_ready, 0},
	{"sockeye_heartbeat_age_seconds", "gauge", WORKER, "time since the worker wrote its numbers, twice a second unless it hangs", write_age, 0},
	{"sockeye_start_time_seconds", "gauge", WORKER, "when the worker started, since the epoch", write_started, 0},
	{"sockeye_clients", "gauge", WORKER ", transport", "connected clients", write_clients, 0},
	{"sockeye_sockets", "gauge", WORKER ", namespace", "sockets of a namespace; `other` is the sum of those beyond 64, and of long names", write_sockets, 0},
	{"sockeye_namespaces", "gauge", WORKER, "namespaces", write_number, AT(sockets.namespaces)},
	{"sockeye_connections", "gauge", WORKER, "open TCP connections of clients", write_number, AT(connections)},
	{"sockeye_queue_bytes", "gauge", WORKER, "bytes that wait for clients to take them", write_queue, 0},
	{"sockeye_memory_held_bytes", "gauge", WORKER, "bytes held for clients: what waits for them, unfinished messages and requests, names", write_number, AT(held)},
	{"sockeye_memory_budget_bytes", "gauge", WORKER, "how many may be held before those that hold most are closed (maxMemory)", write_number, AT(budget)},
	{"sockeye_disconnects_total", "counter", WORKER ", reason", "sockets that left a namespace", write_disconnects, 0},
	{"sockeye_sessions_ended_total", "counter", WORKER ", reason, cause", "Engine.IO sessions that ended", write_ended, 0},
	{"sockeye_requests_refused_total", "counter", WORKER ", code, cause", "Engine.IO requests answered with an error code", write_refused, 0},
	{"sockeye_connections_closed_total", "counter", WORKER ", reason", "TCP connections that ended", write_closed, 0},
	{"sockeye_backend_links", "gauge", WORKER ", state", "links to backends", write_links, 0},
	{"sockeye_backend_frames_in_total", "counter", WORKER ", type", "frames from backends", write_frames_in, 0},
	{"sockeye_backend_frames_out_total", "counter", WORKER ", type", "frames to backends", write_frames_out, 0},
	{"sockeye_backend_lost_total", "counter", WORKER ", reason", "links that have ended", write_lost, 0},
	{"sockeye_backend_sessions", "gauge", WORKER ", instance", "clients of each backend; instance is empty for those beyond 16", write_attached, 0},
	{"sockeye_backend_waiting", "gauge", WORKER, "clients that have no backend", write_behind, AT(behind.waiting)},
	{"sockeye_backend_orphans", "gauge", WORKER, "sockets whose backend is gone and that wait for another", write_behind, AT(behind.orphans)},
	{"sockeye_backend_orphan_queue_bytes", "gauge", WORKER, "bytes of events that wait for a backend", write_behind, AT(behind.queue_bytes)},
	{"sockeye_backend_attach_seconds", "histogram", WORKER ", le", "how long clients were without a backend until they got one", write_times, offsetof(struct stats, behind.attach)},
	{"sockeye_backend_request_seconds", "histogram", WORKER ", le", "how long handshakes waited for the answer of a backend", write_times, offsetof(struct stats, behind.request)},
	{"sockeye_bus_up", "gauge", WORKER ", form", "1 while other nodes can be reached (form alone: there are none)", write_bus_up, 0},
	{"sockeye_bus_lag_seconds", "gauge", WORKER, "how long the last message to oneself took through the bus", write_lag, 0},
	{"sockeye_bus_queue_bytes", "gauge", WORKER, "bytes that wait for the bus", write_number, AT(broker.bus.queue_bytes)},
	{"sockeye_bus_published_total", "counter", WORKER, "messages given to the bus", write_number, AT(broker.bus.published)},
	{"sockeye_bus_received_total", "counter", WORKER, "messages got from the bus", write_number, AT(broker.bus.received)},
	{"sockeye_bus_published_bytes_total", "counter", WORKER, "bytes of messages given to the bus", write_number, AT(broker.bus.bytes_published)},
	{"sockeye_bus_received_bytes_total", "counter", WORKER, "bytes of messages got from the bus", write_number, AT(broker.bus.bytes_received)},
	{"sockeye_bus_dropped_total", "counter", WORKER, "messages for other nodes that were dropped: the queue was full, or the server refused them", write_number, AT(broker.bus.dropped)},
	{"sockeye_bus_missed_total", "counter", WORKER, "messages for other nodes that left after an outage before every node was back", write_number, AT(broker.bus.missed)},
	{"sockeye_bus_refused_total", "counter", WORKER, "messages for other nodes that were refused: larger than redisMaxQueue, and the bus was away or busy", write_number, AT(broker.bus.refused)},
	{"sockeye_bus_uncertain_total", "counter", WORKER, "messages on their way when the bus broke: delivered or not", write_number, AT(broker.bus.uncertain)},
	{"sockeye_bus_connects_total", "counter", WORKER, "connections made to the bus", write_number, AT(broker.bus.connects)},
	{"sockeye_bus_alarms_total", "counter", WORKER, "messages to oneself that did not come back", write_number, AT(broker.bus.alarms)},
	{"sockeye_bus_ups_total", "counter", WORKER, "times messages began to reach other nodes", write_number, AT(broker.bus.ups)},
	{"sockeye_bus_downs_total", "counter", WORKER, "times messages no longer reached other nodes", write_number, AT(broker.bus.downs)},
	{"sockeye_bus_malformed_total", "counter", WORKER, "times the bus's own bytes made no sense", write_number, AT(broker.bus.malformed)},
	{"sockeye_broker_broadcasts_out_total", "counter", WORKER, "broadcasts told to other nodes", write_number, AT(broker.broadcasts_out)},
	{"sockeye_broker_broadcasts_in_total", "counter", WORKER, "broadcasts of other nodes that were delivered", write_number, AT(broker.broadcasts_in)},
	{"sockeye_broker_requests_out_total", "counter", WORKER, "requests sent to other nodes", write_number, AT(broker.requests_out)},
	{"sockeye_broker_requests_in_total", "counter", WORKER, "requests of other nodes", write_number, AT(broker.requests_in)},
	{"sockeye_broker_ignored_total", "counter", WORKER, "messages that were one's own, or for nobody here", write_number, AT(broker.ignored)},
	{"sockeye_broker_forged_total", "counter", WORKER, "messages dropped because they lack the tag of redisSecret", write_number, AT(broker.forged)},
	{"sockeye_broker_unsent_total", "counter", WORKER, "answers to other nodes that could not be made or sent", write_number, AT(broker.unsent)},
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

	for (unsigned c = 0; c < NAMES_MAX; c++) {
		const struct names_row *row = names_find(&process_counters, c);

		if (row == NULL)
			continue;
		snprintf(name, sizeof name, "sockeye_%s_total", row->word);
		head(out, name, "counter", row->meaning);
		for (unsigned i = 0; i < count; i++) {
			if (all[i].state == STATS_ABSENT)
				continue;
			begin(out, name, i);
			end(out, all[i].counters[c]);
		}
	}
}

void
metrics_write(
	struct buffer *out, const struct stats_page *pages, struct stats *snapshot, unsigned count, uint64_t now)
{
	for (unsigned i = 0; i < count; i++)
		stats_read(&pages[i], &snapshot[i]);
	for (size_t m = 0; m < METRIC_COUNT; m++) {
		head(out, metrics[m].name, metrics[m].type, metrics[m].help);
		for (unsigned i = 0; i < count; i++) {
			if (snapshot[i].state != STATS_ABSENT)
				metrics[m].write(out, &metrics[m], (struct one){&snapshot[i], i, now});
		}
	}
	write_counters(out, snapshot, count);
}

/* ------------------------------------------------------------ of programs */

static uint64_t
exec_restarts(const struct exec_stats *exec, unsigned number)
{
	return exec->of[number].restarts;
}

static uint64_t
exec_running(const struct exec_stats *exec, unsigned number)
{
	return exec->of[number].running;
}

static uint64_t
exec_ready(const struct exec_stats *exec, unsigned number)
{
	return exec->of[number].ready;
}

static const struct exec_metric {
	const char *name, *type, *help;
	uint64_t (*read)(const struct exec_stats *exec, unsigned number);
} exec_metrics[] = {
	{"sockeye_exec_ready", "gauge", "1 while the program of that number is ready", exec_ready},
	{"sockeye_exec_running", "gauge",
		"programs of that number that run: two during a deploy, more while old ones take long to end",
		exec_running},
	{"sockeye_exec_restarts_total", "counter", "times a program was started again because it ended by itself",
		exec_restarts},
};

#define EXEC_METRIC_COUNT (sizeof exec_metrics / sizeof *exec_metrics)

void
metrics_write_exec(struct buffer *out, const struct exec_stats *exec)
{
	for (size_t m = 0; m < EXEC_METRIC_COUNT; m++) {
		head(out, exec_metrics[m].name, exec_metrics[m].type, exec_metrics[m].help);
		for (unsigned i = 0; i < exec->count; i++)
			buffer_printf(out, "%s{number=\"%u\"} %llu\n", exec_metrics[m].name, i,
				(unsigned long long)exec_metrics[m].read(exec, i));
	}
}

/* ---------------------------------------------------------- documentation */

void
metrics_markdown(struct buffer *out)
{
	buffer_add_text(out, TEXT("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"));
	for (size_t m = 0; m < METRIC_COUNT; m++)
		buffer_printf(out, "| `%s` | %s | %s | %s |\n", metrics[m].name, metrics[m].type, metrics[m].labels,
			metrics[m].help);
	for (size_t m = 0; m < EXEC_METRIC_COUNT; m++)
		buffer_printf(out, "| `%s` | %s | number | %s |\n", exec_metrics[m].name, exec_metrics[m].type,
			exec_metrics[m].help);
	for (unsigned c = 0; c < NAMES_MAX; c++) {
		const struct names_row *row = names_find(&process_counters, c);

		if (row != NULL)
			buffer_printf(
				out, "| `sockeye_%s_total` | counter | worker | %s |\n", row->word, row->meaning);
	}
}
