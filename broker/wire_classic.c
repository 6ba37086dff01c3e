/* The classic protocol (wire.h) as a codec. */
#include "broker/wire_codec.h"

static void
classic_make_id(char *out)
{
	wire_make_id(out, WIRE_UID_LENGTH);
}

static int
classic_write_broadcast(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	struct text data, const struct attachments *attachments)
{
	return wire_write_broadcast(out, from->uid, from->nsp, to, data, attachments);
}

static int
classic_write_broadcast_late(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	const struct wire_outgoing *event)
{
	return wire_write_broadcast_late(out, from->uid, from->nsp, to, event);
}

static int
classic_write_broadcast_ack(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	struct text data, const struct attachments *attachments, uint64_t timeout_ms)
{
	(void)timeout_ms; /* each node waits as long as it likes */
	return wire_write_broadcast_ack(out, from->uid, from->request_id, from->nsp, to, data, attachments);
}

static int
classic_write_rooms(struct buffer *out, const struct wire_from *from, enum wire_type type,
	const struct wire_target *who, const struct text *rooms, unsigned room_count)
{
	return wire_write_rooms(out, type, from->uid, who, rooms, room_count);
}

static int
classic_write_disconnect(struct buffer *out, const struct wire_from *from, const struct wire_target *who, bool close)
{
	return wire_write_disconnect(out, from->uid, who, close);
}

static int
classic_write_fetch(struct buffer *out, const struct wire_from *from, const struct wire_target *who)
{
	return wire_write_fetch(out, from->uid, from->request_id, who);
}

static int
classic_write_sockets(struct buffer *out, const struct wire_from *from, const struct wire_target *who)
{
	return wire_write_sockets(out, from->uid, from->request_id, who);
}

static int
classic_write_all_rooms(struct buffer *out, const struct wire_from *from)
{
	return wire_write_all_rooms(out, from->uid, from->request_id);
}

static int
classic_write_server_emit(
	struct buffer *out, const struct wire_from *from, struct text data, const struct attachments *attachments)
{
	return wire_write_server_emit(out, from->uid, from->request_id, data, attachments);
}

static int
classic_write_sockets_reply(
	struct buffer *out, const struct wire_from *from, struct text sockets, const struct attachments *attachments)
{
	return wire_write_sockets_reply(out, from->request_id, from->node, sockets, attachments);
}

static int
classic_write_rooms_reply(struct buffer *out, const struct wire_from *from, struct text rooms)
{
	return wire_write_rooms_reply(out, from->request_id, from->node, rooms);
}

static int
classic_write_done_reply(struct buffer *out, const struct wire_from *from)
{
	return wire_write_done_reply(out, from->request_id, from->node);
}

static int
classic_write_server_emit_reply(
	struct buffer *out, const struct wire_from *from, struct text answer, const struct attachments *attachments)
{
	return wire_write_server_emit_reply(out, from->request_id, from->node, answer, attachments);
}

static int
classic_write_count_reply(struct buffer *out, const struct wire_from *from, uint64_t clients)
{
	return wire_write_count_reply(out, from->request_id, from->node, clients);
}

static int
classic_write_ack_reply(
	struct buffer *out, const struct wire_from *from, struct text answer, const struct attachments *attachments)
{
	return wire_write_ack_reply(out, from->request_id, from->node, answer, attachments);
}

static bool
classic_is_from(struct text payload, const struct wire_from *from)
{
	return wire_is_from(payload, from->uid);
}

const struct wire_codec wire_classic = {
	.requests_apart = true,
	.packs_all = true,
	.id_length = WIRE_UID_LENGTH,
	.make_id = classic_make_id,
	.write_broadcast = classic_write_broadcast,
	.write_broadcast_late = classic_write_broadcast_late,
	.write_broadcast_ack = classic_write_broadcast_ack,
	.write_rooms = classic_write_rooms,
	.write_disconnect = classic_write_disconnect,
	.write_fetch = classic_write_fetch,
	.write_sockets = classic_write_sockets,
	.write_all_rooms = classic_write_all_rooms,
	.write_server_emit = classic_write_server_emit,
	.write_sockets_reply = classic_write_sockets_reply,
	.write_rooms_reply = classic_write_rooms_reply,
	.write_done_reply = classic_write_done_reply,
	.write_server_emit_reply = classic_write_server_emit_reply,
	.write_count_reply = classic_write_count_reply,
	.write_ack_reply = classic_write_ack_reply,
	.is_from = classic_is_from,
	.read_broadcast = wire_read_broadcast_late,
	.read_request = wire_read_request,
	.read_response = wire_read_response,
};
