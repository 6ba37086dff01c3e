#include "node/socketio/sio_presence_state.h"

#include "common/base/mem.h"
#include "node/socketio/sio_tables.h"

#define FIRST_TICK_MS 50

void
sio_presence_touch(struct sio_presence *presence)
{
	const struct sio_server *io = presence->nsp->io;

	if (!wheel_armed(&presence->due))
		loop_arm(io->loop, &presence->due, io->options.presence_interval);
}

/* ----------------------------------------------------------------- sockets */

size_t
sio_present_size(const struct sio_present *present)
{
	return present != NULL ? sizeof *present + present->user_len + sio_stored_size(present->data) : 0;
}

void
sio_present_free(struct sio_present *present)
{
	if (present == NULL)
		return;
	sio_stored_unref(present->data);
	mem_free(present);
}

bool
sio_presence_watches(const struct sio_presence *presence, struct text room)
{
	size_t n = strlen(presence->prefix);

	return room.n >= n && memcmp(room.at, presence->prefix, n) == 0;
}

static void
presence_refuse(struct sio_presence *presence)
{
	struct sio_server *io = presence->nsp->io;

	counter_add(&io->loop->counters, COUNT_PRESENCE_REFUSED, 1);
	sio_log_limit(&io->turn, "presence_refused", TEXT_NONE, "presence-max-users");
}

bool
sio_presence_moved(struct sio_presence *presence, const struct sio_present *present, bool joined, struct text room)
{
	struct text user = text_of(present->user, present->user_len);
	bool counted = joined;

	if (!sio_presence_watches(presence, room))
		return false;
	presence->table.max_entries = (unsigned)presence->nsp->io->options.presence_max_users;
	if (!joined)
		presence_clear(&presence->table, presence->table.own, room, user);
	else if (presence_set(&presence->table, presence->table.own, room, user, present->data) == NULL)
		counted = false;
	if (joined && !counted)
		presence_refuse(presence);
	sio_presence_touch(presence);
	return counted;
}

void
sio_presence_gave_up(struct sio_presence *presence, struct text room)
{
	if (sio_presence_watches(presence, room) && presence->table.own->refused > 0)
		presence->table.own->refused--;
}

/* -------------------------------------------------------------------- life */

void
sio_presence_start(struct sio_nsp *nsp, const char *prefix, const char *event, const struct sio_presence_work *work)
{
	struct sio_presence *presence = mem_zalloc(sizeof *presence);

	presence->nsp = nsp;
	presence->prefix = mem_text(prefix, strlen(prefix));
	presence->event = event != NULL ? mem_text(event, strlen(event)) : NULL;
	presence_table_init(&presence->table, (unsigned)nsp->io->options.presence_max_users);
	presence->work = work;
	/*
	 * Greater than the numbers of an earlier presence of the namespace in this process, even if the time of the
	 * machine has been set back meanwhile. Fits into 53 bits.
	 */
	presence->peers.number = loop_clock_us();
	wheel_entry_init(&presence->due, work->announce);
	wheel_entry_init(&presence->peers.tick, work->tick);
	wheel_entry_init(&presence->peers.list, work->list);
	if (nsp->family == NULL)
		loop_arm(nsp->io->loop, &presence->peers.tick, FIRST_TICK_MS);
	nsp->presence = presence;
}

void
sio_presence_inherit(struct sio_nsp *nsp)
{
	if (nsp->presence == NULL && nsp->parent != NULL && nsp->parent->presence != NULL)
		sio_presence_start(nsp, nsp->parent->presence->prefix, nsp->parent->presence->event,
			nsp->parent->presence->work);
}

void
sio_presence_free(struct sio_nsp *nsp)
{
	struct sio_presence *presence = nsp->presence;

	if (presence == NULL)
		return;
	presence->work->publish(presence);
	nsp->presence = NULL;
	loop_disarm(nsp->io->loop, &presence->due);
	loop_disarm(nsp->io->loop, &presence->peers.tick);
	loop_disarm(nsp->io->loop, &presence->peers.list);
	presence_table_fini(&presence->table);
	sio_listeners_fini(&presence->listeners);
	mem_free(presence->prefix);
	mem_free(presence->event);
	mem_free(presence);
}
