/*
 * A membership: one socket in one room. It is in the list of the room and in the list of the socket. It lives from
 * the join until the leave, and belongs to sio_rooms.c, which does what a join and a leave cause.
 *
 * Most sockets are in few rooms. The first SIO_ROOMS_WALKED memberships of a socket are found by walking its list. So
 * thousands of sockets that join a room in one turn need neither memory for a table nor the time in which it grows.
 * Later memberships are in the table nsp->memberships. Joining and leaving are therefore O(1) for any number of
 * rooms.
 */
#ifndef NODE_SOCKETIO_SIO_MEMBERSHIP_H
#define NODE_SOCKETIO_SIO_MEMBERSHIP_H

#include "node/socketio/sio_socket.h"

#define SIO_ROOMS_WALKED 4 /* memberships of a socket that are not in the table */

struct sio_room {
	struct table_node node; /* in nsp->rooms */
	struct list members;	/* struct sio_membership by in_room */
	char name[];
};

struct sio_membership_key {
	struct sio_socket *socket;
	struct sio_room *room;
};

struct sio_membership {
	struct sio_membership_key key;
	struct list in_socket; /* in socket->rooms, in order of joining: the walked ones come first */
	struct list in_room;   /* in room->members, in order of joining */
	size_t number : 62;    /* grows in order of joining, from SIO_ROOMS_FIRST */
	size_t indexed : 1;    /* it is in nsp->memberships, as a struct sio_membership_indexed */
	size_t present : 1;    /* sio_presence_moved() has counted the socket for its user in the room */
};

struct sio_membership_indexed {
	struct sio_membership membership;
	struct table_node node; /* in nsp->memberships, by `membership.key` */
};

/* Returns the socket's membership in the room, or NULL. */
struct sio_membership *sio_membership_find(const struct sio_socket *s, const struct sio_room *room);
/* Adds the socket to the room; it must not be a member. `number` becomes the membership's number. */
struct sio_membership *sio_membership_new(struct sio_socket *s, struct sio_room *room, size_t number);
/* Returns the bytes of memory that the membership takes. */
static inline size_t
sio_membership_size(const struct sio_membership *membership)
{
	return membership->indexed ? sizeof(struct sio_membership_indexed) : sizeof *membership;
}
/* Removes the socket from the room, and frees the membership. */
void sio_membership_free(struct sio_membership *membership);

#endif
