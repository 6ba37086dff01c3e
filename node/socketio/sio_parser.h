/*
 * A parser: packets to Engine.IO messages and back, for one client. A table of functions, so that clients which speak
 * differently can be on one server and in one room.
 *
 *   message       up: decode() is given each message of the client until a packet is whole
 *   packet        down: encode() makes the messages of a packet, once for all clients of the same parser
 *
 * A client has its parser from its first message on (sio_client.parser); nothing above it knows which. A packet means
 * the same for all: a type, a namespace, an id, JSON text with placeholders, attachments. What is peculiar to one
 * form stays in its file: where bytes stand (beside the text, or within it), what an older revision leaves out of a
 * CONNECT packet or says otherwise in a CONNECT_ERROR.
 *
 * Implementations: sio_parser_json.c (protocol revision 5, the default parser).
 */
#ifndef NODE_SOCKETIO_SIO_PARSER_H
#define NODE_SOCKETIO_SIO_PARSER_H

#include "common/base/json_msgpack.h"
#include "node/engineio/eio_message.h"
#include "node/socketio/sio_packet.h"

#define SIO_ATTACHMENTS_MAX 64			   /* bound of the option maxAttachments */
#define SIO_MESSAGES_MAX (1 + SIO_ATTACHMENTS_MAX) /* of one packet: they stand on the stack */

/* A packet that is to leave. Texts and attachments are borrowed. */
struct sio_packet_out {
	enum sio_packet_type type; /* never a BINARY_ one: what attachments make of a packet is the parser's */
	bool has_id;
	uint64_t id;
	struct text nsp;
	struct text json;		       /* checked; TEXT_NONE: no payload */
	const struct attachments *attachments; /* NULL: none */
};

/* A packet of which messages are missing, or whose texts need memory of their own. Each parser has its own form. */
struct sio_partial;

struct sio_parser {
	const char *name;
	unsigned variant; /* its place among the encodings of a packet, below SIO_VARIANTS_MAX */
	/*
	 * Makes the messages of a packet, at most SIO_MESSAGES_MAX, and returns how many; 0: there is no memory for
	 * them. The packet's size and number of attachments were checked. `head` is an empty buffer to work in.
	 */
	unsigned (*encode)(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages);
	/*
	 * One message of a client; data is writable and good during the call. 1: `out` is a whole packet, its texts
	 * point into the message or into *partial. 0: more messages are needed; after the first of a packet
	 * `out` already says its type and namespace. Negative (enum error): it cannot be decoded, out->why says it in
	 * words. *partial is NULL at first and is the caller's to forget, after 1 as after an error.
	 */
	int (*decode)(struct sio_partial **partial, bool binary, uint8_t *data, size_t n,
		const struct sio_packet_limits *limits, struct sio_packet *out);
	size_t (*held)(const struct sio_partial *partial); /* bytes; accepts NULL */
	void (*forget)(struct sio_partial *partial);	   /* accepts NULL */
};

/* The default parser of socket.io, revision 5 (sio_parser_json.c). */
extern const struct sio_parser sio_parser_json;

#endif
