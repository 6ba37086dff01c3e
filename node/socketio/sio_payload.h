/* What is packed: JSON text, and the attachments that its placeholders mean. */
#ifndef NODE_SOCKETIO_SIO_PAYLOAD_H
#define NODE_SOCKETIO_SIO_PAYLOAD_H

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"

struct sio_payload {
	struct buffer json; /* "[\"event\",arg,...]" for events, "[arg,...]" for acks, one value for data */
	struct attachments attachments;
	const char *why; /* after packing has failed: what was wrong; NULL: the error says it all */
	size_t at;	 /* and where in the format */
};

/* The same as others see it: a text, and the attachments that its placeholders mean. Borrowed. */
struct sio_content {
	struct text json;
	const struct attachments *attachments; /* NULL: none */
};

static inline struct sio_content
sio_payload_content(const struct sio_payload *p)
{
	return (struct sio_content){buffer_text(&p->json), p->attachments.count != 0 ? &p->attachments : NULL};
}

void sio_payload_init(struct sio_payload *p, size_t max);
void sio_payload_fini(struct sio_payload *p);

#endif
