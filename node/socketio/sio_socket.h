/*
 * A socket is a client in a namespace. It is small: what only some need is in struct sio_extra, made when first
 * needed. How it ends is in sio_leave.h.
 *
 * This file and sio_client.c go in a circle, as a client and its sockets end together.
 */
#ifndef NODE_SOCKETIO_SIO_SOCKET_H
#define NODE_SOCKETIO_SIO_SOCKET_H

#include "node/socketio/sio_client.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_stored.h"

#define SIO_ID_LENGTH 20
#define SIO_WAITING_BYTES 4 /* kept events of one socket: at most so many times maxHttpBufferSize */

enum sio_state { SIO_WAITING, SIO_CONNECTED, SIO_CLOSING, SIO_DISCONNECTING, SIO_GONE };

struct sio_extra {
	struct table acks;	  /* struct sio_ack by id */
	struct list held;	  /* struct sio_held: steps, and events that are kept */
	struct sio_listeners use; /* sio_socket_use() */
	struct sio_stored *data;
	void *owned;		       /* the owner's pointer */
	void (*free_user)(void *user); /* NULL: sio_user() is the application's to free */
	unsigned waiting;	       /* kept events and steps */
	size_t waiting_bytes;
};

struct sio_socket {
	struct table_node node; /* in nsp->sockets */
	struct list link;	/* in nsp->asking, nsp->connected, io->closing or io->gone */
	struct sio_nsp *nsp;
	struct sio_client *client; /* NULL once gone */
	struct sio_socket *next;   /* of the client */
	struct list rooms;	   /* struct sio_membership in order of joining */
	struct sio_extra *extra;
	char *auth; /* JSON text; NULL: {} */
	void *user;
	uint64_t mark; /* epoch of the last broadcast that met this socket */
	uint64_t issued;
	uint32_t auth_len;
	uint32_t room_count;
	uint8_t state;	/* enum sio_state */
	uint8_t reason; /* enum sio_reason */
	bool in_own_room : 1;
	bool owner_asked : 1; /* by nsp->owner's on_connect(), which has not been answered */
	bool unannounced : 1; /* its "connection" listeners have not run yet */
	bool reply_fresh : 1; /* the client shows no sign of having read its CONNECT reply; and could not have, as
				 long as eio_mark_passed() is false */
	char id[SIO_ID_LENGTH + 1];
};

/* Most clients are idle and have one socket: what the two cost is counted. */
_Static_assert(sizeof(struct sio_client) + sizeof(struct sio_socket) <= 320, "an idle client got larger");

/* NULL: there is no memory for a copy of `auth`. */
struct sio_socket *sio_socket_new(struct sio_client *c, struct sio_nsp *nsp, struct text auth);
struct sio_extra *sio_socket_extra(struct sio_socket *s);
/* Takes its new socket.data over, NULL: none any more. It counts in the budget. */
void sio_socket_set_data(struct sio_socket *s, struct sio_stored *data);

/* A connected socket is queued for its listeners; the first reason stays. Makes no up-call. */
void sio_socket_close(struct sio_socket *s, unsigned reason);
void sio_socket_error(struct sio_socket *s, const char *message);
/* The listeners of "connection", once: before anything else that listeners hear of the socket. */
void sio_socket_announce(struct sio_socket *s);
/* Does it wait for the answer of its namespace's owner? */
static inline bool
sio_socket_asking(const struct sio_socket *s)
{
	return s->owner_asked;
}

/* May packets be sent to it? Also while its middlewares run. */
bool sio_socket_open(const struct sio_socket *s);

/* Counts an event or step that waits for the application; too many close the client. */
void sio_socket_waits(struct sio_socket *s, size_t bytes);
void sio_socket_waits_no_more(struct sio_socket *s, size_t bytes);

#endif
