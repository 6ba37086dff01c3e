#include "broker/broker_joined.h"

#include <string.h>

#include "common/base/mem.h"

struct joined_room {
	struct table_node node;
	struct list link;
	uint64_t since; /* loop time */
	char name[];
};

static void
joined_forget_oldest(struct broker_joined *joined)
{
	struct joined_room *room = container_of(joined->rooms.next, struct joined_room, link);

	table_remove(&joined->table, &room->node);
	list_remove(&room->link);
	mem_free(room);
}

static void
joined_expire(struct broker_joined *joined, uint64_t now)
{
	while (!list_empty(&joined->rooms) &&
		now - container_of(joined->rooms.next, struct joined_room, link)->since > BROKER_JOINED_MS)
		joined_forget_oldest(joined);
}

static struct joined_room *
joined_find(const struct broker_joined *joined, struct text name)
{
	struct table_node *node = table_find(&joined->table, name);

	return node != NULL ? container_of(node, struct joined_room, node) : NULL;
}

static struct joined_room *
joined_new(struct broker_joined *joined, struct text name)
{
	struct joined_room *room = mem_try_alloc(sizeof *room + name.n);

	if (room == NULL)
		return NULL;
	if (joined->table.count == BROKER_JOINED_MAX)
		joined_forget_oldest(joined);
	if (name.n > 0)
		memcpy(room->name, name.at, name.n);
	list_init(&room->link);
	table_add(&joined->table, &room->node, text_of(room->name, name.n));
	return room;
}

void
broker_joined_add(struct broker_joined *joined, struct text name, uint64_t now)
{
	struct joined_room *room;

	joined_expire(joined, now);
	room = joined_find(joined, name);
	if (room == NULL)
		room = joined_new(joined, name);
	if (room == NULL)
		return;
	room->since = now;
	list_remove(&room->link);
	list_add_tail(&joined->rooms, &room->link);
}

bool
broker_joined_lately(struct broker_joined *joined, struct text name, uint64_t now)
{
	if (list_empty(&joined->rooms))
		return false;
	joined_expire(joined, now);
	return joined_find(joined, name) != NULL;
}

void
broker_joined_init(struct broker_joined *joined)
{
	table_init(&joined->table);
	list_init(&joined->rooms);
}

void
broker_joined_fini(struct broker_joined *joined)
{
	while (!list_empty(&joined->rooms))
		joined_forget_oldest(joined);
	table_fini(&joined->table);
}
