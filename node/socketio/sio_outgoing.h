/*
 * A packet on its way out: its description and its encodings. Each encoding is made for the first receiver that needs
 * it, so a packet without receivers is never encoded. The struct is on the sender's stack and borrows what it
 * describes.
 */
#ifndef NODE_SOCKETIO_SIO_OUTGOING_H
#define NODE_SOCKETIO_SIO_OUTGOING_H

#include "common/base/error.h"
#include "node/sockeye.h"
#include "node/socketio/sio_parser.h"

struct sio_nsp;
struct sio_selector;

#define SIO_VARIANTS_MAX 3 /* parsers: JSON of revisions 5 and 4, MessagePack */

struct sio_encoding {
	int count; /* of messages, or a negative enum error */
	struct eio_message *messages[SIO_MESSAGES_MAX];
};

/* How an event takes part in connection state recovery (sio_recovery_record.h). On the stack of its sender. */
struct sio_recording {
	struct sio_nsp *nsp;
	const struct sio_selector *who; /* the event is recorded for these sockets; NULL: it is not recorded */
	struct text plain;		/* the event without its offset, for clients of revision 4 */
	uint64_t number;		/* of the entry in the log; 0: the event has no entry */
	bool numbered;			/* the hub has given the event its number */
};

struct sio_outgoing {
	struct sio_packet_out packet;
	struct buffer *head;		 /* borrowed, empty: work space of the encoder */
	struct sio_recording *recording; /* NULL: none */
	bool compress;
	bool shared;  /* has several receivers; set before the first one is served */
	uint8_t made; /* bit per variant: this encoding exists */
	int error;    /* of an encoding that failed, so its receivers got nothing; otherwise 0 */
	struct sio_encoding encodings[SIO_VARIANTS_MAX];
};

/*
 * The caller has set out->packet. Returns 0, or SIO_ERR_TOO_MANY or SIO_ERR_TOO_BIG if the packet exceeds
 * SIO_ATTACHMENTS_MAX or `max_bytes`, which counts text and attachments. The option maxAttachments limits what
 * clients send, as it does in Node.js. sio_outgoing_fini() may be called in any case.
 */
int sio_outgoing_init(struct sio_outgoing *out, uint64_t max_bytes, struct buffer *head, bool compress);
void sio_outgoing_fini(struct sio_outgoing *out);
/* Makes the text of the packet, if it is late. Returns 0, SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY or SIO_ERR_SYSTEM. */
int sio_outgoing_write(struct sio_outgoing *out);
/* Encodes for the first receiver with this parser. */
void sio_outgoing_encode(struct sio_outgoing *out, const struct sio_parser *parser);

/*
 * The result after delivery: 0; SIO_ERR_SYSTEM if receivers got nothing for want of memory; SIO_ERR_TOO_BIG if their
 * parser's encoding of the packet exceeds the limit; SIO_ERR_ARGUMENT if there is none, for example because the
 * packet is nested too deeply.
 */
static inline int
sio_outgoing_result(const struct sio_outgoing *out)
{
	switch (out->error) {
	case 0:
		return 0;
	case ERROR_MEMORY:
		return SIO_ERR_SYSTEM;
	case ERROR_TOO_BIG:
		return SIO_ERR_TOO_BIG;
	default:
		return SIO_ERR_ARGUMENT;
	}
}

/* Returns the messages for clients with this parser; count < 0: an error. Valid until sio_outgoing_fini(). */
static inline const struct sio_encoding *
sio_outgoing_for(struct sio_outgoing *out, const struct sio_parser *parser)
{
	if ((out->made & 1u << parser->variant) == 0)
		sio_outgoing_encode(out, parser);
	return &out->encodings[parser->variant];
}

#endif
