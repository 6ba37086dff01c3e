/*
 * The messages of a cluster that shares streams are those of the sharded mode. What goes to a stream is JSON, or
 * MessagePack if it has binary values, as there. What is published is always MessagePack: Node.js servers read
 * nothing else on those channels.
 */
#include "broker/wire_sharded.h"
#include "broker/wire_stream.h"
#include "common/base/json_msgpack.h"

/* Converts the message that begins at `begin` to MessagePack, unless `rc` says that it could not be written. */
static int
stream_pack(struct buffer *out, size_t begin, int rc)
{
	struct buffer packed;

	if (rc < 0 || out->data[begin] != '{')
		return rc;
	buffer_init(&packed, out->max);
	rc = json_to_msgpack(text_of((const char *)out->data + begin, out->len - begin), NULL, &packed);
	out->len = begin;
	if (rc == 0)
		buffer_add_text(out, buffer_text(&packed));
	buffer_fini(&packed);
	return rc < 0 ? rc : buffer_error(out);
}

static void
stream_make_id(char *out)
{
	wire_sharded.make_id(out);
}

/* -------------------------------------------------------- added to streams */

static int
stream_write_broadcast(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	struct text data, const struct attachments *attachments)
{
	return wire_sharded.write_broadcast(out, from, to, data, attachments);
}

static int
stream_write_broadcast_late(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	const struct wire_outgoing *event)
{
	return wire_sharded.write_broadcast_late(out, from, to, event);
}

static int
stream_write_rooms(struct buffer *out, const struct wire_from *from, enum wire_type type,
	const struct wire_target *who, const struct text *rooms, unsigned room_count)
{
	return wire_sharded.write_rooms(out, from, type, who, rooms, room_count);
}

static int
stream_write_disconnect(struct buffer *out, const struct wire_from *from, const struct wire_target *who, bool close)
{
	return wire_sharded.write_disconnect(out, from, who, close);
}

/* --------------------------------------------------------------- published */

static int
stream_write_broadcast_ack(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	struct text data, const struct attachments *attachments, uint64_t timeout_ms)
{
	size_t begin = out->len;

	return stream_pack(
		out, begin, wire_sharded.write_broadcast_ack(out, from, to, data, attachments, timeout_ms));
}

static int
stream_write_fetch(struct buffer *out, const struct wire_from *from, const struct wire_target *who)
{
	size_t begin = out->len;

	return stream_pack(out, begin, wire_sharded.write_fetch(out, from, who));
}

static int
stream_write_server_emit(
	struct buffer *out, const struct wire_from *from, struct text data, const struct attachments *attachments)
{
	size_t begin = out->len;

	return stream_pack(out, begin, wire_sharded.write_server_emit(out, from, data, attachments));
}

static int
stream_write_sockets_reply(
	struct buffer *out, const struct wire_from *from, struct text sockets, const struct attachments *attachments)
{
	size_t begin = out->len;

	return stream_pack(out, begin, wire_sharded.write_sockets_reply(out, from, sockets, attachments));
}

static int
stream_write_server_emit_reply(
	struct buffer *out, const struct wire_from *from, struct text answer, const struct attachments *attachments)
{
	size_t begin = out->len;

	return stream_pack(out, begin, wire_sharded.write_server_emit_reply(out, from, answer, attachments));
}

static int
stream_write_count_reply(struct buffer *out, const struct wire_from *from, uint64_t clients)
{
	size_t begin = out->len;

	return stream_pack(out, begin, wire_sharded.write_count_reply(out, from, clients));
}

static int
stream_write_ack_reply(
	struct buffer *out, const struct wire_from *from, struct text answer, const struct attachments *attachments)
{
	size_t begin = out->len;

	return stream_pack(out, begin, wire_sharded.write_ack_reply(out, from, answer, attachments));
}

const struct wire_codec wire_stream_codec = {
	.nested = true,
	.id_length = WIRE_ID_LENGTH_MAX,
	.make_id = stream_make_id,
	.write_broadcast = stream_write_broadcast,
	.write_broadcast_late = stream_write_broadcast_late,
	.write_broadcast_ack = stream_write_broadcast_ack,
	.write_rooms = stream_write_rooms,
	.write_disconnect = stream_write_disconnect,
	.write_fetch = stream_write_fetch,
	.write_server_emit = stream_write_server_emit,
	.write_sockets_reply = stream_write_sockets_reply,
	.write_server_emit_reply = stream_write_server_emit_reply,
	.write_count_reply = stream_write_count_reply,
	.write_ack_reply = stream_write_ack_reply,
	.is_from = wire_sharded_is_from,
	.read_broadcast = wire_sharded_read_late,
	.read_response = wire_sharded_read_response,
};
