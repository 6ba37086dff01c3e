/*
 * A message for any number of sessions. It is encoded at most once per variant: the WebSocket frame on creation,
 * a compressed frame, base64 for polling and the forms of protocol revision 3 on first use. Reference-counted, and
 * immutable once shared. The functions that create a message return NULL if memory for its bytes runs out.
 */
#ifndef NODE_ENGINEIO_EIO_MESSAGE_H
#define NODE_ENGINEIO_EIO_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/base/text.h"
#include "node/ws/ws_message.h"

/* The forms of a message for clients of protocol revision 3, made by eio_message_v3.h. */
struct eio_message_v3 {
	struct ws_message frame; /* of a binary message: with the byte 4 in front */
	struct block *parts[2];	 /* in a text payload; in a binary payload */
};

struct eio_message {
	uint32_t refs;
	bool binary;
	/* The payload is the packet: the type digit '4' and a text, or the bytes of a binary message. `compress`
	 * holds for polling, too (httpCompression). */
	struct ws_message frame;
	struct block *base64;	   /* "b" and the base64 of a binary message, made by eio_message_polling() */
	struct eio_message_v3 *v3; /* NULL: no client of revision 3 has received it */
};

/* Creates a text message with one reference. `data` is valid UTF-8, without the type digit. */
struct eio_message *eio_message_text(struct text data);

/* As eio_message_text() with two parts, so that a packet header need not be copied in front of its payload. */
struct eio_message *eio_message_text2(struct text head, struct text tail);
struct eio_message *eio_message_binary(const void *bytes, size_t n);
/* As eio_message_binary() with `count` parts, which are copied one after the other. */
struct eio_message *eio_message_binary_of(const struct text *parts, unsigned count);
/*
 * Write a binary message where it stays. eio_message_begin() prepares an empty buffer, to which the caller appends
 * the payload of about `n` bytes; the buffer has an error if memory runs out. If it has none, eio_message_end() takes
 * its memory for a message. Both calls get the same `n`.
 */
void eio_message_begin(struct buffer *out, size_t n);
struct eio_message *eio_message_end(struct buffer *out, size_t n);

/* Creates a packet of any type (a digit), for the server's own packets: open, ping, noop, close. */
struct eio_message *eio_message_packet(char type, struct text data);

struct eio_message *eio_message_ref(struct eio_message *message);
void eio_message_unref(struct eio_message *message); /* accepts NULL */

/*
 * Returns the packet in the form of long-polling: "4..." or "b<base64>". Returns TEXT_NONE if memory for the base64
 * runs out.
 */
struct text eio_message_polling(struct eio_message *message);

#endif
