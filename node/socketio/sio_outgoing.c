#include "node/socketio/sio_outgoing.h"

#include "common/base/must.h"

int
sio_outgoing_init(struct sio_outgoing *out, uint64_t max_bytes, struct buffer *head, bool compress)
{
	const struct attachments *attachments = out->packet.attachments;
	uint64_t bytes = out->packet.json.n;
	unsigned bins = attachments != NULL ? attachments->count : 0;

	if (out->packet.late != NULL) {
		bytes += out->packet.late->name.n + out->packet.late->values.n;
		bins = out->packet.late->values.bins;
	}
	out->packet.max_bytes = max_bytes;
	out->head = head;
	out->recording = NULL;
	out->compress = compress;
	out->shared = false;
	out->made = 0;
	out->error = 0;
	if (bins > SIO_ATTACHMENTS_MAX)
		return SIO_ERR_TOO_MANY;
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		bytes += attachments->blocks[i]->len;
	return bytes > max_bytes ? SIO_ERR_TOO_BIG : 0;
}

int
sio_outgoing_write(struct sio_outgoing *out)
{
	struct sio_packet_out *packet = &out->packet;
	struct sio_content content = {.json = packet->json, .attachments = packet->attachments, .late = packet->late};
	int rc = sio_content_write(&content);

	if (rc != 0)
		return rc;
	packet->json = content.json;
	packet->attachments = content.attachments;
	if (packet->late == NULL)
		return 0; /* sio_outgoing_init() has checked its size */
	if (packet->attachments != NULL && packet->attachments->count > SIO_ATTACHMENTS_MAX)
		return SIO_ERR_TOO_MANY;
	return packet->json.n + attachments_bytes(packet->attachments) > packet->max_bytes ? SIO_ERR_TOO_BIG : 0;
}

static __attribute__((cold, noinline)) int
outgoing_encode_late(struct sio_outgoing *out, const struct sio_parser *parser, struct sio_encoding *encoding)
{
	int rc = sio_outgoing_write(out);

	if (rc != 0)
		return rc == SIO_ERR_SYSTEM ? ERROR_MEMORY : ERROR_TOO_BIG;
	return parser->encode(&out->packet, out->head, encoding->messages);
}

void
sio_outgoing_fini(struct sio_outgoing *out)
{
	for (unsigned made = out->made; made != 0; made &= made - 1) {
		const struct sio_encoding *encoding = &out->encodings[__builtin_ctz(made)];

		for (int i = 0; i < encoding->count; i++)
			eio_message_unref(encoding->messages[i]);
	}
	out->made = 0;
}

/* Encodes the event without its offset, for clients of revision 4, which would take it for an argument. */
static __attribute__((cold, noinline)) int
outgoing_encode_plain(struct sio_outgoing *out, const struct sio_parser *parser, struct sio_encoding *encoding)
{
	struct sio_packet_out packet = out->packet;

	packet.json = out->recording->plain;
	return parser->encode(&packet, out->head, encoding->messages);
}

void
sio_outgoing_encode(struct sio_outgoing *out, const struct sio_parser *parser)
{
	struct sio_encoding *encoding;

	must(parser->variant < SIO_VARIANTS_MAX);
	encoding = &out->encodings[parser->variant];
	if (__builtin_expect(out->packet.late != NULL && parser->write == NULL, 0))
		encoding->count = outgoing_encode_late(out, parser, encoding);
	else
		encoding->count = out->recording != NULL && parser->revision < 5
					  ? outgoing_encode_plain(out, parser, encoding)
					  : parser->encode(&out->packet, out->head, encoding->messages);
	must(encoding->count != 0 && encoding->count <= SIO_MESSAGES_MAX);
	if (encoding->count < 0)
		out->error = encoding->count;
	for (int i = 0; i < encoding->count; i++) {
		encoding->messages[i]->frame.compress = out->compress;
		encoding->messages[i]->frame.shared = out->shared;
	}
	buffer_reset(out->head);
	out->made |= (uint8_t)(1u << parser->variant);
}
