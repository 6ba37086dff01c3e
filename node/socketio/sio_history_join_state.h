/*
 * What the files of joins with history share. A join belongs to its socket and to the group of its room, from
 * sio_history_join_raw() or sio_history_join_adopt() until it ends: 30 seconds after its answer, or when the socket
 * leaves the room.
 * Calls go one way:
 *
 *   sio_history_hold.c   holds the newer events of a room while joins read, and drops repeated ones
 *   sio_history_join.c   the life of a join: reads, sends, calls back
 *   sio_history_place.c  its place in a stream, and the session of its socket
 *   sio_history_held.c   the events that it keeps
 *   sio_history_mark.c   which events a join has sent
 *   sio_history_given.c  the same as a part of the session of its socket
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_JOIN_STATE_H
#define NODE_SOCKETIO_SIO_HISTORY_JOIN_STATE_H

#include "broker/broker.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_stream_state.h"

#define JOIN_NEWEST_MAX 32 /* origins that a room remembers; if there are more, each join is checked */

enum join_state { JOIN_SETTLING, JOIN_READING, JOIN_PLACING, JOIN_SETTLED };

/* The joins of one room. Freed with the last join. */
struct join_group {
	struct table_node node;
	struct list waiting, settled;		  /* struct sio_history_join; `waiting`: all states but SETTLED */
	struct sio_history_join *indexed;	  /* one of them, or NULL; see sio_history_given_covers() */
	struct wire_mark newest[JOIN_NEWEST_MAX]; /* the highest number that the joins have sent, for each origin */
	unsigned newest_count;			  /* beyond JOIN_NEWEST_MAX: some origins are missing */
	char key[];
};

struct held_event {
	struct list link;
	struct sio_stored *event;
	struct wire_mark mark;
	unsigned flags;
};

struct held_events {
	struct list list; /* struct held_event */
	unsigned count;
	size_t bytes;
};

struct sio_history_join {
	struct list link;	       /* in the group */
	struct sio_history_join *next; /* of the same socket */
	struct join_group *group;
	struct sio_history *history;
	struct sio_socket *socket;
	enum join_state state;
	const struct history_limits *limits;
	struct history_query query;
	struct bus_wait wait;
	struct history_ask ask;
	struct sio_stream_place place;
	uint64_t offset;	  /* streams mode: for the last event; 0: none */
	struct wheel_entry timer; /* ends the state SETTLED */
	struct held_events past;  /* PLACING: the entries of the history */
	struct held_events held;  /* newer events of the room */
	struct wire_mark *sent;	  /* marks of the sent events, in order, each once */
	unsigned sent_count, sent_size;
	unsigned events;   /* entries sent */
	bool sent_any;	   /* entries or newer events were sent */
	bool passed_any;   /* newer events were not sent, because the socket had got them */
	bool whole;	   /* the answer contained all entries of the room */
	bool sending;	   /* events are being sent, so the join must not be freed */
	bool ended;	   /* the join has ended while it was sending */
	int error;	   /* SETTLED: for the callback, if the timer calls it */
	sio_joined_fn *fn; /* NULL: none, or already called */
	void *arg;
};

void sio_history_held_init(struct held_events *events);
/* Returns the oldest event, or NULL. */
struct held_event *sio_history_held_first(const struct held_events *events);
/* Appends an event, and takes a reference to it. Returns false if memory is short. */
bool sio_history_held_add(const struct sio_history_join *join, struct held_events *to, struct sio_stored *event,
	struct wire_mark mark, unsigned flags);
void sio_history_held_free(const struct sio_history_join *join, struct held_events *from, struct held_event *held);
/* Frees all events. */
void sio_history_held_clear(const struct sio_history_join *join, struct held_events *events);

/* Remembers that the join has sent the event. If memory is short, a late copy of the event may be sent again. */
void sio_history_mark_add(struct sio_history_join *join, struct wire_mark mark);

/*
 * Returns true if the socket must not get the event: it was sent already, or the history was cut and the event is
 * older than all sent events of its origin. An event that lies between sent ones is delivered: its entry was not
 * stored, because a queue was full.
 */
bool sio_history_mark_covers(const struct sio_history_join *join, struct wire_mark mark);

/* Returns true if a join of the room has, or may have, sent this event or a newer one of its origin. */
bool sio_history_mark_may_cover(const struct join_group *group, struct wire_mark mark);

/* Returns true if any join of the socket has sent the event: an event for several rooms is in the history of each. */
bool sio_history_mark_was_sent(const struct sio_socket *s, struct wire_mark mark);

/*
 * The join can hold no more events. Sends the held events, without the history if it has not been read. The timer
 * calls the callback, because an emit is in progress.
 */
void sio_history_join_give_up(struct sio_history_join *join);

#endif
