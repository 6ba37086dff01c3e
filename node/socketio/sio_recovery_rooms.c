#include "node/socketio/sio_recovery_rooms.h"

#include <string.h>

#include "common/base/mem.h"

char *
sio_recovery_room_write(char *at, struct text room)
{
	uint32_t n = (uint32_t)room.n;

	at = mempcpy(at, &n, sizeof n);
	return n != 0 ? mempcpy(at, room.at, n) : at;
}

struct text
sio_recovery_room_read(const char **at)
{
	uint32_t n;
	struct text room;

	memcpy(&n, *at, sizeof n);
	room = text_of(*at + sizeof n, n);
	*at += sizeof n + n;
	return room;
}

/* A text from Redis may contain a name twice. */
static void
rooms_add(struct sio_recovery_rooms *rooms, struct text room)
{
	if (table_find(&rooms->table, room) == NULL)
		table_add(&rooms->table, &rooms->nodes[rooms->count++], room);
}

bool
sio_recovery_rooms_init(struct sio_recovery_rooms *rooms, const char *written, uint32_t count, struct text own_room)
{
	table_init(&rooms->table);
	rooms->count = 0;
	rooms->nodes = mem_try_alloc((count + 1) * sizeof *rooms->nodes);
	if (rooms->nodes == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++)
		rooms_add(rooms, sio_recovery_room_read(&written));
	if (own_room.at != NULL)
		rooms_add(rooms, own_room);
	return true;
}

void
sio_recovery_rooms_fini(struct sio_recovery_rooms *rooms)
{
	table_fini(&rooms->table);
	mem_free(rooms->nodes);
}

bool
sio_recovery_rooms_has(const struct sio_recovery_rooms *rooms, struct text room)
{
	return table_find(&rooms->table, room) != NULL;
}
