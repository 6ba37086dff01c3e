/* socket.handshake as JSON. */
#ifndef NODE_SOCKETIO_SIO_HANDSHAKE_H
#define NODE_SOCKETIO_SIO_HANDSHAKE_H

#include "node/socketio/sio_socket.h"

/* The whole handshake object as JSON. */
void sio_handshake_write(const struct sio_socket *s, struct buffer *out, struct text auth);
/* JSON; {} when none was sent. */
struct text sio_handshake_auth(const struct sio_socket *s);

/* Where header fields are read from: a session's handshake or a request; the other one is NULL, the cursor 0. */
struct sio_fields {
	const struct eio_handshake *h;
	const struct http_request *r;
	uint32_t cursor;
};

/*
 * The values of that name as one text, as http_field_joint() says; *joined NULL: there is none. Good until the turn
 * ends. ERROR_MEMORY: no memory for it.
 */
int sio_fields_joined(struct sio_turn *turn, struct sio_fields from, struct text name, const char **joined);

#endif
