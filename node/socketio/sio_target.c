#include "node/socketio/sio_target.h"

#include "broker/wire.h"
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"

/* Maximum number of rooms in the lists of one target; more would exceed the limit of a message between nodes. */
#define MORE_ROOMS_MAX (WIRE_ROOMS_MAX - 2 * SIO_TARGET_ROOMS)

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

/* Excepts the socket's own room, so that the target also works on other nodes. */
sio_target
sio_others(sio_socket *socket)
{
	SIO_NEEDS(SIO_A_SOCKET, socket, (sio_target){0});
	return sio_except(sio_everyone(socket), socket->id);
}

/* As in Node.js, socket.to(room) and socket.except(room) are broadcasts without the socket itself. */
static void
target_broaden(sio_target *target)
{
	if ((target->flags & SIO_FLAG_ONLY) == 0)
		return;
	target->flags &= ~SIO_FLAG_ONLY;
	target->except[target->except_count++] = target->socket->id;
}

sio_target
sio_to(sio_target target, const char *room)
{
	target_broaden(&target);
	if (room == NULL)
		target.flags |= SIO_FLAG_MALFORMED;
	else if (target.rooms_count == SIO_TARGET_ROOMS)
		target.flags |= SIO_FLAG_TOO_MANY;
	else
		target.rooms[target.rooms_count++] = room;
	return target;
}

sio_target
sio_except(sio_target target, const char *room)
{
	target_broaden(&target);
	if (room == NULL)
		target.flags |= SIO_FLAG_MALFORMED;
	else if (target.except_count == SIO_TARGET_ROOMS)
		target.flags |= SIO_FLAG_TOO_MANY;
	else
		target.except[target.except_count++] = room;
	return target;
}

sio_target
sio_to_many(sio_target target, const char *const *rooms, unsigned count)
{
	target_broaden(&target);
	/* a target holds one list: a second list would silently replace the first */
	if (target.more_rooms_count != 0 && count != 0)
		target.flags |= SIO_FLAG_TOO_MANY;
	if (rooms == NULL && count != 0) {
		target.flags |= SIO_FLAG_MALFORMED;
	} else if (count != 0) {
		target.more_rooms = rooms;
		target.more_rooms_count = count;
	}
	return target;
}

sio_target
sio_except_many(sio_target target, const char *const *rooms, unsigned count)
{
	target_broaden(&target);
	if (target.more_except_count != 0 && count != 0)
		target.flags |= SIO_FLAG_TOO_MANY;
	if (rooms == NULL && count != 0) {
		target.flags |= SIO_FLAG_MALFORMED;
	} else if (count != 0) {
		target.more_except = rooms;
		target.more_except_count = count;
	}
	return target;
}

sio_target
sio_volatile(sio_target target)
{
	target.flags |= SIO_FLAG_VOLATILE;
	return target;
}

sio_target
sio_compress(sio_target target, bool on)
{
	if (on)
		target.flags &= ~SIO_FLAG_NO_COMPRESS;
	else
		target.flags |= SIO_FLAG_NO_COMPRESS;
	return target;
}

sio_target
sio_local(sio_target target)
{
	target.flags |= SIO_FLAG_LOCAL;
	return target;
}

sio_target
sio_timeout(sio_target target, uint32_t ms)
{
	target.flags |= SIO_FLAG_TIMEOUT;
	target.timeout = ms;
	return target;
}

static unsigned
append_names(struct text *to, const char *const *names, unsigned count, unsigned *flags)
{
	for (unsigned i = 0; i < count; i++) {
		if (!sio_is_name(names[i])) {
			*flags |= SIO_FLAG_MALFORMED;
			return 0;
		}
		to[i] = text_from(names[i]);
	}
	return count;
}

int
sio_target_rooms(struct sio_target_rooms *out, const sio_target *target)
{
	unsigned flags = target->flags;
	struct text *rooms = out->few, *except;

	out->many = NULL;
	if (target->nsp == NULL || (flags & SIO_FLAG_MALFORMED) != 0)
		return SIO_ERR_ARGUMENT;
	if ((flags & SIO_FLAG_TOO_MANY) != 0 || target->more_rooms_count > MORE_ROOMS_MAX ||
		target->more_except_count > MORE_ROOMS_MAX - target->more_rooms_count)
		return SIO_ERR_TOO_MANY;
	if (target->more_rooms_count != 0 || target->more_except_count != 0) {
		size_t n = (size_t)2 * SIO_TARGET_ROOMS + target->more_rooms_count + target->more_except_count;

		rooms = out->many = mem_try_alloc(n * sizeof(struct text));
		if (rooms == NULL)
			return SIO_ERR_SYSTEM;
	}
	out->who.rooms = rooms;
	out->who.rooms_count = append_names(rooms, target->rooms, target->rooms_count, &flags);
	out->who.rooms_count +=
		append_names(rooms + out->who.rooms_count, target->more_rooms, target->more_rooms_count, &flags);
	out->who.except = except = rooms + out->who.rooms_count;
	out->who.except_count = append_names(except, target->except, target->except_count, &flags);
	out->who.except_count +=
		append_names(except + out->who.except_count, target->more_except, target->more_except_count, &flags);
	if ((flags & SIO_FLAG_MALFORMED) == 0)
		return 0;
	sio_target_rooms_fini(out);
	return SIO_ERR_ARGUMENT;
}

void
sio_target_rooms_fini(struct sio_target_rooms *out)
{
	mem_free(out->many);
	out->many = NULL;
}
