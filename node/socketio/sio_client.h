/*
 * A client is one Engine.IO session and its sockets. Packets to any of the sockets go through it. Most clients have
 * one socket.
 */
#ifndef NODE_SOCKETIO_SIO_CLIENT_H
#define NODE_SOCKETIO_SIO_CLIENT_H

#include "node/socketio/sio_server.h"

#define SIO_ATTACHMENTS_MS 60000 /* deadline for the attachments of a binary packet; then the client is closed */
#define SIO_REFUSED_MS 10000	 /* period over which the refused CONNECTs of one client are counted */

/* An object that belongs to a socket or client but may outlive it. `orphan` is called when the owner goes. */
struct sio_held {
	struct list link;
	void (*orphan)(struct sio_held *held);
};
void sio_held_init(struct sio_held *held, void (*orphan)(struct sio_held *held));
/* Calls `orphan` of every object in the list and empties it. */
void sio_held_orphan(struct list *list);

struct sio_client {
	struct sio_server *io;
	struct eio_session *session; /* NULL after its on_close */
	struct sio_socket *sockets;  /* linked by `next`: waiting and connected sockets */
	const struct sio_parser *parser;
	struct sio_partial *partial; /* owned by the parser: a packet whose attachments are incomplete */
	struct sio_cork *cork;	     /* NULL: the client's output is not held back (sio_cork.h) */
	struct list checks;	     /* struct sio_held of steps in which parents decide on a namespace */
	struct wheel_entry timer;    /* connectTimeout; after the first join, the deadline of `partial` */
	uint32_t places;	     /* sockets and checks, bounded by max_namespaces */
	uint32_t refused;	     /* CONNECTs refused since refused_since, bounded by max_refused_connects */
	uint64_t refused_since;	     /* loop time in ms */
	uint32_t room_bytes;	     /* bytes of the names of the rooms that its sockets are in */
	bool joined;		     /* has joined a namespace, so connectTimeout no longer applies */
	bool parser_known;	     /* otherwise the first message decides */
	bool closed;		     /* closed by this server, which reads nothing more from it */
};

/* Makes the client of a new session. */
struct sio_client *sio_client_new(struct sio_server *io, struct eio_session *session);
/*
 * Decides on the parser by the kind of the client's first message, before which the server sends no packet: JSON
 * packets begin with a text message, MessagePack packets are binary. The session keeps its parser.
 */
void sio_client_choose_parser(struct sio_client *c, bool binary);
/* Requires that the session is gone and all sockets have left. */
void sio_client_free(struct sio_client *c);

/* Closes the session after a protocol error; its sockets get "forced server close". Makes no up-call. */
void sio_client_close(struct sio_client *c);
/* Like sio_client_close(), for want of memory, which is counted. Accepts NULL. */
void sio_client_no_memory(struct sio_client *c);
/* Like sio_client_close(), with another reason for the sockets. */
void sio_client_end(struct sio_client *c, unsigned reason);
/* For a packet that cannot be decoded: calls the error listeners, then closes the session. Makes up-calls. */
void sio_client_failed(struct sio_client *c, const char *message);
/* Returns true until the client is closed or has gone. */
bool sio_client_open(const struct sio_client *c);
/* Returns when the session began (eio_session_began()), or 0 if it is gone. */
uint64_t sio_client_began(const struct sio_client *c);
/* The client has joined a namespace. Ends connectTimeout the first time. */
void sio_client_joined(struct sio_client *c);
/* Charges bytes kept for the client to its session's budget (eio_hold()). Does nothing without a session. */
void sio_client_hold(struct sio_client *c, int64_t bytes);
/*
 * Sends the packet whole or not at all. A closed client gets nothing. If `droppable` is true, a client whose
 * transport is not writable gets nothing either.
 */
void sio_client_put(struct sio_client *c, struct sio_outgoing *out, bool droppable);
/* Sends a packet without attachments. `json` may be TEXT_NONE. */
void sio_client_send(struct sio_client *c, enum sio_packet_type type, struct text nsp, struct text json);

#endif
