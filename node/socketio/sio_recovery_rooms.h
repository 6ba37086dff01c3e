/*
 * The rooms of a lost client's socket. They are kept as one text, in which each name follows its length in 4 bytes.
 * struct sio_recovery_rooms is a set made from this text, for look-ups by name.
 */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_ROOMS_H
#define NODE_SOCKETIO_SIO_RECOVERY_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/table.h"
#include "common/base/text.h"

struct sio_recovery_rooms {
	struct table table;
	struct table_node *nodes;
	uint32_t count;
};

/*
 * Makes the set of the `count` rooms in `written` and of the socket's own room (TEXT_NONE: without it). The set
 * points into both texts, and ignores repeated names. Returns false if memory is short. sio_recovery_rooms_fini() may
 * be called in any case.
 */
bool sio_recovery_rooms_init(
	struct sio_recovery_rooms *rooms, const char *written, uint32_t count, struct text own_room);
void sio_recovery_rooms_fini(struct sio_recovery_rooms *rooms);
/* Returns true if the room is in the set. */
bool sio_recovery_rooms_has(const struct sio_recovery_rooms *rooms, struct text room);

static inline struct text
sio_recovery_rooms_at(const struct sio_recovery_rooms *rooms, uint32_t i)
{
	return text_of(rooms->nodes[i].key, rooms->nodes[i].key_len);
}

/* Writes a room to `at`, which must have room for its name and 4 bytes. Returns the end of the written bytes. */
char *sio_recovery_room_write(char *at, struct text room);
/* Returns the room at `*at` and moves `*at` to the next one. */
struct text sio_recovery_room_read(const char **at);

#endif
