#include "node/socketio/sio_presence_readmit.h"

#include "node/socketio/sio_rooms.h"

/* Returns true if the user has an entry of this server in the room, or can get one. */
static bool
readmit_fits(const struct presence_table *table, struct text room, const struct sio_present *present)
{
	const struct presence_user *user = presence_find(table, room, text_of(present->user, present->user_len));

	return table->entries < table->max_entries || (user != NULL && presence_own_entry(table, user) != NULL);
}

static void
readmit_socket(struct sio_presence *presence, const struct sio_socket *s)
{
	const struct sio_present *present = s->extra->present;
	struct list *it, *next;

	list_each(it, next, (struct list *)&s->rooms)
	{
		struct sio_membership *membership = container_of(it, struct sio_membership, in_socket);
		const struct sio_room *room = membership->key.room;
		struct text name = text_of(room->name, room->node.key_len);

		if (membership->present || !sio_presence_watches(presence, name))
			continue;
		if (readmit_fits(&presence->table, name, present))
			membership->present = sio_presence_moved(presence, present, true, name);
		else
			presence->table.own->refused++; /* not counted in the metrics a second time */
	}
}

/* Goes on when the table is full, because all sockets of a user who has come in are counted. */
static void
readmit_own(struct sio_presence *presence)
{
	struct list *it, *next;

	presence->table.own->refused = 0;
	list_each(it, next, &presence->nsp->connected)
	{
		const struct sio_socket *s = container_of(it, struct sio_socket, link);

		if (s->extra != NULL && s->extra->present != NULL)
			readmit_socket(presence, s);
	}
}

void
sio_presence_readmit(struct sio_presence *presence)
{
	struct presence_table *table = &presence->table;
	struct table_cursor cursor = {0};
	struct table_node *node;

	table->max_entries = (unsigned)presence->nsp->io->options.presence_max_users;
	if (presence_has_room_again(table, table->own))
		readmit_own(presence);
	while ((node = table_next(&table->owners, &cursor)) != NULL) {
		struct presence_owner *owner = container_of(node, struct presence_owner, node);

		if (presence_has_room_again(table, owner)) {
			owner->refused = 0;
			owner->wanted = true;
		}
	}
}
