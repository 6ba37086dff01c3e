#include "node/socketio/sio_target.h"

#include "broker/wire.h"
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"

#define MORE_ROOMS_MAX (WIRE_ROOMS_MAX - 2 * SIO_TARGET_ROOMS) /* of one target: what other nodes take */

sio_target
sio_all(sio_nsp *nsp)
{
	SIO_NEEDS(SIO_A_NSP, nsp, (sio_target){0});
	return (sio_target){.nsp = nsp};
}

sio_target
sio_everyone(sio_socket *socket)
{
	SIO_NEEDS(SIO_A_SOCKET, socket, (sio_target){0});
	return (sio_target){.nsp = socket->nsp, .socket = socket};
}

sio_target
sio_only(sio_socket *socket)
{
	SIO_NEEDS(SIO_A_SOCKET, socket, (sio_target){0});
	return (sio_target){.nsp = socket->nsp, .socket = socket, .flags = SIO_FLAG_ONLY};
}

/* By its own room, so that the same target excepts it on other nodes too. */
sio_target
sio_others(sio_socket *socket)
{
	SIO_NEEDS(SIO_A_SOCKET, socket, (sio_target){0});
	return sio_except(sio_everyone(socket), socket->id);
}

/* socket.to(room) and socket.except(room) are broadcasts without the socket itself. */
static void
broaden(sio_target *t)
{
	if ((t->flags & SIO_FLAG_ONLY) == 0)
		return;
	t->flags &= ~SIO_FLAG_ONLY;
	t->except[t->except_count++] = t->socket->id;
}

sio_target
sio_to(sio_target t, const char *room)
{
	broaden(&t);
	if (room == NULL)
		t.flags |= SIO_FLAG_MALFORMED;
	else if (t.rooms_count == SIO_TARGET_ROOMS)
		t.flags |= SIO_FLAG_TOO_MANY;
	else
		t.rooms[t.rooms_count++] = room;
	return t;
}

sio_target
sio_except(sio_target t, const char *room)
{
	broaden(&t);
	if (room == NULL)
		t.flags |= SIO_FLAG_MALFORMED;
	else if (t.except_count == SIO_TARGET_ROOMS)
		t.flags |= SIO_FLAG_TOO_MANY;
	else
		t.except[t.except_count++] = room;
	return t;
}

sio_target
sio_to_many(sio_target t, const char *const *rooms, unsigned n)
{
	broaden(&t);
	/* there is one place for a list: a second would silently replace the first */
	if (t.more_rooms_count != 0 && n != 0)
		t.flags |= SIO_FLAG_TOO_MANY;
	if (rooms == NULL && n != 0) {
		t.flags |= SIO_FLAG_MALFORMED;
	} else if (n != 0) {
		t.more_rooms = rooms;
		t.more_rooms_count = n;
	}
	return t;
}

sio_target
sio_except_many(sio_target t, const char *const *rooms, unsigned n)
{
	broaden(&t);
	if (t.more_except_count != 0 && n != 0)
		t.flags |= SIO_FLAG_TOO_MANY;
	if (rooms == NULL && n != 0) {
		t.flags |= SIO_FLAG_MALFORMED;
	} else if (n != 0) {
		t.more_except = rooms;
		t.more_except_count = n;
	}
	return t;
}

sio_target
sio_volatile(sio_target t)
{
	t.flags |= SIO_FLAG_VOLATILE;
	return t;
}

sio_target
sio_compress(sio_target t, bool on)
{
	if (on)
		t.flags &= ~SIO_FLAG_NO_COMPRESS;
	else
		t.flags |= SIO_FLAG_NO_COMPRESS;
	return t;
}

sio_target
sio_local(sio_target t)
{
	t.flags |= SIO_FLAG_LOCAL;
	return t;
}

sio_target
sio_timeout(sio_target t, uint32_t ms)
{
	t.flags |= SIO_FLAG_TIMEOUT;
	t.timeout = ms;
	return t;
}

static unsigned
append(struct text *to, const char *const *names, unsigned n, unsigned *flags)
{
	for (unsigned i = 0; i < n; i++) {
		if (!sio_is_name(names[i])) {
			*flags |= SIO_FLAG_MALFORMED;
			return 0;
		}
		to[i] = text_from(names[i]);
	}
	return n;
}

int
sio_target_rooms(struct sio_target_rooms *r, const sio_target *t)
{
	unsigned flags = t->flags;
	struct text *rooms = r->few, *except;

	r->many = NULL;
	if (t->nsp == NULL || (flags & SIO_FLAG_MALFORMED) != 0)
		return SIO_ERR_ARGUMENT;
	if ((flags & SIO_FLAG_TOO_MANY) != 0 || t->more_rooms_count > MORE_ROOMS_MAX ||
		t->more_except_count > MORE_ROOMS_MAX - t->more_rooms_count)
		return SIO_ERR_TOO_MANY;
	if (t->more_rooms_count != 0 || t->more_except_count != 0) {
		size_t n = (size_t)2 * SIO_TARGET_ROOMS + t->more_rooms_count + t->more_except_count;

		rooms = r->many = mem_try_alloc(n * sizeof(struct text));
		if (rooms == NULL)
			return SIO_ERR_SYSTEM;
	}
	r->who.rooms = rooms;
	r->who.rooms_count = append(rooms, t->rooms, t->rooms_count, &flags);
	r->who.rooms_count += append(rooms + r->who.rooms_count, t->more_rooms, t->more_rooms_count, &flags);
	r->who.except = except = rooms + r->who.rooms_count;
	r->who.except_count = append(except, t->except, t->except_count, &flags);
	r->who.except_count += append(except + r->who.except_count, t->more_except, t->more_except_count, &flags);
	if ((flags & SIO_FLAG_MALFORMED) == 0)
		return 0;
	sio_target_rooms_fini(r);
	return SIO_ERR_ARGUMENT;
}

void
sio_target_rooms_fini(struct sio_target_rooms *r)
{
	mem_free(r->many);
	r->many = NULL;
}
