/*
 * Presence: which users are in which room, on all servers. Each server keeps the users of all servers
 * (sio_presence_table.h) and sends the changes of its own users to the others (sio_presence_peers.h). So the
 * application can ask for them without a message. Changes are collected for presenceInterval; then each server
 * announces them to its own sockets and listeners.
 *
 * A namespace without sio_presence() has no struct sio_presence, and costs one comparison when a socket changes
 * rooms.
 *
 * Namespaces, rooms and sockets call the functions of this file. It reaches sio_presence.c and sio_presence_peers.c
 * through struct sio_presence_work. This file and sio_nsp.c depend on each other: a namespace owns its presence,
 * which reads the namespace's parent and options.
 */
#ifndef NODE_SOCKETIO_SIO_PRESENCE_STATE_H
#define NODE_SOCKETIO_SIO_PRESENCE_STATE_H

#include "common/base/wheel.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_presence_table.h"

/* What sio_set_present() attaches to a socket. */
struct sio_present {
	struct sio_stored *data; /* NULL: none */
	size_t user_len;
	char user[];
};

struct sio_presence;

/* The state of this server towards the others. */
struct sio_presence_peers {
	uint64_t number;      /* of this server's last change; grows from run to run of a namespace */
	uint64_t list_number; /* of the list that is being sent */
	unsigned part;	      /* number of the part sent last; 0: no list is being sent */
	uint64_t listed;      /* loop time of the last list */
	uint64_t here_due,
		here_ms; /* loop time of the next "here"; the pause before it in ms, 0: nothing was ever sent */
	uint64_t ticked; /* loop time of the last tick */
	uint64_t asked;	 /* loop time of the last "want" */
	bool greeted;	 /* "hello" was sent */
	bool list_due;	 /* another server has asked for the list */
	struct wheel_entry tick; /* sio_presence_on_tick() */
	struct wheel_entry list; /* sends the next part of the list */
};

/* The functions of sio_presence.c and sio_presence_peers.c. announce, tick and list are callbacks of timers. */
struct sio_presence_work {
	void (*announce)(struct wheel_entry *entry);
	void (*publish)(struct sio_presence *presence); /* sends the changes to the other servers */
	void (*tick)(struct wheel_entry *entry);
	void (*list)(struct wheel_entry *entry);
};

/* Presence of a namespace. For a parent namespace, it has only the settings and listeners for the children. */
struct sio_presence {
	struct sio_nsp *nsp;
	const struct sio_presence_work *work;
	char *prefix; /* the rooms whose names begin with it are watched */
	char *event;  /* name of the event sent to a room when its users change; NULL: no event is sent */
	struct sio_listeners listeners;
	struct presence_table table;
	struct sio_presence_peers peers;
	struct wheel_entry due; /* when changes are sent and announced */
};

/* Makes nsp->presence. `work` must outlive it. */
void sio_presence_start(
	struct sio_nsp *nsp, const char *prefix, const char *event, const struct sio_presence_work *work);
/* Makes nsp->presence of a child whose parent has presence. */
void sio_presence_inherit(struct sio_nsp *nsp);
/* Sends the last changes to the other servers and frees nsp->presence. Accepts a namespace without presence. */
void sio_presence_free(struct sio_nsp *nsp);

/* Returns true if the users in this room are kept. */
bool sio_presence_watches(const struct sio_presence *presence, struct text room);
/* Schedules the sending and announcing of noted changes within presenceInterval. */
void sio_presence_touch(struct sio_presence *presence);

/*
 * A socket with `present` has joined or left a room that is not its own. Returns true if a socket that joined is
 * counted: then its leaving must be reported, too. Otherwise presence is not for this room, or the table is full. In
 * the latter case sio_presence_readmit() tries again.
 */
bool sio_presence_moved(
	struct sio_presence *presence, const struct sio_present *present, bool joined, struct text room);
/* A socket with a user that is not counted in this room leaves it, so it no longer waits to come in. */
void sio_presence_gave_up(struct sio_presence *presence, struct text room);

/* Returns the bytes of extra->present; accepts NULL. */
size_t sio_present_size(const struct sio_present *present);
void sio_present_free(struct sio_present *present); /* accepts NULL */

#endif
