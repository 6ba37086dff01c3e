#include "node/socketio/sio_membership.h"

#include "common/base/small.h"

static struct text
membership_key_text(const struct sio_membership_key *key)
{
	return text_of((const char *)key, sizeof *key);
}

struct sio_membership *
sio_membership_find(const struct sio_socket *s, const struct sio_room *room)
{
	struct sio_membership_key key = {(struct sio_socket *)s, (struct sio_room *)room};
	struct table_node *n;
	struct list *it, *next;

	list_each(it, next, &s->rooms)
	{
		struct sio_membership *membership = container_of(it, struct sio_membership, in_socket);

		if (membership->indexed)
			break;
		if (membership->key.room == room)
			return membership;
	}
	n = s->rooms_indexed ? table_find(&s->nsp->memberships, membership_key_text(&key)) : NULL;
	return n != NULL ? &container_of(n, struct sio_membership_indexed, node)->membership : NULL;
}

/* Makes a membership that is in no list, in the table if `indexed`. */
static struct sio_membership *
membership_alloc(struct sio_membership_key key, bool indexed)
{
	struct sio_membership_indexed *at;
	struct sio_membership *membership;

	if (!indexed) {
		membership = small_alloc(sizeof *membership);
		membership->key = key;
		return membership;
	}
	at = small_alloc(sizeof *at);
	at->membership.key = key;
	table_add(&key.socket->nsp->memberships, &at->node, membership_key_text(&at->membership.key));
	return &at->membership;
}

struct sio_membership *
sio_membership_new(struct sio_socket *s, struct sio_room *room, size_t number)
{
	struct sio_membership *membership;

	/* from the first one in the table on, so that the walked ones stay the first in the list */
	s->rooms_indexed |= s->room_count >= SIO_ROOMS_WALKED;
	membership = membership_alloc((struct sio_membership_key){s, room}, s->rooms_indexed);
	membership->number = number;
	membership->indexed = s->rooms_indexed;
	membership->present = false;
	list_add_tail(&room->members, &membership->in_room);
	list_add_tail(&s->rooms, &membership->in_socket);
	s->room_count++;
	return membership;
}

void
sio_membership_free(struct sio_membership *membership)
{
	struct sio_socket *s = membership->key.socket;

	if (membership->indexed)
		table_remove(&s->nsp->memberships,
			&container_of(membership, struct sio_membership_indexed, membership)->node);
	list_remove(&membership->in_room);
	list_remove(&membership->in_socket);
	small_free(membership, sio_membership_size(membership));
	s->room_count--;
	if (s->room_count == 0)
		s->rooms_indexed = false;
}
