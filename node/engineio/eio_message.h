/*
 * A message for any number of sessions, encoded at most once per variant: the
 * WebSocket frame when it is made, base64 for polling when first needed.
 * Counted; immutable once shared. Those who make one answer NULL when there is no memory for its bytes.
 */
#ifndef NODE_ENGINEIO_EIO_MESSAGE_H
#define NODE_ENGINEIO_EIO_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/text.h"

struct eio_message {
	uint32_t refs;
	bool binary;
	bool compress;	     /* may be compressed on polling (httpCompression) */
	uint32_t frame_at;   /* first byte of the WebSocket frame in block */
	uint32_t packet_at;  /* text: the type digit '4'; binary: the first byte of data. The WebSocket payload begins
				here. */
	struct block *block; /* ends with the packet */
	struct block *base64; /* "b" and base64 of a binary message, made by eio_message_base64() */
};

/* A text message: `data` without the type digit, valid UTF-8. One reference. */
struct eio_message *eio_message_text(struct text data);

/*
 * The same from two parts, so that a packet header needs no copy in front of its payload.
 */
struct eio_message *eio_message_text2(struct text head, struct text tail);
struct eio_message *eio_message_binary(const void *bytes, size_t n);

/* A packet of any type (the digit), as the server's own packets are: open, ping, noop, close. */
struct eio_message *eio_message_packet(char type, struct text data);

struct eio_message *eio_message_ref(struct eio_message *m);
void eio_message_unref(struct eio_message *m); /* accepts NULL */

/* The packet as long-polling carries it: "4..." or "b<base64>". TEXT_NONE: no memory for the latter. */
struct text eio_message_polling(struct eio_message *m);

#endif
