#include "node/socketio/sio_fetch.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_ack.h"

/* One socket as it was. */
struct sio_fetched {
	char id[SIO_ID_LENGTH + 1];
	char *names; /* its rooms, one after the other, each with its NUL */
	unsigned rooms;
	struct sio_stored *data, *handshake;
};

static void
take_rooms(struct sio_fetched *to, const struct sio_socket *s)
{
	size_t cursor = 0, n = 0, at = 0;
	const char *room;

	while ((room = sio_room_next(s, &cursor)) != NULL)
		n += strlen(room) + 1;
	to->names = mem_alloc(n);
	cursor = 0;
	while ((room = sio_room_next(s, &cursor)) != NULL) {
		memcpy(to->names + at, room, strlen(room) + 1);
		at += strlen(room) + 1;
		to->rooms++;
	}
}

static void
take(struct sio_fetched *to, const struct sio_socket *s)
{
	const struct sio_stored *data = s->extra != NULL ? s->extra->data : NULL;
	struct buffer json;

	memcpy(to->id, s->id, sizeof to->id);
	take_rooms(to, s);
	if (data != NULL)
		to->data = sio_stored_new(data->owner.json, &data->attachments);
	/* its parts have been limited: head of a request, auth of one packet */
	buffer_init(&json, SIZE_MAX / 2);
	sio_handshake_write(s, &json);
	to->handshake = sio_stored_new(buffer_text(&json), NULL);
	buffer_fini(&json);
}

int
sio_fetch(sio_target target, sio_fetch_fn *fn, void *arg)
{
	struct sio_scratch *scratch;
	struct sio_fetch *f;
	struct sio_server *io;
	int rc;

	/* as in the original: a family's members on other nodes are not known */
	if (target.nsp == NULL || fn == NULL || target.nsp->family != NULL)
		return SIO_ERR_ARGUMENT;
	io = target.nsp->io;
	scratch = sio_scratch_take(io);
	rc = sio_target_select(&target, &scratch->selection);
	if (rc == 0) {
		f = mem_zalloc(sizeof *f);
		*f = (struct sio_fetch){.io = io, .fn = fn, .arg = arg, .count = scratch->selection.count};
		f->fetched = mem_zalloc(f->count * sizeof *f->fetched);
		for (unsigned i = 0; i < f->count; i++)
			take(&f->fetched[i], scratch->selection.at[i]);
		list_add_tail(&io->fetches, &f->link);
		sio_turn_wanted(io);
	}
	sio_scratch_give(io, scratch);
	return rc;
}

void
sio_fetch_finish(struct sio_fetch *f)
{
	sio_socket_info *infos = mem_zalloc(f->count * sizeof *infos);
	const char **rooms;
	size_t n = 0, at = 0;

	list_remove(&f->link);
	for (unsigned i = 0; i < f->count; i++)
		n += f->fetched[i].rooms;
	rooms = mem_alloc(n * sizeof(const char *));
	for (unsigned i = 0; i < f->count; i++) {
		const struct sio_fetched *one = &f->fetched[i];
		const char *name = one->names;

		infos[i] = (sio_socket_info){one->id, rooms + at, one->rooms, sio_stored_value(one->data),
			sio_stored_value(one->handshake)};
		for (unsigned r = 0; r < one->rooms; r++) {
			rooms[at++] = name;
			name += strlen(name) + 1;
		}
	}
	f->fn(f->io, 0, infos, f->count, f->arg);
	for (unsigned i = 0; i < f->count; i++) {
		mem_free(f->fetched[i].names);
		sio_stored_free(f->fetched[i].data);
		sio_stored_free(f->fetched[i].handshake);
	}
	mem_free(rooms);
	mem_free(infos);
	mem_free(f->fetched);
	mem_free(f);
}

/* ------------------------------------------------ what is done to all of a target */

/* Calls `each` for the sockets; none of what they do makes an up-call or frees a socket. */
static int
for_each(const sio_target *t, int (*each)(struct sio_socket *s, const char *room), const char *room)
{
	struct sio_scratch *scratch;
	int rc, first = 0;

	if (t->nsp == NULL)
		return SIO_ERR_ARGUMENT;
	scratch = sio_scratch_take(t->nsp->io);
	rc = sio_target_select(t, &scratch->selection);
	for (unsigned i = 0; rc == 0 && i < scratch->selection.count; i++) {
		int one = each(scratch->selection.at[i], room);

		if (first == 0)
			first = one;
	}
	sio_scratch_give(t->nsp->io, scratch);
	return rc != 0 ? rc : first;
}

static int
join(struct sio_socket *s, const char *room)
{
	return sio_join(s, room);
}

static int
leave(struct sio_socket *s, const char *room)
{
	sio_leave(s, room);
	return 0;
}

static int
disconnect(struct sio_socket *s, const char *room)
{
	(void)room;
	sio_disconnect(s, false);
	return 0;
}

static int
disconnect_close(struct sio_socket *s, const char *room)
{
	(void)room;
	sio_disconnect(s, true);
	return 0;
}

int
sio_sockets_join(sio_target target, const char *room)
{
	return room != NULL ? for_each(&target, join, room) : SIO_ERR_ARGUMENT;
}

int
sio_sockets_leave(sio_target target, const char *room)
{
	return room != NULL ? for_each(&target, leave, room) : SIO_ERR_ARGUMENT;
}

int
sio_disconnect_sockets(sio_target target, bool close)
{
	return for_each(&target, close ? disconnect_close : disconnect, NULL);
}
