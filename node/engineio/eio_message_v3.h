/*
 * The forms of a message for clients of protocol revision 3. Each is made on first use and kept with the message; a
 * message without such a receiver has none of them.
 */
#ifndef NODE_ENGINEIO_EIO_MESSAGE_V3_H
#define NODE_ENGINEIO_EIO_MESSAGE_V3_H

#include "node/engineio/eio_message.h"

#define EIO_V3_BINARY_MESSAGE 4 /* the first byte of a binary message */

/*
 * Returns the message as a part of a payload: in a text payload "<length>:<packet>", in a binary payload the kind,
 * the length and the packet. The block belongs to the message. Returns NULL if memory runs out.
 */
struct block *eio_message_v3_part(struct eio_message *message, bool binary);

/* Returns the message's WebSocket frame, or NULL if memory runs out. The frame belongs to the message. */
struct ws_message *eio_message_v3_frame(struct eio_message *message);

/* Returns the packet as a text, "b4<base64>" for a binary message. Returns TEXT_NONE if memory runs out. */
struct text eio_message_v3_text(struct eio_message *message);

#endif
