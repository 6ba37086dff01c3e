/*
 * The default parser. A packet is a text message (sio_packet.h), followed by one binary message per attachment.
 *
 *   state        message                     effect
 *   no partial   text without attachments    a complete packet
 *   no partial   text with attachments       the text is kept; `wanted` binary messages must follow
 *   no partial   binary                      error
 *   partial      text                        error
 *   partial      binary                      kept; the last one completes the packet
 */
#include "common/base/error.h"
#include "common/base/must.h"
#include "node/socketio/sio_partial.h"

static int
json_encode(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	unsigned attachments = packet->attachments != NULL ? packet->attachments->count : 0;
	enum sio_packet_type type = packet->type;
	unsigned made;

	must(attachments <= SIO_ATTACHMENTS_MAX);
	if (attachments != 0)
		type = type == SIO_EVENT ? SIO_BINARY_EVENT : SIO_BINARY_ACK;
	sio_packet_write_head(head, type, attachments, packet->nsp, packet->has_id ? &packet->id : NULL);
	must(buffer_error(head) != ERROR_TOO_BIG);
	if (buffer_error(head) != 0)
		return ERROR_MEMORY;
	messages[0] = eio_message_text2(buffer_text(head), packet->json);
	for (made = 0; messages[made] != NULL && made < attachments; made++) {
		const struct block *block = packet->attachments->blocks[made];

		messages[1 + made] = eio_message_binary(block->data, block->len);
	}
	if (messages[made] != NULL)
		return 1 + (int)attachments;
	while (made > 0)
		eio_message_unref(messages[--made]);
	return ERROR_MEMORY;
}

static int
json_decode_no_memory(struct sio_packet *out)
{
	out->why = error_text(ERROR_MEMORY);
	return ERROR_MEMORY;
}

static int
json_decode_text(struct sio_partial **partial, struct text message, const struct sio_packet_limits *limits,
	struct sio_packet *out)
{
	int rc;

	if (*partial != NULL) {
		out->why = "got plaintext data when reconstructing a packet";
		return ERROR_SYNTAX;
	}
	rc = sio_packet_parse(out, message, limits);
	if (rc != 0) {
		out->why = error_text(rc);
		return rc;
	}
	if (out->type != SIO_BINARY_EVENT && out->type != SIO_BINARY_ACK)
		return 1;
	/* the text is kept as it is and parsed again when the attachments are complete */
	*partial = sio_partial_new(message, out->attachments);
	return *partial != NULL ? 0 : json_decode_no_memory(out);
}

static int
json_decode_binary(struct sio_partial *partial, const uint8_t *data, size_t n, const struct sio_packet_limits *limits,
	struct sio_packet *out)
{
	struct block *block;
	int rc;

	if (partial == NULL) {
		out->why = "got binary data when not reconstructing a packet";
		return ERROR_SYNTAX;
	}
	if (n > limits->max_bytes || partial->bytes + n > limits->max_bytes) {
		out->why = "attachments are larger than the limit";
		return ERROR_TOO_BIG;
	}
	block = block_try_copy(data, n);
	if (block == NULL)
		return json_decode_no_memory(out);
	partial->bytes += n;
	attachments_add(&partial->attachments, block);
	block_unref(block);
	if (partial->attachments.count < partial->wanted)
		return 0;
	rc = sio_packet_parse(out, text_of(partial->message, partial->n), limits);
	must(rc == 0);
	out->blocks = &partial->attachments;
	return 1;
}

static int
json_decode(struct sio_partial **partial, bool binary, uint8_t *data, size_t n,
	const struct sio_packet_limits *limits, struct sio_packet *out)
{
	if (binary)
		return json_decode_binary(*partial, data, n, limits, out);
	return json_decode_text(partial, text_of((const char *)data, n), limits, out);
}

const struct sio_parser sio_parser_json = {
	.name = "json",
	.revision = 5,
	.variant = 0,
	.encode = json_encode,
	.decode = json_decode,
	.held = sio_partial_held,
	.forget = sio_partial_free,
};
