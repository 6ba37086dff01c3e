/* socket.handshake as JSON, and its header fields. */
#ifndef NODE_SOCKETIO_SIO_HANDSHAKE_H
#define NODE_SOCKETIO_SIO_HANDSHAKE_H

#include "node/socketio/sio_socket.h"

/* What the handshake object is written from. It outlives the socket: all parts are counted and constant. */
struct sio_handshake {
	const struct eio_handshake *engine; /* NULL: the session is gone */
	struct block *auth;		    /* NULL: {} */
	uint64_t issued;
};

struct sio_handshake sio_handshake_ref(const struct sio_socket *s);
void sio_handshake_unref(struct sio_handshake *handshake);
/* Returns the JSON text of an auth, which is {} if the client sent none. */
struct text sio_auth_text(const struct block *auth);
/* Appends the whole handshake object as JSON. */
void sio_handshake_write(const struct sio_handshake *handshake, struct text auth, struct buffer *out);
/* Returns JSON, or {} if the client sent no auth. */
struct text sio_handshake_auth(const struct sio_socket *s);

/* A source of header fields: a session's handshake or a request; the other is NULL. The cursor starts at 0. */
struct sio_fields {
	const struct eio_handshake *handshake;
	const struct http_request *request;
	uint32_t cursor;
};

/*
 * Joins the values of a field as http_field_joint() prescribes. *joined is NULL if the field does not occur; else it
 * is valid until the turn ends. Returns 0 or ERROR_MEMORY.
 */
int sio_fields_joined(struct sio_turn *turn, struct sio_fields from, struct text name, const char **joined);

#endif
