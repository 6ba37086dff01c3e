#include "node/process/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/process/metrics_node.h"
#include "node/process/process_tables.h"
#include "node/process/sample.h"

static void
write_number(struct buffer *out, const struct metric *metric, struct subject subject)
{
	uint64_t number;

	memcpy(&number, (const char *)subject.stats + metric->at, sizeof number);
	sample_number(out, metric, subject, number);
}

static void
write_ready(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_number(out, metric, subject, stats_accepts(subject.stats, subject.now));
}

static void
write_started(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_seconds(out, metric, subject, subject.stats->started_ms, 1000, 3);
}

/* `now` is the beginning of the reader's turn, and the worker may have written after that. */
static void
write_age(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_seconds(out, metric, subject,
		subject.now > subject.stats->beat_ms ? subject.now - subject.stats->beat_ms : 0, 1000, 3);
}

static void
write_recoveries(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = 0; i < SIO_RECOVERY_RESULTS; i++)
		sample_with_label(out, metric, subject, "result", sio_core_recovery_word(i),
			subject.stats->sockets.recovery.results[i]);
}

static void
write_unsaved(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = 0; i < SIO_UNSAVED_REASONS; i++)
		sample_with_label(out, metric, subject, "reason", sio_recovery_unsaved_word(i),
			subject.stats->sockets.recovery.unsaved[i]);
}

static void
write_recovery_age(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_seconds(out, metric, subject, subject.stats->sockets.recovery.age_ms, 1000, 3);
}

static void
write_clients(struct buffer *out, const struct metric *metric, struct subject subject)
{
	uint64_t websockets = subject.stats->engine.websockets, all = subject.stats->engine.sessions;

	sample_with_label(out, metric, subject, "transport", "polling", all > websockets ? all - websockets : 0);
	sample_with_label(out, metric, subject, "transport", "websocket", websockets);
}

/* Namespaces begin with a slash, so "other" is unambiguous. */
static void
write_sockets(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (uint64_t i = 0; i < subject.stats->namespace_count && i < STATS_NAMESPACES; i++)
		sample_with_label(out, metric, subject, "namespace", subject.stats->namespaces[i].name,
			subject.stats->namespaces[i].sockets);
	sample_with_label(out, metric, subject, "namespace", "other", subject.stats->other_sockets);
}

static void
write_queue(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_number(out, metric, subject, subject.stats->queued + subject.stats->engine.queued);
}

static void
write_closed(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = REASON_NONE + 1; i < NAMES_MAX; i++) {
		const struct names_row *row = names_find(&process_reasons, i);

		if (row != NULL)
			sample_with_label(out, metric, subject, "reason", row->word, subject.stats->closed[i]);
	}
}

static void
write_ended(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = 0; i < EIO_CAUSE_COUNT; i++) {
		sample_begin(out, metric->name, subject.worker);
		sample_label(out, "reason", eio_close_reason_text(eio_cause_reason((enum eio_cause)i)));
		sample_label(out, "cause", eio_cause_text((enum eio_cause)i));
		sample_end(out, subject.stats->engine.ended[i]);
	}
}

static void
write_disconnects(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = 1; i < SIO_REASONS; i++)
		sample_with_label(out, metric, subject, "reason", sio_core_reason_text(i),
			subject.stats->sockets.disconnects[i]);
}

static void
write_refused(struct buffer *out, const struct metric *metric, struct subject subject)
{
	char code[8];

	for (unsigned i = 0; i < EIO_CONTEXT_COUNT; i++) {
		snprintf(code, sizeof code, "%u", (unsigned)eio_context_code((enum eio_context)i));
		sample_begin(out, metric->name, subject.worker);
		sample_label(out, "code", code);
		sample_label(out, "cause", eio_context_word((enum eio_context)i));
		sample_end(out, subject.stats->engine.refused[i]);
	}
}

static void
write_links(struct buffer *out, const struct metric *metric, struct subject subject)
{
	if (!subject.stats->has_backends)
		return;
	sample_with_label(out, metric, subject, "state", "ready", subject.stats->backends.ready);
	sample_with_label(out, metric, subject, "state", "draining", subject.stats->backends.draining);
}

static void
write_members(struct buffer *out, const struct metric *metric, struct subject subject)
{
	const struct members_stats *members = &subject.stats->broker.members;

	if (!subject.stats->has_broker)
		return;
	for (unsigned i = 0; i < MEMBER_STATE_COUNT; i++)
		sample_with_label(out, metric, subject, "state", member_state_name(i), members->count[i]);
	if (members->foreign >= 0)
		sample_with_label(out, metric, subject, "state", "foreign", (uint64_t)members->foreign);
}

static void
write_conflicts(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = 0; subject.stats->has_broker && i < CONFLICT_COUNT; i++)
		sample_with_label(out, metric, subject, "conflict", member_conflict_name(i),
			subject.stats->broker.members.conflicts >> i & 1);
}

/* Writes a sample for each type of frame that has occurred. */
static void
write_frames(
	struct buffer *out, const struct metric *metric, struct subject subject, const uint64_t frames[BACKEND_TYPES])
{
	for (unsigned i = 0; subject.stats->has_backends && i < BACKEND_TYPES; i++) {
		if (frames[i] > 0)
			sample_with_label(out, metric, subject, "type", backend_type_name((uint8_t)i), frames[i]);
	}
}

static void
write_frames_in(struct buffer *out, const struct metric *metric, struct subject subject)
{
	write_frames(out, metric, subject, subject.stats->backends.frames_in);
}

static void
write_frames_out(struct buffer *out, const struct metric *metric, struct subject subject)
{
	write_frames(out, metric, subject, subject.stats->backends.frames_out);
}

static void
write_lost(struct buffer *out, const struct metric *metric, struct subject subject)
{
	for (unsigned i = 0; subject.stats->has_backends && i < BACKEND_LOST_REASONS; i++)
		sample_with_label(
			out, metric, subject, "reason", backend_lost_word(i), subject.stats->backends.lost[i]);
}

static void
write_attached(struct buffer *out, const struct metric *metric, struct subject subject)
{
	const struct backend_clients_stats *behind = &subject.stats->behind;

	for (unsigned i = 0; i < behind->instance_count; i++)
		sample_with_label(
			out, metric, subject, "instance", behind->instances[i].name, behind->instances[i].sessions);
	if (behind->other_sessions > 0)
		sample_with_label(out, metric, subject, "instance", "", behind->other_sessions);
}

/* Writes a number that only workers with backends have. */
static void
write_behind(struct buffer *out, const struct metric *metric, struct subject subject)
{
	if (subject.stats->has_backends)
		write_number(out, metric, subject);
}

static void
write_times(struct buffer *out, const struct metric *metric, struct subject subject)
{
	const struct backend_times *times = (const void *)((const char *)subject.stats + metric->at);
	uint64_t n = 0;

	if (!subject.stats->has_backends)
		return;
	for (unsigned i = 0; i < BACKEND_SECONDS; i++) {
		n += times->bucket[i];
		buffer_printf(out, "%s_bucket{worker=\"%u\",le=\"", metric->name, subject.worker);
		if (i < BACKEND_SECONDS - 1)
			buffer_printf(out, "%g\"} %llu\n", backend_seconds[i], (unsigned long long)n);
		else
			buffer_printf(out, "+Inf\"} %llu\n", (unsigned long long)n);
	}
	buffer_printf(out, "%s_sum{worker=\"%u\"} %.3f\n", metric->name, subject.worker, (double)times->ms / 1000);
	buffer_printf(out, "%s_count{worker=\"%u\"} %llu\n", metric->name, subject.worker, (unsigned long long)n);
}

static void
write_turns(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_histogram(out, metric, subject, NULL, NULL, &subject.stats->turns);
}

static void
write_echoes(struct buffer *out, const struct metric *metric, struct subject subject)
{
	if (subject.stats->has_broker && subject.stats->broker.form != BUS_FORM_ALONE)
		sample_histogram(out, metric, subject, NULL, NULL, &subject.stats->broker.bus.echoes);
}

static void
write_handlers(struct buffer *out, const struct metric *metric, struct subject subject)
{
	const struct sio_handler_times *times = &subject.stats->handlers;

	for (uint32_t i = 0; i < times->count && i < HANDLER_EVENTS; i++)
		sample_histogram(out, metric, subject, "event", times->of[i].name, &times->of[i].times);
	sample_histogram(out, metric, subject, "event", HANDLER_OTHER, &times->of[HANDLER_EVENTS].times);
}

static void
write_bus_up(struct buffer *out, const struct metric *metric, struct subject subject)
{
	const struct bus_form *form = bus_form_of(subject.stats->broker.form);

	if (subject.stats->has_broker && form != NULL)
		sample_with_label(
			out, metric, subject, "form", form->name, form->alone || subject.stats->broker.bus.up);
}

static void
write_lag(struct buffer *out, const struct metric *metric, struct subject subject)
{
	sample_seconds(out, metric, subject, subject.stats->broker.bus.lag_us, 1000000, 6);
}

/* Writes no sample if the process has ended. */
static void
write_memory(struct buffer *out, const struct metric *metric, struct subject subject)
{
	char path[64];
	unsigned long pages;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%llu/statm", (unsigned long long)subject.stats->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fscanf(file, "%*u %lu", &pages) == 1)
		sample_number(out, metric, subject, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
	fclose(file);
}

static void
write_fds(struct buffer *out, const struct metric *metric, struct subject subject)
{
	char path[64];
	uint64_t n = 0;
	DIR *directory;

	snprintf(path, sizeof path, "/proc/%llu/fd", (unsigned long long)subject.stats->pid);
	directory = opendir(path);
	if (directory == NULL)
		return;
	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	sample_number(out, metric, subject, n > 2 ? n - 2 : 0); /* . and .. */
}

static void
write_cpu(struct buffer *out, const struct metric *metric, struct subject subject)
{
	unsigned long user, system;
	char path[64], line[1024];
	const char *at;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)subject.stats->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(line, sizeof line, file) != NULL && (at = strrchr(line, ')')) != NULL &&
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
		sample_seconds(out, metric, subject, (uint64_t)(user + system) * 100 / (uint64_t)sysconf(_SC_CLK_TCK),
			100, 2);
	fclose(file);
}

/* ------------------------------------------------------------------ table */

/* For write_number(), which reads 64 bits. */
#define AT(member)                                                                                                   \
	(offsetof(struct stats, member) + 0 * sizeof(char[sizeof(((struct stats *)0)->member) == 8 ? 1 : -1]))
#define WORKER "worker"

/* clang-format off */
static const struct metric metrics[] = {
	{"sockeye_ready", "gauge", WORKER, "1 while the worker accepts connections and does not hang", write_ready, 0},
	{"sockeye_heartbeat_age_seconds", "gauge", WORKER, "time since the worker last wrote its numbers, which it does twice a second unless it hangs", write_age, 0},
	{"sockeye_loop_turn_seconds", "histogram", WORKER ", le", "time that one turn of the event loop took, with the writes at its end: the lag that other clients may have noticed", write_turns, 0},
	{"sockeye_handler_seconds", "histogram", WORKER ", event, le", "time that the application's listeners of an event took, of every 64th event; `other` stands for the names beyond the first 24", write_handlers, 0},
	{"sockeye_start_time_seconds", "gauge", WORKER, "start time of the worker, in seconds since the epoch", write_started, 0},
	{"sockeye_clients", "gauge", WORKER ", transport", "connected clients", write_clients, 0},
	{"sockeye_sockets", "gauge", WORKER ", namespace", "sockets in a namespace; `other` sums up the namespaces beyond 64 and those with long names", write_sockets, 0},
	{"sockeye_namespaces", "gauge", WORKER, "number of namespaces", write_number, AT(sockets.namespaces)},
	{"sockeye_connections", "gauge", WORKER, "open TCP connections of clients", write_number, AT(connections)},
	{"sockeye_recoveries_total", "counter", WORKER ", result", "attempts of clients to continue their session; `recovered` and `taken_over` (the client was back before the server noticed the loss) succeeded", write_recoveries, 0},
	{"sockeye_recovery_replayed_total", "counter", WORKER, "missed events sent to clients that came back", write_number, AT(sockets.recovery.replayed)},
	{"sockeye_recovery_expired_total", "counter", WORKER, "lost clients that did not come back in time", write_number, AT(sockets.recovery.ended)},
	{"sockeye_recovery_displaced_total", "counter", WORKER, "sessions of lost clients that were dropped early because of recoveryMaxSessions, recoveryMaxBytes, maxChildren or late changes of rooms", write_number, AT(sockets.recovery.displaced)},
	{"sockeye_recovery_unsaved_total", "counter", WORKER ", reason", "failed attempts to store a session in Redis (redisMode streams); until an attempt succeeds, the client comes back as a new one", write_unsaved, 0},
	{"sockeye_recovery_sessions", "gauge", WORKER, "lost clients that may come back and continue", write_number, AT(sockets.recovery.sessions)},
	{"sockeye_recovery_events", "gauge", WORKER, "events that are kept for lost clients", write_number, AT(sockets.recovery.events)},
	{"sockeye_recovery_bytes", "gauge", WORKER, "bytes of the events and sessions that are kept for lost clients", write_number, AT(sockets.recovery.bytes)},
	{"sockeye_recovery_age_seconds", "gauge", WORKER, "age of the oldest event that is kept for lost clients", write_recovery_age, 0},
	{"sockeye_history_stored_total", "counter", WORKER, "events stored in the history of rooms", write_number, AT(sockets.history.stored)},
	{"sockeye_history_dropped_total", "counter", WORKER, "events for a room with history that were not stored: too large, or Redis or the hub did not take them", write_number, AT(sockets.history.dropped)},
	{"sockeye_history_displaced_total", "counter", WORKER, "events of a single worker's history dropped because of historyMaxBytes", write_number, AT(sockets.history.displaced)},
	{"sockeye_history_reads_total", "counter", WORKER, "reads of a room's history, for sockets that join and for the application", write_number, AT(sockets.history.reads)},
	{"sockeye_history_failed_total", "counter", WORKER, "reads and removals that got no answer", write_number, AT(sockets.history.failed)},
	{"sockeye_history_sent_total", "counter", WORKER, "events of a history sent to sockets that joined", write_number, AT(sockets.history.sent)},
	{"sockeye_history_repeats_total", "counter", WORKER, "second copies of a history's events, which were not sent", write_number, AT(sockets.history.repeats)},
	{"sockeye_history_malformed_total", "counter", WORKER, "entries in the history that could not be read", write_number, AT(sockets.history.malformed)},
	{"sockeye_history_events", "gauge", WORKER, "events in the history of a single worker", write_number, AT(sockets.history.entries)},
	{"sockeye_history_bytes", "gauge", WORKER, "bytes of the events in the history of a single worker", write_number, AT(sockets.history.bytes)},
	{"sockeye_history_rooms", "gauge", WORKER, "rooms with events in the history of a single worker", write_number, AT(sockets.history.rooms)},
	{"sockeye_queue_bytes", "gauge", WORKER, "bytes queued for clients", write_queue, 0},
	{"sockeye_memory_held_bytes", "gauge", WORKER, "bytes held for clients: queued output, unfinished messages and requests, names", write_number, AT(held)},
	{"sockeye_memory_budget_bytes", "gauge", WORKER, "limit of the bytes held for clients (maxMemory); beyond it the clients that hold most are closed", write_number, AT(budget)},
	{"sockeye_disconnects_total", "counter", WORKER ", reason", "sockets that left a namespace", write_disconnects, 0},
	{"sockeye_sessions_ended_total", "counter", WORKER ", reason, cause", "Engine.IO sessions that ended", write_ended, 0},
	{"sockeye_requests_refused_total", "counter", WORKER ", code, cause", "Engine.IO requests answered with an error code", write_refused, 0},
	{"sockeye_connections_closed_total", "counter", WORKER ", reason", "TCP connections that ended", write_closed, 0},
	{"sockeye_backend_links", "gauge", WORKER ", state", "links to backends", write_links, 0},
	{"sockeye_backend_frames_in_total", "counter", WORKER ", type", "frames from backends", write_frames_in, 0},
	{"sockeye_backend_frames_out_total", "counter", WORKER ", type", "frames to backends", write_frames_out, 0},
	{"sockeye_backend_lost_total", "counter", WORKER ", reason", "links to backends that ended", write_lost, 0},
	{"sockeye_backend_sessions", "gauge", WORKER ", instance", "clients of each backend; instance is empty for the backends beyond 16", write_attached, 0},
	{"sockeye_backend_waiting", "gauge", WORKER, "clients that have no backend", write_behind, AT(behind.waiting)},
	{"sockeye_bus_rooms", "gauge", WORKER, "rooms that the worker subscribes to one by one", write_number, AT(broker.bus.rooms)},
	{"sockeye_bus_shards", "gauge", WORKER, "masters of a Redis Cluster that the worker uses in sharded mode", write_number, AT(broker.bus.shards)},
	{"sockeye_bus_patterns", "gauge", WORKER, "namespaces that receive every broadcast because redisRoutingMax was reached", write_number, AT(broker.bus.patterns)},
	{"sockeye_backend_orphans", "gauge", WORKER, "sockets that have lost their backend and wait for another", write_behind, AT(behind.orphans)},
	{"sockeye_backend_orphan_queue_bytes", "gauge", WORKER, "bytes of events queued for clients without a backend", write_behind, AT(behind.queue_bytes)},
	{"sockeye_backend_attach_seconds", "histogram", WORKER ", le", "time that clients were without a backend", write_times, offsetof(struct stats, behind.attach)},
	{"sockeye_backend_request_seconds", "histogram", WORKER ", le", "time that handshakes waited for the answer of a backend", write_times, offsetof(struct stats, behind.request)},
	{"sockeye_cluster_members", "gauge", WORKER ", state", "workers of the cluster as this worker knows them, itself included; foreign: servers that send no heartbeats, such as Node.js servers", write_members, 0},
	{"sockeye_cluster_conflicts", "gauge", WORKER ", conflict", "1 while members of the cluster contradict one another, see the log event cluster", write_conflicts, 0},
	{"sockeye_bus_up", "gauge", WORKER ", form", "1 while other nodes can be reached; always 1 with form alone, which has no other nodes", write_bus_up, 0},
	{"sockeye_bus_lag_seconds", "gauge", WORKER, "time that the last message from the worker to itself took through the bus", write_lag, 0},
	{"sockeye_bus_echo_seconds", "histogram", WORKER ", le", "time that each check message from the worker to itself took through the bus", write_echoes, 0},
	{"sockeye_bus_unconfirmed_total", "counter", WORKER, "waits for new rooms that ended before Redis had confirmed them", write_number, AT(broker.bus.unheard)},
	{"sockeye_bus_queue_bytes", "gauge", WORKER, "bytes queued for the bus", write_number, AT(broker.bus.queue_bytes)},
	{"sockeye_bus_published_total", "counter", WORKER, "messages published to the bus", write_number, AT(broker.bus.published)},
	{"sockeye_bus_received_total", "counter", WORKER, "messages received from the bus", write_number, AT(broker.bus.received)},
	{"sockeye_bus_published_bytes_total", "counter", WORKER, "bytes of messages published to the bus", write_number, AT(broker.bus.bytes_published)},
	{"sockeye_bus_received_bytes_total", "counter", WORKER, "bytes of messages received from the bus", write_number, AT(broker.bus.bytes_received)},
	{"sockeye_bus_dropped_total", "counter", WORKER, "messages for other nodes that were dropped because the queue was full or the Redis server refused them", write_number, AT(broker.bus.dropped)},
	{"sockeye_bus_moved_total", "counter", WORKER, "notices of a Redis Cluster that a slot has moved", write_number, AT(broker.bus.moved)},
	{"sockeye_bus_resubscribes_total", "counter", WORKER, "subscriptions made again because their slot in a Redis Cluster has moved", write_number, AT(broker.bus.resubscribes)},
	{"sockeye_bus_missed_total", "counter", WORKER, "messages sent after an outage before every node was back, which some nodes may have missed", write_number, AT(broker.bus.missed)},
	{"sockeye_bus_refused_total", "counter", WORKER, "messages for other nodes that were refused because they exceed redisMaxQueue and the bus was away or busy", write_number, AT(broker.bus.refused)},
	{"sockeye_bus_expired_total", "counter", WORKER, "messages for other nodes that were dropped because they waited longer than redisMaxAge", write_number, AT(broker.bus.expired)},
	{"sockeye_bus_uncertain_total", "counter", WORKER, "messages in flight when the bus connection broke, which may or may not have been delivered", write_number, AT(broker.bus.uncertain)},
	{"sockeye_bus_connects_total", "counter", WORKER, "connections made to the bus", write_number, AT(broker.bus.connects)},
	{"sockeye_bus_alarms_total", "counter", WORKER, "messages from the worker to itself that did not come back through the bus", write_number, AT(broker.bus.alarms)},
	{"sockeye_bus_ups_total", "counter", WORKER, "times that other nodes became reachable", write_number, AT(broker.bus.ups)},
	{"sockeye_bus_downs_total", "counter", WORKER, "times that other nodes became unreachable", write_number, AT(broker.bus.downs)},
	{"sockeye_bus_gaps_total", "counter", WORKER, "times that the worker may have missed messages: a stream no longer has entries that it has not read, or a slot of a Redis Cluster has moved", write_number, AT(broker.bus.gaps)},
	{"sockeye_bus_malformed_total", "counter", WORKER, "protocol errors on the connection to the bus", write_number, AT(broker.bus.malformed)},
	{"sockeye_bus_log_active", "gauge", WORKER, "1 while the worker records its messages (redisLog)", write_number, AT(broker.bus.log_active)},
	{"sockeye_bus_log_gaps_total", "counter", WORKER, "times that the log no longer had messages that the worker may have missed", write_number, AT(broker.bus.log_gaps)},
	{"sockeye_bus_log_read_total", "counter", WORKER, "missed messages that the worker has read from the log", write_number, AT(broker.bus.log_read)},
	{"sockeye_bus_log_repeats_total", "counter", WORKER, "messages dropped because the worker had received them before", write_number, AT(broker.bus.log_repeats)},
	{"sockeye_bus_log_resent_total", "counter", WORKER, "messages in flight when the bus connection broke that were not in the log and were sent again", write_number, AT(broker.bus.log_resent)},
	{"sockeye_bus_log_found_total", "counter", WORKER, "messages in flight when the bus connection broke that were found in the log", write_number, AT(broker.bus.log_found)},
	{"sockeye_bus_log_unusable_total", "counter", WORKER, "entries of the log dropped because no node of this version can have written them", write_number, AT(broker.bus.log_unusable)},
	{"sockeye_bus_log_overflows_total", "counter", WORKER, "times that more messages arrived during the reading of the log than the worker holds; it reads the rest from the log", write_number, AT(broker.bus.log_overflows)},
	{"sockeye_bus_log_held_bytes", "gauge", WORKER, "bytes of messages that the worker holds until it has read the log", write_number, AT(broker.bus.log_held_bytes)},
	{"sockeye_broker_broadcasts_out_total", "counter", WORKER, "broadcasts sent to other nodes", write_number, AT(broker.broadcasts_out)},
	{"sockeye_broker_broadcasts_in_total", "counter", WORKER, "broadcasts of other nodes that were delivered", write_number, AT(broker.broadcasts_in)},
	{"sockeye_broker_volatile_dropped_total", "counter", WORKER, "volatile broadcasts that were dropped because the bus was down or busy", write_number, AT(broker.volatile_dropped)},
	{"sockeye_broker_requests_out_total", "counter", WORKER, "requests sent to other nodes", write_number, AT(broker.requests_out)},
	{"sockeye_broker_requests_in_total", "counter", WORKER, "requests received from other nodes", write_number, AT(broker.requests_in)},
	{"sockeye_broker_ignored_total", "counter", WORKER, "messages that came from this worker itself or had no receiver here", write_number, AT(broker.ignored)},
	{"sockeye_broker_forged_total", "counter", WORKER, "messages dropped because they lack a valid redisSecret tag", write_number, AT(broker.forged)},
	{"sockeye_broker_unsent_total", "counter", WORKER, "answers to other nodes that could not be made or sent", write_number, AT(broker.unsent)},
	{"sockeye_broker_malformed_total", "counter", WORKER, "messages dropped because they were malformed", write_number, AT(broker.malformed)},
	{"sockeye_broker_unsupported_total", "counter", WORKER, "messages dropped because their type is unknown", write_number, AT(broker.unsupported)},
	{"sockeye_broker_timeouts_total", "counter", WORKER, "questions that not every node answered in time", write_number, AT(broker.timeouts)},
	{"process_resident_memory_bytes", "gauge", WORKER, "resident memory of the worker process", write_memory, 0},
	{"process_cpu_seconds_total", "counter", WORKER, "processor time of the worker process", write_cpu, 0},
	{"process_open_fds", "gauge", WORKER, "open descriptors of the worker process", write_fds, 0},
};
/* clang-format on */

#define METRIC_COUNT (sizeof metrics / sizeof *metrics)

#define BUILD_INFO "sockeye_build_info"
#define BUILD_INFO_HELP "always 1; its labels say what runs"

static void
write_build_info(struct buffer *out)
{
	sample_head(out, BUILD_INFO, "gauge", BUILD_INFO_HELP);
	buffer_printf(out, BUILD_INFO "{version=\"%s\"} 1\n", SOCKEYE_VERSION);
}

/* The counters of the loop are in a separate table, process_counters. */
static void
write_counters(struct buffer *out, const struct stats *all, unsigned count)
{
	char name[96];

	for (unsigned c = 0; c < NAMES_MAX; c++) {
		const struct names_row *row = names_find(&process_counters, c);

		if (row == NULL)
			continue;
		snprintf(name, sizeof name, "sockeye_%s_total", row->word);
		sample_head(out, name, "counter", row->meaning);
		for (unsigned i = 0; i < count; i++) {
			if (all[i].state == STATS_ABSENT)
				continue;
			sample_begin(out, name, i);
			sample_end(out, all[i].counters[c]);
		}
	}
}

void
metrics_write(
	struct buffer *out, const struct stats_page *pages, struct stats *snapshot, unsigned count, uint64_t now)
{
	for (unsigned i = 0; i < count; i++)
		stats_read(&pages[i], &snapshot[i]);
	write_build_info(out);
	for (size_t m = 0; m < METRIC_COUNT; m++) {
		sample_head(out, metrics[m].name, metrics[m].type, metrics[m].help);
		for (unsigned i = 0; i < count; i++) {
			if (snapshot[i].state != STATS_ABSENT)
				metrics[m].write(out, &metrics[m], (struct subject){&snapshot[i], i, now});
		}
	}
	write_counters(out, snapshot, count);
}

/* ---------------------------------------------------------- documentation */

void
metrics_markdown(struct buffer *out)
{
	buffer_add_text(out, TEXT("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"));
	buffer_printf(out, "| `%s` | gauge | version | %s |\n", BUILD_INFO, BUILD_INFO_HELP);
	for (size_t m = 0; m < METRIC_COUNT; m++)
		buffer_printf(out, "| `%s` | %s | %s | %s |\n", metrics[m].name, metrics[m].type, metrics[m].labels,
			metrics[m].help);
	metrics_node_markdown(out);
	for (unsigned c = 0; c < NAMES_MAX; c++) {
		const struct names_row *row = names_find(&process_counters, c);

		if (row != NULL)
			buffer_printf(
				out, "| `sockeye_%s_total` | counter | worker | %s |\n", row->word, row->meaning);
	}
}
