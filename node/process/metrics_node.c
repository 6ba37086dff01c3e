#include "node/process/metrics_node.h"

#include <string.h>

#include "node/process/sample.h"

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
	{"sockeye_exec_ready", "gauge", "1 while the program with this number is ready", exec_ready},
	{"sockeye_exec_running", "gauge",
		"running programs with this number: two during a deploy, more while old ones are slow to end",
		exec_running},
	{"sockeye_exec_restarts_total", "counter", "restarts of programs that ended unexpectedly", exec_restarts},
};

#define EXEC_METRIC_COUNT (sizeof exec_metrics / sizeof *exec_metrics)

void
metrics_write_exec(struct buffer *out, const struct exec_stats *exec)
{
	for (size_t m = 0; m < EXEC_METRIC_COUNT; m++) {
		sample_head(out, exec_metrics[m].name, exec_metrics[m].type, exec_metrics[m].help);
		for (unsigned i = 0; i < exec->count; i++)
			buffer_printf(out, "%s{number=\"%u\"} %llu\n", exec_metrics[m].name, i,
				(unsigned long long)exec_metrics[m].read(exec, i));
	}
}

/* -------------------------------------------------------------------- hub */

static uint64_t
hub_life_restarts(const struct hub_life *life)
{
	return life->restarts;
}

static uint64_t
hub_life_kills(const struct hub_life *life)
{
	return life->kills;
}

static const struct hub_life_metric {
	const char *name, *help;
	uint64_t (*read)(const struct hub_life *life);
} hub_life_metrics[] = {
	{"sockeye_hub_restarts_total", "restarts of the hub after an unexpected end", hub_life_restarts},
	{"sockeye_hub_kills_total", "times that the master ended the hub because its event loop did not turn",
		hub_life_kills},
};

#define HUB_LIFE_METRIC_COUNT (sizeof hub_life_metrics / sizeof *hub_life_metrics)

void
metrics_write_hub_life(struct buffer *out, const struct hub_life *life)
{
	for (size_t m = 0; m < HUB_LIFE_METRIC_COUNT; m++) {
		sample_head(out, hub_life_metrics[m].name, "counter", hub_life_metrics[m].help);
		buffer_printf(out, "%s %llu\n", hub_life_metrics[m].name,
			(unsigned long long)hub_life_metrics[m].read(life));
	}
}

#define HUB(member) offsetof(struct hub_stats, member), sizeof((struct hub_stats){0}.member)

/* clang-format off */
static const struct hub_metric {
	const char *name, *type, *help;
	size_t at, size;
} hub_metrics[] = {
	{"sockeye_hub_up", "gauge", "1 while the hub, which subscribes for all workers, receives messages from Redis", HUB(bus.up)},
	{"sockeye_hub_lag_seconds", "gauge", "time that the last message from the hub to itself took through Redis", HUB(bus.lag_us)},
	{"sockeye_hub_workers", "gauge", "workers connected to the hub", HUB(clients)},
	{"sockeye_hub_subscriptions", "gauge", "channels and patterns that the hub subscribes to at Redis", HUB(topics)},
	{"sockeye_hub_worker_subscriptions", "gauge", "subscriptions of all workers, which share those of the hub", HUB(subscriptions)},
	{"sockeye_hub_counting_connections", "gauge", "further connections of the hub, by which Redis counts the workers: one for each worker but the first", HUB(counting)},
	{"sockeye_hub_received_total", "counter", "messages that the hub received from Redis", HUB(bus.received)},
	{"sockeye_hub_received_bytes_total", "counter", "bytes of the messages that the hub received from Redis", HUB(bus.bytes_received)},
	{"sockeye_hub_delivered_total", "counter", "messages that the hub handed to workers", HUB(deliveries)},
	{"sockeye_hub_connects_total", "counter", "connections to Redis that the hub has made", HUB(bus.connects)},
	{"sockeye_hub_downs_total", "counter", "times that the hub lost Redis", HUB(bus.downs)},
	{"sockeye_hub_alarms_total", "counter", "check messages of the hub that did not come back", HUB(bus.alarms)},
	{"sockeye_hub_malformed_total", "counter", "connections of the hub closed because the bytes of Redis could not be parsed", HUB(bus.malformed)},
	{"sockeye_hub_cut_off_total", "counter", "workers disconnected from the hub because they did not read", HUB(cut_off)},
};

/* The metrics of a hub that keeps sessions and events for connection state recovery. */
#define KEEPER(member) offsetof(struct sio_recovery_stats, member), sizeof(((struct sio_recovery_stats *)0)->member)
static const struct hub_metric keeper_metrics[] = {
	{"sockeye_hub_recovery_sessions", "gauge", "lost clients of all workers that may come back and continue", KEEPER(sessions)},
	{"sockeye_hub_recovery_events", "gauge", "events that the hub keeps for lost clients", KEEPER(events)},
	{"sockeye_hub_recovery_bytes", "gauge", "bytes of the events and sessions that the hub keeps for lost clients", KEEPER(bytes)},
	{"sockeye_hub_recovery_age_seconds", "gauge", "age of the oldest event that the hub keeps for lost clients", KEEPER(age_ms)},
	{"sockeye_hub_recovery_expired_total", "counter", "lost clients that did not come back in time", KEEPER(ended)},
	{"sockeye_hub_recovery_displaced_total", "counter", "sessions of lost clients that were dropped early because of recoveryMaxSessions, recoveryMaxBytes or late changes of rooms", KEEPER(displaced)},
};

/* The metrics of a hub that keeps the history of rooms. */
#define HISTORY(member) offsetof(struct history_table, member), sizeof(((struct history_table *)0)->member)
static const struct hub_metric history_metrics[] = {
	{"sockeye_hub_history_events", "gauge", "events in the history of rooms that the hub keeps for its workers", HISTORY(entries)},
	{"sockeye_hub_history_bytes", "gauge", "bytes of the events in the hub's history of rooms", HISTORY(bytes)},
	{"sockeye_hub_history_displaced_total", "counter", "events of the hub's history dropped because of historyMaxBytes", HISTORY(displaced)},
};
/* clang-format on */

#define HISTORY_ROOMS "sockeye_hub_history_rooms"
#define HISTORY_ROOMS_HELP "rooms with events in the hub's history"
#define HISTORY_METRIC_COUNT (sizeof history_metrics / sizeof *history_metrics)
#define KEEPER_METRIC_COUNT (sizeof keeper_metrics / sizeof *keeper_metrics)
#define HUB_METRIC_COUNT (sizeof hub_metrics / sizeof *hub_metrics)

static uint64_t
hub_metric_read(const struct hub_metric *metric, const void *stats)
{
	const char *at = (const char *)stats + metric->at;
	uint64_t number;
	uint32_t half;

	if (metric->size == sizeof(bool))
		return *(const bool *)at;
	if (metric->size == sizeof half) {
		memcpy(&half, at, sizeof half);
		return half;
	}
	memcpy(&number, at, sizeof number);
	return number;
}

static void
hub_metric_write(struct buffer *out, const struct hub_metric *metric, const struct hub_stats *stats)
{
	unsigned long long number = hub_metric_read(metric, stats);

	if (metric->at == offsetof(struct hub_stats, bus.lag_us))
		buffer_printf(out, "%s %llu.%06llu\n", metric->name, number / 1000000, number % 1000000);
	else
		buffer_printf(out, "%s %llu\n", metric->name, number);
}

void
metrics_write_hub(struct buffer *out, const struct hub_stats *stats)
{
	for (size_t m = 0; m < HUB_METRIC_COUNT; m++) {
		sample_head(out, hub_metrics[m].name, hub_metrics[m].type, hub_metrics[m].help);
		hub_metric_write(out, &hub_metrics[m], stats);
	}
}

void
metrics_write_keeper(struct buffer *out, const struct sio_recovery_stats *stats)
{
	for (size_t m = 0; m < KEEPER_METRIC_COUNT; m++) {
		const struct hub_metric *metric = &keeper_metrics[m];
		unsigned long long number = hub_metric_read(metric, stats);

		sample_head(out, metric->name, metric->type, metric->help);
		if (metric->at == offsetof(struct sio_recovery_stats, age_ms))
			buffer_printf(out, "%s %llu.%03llu\n", metric->name, number / 1000, number % 1000);
		else
			buffer_printf(out, "%s %llu\n", metric->name, number);
	}
}

void
metrics_write_history(struct buffer *out, const struct history_table *table)
{
	for (size_t m = 0; m < HISTORY_METRIC_COUNT; m++) {
		const struct hub_metric *metric = &history_metrics[m];

		sample_head(out, metric->name, metric->type, metric->help);
		buffer_printf(out, "%s %llu\n", metric->name, (unsigned long long)hub_metric_read(metric, table));
	}
	sample_head(out, HISTORY_ROOMS, "gauge", HISTORY_ROOMS_HELP);
	buffer_printf(out, "%s %u\n", HISTORY_ROOMS, table->rooms.count);
}

static void
hub_metrics_markdown(struct buffer *out, const struct hub_metric *table, size_t count)
{
	for (size_t m = 0; m < count; m++)
		buffer_printf(out, "| `%s` | %s | | %s |\n", table[m].name, table[m].type, table[m].help);
}

void
metrics_node_markdown(struct buffer *out)
{
	for (size_t m = 0; m < EXEC_METRIC_COUNT; m++)
		buffer_printf(out, "| `%s` | %s | number | %s |\n", exec_metrics[m].name, exec_metrics[m].type,
			exec_metrics[m].help);
	for (size_t m = 0; m < HUB_LIFE_METRIC_COUNT; m++)
		buffer_printf(out, "| `%s` | counter | | %s |\n", hub_life_metrics[m].name, hub_life_metrics[m].help);
	hub_metrics_markdown(out, hub_metrics, HUB_METRIC_COUNT);
	hub_metrics_markdown(out, keeper_metrics, KEEPER_METRIC_COUNT);
	hub_metrics_markdown(out, history_metrics, HISTORY_METRIC_COUNT);
	buffer_printf(out, "| `%s` | gauge | | %s |\n", HISTORY_ROOMS, HISTORY_ROOMS_HELP);
}
