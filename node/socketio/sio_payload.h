/*
 * Packed arguments: JSON text and the attachments that its placeholders refer to. Arguments that are passed on
 * unchanged from a client of the MessagePack parser may be late: they stay MessagePack, and their text is made when
 * it is needed, for example for a receiver with another parser.
 */
#ifndef NODE_SOCKETIO_SIO_PAYLOAD_H
#define NODE_SOCKETIO_SIO_PAYLOAD_H

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"
#include "common/base/msgpack_plain.h"

struct sio_content;
struct sio_value_owner;

/* An array that is still MessagePack. Borrowed. */
struct sio_late {
	struct text name;	      /* decoded UTF-8, the element before the values; at NULL: none */
	struct msgpack_values values; /* at NULL: nothing is late */
	/* Sets json and attachments of `out`; makes them in the first call. Returns 0 or an error of sockeye.h. */
	int (*write)(struct sio_late *late, struct sio_content *out);
};

struct sio_payload {
	struct buffer json; /* "[\"event\",arg,...]" for events, "[arg,...]" for acks, one value for data */
	struct attachments attachments;
	unsigned values; /* number of values in the format, outside all brackets */
	const char *why; /* after a failure: the reason; NULL: the error code says it all */
	size_t at;	 /* after a failure: the offset in the format */
	/* sio_pack_args_late(): the late arguments; until their text is made, `json` ends before them */
	struct sio_late late;
	struct sio_value_owner *late_owner; /* of the values */
};

/* A borrowed view of packed arguments: the text and the attachments that its placeholders refer to. */
struct sio_content {
	struct text json;		       /* TEXT_NONE while it is late */
	const struct attachments *attachments; /* NULL: none */
	struct sio_late *late;		       /* the same as MessagePack; NULL: only as text */
};

/* Returns a view of a payload that is not late. */
static inline struct sio_content
sio_payload_text(const struct sio_payload *payload)
{
	return (struct sio_content){.json = buffer_text(&payload->json),
		.attachments = payload->attachments.count != 0 ? &payload->attachments : NULL};
}

/* Returns a view of a payload, late or not. */
static inline struct sio_content
sio_payload_content(struct sio_payload *payload)
{
	if (__builtin_expect(payload->late.values.at != NULL, 0))
		return (struct sio_content){.late = &payload->late};
	return sio_payload_text(payload);
}

/* Makes the text of a content that is late. Returns 0 or an error of sockeye.h. */
static inline int
sio_content_write(struct sio_content *content)
{
	return content->late != NULL && content->json.n == 0 ? content->late->write(content->late, content) : 0;
}

/* `max` limits the bytes of the text. */
void sio_payload_init(struct sio_payload *payload, size_t max);
void sio_payload_fini(struct sio_payload *payload);

#endif
