#include "node/socketio/sio_nodes.h"

#include <limits.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_server.h"

static const sio_node_state states[] = {
	[MEMBER_SERVING] = SIO_NODE_SERVING,
	[MEMBER_DRAINING] = SIO_NODE_DRAINING,
	[MEMBER_SILENT] = SIO_NODE_SILENT,
	[MEMBER_LOST] = SIO_NODE_LOST,
	[MEMBER_LEFT] = SIO_NODE_LEFT,
};

/* Counts this server's clients now, because its last heartbeat may hold an old count. */
static unsigned
own_clients(const struct sio_server *io)
{
	return io->engine != NULL ? eio_count(io->engine) : 0;
}

static unsigned
clients_of(const struct beat_about *about)
{
	return about->clients < UINT_MAX ? (unsigned)about->clients : UINT_MAX;
}

static sio_node
node_of_member(const struct sio_server *io, const struct member_record *member)
{
	const struct beat_about *about = &member->beat.about;
	sio_node node = {.node = about->node,
		.worker = about->worker,
		.port = about->port,
		.state = states[member->state],
		.self = members_is_self(member),
		.clients = members_is_self(member) ? own_clients(io) : clients_of(about),
		.started = about->started_ms,
		.heard = members_is_self(member) ? 0 : io->loop->now - member->heard};

	_Static_assert(sizeof node.id == sizeof about->id && sizeof node.host == sizeof about->host &&
			       sizeof node.version == sizeof about->version,
		"the texts must fit");
	snprintf(node.id, sizeof node.id, "%s", about->id);
	snprintf(node.host, sizeof node.host, "%s", about->host);
	snprintf(node.version, sizeof node.version, "%s", about->version);
	return node;
}

unsigned
sio_nodes(const sio_server *io, sio_node *nodes, unsigned max)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	if (max > 0)
		SIO_NEEDS(SIO_A_RESULT, nodes, 0);
	struct members_cursor cursor = {.started = false};
	const struct member_record *member;
	unsigned n = 0;

	while (io->broker != NULL && (member = members_next(broker_members(io->broker), &cursor)) != NULL) {
		if (n < max)
			nodes[n] = node_of_member(io, member);
		n++;
	}
	return n;
}

int
sio_foreign_servers(const sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, -1);
	struct members_stats stats;

	if (io->broker == NULL)
		return -1;
	members_stats(broker_members(io->broker), &stats);
	return stats.foreign < INT_MAX ? (int)stats.foreign : INT_MAX;
}

unsigned
sio_silent_nodes(const sio_server *io, const sio_node **nodes)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	SIO_NEEDS(SIO_A_RESULT, nodes, 0);
	*nodes = io->silent != NULL ? io->silent->nodes : NULL;
	return io->silent != NULL ? io->silent->count : 0;
}

/* ----------------------------------------------------------- of a question */

void
sio_silent_take(struct sio_silent *silent, const struct sio_server *io)
{
	const struct member_record *const *members;
	unsigned n = io->broker != NULL ? broker_silent_members(io->broker, &members) : 0;

	sio_silent_fini(silent);
	if (n == 0)
		return;
	silent->nodes = mem_try_alloc(n * sizeof *silent->nodes);
	if (silent->nodes == NULL)
		return;
	silent->count = n;
	for (unsigned i = 0; i < n; i++)
		silent->nodes[i] = node_of_member(io, members[i]);
}

void
sio_silent_fini(struct sio_silent *silent)
{
	mem_free(silent->nodes);
	*silent = (struct sio_silent){NULL, 0};
}
