/*
 * A client, as the backends of one group see it; states in backend_session.c, those of its sockets in
 * backend_socket.c. It begins with the first namespace that the client asks for, or with a handshake that a backend
 * was asked about, and lasts until the client has gone. backend_session.c and backend_socket.c go in a circle, with
 * backend_out.c whose frames name both: a session opens its sockets and ends them, and a socket that is full or empty
 * has its session's client read less or more.
 */
#ifndef NODE_BACKEND_BACKEND_SESSION_H
#define NODE_BACKEND_BACKEND_SESSION_H

#include "node/backend/backend_group.h"
#include "node/backend/backend_held.h"

struct backend_session {
	struct table_node node;	      /* of the first one of a client: in core->clients by sid */
	struct backend_session *next; /* the same client in another group */
	struct backend_core *core;
	struct eio_session *engine;
	struct backend_group *group;
	struct backend_member *member; /* NULL: it has no backend */
	struct backend_handle handle;
	struct list link;    /* in member->sessions, or group->without or patient */
	struct list turn;    /* in member->paused, or group->urgent or quiet */
	struct list sockets; /* struct backend_socket */
	uint64_t since;	     /* without a backend: since when */
	uint64_t held;	     /* bytes of events that wait */
	uint32_t request;    /* of its handshake, while it belongs to the backend that was asked; 0: none */
	bool paused;
	bool leaving; /* in group->leaving */
	bool dropped; /* too much waited: it is on its way out */
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

/* What a socket's old handle means to the backend that handed it off: it may finish what it has begun. */
struct backend_shadow {
	struct backend_handle handle; /* of `member` */
	struct list of_member, of_socket;
	struct backend_member *member;
	struct backend_socket *socket;
};

/* ---------------------------------------------------------------- sessions */

/* The client's in that group, or NULL. */
struct backend_session *backend_session_find(
	const struct backend_core *core, const struct eio_session *engine, const struct backend_group *group);
/* The first of a client; others by `next`. */
struct backend_session *backend_session_first(const struct backend_core *core, struct text sid);
struct backend_session *backend_session_new(
	struct backend_core *core, struct eio_session *engine, struct backend_group *group);
/* A backend for one that has none: the least busy one, or it waits. */
void backend_session_place(struct backend_session *s);
/*
 * A socket is WAITING or an ORPHAN, and its session may have a backend: that one is asked now, or when it has window
 * again, until when the client is not read. May free the socket.
 */
void backend_session_ask(struct backend_session *s, struct backend_socket *bs);
/* It belongs to this backend, which hears of it and of its sockets. */
void backend_session_bind(struct backend_session *s, struct backend_member *m);
/*
 * It has no backend any more.
 *
 *   BACKEND_HANDED_OFF  that one lives, and may finish what it has begun with the old handles
 *   BACKEND_LOST        what it asked is forgotten; another one takes over
 *   BACKEND_LOST_BUSY   the same, but it may come back itself, as it was only silent: its clients wait longer for one
 *   BACKEND_LOST_CLOSE  the same, but its client is closed
 *   BACKEND_LOST_AWAY   the same, but its client is closed some time within limits.away
 */
enum backend_release { BACKEND_HANDED_OFF, BACKEND_LOST, BACKEND_LOST_BUSY, BACKEND_LOST_CLOSE, BACKEND_LOST_AWAY };
void backend_session_release(struct backend_session *s, enum backend_release how);
/* An event of its waits, or a namespace: it comes before those whose clients are silent. */
void backend_session_urgent(struct backend_session *s);
/* The client is read no more, or again. */
void backend_session_pause(struct backend_session *s);
void backend_session_resume(struct backend_session *s);
/* Events that waited are gone together with their socket. With the last of them the client is read again. */
void backend_session_relieved(struct backend_session *s);
/* More waits than may: it ends. */
void backend_session_overflow(struct backend_session *s);
/* Its backend has window again, or has taken a socket over: sockets and events that waited are sent. */
void backend_session_flush(struct backend_session *s);
/* A socket has left: one without a backend is forgotten with the last of them. */
void backend_session_unused(struct backend_session *s);
/* The last call: the client has gone, its sockets before. */
void backend_session_gone(struct backend_session *s, const char *reason);

/* Clients that wait get backends, in parcels; those that are sent away go. */
void backend_session_serve(struct backend_core *core);
void backend_session_paced(struct wheel_entry *entry); /* core->pace */
/* The waits that are over. True: some wait still. */
bool backend_session_sweep(struct backend_core *core);

/* ----------------------------------------------------------------- sockets */

/* A client asks for a namespace. */
struct backend_socket *backend_socket_new(struct backend_session *s, sio_socket *socket);
/* The session has got a backend. */
void backend_socket_open(struct backend_socket *bs);
/* It has lost it. */
void backend_socket_lose(struct backend_socket *bs, bool handed_off);
/* False: there was no question. */
bool backend_socket_accept(struct backend_socket *bs);
bool backend_socket_refuse(struct backend_socket *bs, const char *message, struct text data);
/* The same, as no backend came in time. */
void backend_socket_unavailable(struct backend_socket *bs);
void backend_socket_event(struct backend_socket *bs, const struct sio_raw_event *e);
/* May free it. */
void backend_socket_flush(struct backend_socket *bs);
void backend_socket_room(struct backend_socket *bs, bool joined, struct text room);
/* It leaves; `reason` NULL: the client has gone before the answer. */
void backend_socket_closed(struct backend_socket *bs, const char *reason);
/* Another group's session takes it, before any backend has heard of it. */
void backend_socket_rebind(struct backend_socket *bs, struct backend_session *to);

void backend_shadow_free(struct backend_shadow *shadow);
/* The handle by which this backend knows the socket, also after a hand-off; 0: it does not. */
uint32_t backend_socket_number(const struct backend_socket *bs, const struct backend_member *m);

#endif
