#include "node/socketio/sio_order.h"

#include "node/socketio/sio_check.h"

static int
join(struct sio_socket *s, const struct text *rooms, unsigned n)
{
	int rc = 0;

	/* while the middlewares run and while connected; later it is nothing, as its rooms have been left */
	if (s->state != SIO_WAITING && s->state != SIO_CONNECTED)
		return 0;
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = sio_rooms_join(s, rooms[i]);
	return rc;
}

int
sio_order_one(struct sio_socket *s, enum sio_cluster_order order, const struct text *rooms, unsigned n)
{
	switch (order) {
	case SIO_CLUSTER_JOIN:
		return join(s, rooms, n);
	case SIO_CLUSTER_LEAVE:
		for (unsigned i = 0; s->state != SIO_GONE && i < n; i++)
			sio_rooms_leave(s, rooms[i]);
		return 0;
	default:
		sio_disconnect(s, order == SIO_CLUSTER_CLOSE);
		return 0;
	}
}

/* None of what is done here frees a socket. */
static int
here(struct sio_nsp *nsp, const struct sio_selector *who, enum sio_cluster_order order, const struct text *rooms,
	unsigned n)
{
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	int first = sio_rooms_select(nsp, who, &scratch->selection);

	for (unsigned i = 0; i < scratch->selection.count; i++) {
		int rc = sio_order_one(scratch->selection.at[i], order, rooms, n);

		if (first == 0)
			first = rc;
	}
	sio_scratch_give(&nsp->io->turn, scratch);
	return first;
}

int
sio_order_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, enum sio_cluster_order order,
	const struct text *rooms, unsigned n)
{
	int first = here(nsp, who, order, rooms, n), rc = 0;

	if (sio_cluster_reached(nsp, flags))
		rc = sio_cluster_order(nsp, who, order, rooms, n);
	return first != 0 ? first : rc;
}

/* ----------------------------------------------------------------- public */

/* A parent stands for its children on this node. */
static int
order_family(const struct sio_parent *family, const struct sio_selector *who, unsigned flags,
	enum sio_cluster_order order, const struct text *room, unsigned n)
{
	struct list *it, *next;
	int first = 0;

	list_each(it, next, &family->children)
	{
		int rc = sio_order_many(container_of(it, struct sio_nsp, sibling), who, flags, order, room, n);

		if (first == 0)
			first = rc;
	}
	return first;
}

static int
order_target(const sio_target *t, enum sio_cluster_order order, const char *name)
{
	struct text room = name != NULL ? text_from(name) : TEXT_NONE;
	unsigned n = name != NULL ? 1 : 0;
	struct sio_target_rooms rooms;
	int rc = sio_target_rooms(&rooms, t);

	if (rc != 0)
		return rc;
	if ((t->flags & SIO_FLAG_ONLY) == 0 && t->nsp->family != NULL)
		rc = order_family(t->nsp->family, &rooms.who, t->flags, order, &room, n);
	else if ((t->flags & SIO_FLAG_ONLY) == 0)
		rc = sio_order_many(t->nsp, &rooms.who, t->flags, order, &room, n);
	else if (t->socket->state == SIO_CONNECTED)
		rc = sio_order_one(t->socket, order, &room, n);
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
