/* Used by the two JSON parsers: a packet that waits for its attachments, or a text that the parser has made. */
#ifndef NODE_SOCKETIO_SIO_PARTIAL_H
#define NODE_SOCKETIO_SIO_PARTIAL_H

#include "node/socketio/sio_parser.h"

struct sio_partial {
	struct attachments attachments;
	unsigned wanted; /* attachments of the packet */
	size_t bytes, n; /* `n`: of the text; `bytes`: with the attachments received so far */
	char message[];
};

/* Copies the text. Returns NULL if memory is short. */
struct sio_partial *sio_partial_new(struct text message, unsigned wanted);
/* Returns the bytes of memory; accepts NULL. */
size_t sio_partial_held(const struct sio_partial *partial);
void sio_partial_free(struct sio_partial *partial);

#endif
