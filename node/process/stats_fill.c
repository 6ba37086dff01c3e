#include "node/process/stats_fill.h"

#include <string.h>
#include <unistd.h>

#include "node/process/server.h"

static void
stats_fill_namespace(void *arg, struct text name, unsigned sockets)
{
	stats_add_namespace(arg, name, sockets);
}

static void
stats_fill_members(struct stats *stats, const struct broker *broker, uint64_t now, unsigned clients)
{
	struct members_cursor cursor = {.started = false};
	const struct members *members = broker_members(broker);
	const struct member_record *member;

	while (stats->member_count < STATS_MEMBERS && (member = members_next(members, &cursor)) != NULL) {
		struct stats_member *to = &stats->members[stats->member_count++];

		to->about = member->beat.about;
		to->state = member->state;
		to->self = members_is_self(member);
		to->heard_ms = to->self ? now : member->heard;
		if (to->self)
			to->about.clients = clients; /* newer than in the last heartbeat */
	}
}

void
stats_fill(struct stats_page *page, const struct sio_server *io)
{
	struct server_parts parts;
	struct stats stats;

	stats_init(&stats);
	stats.pid = (uint64_t)getpid();
	server_parts(io, &parts);
	stats.state = server_is_new(io) ? STATS_STARTING : server_is_accepting(io) ? STATS_ACCEPTING : STATS_DRAINING;
	stats.started_ms = page->stats.pid == stats.pid ? page->stats.started_ms : loop_wall_ms();
	stats.beat_ms = parts.loop->now;
	stats.connections = parts.loop->connections;
	stats.queued = parts.loop->queued;
	stats.held = parts.loop->budget.held;
	stats.budget = parts.loop->budget.max;
	memcpy(stats.counters, parts.loop->counters.value, sizeof stats.counters);
	stats.turns = parts.loop->turns;
	stats.handlers = *sio_core_handler_times(io);
	memcpy(stats.closed, parts.loop->closed, sizeof stats.closed);
	if (parts.engine)
		eio_stats(parts.engine, &stats.engine);
	sio_core_stats(io, &stats.sockets, stats_fill_namespace, &stats);
	if (parts.backends) {
		stats.has_backends = true;
		stats.backends = *parts.backends;
		server_backend_clients(io, &stats.behind);
	}
	if (parts.broker) {
		stats.has_broker = true;
		broker_stats(parts.broker, &stats.broker);
		stats_fill_members(&stats, parts.broker, parts.loop->now, sio_clients_count(io));
	}
	stats_write(page, &stats);
}
