#include "node/socketio/sio_outgoing.h"

#include "common/base/must.h"

int
sio_outgoing_init(
	struct sio_outgoing *out, const struct sio_outgoing_limits *limits, struct buffer *head, bool compress)
{
	const struct attachments *a = out->packet.attachments;
	uint64_t bytes = out->packet.json.n;

	out->head = head;
	out->compress = compress;
	out->made = 0;
	out->no_memory = false;
	if (a != NULL && a->count > limits->max_attachments)
		return SIO_ERR_TOO_MANY;
	for (unsigned i = 0; a != NULL && i < a->count; i++)
		bytes += a->blocks[i]->len;
	return bytes > limits->max_bytes ? SIO_ERR_TOO_BIG : 0;
}

void
sio_outgoing_fini(struct sio_outgoing *out)
{
	for (unsigned made = out->made; made != 0; made &= made - 1) {
		const struct sio_encoding *e = &out->encodings[__builtin_ctz(made)];

		for (unsigned i = 0; i < e->count; i++)
			eio_message_unref(e->messages[i]);
	}
	out->made = 0;
}

void
sio_outgoing_encode(struct sio_outgoing *out, const struct sio_parser *parser)
{
	struct sio_encoding *e;

	must(parser->variant < SIO_VARIANTS_MAX);
	e = &out->encodings[parser->variant];
	e->count = parser->encode(&out->packet, out->head, e->messages);
	must(e->count <= SIO_MESSAGES_MAX);
	out->no_memory = out->no_memory || e->count == 0;
	for (unsigned i = 0; i < e->count; i++)
		e->messages[i]->compress = out->compress;
	buffer_reset(out->head);
	out->made |= (uint8_t)(1u << parser->variant);
}
