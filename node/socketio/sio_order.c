#include "node/socketio/sio_order.h"

#include "node/socketio/sio_check.h"
#include "node/socketio/sio_deliver.h"

static int
order_join_one(struct sio_socket *s, const struct text *rooms, unsigned rooms_count)
{
	int rc = 0;

	/* a socket may join while its middlewares run and while it is connected; selections contain no others */
	if (s->state != SIO_WAITING && s->state != SIO_CONNECTED)
		return 0;
	for (unsigned i = 0; i < rooms_count && rc == 0; i++)
		rc = sio_rooms_join(s, rooms[i]);
	return rc;
}

int
sio_order_one(struct sio_socket *s, enum sio_cluster_order order, const struct text *rooms, unsigned rooms_count)
{
	switch (order) {
	case SIO_CLUSTER_JOIN:
		return order_join_one(s, rooms, rooms_count);
	case SIO_CLUSTER_LEAVE:
		for (unsigned i = 0; s->state != SIO_GONE && i < rooms_count; i++)
			sio_rooms_leave(s, rooms[i]);
		return 0;
	default:
		sio_disconnect(s, order == SIO_CLUSTER_CLOSE);
		return 0;
	}
}

/* Applies the order to the sockets of this node. No order frees a socket, so the selection stays valid. */
static int
order_on_this_node(struct sio_nsp *nsp, const struct sio_selector *who, enum sio_cluster_order order,
	const struct text *rooms, unsigned rooms_count)
{
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	int first = sio_rooms_select(nsp, who, &scratch->selection);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		int rc;

		sio_deliver_look_ahead(&scratch->selection, i);
		rc = sio_order_one(scratch->selection.at[i], order, rooms, rooms_count);
		if (first == 0)
			first = rc;
	}
	sio_scratch_give(&nsp->io->turn, scratch);
	return first;
}

int
sio_order_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, enum sio_cluster_order order,
	const struct text *rooms, unsigned rooms_count)
{
	int first = order_on_this_node(nsp, who, order, rooms, rooms_count), rc = 0;

	if (sio_cluster_reached(nsp, flags))
		rc = sio_cluster_order(nsp, who, order, rooms, rooms_count);
	return first != 0 ? first : rc;
}

/* ----------------------------------------------------------------- public */

/* Applies the order to every child of a parent that this node has. */
static int
order_family(const struct sio_parent *family, const struct sio_selector *who, unsigned flags,
	enum sio_cluster_order order, const struct text *room, unsigned rooms_count)
{
	struct list *it, *next;
	int first = 0;

	list_each(it, next, &family->children)
	{
		int rc = sio_order_many(
			container_of(it, struct sio_nsp, sibling), who, flags, order, room, rooms_count);

		if (first == 0)
			first = rc;
	}
	return first;
}

static int
order_target(const sio_target *target, enum sio_cluster_order order, const char *name)
{
	struct text room = name != NULL ? text_from(name) : TEXT_NONE;
	unsigned rooms_count = name != NULL ? 1 : 0;
	struct sio_target_rooms rooms;
	int rc = sio_target_rooms(&rooms, target);

	if (rc != 0)
		return rc;
	if ((target->flags & SIO_FLAG_ONLY) == 0 && target->nsp->family != NULL)
		rc = order_family(target->nsp->family, &rooms.who, target->flags, order, &room, rooms_count);
	else if ((target->flags & SIO_FLAG_ONLY) == 0)
		rc = sio_order_many(target->nsp, &rooms.who, target->flags, order, &room, rooms_count);
	else if (target->socket->state == SIO_CONNECTED)
		rc = sio_order_one(target->socket, order, &room, rooms_count);
	sio_target_rooms_fini(&rooms);
	return rc;
}

int
sio_sockets_join(sio_target target, const char *room)
{
	return sio_misused(__func__, room, NULL, NULL,
		sio_is_name(room) ? order_target(&target, SIO_CLUSTER_JOIN, room) : SIO_ERR_ARGUMENT);
}

int
sio_sockets_leave(sio_target target, const char *room)
{
	return sio_misused(__func__, room, NULL, NULL,
		sio_is_name(room) ? order_target(&target, SIO_CLUSTER_LEAVE, room) : SIO_ERR_ARGUMENT);
}

int
sio_disconnect_sockets(sio_target target, bool close)
{
	return order_target(&target, close ? SIO_CLUSTER_CLOSE : SIO_CLUSTER_DISCONNECT, NULL);
}
