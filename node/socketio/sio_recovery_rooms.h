/*
 * The rooms of a lost client's socket, as one text: each room as its length in 4 bytes and its name. A set of them
 * tells whether a room is one of them.
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
 * Makes the set of the `count` rooms of that text and of the socket's own room, which TEXT_NONE leaves out. The set
 * points into both. Returns false without memory. sio_recovery_rooms_fini() may be called in any case.
 */
bool sio_recovery_rooms_init(
	struct sio_recovery_rooms *rooms, const char *written, uint32_t count, struct text own_room);
void sio_recovery_rooms_fini(struct sio_recovery_rooms *rooms);
bool sio_recovery_rooms_has(const struct sio_recovery_rooms *rooms, struct text room);

static inline struct text
sio_recovery_rooms_at(const struct sio_recovery_rooms *rooms, uint32_t i)
{
	return text_of(rooms->nodes[i].key, rooms->nodes[i].key_len);
}

/* Writes a room and returns the end of what was written, which takes 4 bytes more than the name. */
char *sio_recovery_room_write(char *at, struct text room);
/* Reads the room at `*at` and moves on to the next. */
struct text sio_recovery_room_read(const char **at);

#endif
