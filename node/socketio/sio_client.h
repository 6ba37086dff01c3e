/*
 * A client is one engine session: who it is, and the way of packets to it. Most clients have one socket.
 */
#ifndef NODE_SOCKETIO_SIO_CLIENT_H
#define NODE_SOCKETIO_SIO_CLIENT_H

#include "node/socketio/sio_server.h"

#define SIO_ATTACHMENTS_MS 60000 /* a binary packet is complete within this time, else the client is closed */
#define SIO_REFUSED_MS 10000	 /* refused CONNECTs of one client are counted over this time */

/* What the application holds of a socket or client, and what outlives it: it is told when that one goes. */
struct sio_held {
	struct list link;
	void (*orphan)(struct sio_held *held);
};
void sio_held_init(struct sio_held *held, void (*orphan)(struct sio_held *held));
/* All of a list lose what they are about. */
void sio_held_orphan(struct list *list);

struct sio_client {
	struct sio_server *io;
	struct eio_session *session; /* NULL after its on_close */
	struct sio_socket *sockets;  /* by `next`: waiting and connected ones */
	const struct sio_parser *parser;
	struct sio_partial *partial; /* the parser's: a packet that misses attachments */
	struct list checks;	     /* struct sio_held of steps: functions that decide on a namespace */
	struct wheel_entry timer;    /* connectTimeout; after the first join, the deadline of `partial` */
	uint32_t places;	     /* sockets and checks, bounded by max_namespaces */
	uint32_t refused;	     /* CONNECTs refused since refused_since, bounded by max_refused_connects */
	uint64_t refused_since;	     /* ms of the loop */
	uint32_t room_bytes;	     /* of the names of the rooms that its sockets are in */
	bool joined;		     /* a namespace, once: connectTimeout is over */
	bool closed;		     /* we closed it: nothing is read any more */
};

struct sio_client *sio_client_new(struct sio_server *io, struct eio_session *session);
/* The session is gone and its sockets have left. */
void sio_client_free(struct sio_client *c);

/* Gracefully, for a fault of the protocol: sockets get "forced server close". Makes no up-call. */
void sio_client_close(struct sio_client *c);
void sio_client_no_memory(struct sio_client *c);	    /* the same for want of memory, counted; accepts NULL */
void sio_client_end(struct sio_client *c, unsigned reason); /* the same with another reason for its sockets */
/* After a packet that cannot be decoded: error listeners, then the engine is closed. Makes up-calls. */
void sio_client_failed(struct sio_client *c, const char *message);
bool sio_client_open(const struct sio_client *c);
/* The first namespace was joined. */
void sio_client_joined(struct sio_client *c);
/* What is kept for it counts in the budget: eio_hold(), as long as it has a session. */
void sio_client_hold(struct sio_client *c, int64_t bytes);
/* Whole or not at all; nothing for a client that cannot be sent to. `droppable`: nor for one that cannot take it now.
 */
void sio_client_put(struct sio_client *c, struct sio_outgoing *out, bool droppable);
/* Sends a packet without attachments. `json` may be TEXT_NONE. */
void sio_client_send(struct sio_client *c, enum sio_packet_type type, struct text nsp, struct text json);

#endif
