/*
 * A packet on its way out: its description, and its encodings, each made for the first receiver that needs it. A
 * packet without receivers is never encoded. It stands on the stack of whoever sends; what it describes is borrowed.
 */
#ifndef NODE_SOCKETIO_SIO_OUTGOING_H
#define NODE_SOCKETIO_SIO_OUTGOING_H

#include "node/sockeye.h"
#include "node/socketio/sio_parser.h"

#define SIO_VARIANTS_MAX 3 /* parsers: JSON of revisions 5 and 4, MessagePack */

struct sio_outgoing_limits {
	unsigned max_attachments; /* of one packet, at most SIO_ATTACHMENTS_MAX */
	uint64_t max_bytes;	  /* text and attachments */
};

struct sio_encoding {
	unsigned count;
	struct eio_message *messages[SIO_MESSAGES_MAX];
};

struct sio_outgoing {
	struct sio_packet_out packet;
	struct buffer *head; /* to encode in, borrowed; empty */
	bool compress;
	uint8_t made;	/* bit by variant: somebody has needed that encoding */
	bool no_memory; /* for one of them: its receivers went without */
	struct sio_encoding encodings[SIO_VARIANTS_MAX];
};

/*
 * The caller has set out->packet. 0; SIO_ERR_TOO_MANY, SIO_ERR_TOO_BIG: it cannot be sent to anybody. It can be given
 * to _fini() in any case.
 */
int sio_outgoing_init(
	struct sio_outgoing *out, const struct sio_outgoing_limits *limits, struct buffer *head, bool compress);
void sio_outgoing_fini(struct sio_outgoing *out);
void sio_outgoing_encode(struct sio_outgoing *out, const struct sio_parser *parser); /* for the first receiver */

/* Once it was delivered: 0, or SIO_ERR_SYSTEM when some went without as there was no memory for an encoding. */
static inline int
sio_outgoing_result(const struct sio_outgoing *out)
{
	return out->no_memory ? SIO_ERR_SYSTEM : 0;
}

/* The messages for clients of this parser, none when there is no memory for them; good until _fini(). */
static inline const struct sio_encoding *
sio_outgoing_for(struct sio_outgoing *out, const struct sio_parser *parser)
{
	if ((out->made & 1u << parser->variant) == 0)
		sio_outgoing_encode(out, parser);
	return &out->encodings[parser->variant];
}

#endif
