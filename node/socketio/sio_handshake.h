/* socket.handshake as JSON. */
#ifndef NODE_SOCKETIO_SIO_HANDSHAKE_H
#define NODE_SOCKETIO_SIO_HANDSHAKE_H

#include "node/socketio/sio_socket.h"

/* The whole handshake object as JSON. */
void sio_handshake_write(const struct sio_socket *s, struct buffer *out, struct text auth);
/* JSON; {} when none was sent. */
struct text sio_handshake_auth(const struct sio_socket *s);

#endif
