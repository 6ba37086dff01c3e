#include "node/process/stats_fill.h"

#include <string.h>
#include <unistd.h>

#include "node/process/server.h"

static void
add_namespace(void *arg, struct text name, unsigned sockets)
{
	stats_add_namespace(arg, name, sockets);
}

void
stats_fill(struct stats_page *page, const struct sio_server *io)
{
	struct stats s = {.pid = (uint64_t)getpid()};
	struct server_parts parts;

	server_parts(io, &parts);
	s.state = server_is_new(io) ? STATS_STARTING : server_is_accepting(io) ? STATS_ACCEPTING : STATS_DRAINING;
	s.started_ms = page->stats.pid == s.pid ? page->stats.started_ms : loop_wall_ms();
	s.beat_ms = parts.loop->now;
	s.connections = parts.loop->connections;
	s.queued = parts.loop->queued;
	s.held = parts.loop->budget.held;
	s.budget = parts.loop->budget.max;
	memcpy(s.counters, parts.loop->counters.value, sizeof s.counters);
	memcpy(s.closed, parts.loop->closed, sizeof s.closed);
	if (parts.engine)
		eio_stats(parts.engine, &s.engine);
	sio_core_stats(io, &s.sockets, add_namespace, &s);
	if (parts.backends) {
		s.has_backends = true;
		s.backends = *parts.backends;
		server_backend_clients(io, &s.behind);
	}
	if (parts.broker) {
		s.has_broker = true;
		broker_stats(parts.broker, &s.broker);
	}
	stats_write(page, &s);
}
