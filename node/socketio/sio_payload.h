/* Packed arguments: JSON text and the attachments that its placeholders refer to. */
#ifndef NODE_SOCKETIO_SIO_PAYLOAD_H
#define NODE_SOCKETIO_SIO_PAYLOAD_H

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"

struct sio_payload {
	struct buffer json; /* "[\"event\",arg,...]" for events, "[arg,...]" for acks, one value for data */
	struct attachments attachments;
	unsigned values; /* that the format described, outside of all brackets */
	const char *why; /* after a failure: the reason; NULL: the error code says it all */
	size_t at;	 /* after a failure: the offset in the format */
};

/* A borrowed view of packed arguments: the text and the attachments that its placeholders refer to. */
struct sio_content {
	struct text json;
	const struct attachments *attachments; /* NULL: none */
};

static inline struct sio_content
sio_payload_content(const struct sio_payload *payload)
{
	return (struct sio_content){
		buffer_text(&payload->json), payload->attachments.count != 0 ? &payload->attachments : NULL};
}

void sio_payload_init(struct sio_payload *payload, size_t max);
void sio_payload_fini(struct sio_payload *payload);

#endif
