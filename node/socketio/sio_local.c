/* The sockets and rooms of this node, without asking the others. */
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_target.h"

/* A listener may disconnect other sockets of the list. They are freed at the end of the turn and are skipped here. */
static unsigned
local_visit(sio_nsp *nsp, const struct sio_selection *selected, sio_local_socket_fn *fn, void *arg)
{
	struct sio_underway *underway = &nsp->io->underway;
	struct sio_underway before = sio_underway_enter(underway, nsp->name, "local sockets");
	unsigned count = 0;

	for (unsigned i = 0; i < selected->count; i++) {
		if (selected->at[i]->state != SIO_CONNECTED)
			continue;
		fn(selected->at[i], arg);
		count++;
	}
	sio_underway_leave(underway, before);
	return count;
}

int
sio_local_sockets(sio_target target, sio_local_socket_fn *fn, void *arg)
{
	struct sio_scratch *scratch;
	struct sio_target_rooms rooms;
	int rc;

	if (target.nsp == NULL || fn == NULL || target.nsp->family != NULL)
		return sio_misused(__func__, NULL, NULL, NULL, SIO_ERR_ARGUMENT);
	if ((target.flags & SIO_FLAG_ONLY) != 0) {
		struct sio_selection one = {.at = &target.socket, .count = 1};

		return (int)local_visit(target.nsp, &one, fn, arg);
	}
	rc = sio_target_rooms(&rooms, &target);
	if (rc != 0)
		return rc;
	scratch = sio_scratch_take(&target.nsp->io->turn);
	rc = sio_rooms_select(target.nsp, &rooms.who, &scratch->selection);
	if (rc == 0)
		rc = (int)local_visit(target.nsp, &scratch->selection, fn, arg);
	sio_scratch_give(&target.nsp->io->turn, scratch);
	sio_target_rooms_fini(&rooms);
	return rc;
}

struct local_rooms {
	const sio_nsp *nsp;
	sio_local_room_fn *fn;
	void *arg;
	unsigned count;
};

static void
local_room(void *arg, struct text name)
{
	struct local_rooms *rooms = arg;

	rooms->fn(name.at, sio_rooms_size(rooms->nsp, name), rooms->arg);
	rooms->count++;
}

unsigned
sio_local_rooms(sio_nsp *nsp, sio_local_room_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, 0);
	SIO_NEEDS(SIO_A_FUNCTION, fn, 0);
	struct local_rooms rooms = {.nsp = nsp, .fn = fn, .arg = arg};
	struct sio_underway before = sio_underway_enter(&nsp->io->underway, nsp->name, "local rooms");
	bool nested = nsp->in_room_listener;

	nsp->in_room_listener = true; /* rooms must not change while they are listed */
	sio_rooms_each(nsp, local_room, &rooms);
	nsp->in_room_listener = nested;
	sio_underway_leave(&nsp->io->underway, before);
	return rooms.count;
}

unsigned
sio_room_size(const sio_nsp *nsp, const char *room)
{
	SIO_NEEDS(SIO_A_NSP, nsp, 0);
	return sio_is_pointer(room) ? sio_rooms_size(nsp, text_from(room)) : 0;
}
