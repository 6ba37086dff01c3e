/* A reference-counted copy of a checked text and its attachments: a socket's data, an answer. */
#ifndef NODE_SOCKETIO_SIO_STORED_H
#define NODE_SOCKETIO_SIO_STORED_H

#include "node/socketio/sio_value.h"

struct sio_stored {
	struct sio_value_owner owner;
	struct attachments attachments;
	uint32_t refs;
	char json[];
};

/* Returns one reference, or NULL if memory is short. */
struct sio_stored *sio_stored_new(struct text json, const struct attachments *attachments);
static inline struct sio_stored *
sio_stored_ref(struct sio_stored *stored)
{
	stored->refs++;
	return stored;
}
size_t sio_stored_size(const struct sio_stored *stored);     /* bytes, with attachments; accepts NULL */
void sio_stored_unref(struct sio_stored *stored);	     /* accepts NULL */
sio_value sio_stored_value(const struct sio_stored *stored); /* NULL: SIO_NONE */

#endif
