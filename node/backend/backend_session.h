/*
 * A client, as the backends of one group see it. The states are in backend_session.c, those of its sockets in
 * backend_socket.c. A session begins with the first namespace that the client asks for, or with a handshake that a
 * backend has allowed. It ends when the client has gone.
 *
 * backend_session.c, backend_socket.c and backend_out.c call one another: a session opens and ends its sockets, a
 * socket pauses and resumes its session's client, and the frames of backend_out.c name both.
 */
#ifndef NODE_BACKEND_BACKEND_SESSION_H
#define NODE_BACKEND_BACKEND_SESSION_H

#include "node/backend/backend_group.h"
#include "node/backend/backend_held.h"

struct backend_session {
	struct table_node node;	      /* in core->clients by sid, if this is the client's first session */
	struct backend_session *next; /* of the same client in another group */
	struct backend_core *core;
	struct eio_session *engine;
	struct backend_group *group;
	struct backend_member *member; /* NULL: no backend */
	struct backend_handle handle;
	struct list link;    /* in member->sessions, group->without or group->patient */
	struct list turn;    /* in member->paused, group->urgent, group->quiet or group->leaving */
	struct list sockets; /* struct backend_socket */
	uint64_t since;	     /* when it lost its backend, or began to wait for one */
	uint64_t held;	     /* bytes of events that wait */
	uint32_t request; /* id of the REQUEST of its handshake, while it belongs to the backend that allowed it; 0:
			     none */
	bool paused;
	bool leaving; /* in group->leaving */
	bool dropped; /* the engine is closing the client */
};

_Static_assert(sizeof(struct backend_session) <= 184, "a client behind a backend got larger");

enum backend_socket_state {
	BACKEND_WAITING,
	BACKEND_OPENING,
	BACKEND_ATTACHED,
	BACKEND_ORPHAN,
	BACKEND_REOPENING,
};

struct backend_socket {
	struct backend_handle handle; /* of session->member */
	struct list link;	      /* in session->sockets */
	struct backend_session *session;
	sio_socket *socket;
	struct backend_held held;
	struct list shadows; /* struct backend_shadow by of_socket */
	uint8_t state;	     /* enum backend_socket_state */
};

_Static_assert(sizeof(struct backend_socket) <= 112, "a socket behind a backend got larger");

/* The old handle of a socket that a backend has handed off. That backend may still finish what it has begun. */
struct backend_shadow {
	struct backend_handle handle; /* of `member` */
	struct list of_member, of_socket;
	struct backend_member *member;
	struct backend_socket *socket;
};

/* ---------------------------------------------------------------- sessions */

/* Returns the client's session in this group, or NULL. */
struct backend_session *backend_session_find(
	const struct backend_core *core, const struct eio_session *engine, const struct backend_group *group);
/* Returns the client's first session, or NULL; `next` leads to the others. */
struct backend_session *backend_session_first(const struct backend_core *core, struct text sid);
/* Makes a session without a backend. */
struct backend_session *backend_session_new(
	struct backend_core *core, struct eio_session *engine, struct backend_group *group);
/* Gives a session without a backend the least busy one, or lets it wait. */
void backend_session_place(struct backend_session *s);
/*
 * Opens a socket that is WAITING or an ORPHAN, if its session has a backend with window. Otherwise pauses reading
 * from the client until the backend has window. May free the socket.
 */
void backend_session_ask(struct backend_session *s, struct backend_socket *bs);
/* Gives the session to this backend: sends SESSION, and OPEN for its sockets. */
void backend_session_bind(struct backend_session *s, struct backend_member *m);
/*
 * Takes the session from its backend.
 *
 *   BACKEND_HANDED_OFF  the backend lives, and may finish what it has begun with the old handles
 *   BACKEND_LOST        its unanswered acknowledgements are forgotten; another backend takes over
 *   BACKEND_LOST_BUSY   the same, but the backend was only silent and may come back: its clients wait twice as long
 *   BACKEND_LOST_CLOSE  the same, but the client is closed
 *   BACKEND_LOST_AWAY   the same, but the client is closed some time within limits.away
 */
enum backend_release { BACKEND_HANDED_OFF, BACKEND_LOST, BACKEND_LOST_BUSY, BACKEND_LOST_CLOSE, BACKEND_LOST_AWAY };
void backend_session_release(struct backend_session *s, enum backend_release how);
/* An event or a namespace of the client waits: the session gets a backend before those for whom nothing waits. */
void backend_session_urgent(struct backend_session *s);
/* Stops and resumes reading from the client. */
void backend_session_pause(struct backend_session *s);
void backend_session_resume(struct backend_session *s);
/* Events that waited went away with their socket. If no other event waits, reading from the client resumes. */
void backend_session_relieved(struct backend_session *s);
/* More bytes of events wait than allowed: closes the client. */
void backend_session_overflow(struct backend_session *s);
/* The backend has window again, or has accepted a socket: sends sockets and events that waited. */
void backend_session_flush(struct backend_session *s);
/* A socket has left. Frees the session if it has neither a socket nor a backend now. */
void backend_session_unused(struct backend_session *s);
/* The last call: the client has gone, after its sockets. */
void backend_session_gone(struct backend_session *s, const char *reason);

/* Gives backends to waiting clients, in parcels, and closes leaving clients. */
void backend_session_serve(struct backend_core *core);
void backend_session_paced(struct wheel_entry *entry); /* timer of core->pace */
/* Ends the waits that are over. Returns true if others still wait. */
bool backend_session_sweep(struct backend_core *core);

/* ----------------------------------------------------------------- sockets */

/* A client asks for a namespace. */
struct backend_socket *backend_socket_new(struct backend_session *s, sio_socket *socket);
/* The session has a backend: sends OPEN. */
void backend_socket_open(struct backend_socket *bs);
/* The session has lost its backend. */
void backend_socket_lose(struct backend_socket *bs, bool handed_off);
/* Returns false if the socket has no unanswered OPEN. The same holds for backend_socket_refuse(). */
bool backend_socket_accept(struct backend_socket *bs);
bool backend_socket_refuse(struct backend_socket *bs, const char *message, struct text data);
/* Refuses the socket because no backend came in time. */
void backend_socket_unavailable(struct backend_socket *bs);
/* Sends an event of the client, or keeps it until the backend can take it. */
void backend_socket_event(struct backend_socket *bs, const struct sio_raw_event *e);
/* Sends what waits. May free the socket. */
void backend_socket_flush(struct backend_socket *bs);
/* The socket has joined or left a room: tells the backend, unless that backend has caused it. */
void backend_socket_room(struct backend_socket *bs, bool joined, struct text room);
/* The socket leaves. `reason` is NULL if the client has gone before the backend answered. */
void backend_socket_closed(struct backend_socket *bs, const char *reason);
/* Moves a socket that no backend knows yet to another group's session. */
void backend_socket_rebind(struct backend_socket *bs, struct backend_session *to);

/* Frees a shadow and its handle. */
void backend_shadow_free(struct backend_shadow *shadow);
/* Returns the handle by which this backend knows the socket, also after a hand-off; 0 if it does not know it. */
uint32_t backend_socket_number(const struct backend_socket *bs, const struct backend_member *m);

#endif
