/*
 * The state of the history of rooms, which its files share. A server without --history has no struct sio_history,
 * and an emit costs one comparison.
 *
 *   sio_history.c        stores the events of this server, and reads entries
 *   sio_history_join.c   sends entries to sockets that join, before newer events of the room
 *   sio_history_hold.c   holds these newer events until the history has been read
 *   sio_history_mark.c   knows which events a join has sent
 *   sio_history_place.c  finds the place of a join in a stream, for connection state recovery
 *   sio_history_given.c  writes what joins have sent into the sessions of connection state recovery, and reads it
 *   sio_history_entry.c  the bytes of an entry
 *   sio_history_rules.c  the option
 *
 * Three files depend on one another. sio_history.c offers the functions of all three to emissions, and ends the joins
 * when the server leaves the store. sio_history_join.c calls sio_history.c to decode entries. sio_history_hold.c
 * calls sio_history_join.c to make a full join give up.
 *
 * Emissions, rooms and sockets call these files through struct sio_history_work. A direct call would close a circle,
 * because these files emit events and join rooms.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_STATE_H
#define NODE_SOCKETIO_SIO_HISTORY_STATE_H

#include "broker/wire.h"
#include "node/socketio/sio_history_rules.h"
#include "node/socketio/sio_history_stats.h"
#include "node/socketio/sio_server.h"
#include "node/socketio/sio_socket.h"
#include "node/socketio/sio_turn.h"

#define SIO_HISTORY_HELD_MAX 1000 /* events that one join holds */

struct sio_history;
struct sio_history_join;

/* An event that is being delivered to sockets of this server. Its members are borrowed. */
struct sio_history_event {
	struct sio_nsp *nsp;
	const struct sio_selector *who;
	const struct sio_content *what;
	struct wire_mark mark; /* origin 0: the event is in no history */
	uint64_t entry;	       /* streams mode: its number in the stream; 0: none */
	unsigned flags;	       /* SIO_FLAG_ */
};

struct sio_history_work {
	/* Stores an event that this server emits, in each of its rooms that has a history. Sets event->mark. */
	void (*store)(struct sio_history *history, struct sio_history_event *event);
	/* Removes the sockets that must not get the event now from the selection. */
	void (*hold)(struct sio_history *history, const struct sio_history_event *event, struct sio_selection *to);
	/* A socket with joins leaves the room. */
	void (*left)(struct sio_socket *s, struct text room);
	/* Returns true if a join of a socket with joins has not sent its events yet. */
	bool (*waits)(const struct sio_socket *s);
	/* Returns true if a socket with joins must not get a missed event (sio_history_given.h). */
	bool (*covers)(const struct sio_socket *s, const struct wire_target *to);
	/* Appends what the joins of a socket with joins have sent (sio_history_given.h). */
	void (*give)(const struct sio_socket *s, struct buffer *out);
	/* Gives a recovered socket, which is in its rooms, what give() has written. Returns false if it is malformed.
	 */
	bool (*adopt)(struct sio_socket *s, struct text given);
};

struct sio_history {
	struct sio_server *io;
	const struct sio_history_work *work;
	struct history *store; /* NULL: the server has not joined the other nodes, or has left them */
	struct sio_history_rules rules;
	uint64_t origin, number; /* of the last mark */
	struct list reads;	 /* struct history_read that wait for the store */
	unsigned asks;		 /* waiting reads and joins */
	struct table groups;	 /* struct join_group (sio_history_join_state.h), by namespace and room */
	/* the groups of this socket's joins point to these joins (join_group.indexed); NULL: of no socket */
	const struct sio_socket *indexed;
	struct list ending;	   /* struct join_call of sio_history_join.c: callbacks of ended joins */
	struct sio_job ending_job; /* calls them, and ends the reads that were cut off */
	bool cut;		   /* the server has left the store: the job must end all reads */
	struct buffer key, entry;
	struct log_limit log_limit;
	struct sio_history_stats stats;
};

/* Returns true if the socket waits for the history of a room. */
static inline bool
sio_history_waits(const struct sio_socket *s)
{
	return s->extra != NULL && s->extra->joins != NULL && s->nsp->io->history->work->waits(s);
}

/* Appends what the joins of the socket have sent, or nothing. */
static inline void
sio_history_give(const struct sio_socket *s, struct buffer *out)
{
	if (s->extra != NULL && s->extra->joins != NULL)
		s->nsp->io->history->work->give(s, out);
}

/* Returns true if the socket must not get a missed event, because it has got it, or newer ones, with a history. */
static inline bool
sio_history_covers(const struct sio_socket *s, const struct wire_target *to)
{
	return s->extra != NULL && s->extra->joins != NULL && s->nsp->io->history->work->covers(s, to);
}

/* Returns the key of a room in the store, valid until the next call. */
static inline struct text
sio_history_key(struct sio_history *history, struct text nsp, struct text room)
{
	buffer_reset(&history->key);
	buffer_add_text(&history->key, nsp);
	buffer_add_byte(&history->key, '#');
	buffer_add_text(&history->key, room);
	return buffer_text(&history->key);
}

#endif
