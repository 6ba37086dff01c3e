/*
 * The packet that is being handled, io->packet. A packet of the MessagePack parser may have values instead of texts;
 * its texts are made by sio_received_write(). Values and texts are valid until the packet has been handled.
 */
#ifndef NODE_SOCKETIO_SIO_RECEIVED_H
#define NODE_SOCKETIO_SIO_RECEIVED_H

#include "node/socketio/sio_server.h"

/* Makes the texts if they are missing. Call sio_received_write() before reading them. Returns 0 or ERROR_MEMORY. */
int sio_received_write_texts(struct sio_server *io);
static inline int
sio_received_write(struct sio_server *io)
{
	bool late = io->packet.values.at != NULL && io->packet.data.n == 0;

	return __builtin_expect(late, 0) ? sio_received_write_texts(io) : 0;
}

/* Call sio_received_end() when the packet has been handled: it frees the texts that were made. */
void sio_received_end_values(struct sio_server *io);
static inline void
sio_received_end(struct sio_server *io)
{
	if (__builtin_expect(io->packet.values.at != NULL, 0))
		sio_received_end_values(io);
}

#endif
