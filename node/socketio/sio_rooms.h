/*
 * Rooms of a namespace: the members of each room and the rooms of each socket. Joining and leaving are O(1). An empty
 * room takes no memory. The room named after a socket's own id is not stored: it is found through the table of
 * sockets.
 */
#ifndef NODE_SOCKETIO_SIO_ROOMS_H
#define NODE_SOCKETIO_SIO_ROOMS_H

#include "node/socketio/sio_membership.h"
#include "node/socketio/sio_selector.h"

/* Cursors of sio_room_next(): 0 before the first room, then the number of the last room returned. */
#define SIO_ROOMS_OWN 1 /* the socket's own room was returned */
#define SIO_ROOMS_FIRST 2

/*
 * Returns 0, even if the socket is in the room already. ERROR_TOO_BIG (max_room_length), ERROR_TOO_MANY (max_rooms,
 * max_room_bytes), ERROR_ARGUMENT (the name contains NUL; only other nodes can send that) and ERROR_SYSTEM (no
 * memory) are counted and logged. ERROR_STATE: called from a listener of rooms. The limits do not apply to the
 * socket's own room.
 */
int sio_rooms_join(struct sio_socket *s, struct text name);
void sio_rooms_leave(struct sio_socket *s, struct text name);
/* Leaves all rooms, the socket's own included. */
void sio_rooms_leave_all(struct sio_socket *s);
/* Leaves only the socket's own room. */
void sio_rooms_leave_own(struct sio_socket *s);
/* Joins the socket's own room, when it connects. */
void sio_rooms_enter(struct sio_socket *s);
/*
 * Reports the own room of a socket that is about to connect to the bus, so that this node receives its messages. If
 * the socket does not connect, sio_rooms_expect_no_more() follows.
 */
void sio_rooms_expect(struct sio_nsp *nsp, struct text id);
void sio_rooms_expect_no_more(struct sio_nsp *nsp, struct text id);
/* Returns the number of sockets in the room. */
unsigned sio_rooms_size(const struct sio_nsp *nsp, struct text name);
/* Returns true if any socket is in the room. */
bool sio_rooms_exists(const struct sio_nsp *nsp, struct text name);
/* Returns true if `name` is the id of a connected socket that is in its own room. */
bool sio_rooms_own(const struct sio_nsp *nsp, struct text name);
/* Calls `each` once for every room, own rooms included. */
void sio_rooms_each(const struct sio_nsp *nsp, void (*each)(void *arg, struct text name), void *arg);
/* Reports the existing rooms to the bus, after the namespace has joined the other nodes. */
void sio_rooms_announce(struct sio_nsp *nsp);
/* Returns true if the socket is in the room. */
bool sio_rooms_has(const struct sio_socket *s, struct text name);

/*
 * Replaces the content of `out` with the connected sockets that match, without duplicates, in order of rooms and
 * joining. Returns 0 or SIO_ERR_SYSTEM (no memory; then the list is empty).
 */
int sio_rooms_select(struct sio_nsp *nsp, const struct sio_selector *who, struct sio_selection *out);

#endif
