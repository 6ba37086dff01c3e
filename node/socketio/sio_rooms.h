/*
 * Rooms of a namespace: who is where, in both directions. Joining and leaving are O(1); whoever is left in no room
 * costs nothing. The room that has a socket's own id for a name is not stored: it is found through the
 * table of sockets.
 */
#ifndef NODE_SOCKETIO_SIO_ROOMS_H
#define NODE_SOCKETIO_SIO_ROOMS_H

#include "node/socketio/sio_socket.h"

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
	struct table_node node; /* in nsp->memberships, by `key` */
	struct sio_membership_key key;
	struct list in_room; /* order of joining */
	struct list in_socket;
	size_t number; /* in the order of joining; SIO_ROOMS_FIRST and up */
};

/* Cursors of sio_room_next(): 0 before the first room, then the number of the last one given. */
#define SIO_ROOMS_OWN 1 /* the socket's own room was given */
#define SIO_ROOMS_FIRST 2

/*
 * 0, also when it was in. ERROR_ARGUMENT: a NUL is in the name (of another node). ERROR_TOO_BIG (max_room_length),
 * ERROR_TOO_MANY (max_rooms, max_room_bytes): counted and logged. ERROR_STATE within a listener of rooms. The room of
 * its own id has no limit.
 */
int sio_rooms_join(struct sio_socket *s, struct text name);
void sio_rooms_leave(struct sio_socket *s, struct text name);
void sio_rooms_leave_all(struct sio_socket *s);
void sio_rooms_leave_own(struct sio_socket *s);
/* Its own room, when it connects. */
void sio_rooms_enter(struct sio_socket *s);
/* Is any connected socket in it? */
bool sio_rooms_exists(const struct sio_nsp *nsp, struct text name);
/* Does it bear the id of a connected socket that is in it? */
bool sio_rooms_own(const struct sio_nsp *nsp, struct text name);
/* Every room once, those of a socket alone too. */
void sio_rooms_each(const struct sio_nsp *nsp, void (*each)(void *arg, struct text name), void *arg);
/* The namespace has joined the other nodes: the bus hears of the rooms that are there already. */
void sio_rooms_announce(struct sio_nsp *nsp);
bool sio_rooms_has(const struct sio_socket *s, struct text name);

/* Whom: members of any of the rooms (none given: everybody), those of any excepted room left out. Unknown rooms are
 * empty. */
struct sio_selector {
	const struct text *rooms, *except;
	unsigned rooms_count, except_count;
};
/*
 * Connected sockets, each once, in order of rooms and joining. Replaces what is in `out`. SIO_ERR_SYSTEM: there is no
 * memory for the list, which is empty then.
 */
int sio_rooms_select(struct sio_nsp *nsp, const struct sio_selector *who, struct sio_selection *out);

#endif
