/* The engine's callbacks for sessions (struct eio_ops). `owner` is the struct sio_client that open returned. */
#ifndef NODE_SOCKETIO_SIO_RECEIVE_H
#define NODE_SOCKETIO_SIO_RECEIVE_H

#include "node/engineio/eio.h"

void *sio_receive_open(void *arg, struct eio_session *session);
void sio_receive_upgrade(struct eio_session *session, void *owner);
void sio_receive_message(struct eio_session *session, void *owner, bool binary, uint8_t *data, size_t n);
void sio_receive_close(
	struct eio_session *session, void *owner, enum eio_close_reason reason, const char *description);

#endif
