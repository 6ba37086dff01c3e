/*
 * A parser converts packets to Engine.IO messages and back, for one client. It is a table of functions, so that
 * clients with different encodings can share a server and a room.
 *
 *   up      decode() gets each message of the client until a packet is complete
 *   down    encode() makes the messages of a packet, once for all clients of the same parser
 *
 * A client has its parser from its first message on (sio_client.parser); the layers above do not know which one. A
 * packet means the same to all parsers: a type, a namespace, an id, JSON text with placeholders, attachments. The
 * text of what a MessagePack client sends is made when something reads it (struct sio_packet, struct sio_late). What
 * differs between encodings stays in the parser's file: whether attachments follow the text or are inside it, what an
 * older revision omits from CONNECT, how it words CONNECT_ERROR.
 *
 * Implementations: sio_parser_json.c (protocol revision 5, the default parser), sio_parser_json4.c (revision 4, for
 * clients of Socket.IO 1 and 2), sio_parser_msgpack.c (MessagePack, revision 5).
 */
#ifndef NODE_SOCKETIO_SIO_PARSER_H
#define NODE_SOCKETIO_SIO_PARSER_H

#include "common/base/json_msgpack.h"
#include "node/engineio/eio_message.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_payload.h"

#define SIO_ATTACHMENTS_MAX 64 /* of a packet to a client; upper bound of the option maxAttachments */
#define SIO_MESSAGES_MAX (1 + SIO_ATTACHMENTS_MAX) /* of one packet; arrays of this size are on the stack */

/* A packet to encode. Texts and attachments are borrowed. */
struct sio_packet_out {
	enum sio_packet_type type; /* never BINARY_*: the parser decides how attachments change the packet */
	bool has_id;
	uint64_t id;
	struct text nsp;
	struct text json;		       /* checked; TEXT_NONE: no payload, or it is late */
	const struct attachments *attachments; /* NULL: none */
	struct sio_late *late;		       /* the same as MessagePack; NULL: only as JSON */
	/*
	 * Limit of the bytes of text and attachments. The packet is within it, but an encoding that puts attachments
	 * into the text can exceed it, because several placeholders may stand for one attachment. Set by
	 * sio_outgoing_init().
	 */
	uint64_t max_bytes;
};

/* A received packet that is incomplete, or whose texts need their own memory. Each parser defines its own. */
struct sio_partial;

struct sio_parser {
	const char *name;
	unsigned revision; /* of the Socket.IO protocol: 5 or 4 */
	unsigned variant;  /* index among the encodings of a packet, below SIO_VARIANTS_MAX */
	/*
	 * Makes the messages of a packet and returns their number, at most SIO_MESSAGES_MAX, or a negative enum
	 * error: ERROR_MEMORY, or the reason why the packet has no such encoding. The size of the packet and the
	 * number of attachments are already checked. `head` is an empty buffer to work in. Only a parser with write()
	 * gets a packet whose text is still late.
	 */
	int (*encode)(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages);
	/*
	 * Takes one message of a client; data is writable and valid during the call. Returns 1: `out` is a complete
	 * packet whose texts point into the message or into *partial. Returns 0: more messages are needed; after the
	 * first message `out` already has the type and the namespace. Returns a negative enum error: the message
	 * cannot be decoded, and out->why is the reason. *partial is NULL for the first message; the caller passes it
	 * to forget() after 1 and after an error. With write(), out->values may stand for the texts.
	 */
	int (*decode)(struct sio_partial **partial, bool binary, uint8_t *data, size_t n,
		const struct sio_packet_limits *limits, struct sio_packet *out);
	/*
	 * Makes the texts of a packet that has only its values, whose message must still be valid; keeps the values.
	 * The texts point into *partial, which the caller passes to forget(), after an error, too. Returns 0 or
	 * ERROR_MEMORY. NULL: packets have their texts.
	 */
	int (*write)(struct sio_partial **partial, const struct sio_packet_limits *limits, struct sio_packet *packet);
	size_t (*held)(const struct sio_partial *partial); /* returns its bytes of memory; accepts NULL */
	void (*forget)(struct sio_partial *partial);	   /* frees it; accepts NULL */
};

/* The default parser of socket.io, revision 5 (sio_parser_json.c). */
extern const struct sio_parser sio_parser_json;
/* The parser of Socket.IO 1 and 2, protocol revision 4 (sio_parser_json4.c). */
extern const struct sio_parser sio_parser_json4;
/* socket.io-msgpack-parser (sio_parser_msgpack.c). */
extern const struct sio_parser sio_parser_msgpack;

#endif
