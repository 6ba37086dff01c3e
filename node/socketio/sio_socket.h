/*
 * A socket is a client in a namespace. It is small: what only some sockets need is in struct sio_extra, made when it
 * is first needed. sio_leave.h has the end of a socket.
 *
 * This file and sio_client.c depend on each other in a circle, as a client and its sockets end together.
 */
#ifndef NODE_SOCKETIO_SIO_SOCKET_H
#define NODE_SOCKETIO_SIO_SOCKET_H

#include "node/socketio/sio_client.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_stored.h"

#define SIO_WAITING_BYTES 4 /* limit on kept events of one socket, in units of maxHttpBufferSize */

enum sio_state { SIO_WAITING, SIO_CONNECTED, SIO_CLOSING, SIO_DISCONNECTING, SIO_GONE };

/* Listeners of one socket for all its events. */
struct sio_any {
	struct sio_listeners received, sent;
};

struct sio_present;
struct sio_history_join;

/* The credit of sio_rate_allows(). Zeroed before the first call. */
struct sio_rate {
	double left;
	uint64_t at; /* when `left` was computed, by the loop's clock */
	bool begun;
};

struct sio_extra {
	struct table acks;	  /* struct sio_ack by id */
	struct list held;	  /* struct sio_held: steps, and kept events */
	struct table events;	  /* listeners of sio_socket_on(), by event name */
	struct sio_listeners use; /* sio_socket_use() */
	struct sio_any *any;	  /* NULL: none */
	struct sio_stored *data;
	struct sio_present *present;	/* sio_set_present(); NULL: none */
	struct sio_history_join *joins; /* with history, the newest first; NULL: none */
	void *owned;			/* the owner's pointer */
	void (*free_user)(void *user);	/* NULL: the application frees the pointer of sio_user() itself */
	struct sio_rate rate;		/* sio_rate_allows() */
	unsigned waiting;		/* number of kept events */
	size_t waiting_bytes;
};

struct sio_socket {
	struct table_node node; /* in nsp->sockets */
	struct list link;	/* in nsp->asking, nsp->connected, io->closing or io->gone */
	struct sio_nsp *nsp;
	struct sio_client *client; /* NULL once gone */
	struct sio_socket *next;   /* next socket of the client */
	struct list rooms;	   /* struct sio_membership in order of joining */
	struct sio_extra *extra;
	struct block *auth; /* JSON text; NULL: {} */
	void *user;
	struct sio_recovery_session *session; /* sio_recovery.h; NULL: it cannot be recovered */
	uint64_t last_event;		      /* number of the last recorded event that was for this socket */
	uint64_t mark;			      /* epoch of the last selection that met this socket */
	uint64_t issued;
	uint32_t room_count;
	uint8_t state;	/* enum sio_state */
	uint8_t reason; /* enum sio_reason */
	bool recovered : 1;
	bool in_own_room : 1;
	bool owner_asked : 1;	 /* nsp->owner's on_connect() was called, and the socket has not joined yet */
	bool owner_accepted : 1; /* the owner has answered yes; the socket waits for the events that it missed */
	bool was_recovered : 1;	 /* it passed the middlewares, or skipped them, as a recovered socket */
	bool ends : 1;		 /* sio_disconnect() was called while owner_accepted */
	bool ends_client : 1;	 /* the same, with `close` */
	bool rooms_indexed : 1;	 /* its next memberships are in nsp->memberships (sio_membership.h) */
	bool unannounced : 1;	 /* its "connection" listeners have not run yet */
	bool reply_fresh : 1; /* the client has not shown that it has read its CONNECT reply; it cannot have read it
				 while eio_mark_passed() is false */
	uint16_t id_len;
	char id[]; /* ends with NUL */
};

/* Most clients are idle and have one socket, so the size of the two structs is limited. */
_Static_assert(sizeof(struct sio_client) + sizeof(struct sio_socket) + SIO_ID_LENGTH + 1 <= 320,
	"an idle client got larger");

/*
 * Makes a waiting socket. Returns NULL if there is no memory for a copy of `auth`. The id is random, except for a
 * client of revision 4, which gets no id in CONNECT and derives it from the Engine.IO sid: "<sid>" in "/", else
 * "<namespace>#<sid>".
 */
struct sio_socket *sio_socket_new(struct sio_client *c, struct sio_nsp *nsp, struct text auth);
/* Returns s->extra, which is made if missing. */
struct sio_extra *sio_socket_extra(struct sio_socket *s);
static inline struct text
sio_socket_id_text(const struct sio_socket *s)
{
	return text_of(s->id, s->id_len);
}
/* Returns the connected socket of that id, or NULL. */
struct sio_socket *sio_socket_find(const struct sio_nsp *nsp, struct text id);
/* Sets socket.data and takes ownership of it; NULL removes it. It is charged to the client's budget. */
void sio_socket_set_data(struct sio_socket *s, struct sio_stored *data);

/* Queues a connected socket for its disconnect listeners. The first reason stays. Makes no up-call. */
void sio_socket_close(struct sio_socket *s, unsigned reason);
/* Calls the listeners of sio_on_error(). */
void sio_socket_error(struct sio_socket *s, const char *message);
/* Runs the listeners of "connection", once, before any other listener of the socket. */
void sio_socket_announce(struct sio_socket *s);
/* Returns true while the socket waits for the answer of its namespace's owner. */
static inline bool
sio_socket_asking(const struct sio_socket *s)
{
	return s->owner_asked && !s->owner_accepted;
}

/* Returns true if packets may be sent to the socket, also while its middlewares run. */
bool sio_socket_open(const struct sio_socket *s);

/* Counts a kept event. Too many events, or too many bytes, close the client. */
void sio_socket_waits(struct sio_socket *s, size_t bytes);
/* Undoes sio_socket_waits(): the event has been freed. */
void sio_socket_waits_no_more(struct sio_socket *s, size_t bytes);

#endif
