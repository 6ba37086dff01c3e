/*
 * A client is one engine session; a socket is a client in a namespace. Most clients have one socket.
 *
 * Both are small: what only some need is in struct sio_extra, made when first needed. A socket is freed at the end of
 * the turn in which its disconnect listeners ran.
 */
#ifndef NODE_SOCKETIO_SIO_SOCKET_H
#define NODE_SOCKETIO_SIO_SOCKET_H

#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_stored.h"

#define SIO_ID_LENGTH 20
#define SIO_ATTACHMENTS_MS 60000 /* a binary packet is complete within this time, else the client is closed */
#define SIO_REFUSED_MS 10000	 /* refused CONNECTs of one client are counted over this time */
#define SIO_WAITING_BYTES 4	 /* kept events of one socket: at most so many times maxHttpBufferSize */

struct sio_step;

struct sio_client {
	struct sio_server *io;
	struct eio_session *session; /* NULL after its on_close */
	struct sio_socket *sockets;  /* by `next`: waiting and connected ones */
	const struct sio_parser *parser;
	struct sio_partial *partial; /* the parser's: a packet that misses attachments */
	struct list checks;	     /* struct sio_step: functions that decide on a namespace */
	struct wheel_entry timer;    /* connectTimeout; after the first join, the deadline of `partial` */
	uint32_t places;	     /* sockets and checks, bounded by max_namespaces */
	uint32_t refused;	     /* CONNECTs refused since refused_since, bounded by max_refused_connects */
	uint64_t refused_since;	     /* ms of the loop */
	bool joined;		     /* a namespace, once: connectTimeout is over */
	bool closed;		     /* we closed it: nothing is read any more */
};

enum sio_state { SIO_WAITING, SIO_CONNECTED, SIO_CLOSING, SIO_DISCONNECTING, SIO_GONE };

struct sio_extra {
	struct table acks;	  /* struct sio_ack by id */
	struct list steps;	  /* struct sio_step */
	struct list events;	  /* struct sio_event that are kept */
	struct sio_listeners use; /* sio_socket_use() */
	struct sio_stored *data;
	void (*free_user)(void *user); /* NULL: sio_user() is the application's to free */
	unsigned waiting;	       /* kept events and steps */
	size_t waiting_bytes;
};

struct sio_socket {
	struct table_node node; /* in nsp->sockets */
	struct list link;	/* in nsp->connected, io->closing or io->gone */
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
	bool reply_fresh : 1; /* its CONNECT reply may not have left yet, and the client shows no sign of having read
				 it */
	char id[SIO_ID_LENGTH + 1];
};

/* Most clients are idle and have one socket: what the two cost is counted. */
_Static_assert(sizeof(struct sio_client) + sizeof(struct sio_socket) <= 320, "an idle client got larger");

/* ---- sio_client.c */

void *sio_client_on_open(void *arg, struct eio_session *session);
void sio_client_on_message(struct eio_session *session, void *owner, bool binary, uint8_t *data, size_t n);
void sio_client_on_close(
	struct eio_session *session, void *owner, enum eio_close_reason reason, const char *description);

/* Gracefully, for a fault of the protocol: sockets get "forced server close". Makes no up-call. */
void sio_client_close(struct sio_client *c);
void sio_client_end(struct sio_client *c, unsigned reason); /* the same with another reason for its sockets */
/* After a packet that cannot be decoded: error listeners, then the engine is closed. Makes up-calls. */
void sio_client_failed(struct sio_client *c, const char *message);
bool sio_client_open(const struct sio_client *c);
/* The first namespace was joined. */
void sio_client_joined(struct sio_client *c);
/* Whole or not at all; nothing for a client that cannot be sent to. `droppable`: nor for one that cannot take it now.
 */
void sio_client_put(struct sio_client *c, struct sio_outgoing *out, bool droppable);
/* Sends a packet without attachments. `json` may be TEXT_NONE. */
void sio_client_send(struct sio_client *c, enum sio_packet_type type, struct text nsp, struct text json);

/* ---- sio_connect.c */

/* A CONNECT packet for a namespace that the client is not in. */
void sio_connect(struct sio_client *c, struct text name, struct text auth);
/* CONNECT_ERROR; `data` JSON or TEXT_NONE. */
void sio_connect_error(struct sio_client *c, struct text nsp, const char *message, struct text data);
/* What the middlewares decided. */
void sio_connect_accept(struct sio_socket *s);
void sio_connect_refuse(struct sio_socket *s, const char *message, struct text data);
/* The namespace was found or made; goes on with its middlewares. */
void sio_connect_to(struct sio_client *c, struct sio_nsp *nsp, struct text auth);

/* ---- sio_socket.c */

struct sio_socket *sio_socket_new(struct sio_client *c, struct sio_nsp *nsp, struct text auth);
struct sio_extra *sio_socket_extra(struct sio_socket *s);

/* A connected socket is queued for its listeners; the first reason stays. Makes no up-call. */
void sio_socket_close(struct sio_socket *s, unsigned reason);
/* The same, and listeners run now. A waiting socket is dropped. Makes up-calls. */
void sio_socket_close_now(struct sio_socket *s, unsigned reason);
/* The jobs of io->closing and io->gone. */
void sio_socket_finish_all(struct sio_job *job);
void sio_socket_free_all(struct sio_job *job);
/* Forgets a socket that never connected. */
void sio_socket_drop(struct sio_socket *s);
void sio_socket_error(struct sio_socket *s, const char *message);
/* May packets be sent to it? Also while its middlewares run. */
bool sio_socket_open(const struct sio_socket *s);

/* Counts an event or step that waits for the application; too many close the client. */
void sio_socket_waits(struct sio_socket *s, size_t bytes);
void sio_socket_waits_no_more(struct sio_socket *s, size_t bytes);

/* ---- sio_handshake.c */

/* The whole handshake object as JSON. */
void sio_handshake_write(const struct sio_socket *s, struct buffer *out, struct text auth);
/* JSON; {} when none was sent. */
struct text sio_handshake_auth(const struct sio_socket *s);

#endif
