/*
 * The users in the rooms of a namespace, as each server reports them. This file uses neither sockets nor messages nor
 * a clock; its callers pass it what has changed.
 *
 * A server owns the entries that it has reported; an entry says that a user is in a room. A user is present while at
 * least one server has an entry for that user. The table also lists the changes that have not been announced here,
 * and the changes of this server's own entries that have not been sent to the other servers.
 */
#ifndef NODE_SOCKETIO_SIO_PRESENCE_TABLE_H
#define NODE_SOCKETIO_SIO_PRESENCE_TABLE_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "node/socketio/sio_stored.h"

#define PRESENCE_OWNER_MAX 64 /* bytes of a server's id */

struct presence_table {
	struct table rooms;	    /* struct presence_room by name */
	struct table owners;	    /* struct presence_owner by id, without `own` */
	struct list unannounced;    /* struct presence_room with users that changed */
	struct list unpublished;    /* struct presence_user whose entry of `own` has changed */
	struct presence_owner *own; /* this server */
	unsigned entries, max_entries;
};

/* A server. Its `entries` are in the order in which they were added. */
struct presence_owner {
	struct table_node node;
	struct list entries;
	const struct list *next; /* where presence_walk() continues; NULL: no walk is under way */
	uint64_t seq;		 /* NUMBER of the last applied message of this server; 0: its entries are not known */
	uint64_t heard;		 /* loop time of its last message */
	uint32_t round;		 /* counts the lists received, including the present one */
	uint32_t part;		 /* number of the next part of the list; 0: no list is being received */
	uint64_t part_heard;	 /* loop time of the last part */
	uint32_t refused;	 /* entries left out because the table was full, since they were last tried again */
	bool wanted;		 /* the list of this server is needed and not complete */
	char id[PRESENCE_OWNER_MAX + 1];
};

struct presence_room {
	struct table_node node;
	struct table users;  /* struct presence_user by name */
	struct list changed; /* struct presence_user that differ from what was announced */
	struct list unannounced;
	unsigned present; /* users with an entry */
	char name[];
};

struct presence_user {
	struct table_node node;
	struct presence_room *room;
	struct list entries; /* struct presence_entry by in_user; the last one was set last */
	struct list changed, unpublished;
	struct sio_stored *announced_data;
	bool announced; /* as present, with announced_data */
	char name[];
};

struct presence_entry {
	struct list in_owner, in_user;
	struct presence_owner *owner;
	struct presence_user *user;
	struct sio_stored *data; /* NULL: none */
	uint32_t sockets;	 /* of `own`: how many sockets of the user are in the room */
	uint32_t round;		 /* owner->round when the entry was last reported */
};

/* `max_entries` limits the entries of all servers together. */
void presence_table_init(struct presence_table *table, unsigned max_entries);
void presence_table_fini(struct presence_table *table);

/* Returns the server with this id, and makes it if it is not known. `id` has 1 to PRESENCE_OWNER_MAX bytes. */
struct presence_owner *presence_owner_get(struct presence_table *table, struct text id);
/* Removes the server with all its entries. */
void presence_owner_drop(struct presence_table *table, struct presence_owner *owner);
/* Removes the entries of `owner` that were not reported in its current round. */
void presence_owner_sweep(struct presence_table *table, struct presence_owner *owner);

/*
 * `owner` says that the user is in the room, with `data` (NULL: none), of which a reference is taken. An entry of
 * `own` counts one more socket. Returns the entry. If there are max_entries, counts it in owner->refused and returns
 * NULL.
 */
struct presence_entry *presence_set(struct presence_table *table, struct presence_owner *owner, struct text room,
	struct text user, struct sio_stored *data);
/* Returns true if entries of `owner` were left out and there is room to try them again. */
bool presence_has_room_again(const struct presence_table *table, const struct presence_owner *owner);
/* `owner` says that the user has left. An entry of `own` goes with its last socket. */
void presence_clear(struct presence_table *table, struct presence_owner *owner, struct text room, struct text user);

/* Returns the user if present in the room, or NULL. */
struct presence_user *presence_find(const struct presence_table *table, struct text room, struct text user);
/* Returns the room, or NULL if it is not known. */
struct presence_room *presence_room_find(const struct presence_table *table, struct text room);
/* Returns the data that a server reported last for the user; NULL: no data. */
struct sio_stored *presence_data(const struct presence_user *user);
static inline bool
presence_is_present(const struct presence_user *user)
{
	return !list_empty(&user->entries);
}

/* Returns the entry of `own`, or NULL. */
struct presence_entry *presence_own_entry(const struct presence_table *table, const struct presence_user *user);

/*
 * Takes the next user whose own entry has changed since it was published, or NULL. The user is valid until
 * presence_release().
 */
struct presence_user *presence_take_unpublished(struct presence_table *table);

/* A change to announce. The texts are valid until presence_release(). */
enum presence_kind { PRESENCE_JOINED, PRESENCE_CHANGED, PRESENCE_LEFT };
struct presence_change {
	enum presence_kind kind;
	struct presence_user *user;
	struct sio_stored *data; /* one reference, for the caller; PRESENCE_LEFT: the last data; NULL: no data */
};
/* Takes the next change, room by room, and notes it as announced. Returns false if there is none. */
bool presence_take_change(struct presence_table *table, struct presence_change *out);
/* Frees a user that was taken, unless the table still refers to it. */
void presence_release(struct presence_table *table, struct presence_user *user);

/*
 * Walks the entries of `own`, across turns: presence_walk() begins, presence_walk_next() returns the next entry, or
 * NULL at the end. Entries may come and go meanwhile.
 */
void presence_walk(struct presence_table *table);
const struct presence_entry *presence_walk_next(struct presence_table *table);

#endif
