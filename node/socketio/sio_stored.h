/* A copy of a checked text and its attachments: a socket's data, an answer. */
#ifndef NODE_SOCKETIO_SIO_STORED_H
#define NODE_SOCKETIO_SIO_STORED_H

#include "node/socketio/sio_value.h"

struct sio_stored {
	struct sio_value_owner owner;
	struct attachments attachments;
	char json[];
};

/* Returns NULL without memory. */
struct sio_stored *sio_stored_new(struct text json, const struct attachments *attachments);
size_t sio_stored_size(const struct sio_stored *stored);     /* bytes, with attachments; accepts NULL */
void sio_stored_free(struct sio_stored *stored);	     /* accepts NULL */
sio_value sio_stored_value(const struct sio_stored *stored); /* NULL: SIO_NONE */

#endif
