/*
 * The rooms of a namespace that this node has lately asked other nodes to add sockets to. A node subscribes to a
 * room's channel only after it has received such a request (bus_rooms.h), so a message to the room that followed at
 * once on that channel would be missed. For some seconds it is published on the channel of the namespace instead,
 * which every node receives in the same order as the requests. The message names its room.
 */
#ifndef BROKER_BROKER_JOINED_H
#define BROKER_BROKER_JOINED_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/base/text.h"

#define BROKER_JOINED_MS 5000
#define BROKER_JOINED_MAX 1024 /* rooms; one more takes the place of the oldest */

struct broker_joined {
	struct table table; /* struct joined_room by name */
	struct list rooms;  /* the same, in the order of the last request */
};

void broker_joined_init(struct broker_joined *joined);
void broker_joined_fini(struct broker_joined *joined);

/* `now` is loop time. If memory is short, the room is not noted. */
void broker_joined_add(struct broker_joined *joined, struct text room, uint64_t now);
bool broker_joined_lately(struct broker_joined *joined, struct text room, uint64_t now);

#endif
