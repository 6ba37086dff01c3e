/*
 * Socket.IO packets, protocol revision 5, default parser: a pure codec.
 *   <type>[<attachments>-][<namespace>,][<ack id>][JSON]
 * Source: Socket.IO protocol v5 (socket.io repository, docs/socket.io-protocol/v5-current.md).
 */
#ifndef NODE_SOCKETIO_SIO_PACKET_H
#define NODE_SOCKETIO_SIO_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"
#include "common/base/msgpack_plain.h"
#include "common/base/text.h"

enum sio_packet_type {
	SIO_CONNECT = 0,
	SIO_DISCONNECT = 1,
	SIO_EVENT = 2,
	SIO_ACK = 3,
	SIO_CONNECT_ERROR = 4,
	SIO_BINARY_EVENT = 5,
	SIO_BINARY_ACK = 6,
};

#define SIO_ARGS_MAX 255		     /* arguments of one event, name included */
#define SIO_ID_MAX ((UINT64_C(1) << 53) - 1) /* Number.MAX_SAFE_INTEGER: JavaScript rounds larger ids */

/*
 * A parsed packet. All texts point into the input. A parser that reads MessagePack may set `values` and `name`
 * instead of `data` and `args`; sio_parser.write() then makes `data` and `args` when they are needed.
 */
struct sio_packet {
	enum sio_packet_type type;
	unsigned attachments;		  /* BINARY_*: number of binary messages that follow, at least 1 */
	const struct attachments *blocks; /* the received attachments, set by a parser (sio_parser.h); NULL: none */
	const char *why;		  /* set by a parser with an error: the reason */
	struct text nsp;		  /* "/" when absent */
	bool has_id;
	uint64_t id;			/* at most SIO_ID_MAX */
	struct msgpack_values values;	/* EVENT, ACK: the elements of data in MessagePack; at NULL: only as JSON */
	struct text name;		/* EVENT with values: its name, the first value, without NUL */
	struct text data;		/* checked JSON, or TEXT_NONE */
	unsigned argc;			/* EVENT, ACK: number of elements of data */
	struct text args[SIO_ARGS_MAX]; /* their bounds; EVENT: args[0] is the name */
};

/* Limits of received packets. Scanning stops at the first limit exceeded, so hostile headers cost O(length). */
struct sio_packet_limits {
	unsigned max_attachments; /* binary attachments in one packet */
	unsigned max_depth;	  /* JSON nesting */
	unsigned max_nsp;	  /* bytes of a namespace name */
	uint64_t max_bytes;	  /* text and attachments of one packet; checked by the parser that collects them */
};

/*
 * Parses and checks one text message (without the Engine.IO type digit): type, counts, payload rules (CONNECT: object
 * or nothing; DISCONNECT: nothing; EVENT: non-empty array that begins with a number or with a string that is not a
 * reserved name; ACK: array; CONNECT_ERROR: string or object). For BINARY_* the placeholders are checked against
 * `attachments`. Returns 0, or ERROR_SYNTAX, ERROR_TOO_MANY (attachments, arguments), ERROR_TOO_DEEP, ERROR_UTF8,
 * ERROR_TOO_BIG (id, namespace).
 */
int sio_packet_parse(struct sio_packet *out, struct text message, const struct sio_packet_limits *limits);

/* Appends everything before the JSON. `attachments` > 0 requires a BINARY_ type; `id` NULL: no acknowledgement id. */
void sio_packet_write_head(
	struct buffer *out, enum sio_packet_type type, unsigned attachments, struct text nsp, const uint64_t *id);

/*
 * Returns true for the names connect, connect_error, disconnect, disconnecting, newListener and removeListener.
 * `name` is decoded.
 */
bool sio_event_name_reserved(struct text name);
/* Returns true if this checked JSON value can be an event's name: a number, or a string that is not reserved. */
bool sio_event_name_allowed(struct text name);

#endif
