#include <stdio.h>

#include "broker/wire_sharded.h"
#include "broker/wire_writing.h"
#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/msgpack.h"
#include "common/base/random.h"

/* A message being written: as JSON in `json`, which is `out` itself unless it becomes MessagePack. */
struct writing {
	struct buffer *out, *json;
	const struct attachments *attachments; /* NULL: none */
	struct buffer scratch;
};

static void
sharded_make_id(char *out)
{
	uint8_t bytes[WIRE_ID_LENGTH_MAX / 2];

	random_bytes(bytes, sizeof bytes);
	ascii_hex_write(bytes, sizeof bytes, out);
}

/* Writes {"type":N,"data":{ and leaves both objects open. */
static void
sharded_begin(struct writing *writing, struct buffer *out, int type, const struct attachments *attachments)
{
	writing->out = writing->json = out;
	writing->attachments = attachments != NULL && attachments->count > 0 ? attachments : NULL;
	if (writing->attachments != NULL) {
		buffer_init(&writing->scratch, out->max);
		writing->json = &writing->scratch;
	}
	buffer_printf(writing->json, "{\"type\":%d,\"data\":{", type);
}

/* Closes the data, adds uid and nsp, and closes the message. */
static int
sharded_end(struct writing *writing, const struct wire_from *from)
{
	struct buffer *json = writing->json;
	int rc;

	buffer_add_text(json, TEXT("},\"uid\":"));
	json_write_string(json, from->uid);
	buffer_add_text(json, TEXT(",\"nsp\":"));
	json_write_string(json, from->nsp);
	buffer_add_byte(json, '}');
	rc = buffer_error(json);
	if (writing->attachments == NULL)
		return rc;
	if (rc == 0)
		rc = json_to_msgpack(buffer_text(json), writing->attachments, writing->out);
	buffer_fini(&writing->scratch);
	return rc < 0 ? rc : buffer_error(writing->out);
}

static void
sharded_add_flag(struct buffer *json, struct text flag)
{
	if (json->data[json->len - 1] != '{')
		buffer_add_byte(json, ',');
	buffer_add_text(json, flag);
}

/* "opts":{rooms, except, flags}. `timeout_ms` is 0 for a message that has no such flag. */
static void
sharded_add_opts(struct buffer *json, const struct wire_target *to, uint64_t timeout_ms)
{
	char timeout[40], mark[WIRE_MARK_MAX];

	buffer_add_text(json, TEXT("\"opts\":{\"rooms\":"));
	wire_add_names(json, to->rooms, to->room_count, true);
	buffer_add_text(json, TEXT(",\"except\":"));
	wire_add_names(json, to->except, to->except_count, true);
	buffer_add_text(json, TEXT(",\"flags\":{"));
	if (buffer_error(json) != 0)
		return;
	if ((to->flags & WIRE_VOLATILE) != 0)
		sharded_add_flag(json, TEXT("\"volatile\":true"));
	if ((to->flags & WIRE_NO_COMPRESS) != 0)
		sharded_add_flag(json, TEXT("\"compress\":false"));
	if (to->mark.origin != 0) {
		sharded_add_flag(json, TEXT("\"history\":\""));
		buffer_add_text(json, text_of(mark, wire_mark_write(to->mark, mark)));
		buffer_add_byte(json, '"');
	}
	if (timeout_ms > 0) {
		snprintf(timeout, sizeof timeout, "\"timeout\":%llu", (unsigned long long)timeout_ms);
		sharded_add_flag(json, text_from(timeout));
	}
	buffer_add_text(json, TEXT("}}"));
}

static void
sharded_add_request_id(struct buffer *json, const struct wire_from *from)
{
	buffer_add_text(json, TEXT("\"requestId\":"));
	json_write_string(json, from->request_id);
}

static void
sharded_add_packet(struct buffer *json, struct text data)
{
	buffer_add_text(json, TEXT("\"packet\":{\"type\":2,\"data\":"));
	buffer_add_text(json, data);
	buffer_add_byte(json, '}');
}

/* -------------------------------------------------------------- statements */

static int
sharded_write_broadcast(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	struct text data, const struct attachments *attachments)
{
	struct writing writing;

	sharded_begin(&writing, out, WIRE_SHARDED_BROADCAST, attachments);
	sharded_add_packet(writing.json, data);
	buffer_add_byte(writing.json, ',');
	sharded_add_opts(writing.json, to, 0);
	return sharded_end(&writing, from);
}

/* As MessagePack, which a message with binary values is. */
static int
sharded_write_broadcast_late(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	const struct wire_outgoing *event)
{
	buffer_add_byte(out, MSGPACK_FIXMAP | 4);
	wire_pack_text(out, TEXT("type"));
	buffer_add_byte(out, WIRE_SHARDED_BROADCAST);
	wire_pack_text(out, TEXT("data"));
	buffer_add_byte(out, MSGPACK_FIXMAP | 2);
	wire_pack_text(out, TEXT("packet"));
	buffer_add_byte(out, MSGPACK_FIXMAP | 2);
	wire_pack_text(out, TEXT("type"));
	buffer_add_byte(out, 2);
	wire_pack_text(out, TEXT("data"));
	wire_pack_event(out, event);
	wire_pack_text(out, TEXT("opts"));
	wire_pack_opts(out, to);
	wire_pack_text(out, TEXT("uid"));
	wire_pack_text(out, from->uid);
	wire_pack_text(out, TEXT("nsp"));
	wire_pack_text(out, from->nsp);
	return buffer_error(out);
}

static int
sharded_write_broadcast_ack(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
	struct text data, const struct attachments *attachments, uint64_t timeout_ms)
{
	struct writing writing;

	sharded_begin(&writing, out, WIRE_SHARDED_BROADCAST, attachments);
	sharded_add_packet(writing.json, data);
	buffer_add_byte(writing.json, ',');
	sharded_add_request_id(writing.json, from);
	buffer_add_byte(writing.json, ',');
	sharded_add_opts(writing.json, to, timeout_ms);
	return sharded_end(&writing, from);
}

static int
sharded_write_rooms(struct buffer *out, const struct wire_from *from, enum wire_type type,
	const struct wire_target *who, const struct text *rooms, unsigned room_count)
{
	struct writing writing;

	sharded_begin(&writing, out, type == WIRE_REMOTE_JOIN ? 4 : 5, NULL);
	sharded_add_opts(writing.json, who, 0);
	buffer_add_text(writing.json, TEXT(",\"rooms\":"));
	/* a socket joins the string room only, but leaves both */
	wire_add_names(writing.json, rooms, room_count, type == WIRE_REMOTE_LEAVE);
	return sharded_end(&writing, from);
}

static int
sharded_write_disconnect(struct buffer *out, const struct wire_from *from, const struct wire_target *who, bool close)
{
	struct writing writing;

	sharded_begin(&writing, out, 6, NULL);
	sharded_add_opts(writing.json, who, 0);
	buffer_add_text(writing.json, close ? TEXT(",\"close\":true") : TEXT(",\"close\":false"));
	return sharded_end(&writing, from);
}

static int
sharded_write_fetch(struct buffer *out, const struct wire_from *from, const struct wire_target *who)
{
	struct writing writing;

	sharded_begin(&writing, out, 7, NULL);
	sharded_add_opts(writing.json, who, 0);
	buffer_add_byte(writing.json, ',');
	sharded_add_request_id(writing.json, from);
	return sharded_end(&writing, from);
}

static int
sharded_write_server_emit(
	struct buffer *out, const struct wire_from *from, struct text data, const struct attachments *attachments)
{
	struct writing writing;

	sharded_begin(&writing, out, 9, attachments);
	if (from->request_id.at != NULL) {
		sharded_add_request_id(writing.json, from);
		buffer_add_byte(writing.json, ',');
	}
	buffer_add_text(writing.json, TEXT("\"packet\":"));
	buffer_add_text(writing.json, data);
	return sharded_end(&writing, from);
}

/* ----------------------------------------------------------------- answers */

/* {requestId, node, <key>: value}; the member `node` is Sockeye's own, and Node.js servers ignore it. The key
 * contains its quotes and its colon; without a value it is left out. */
static int
sharded_write_answer(struct buffer *out, int type, const struct wire_from *from, struct text key, struct text value,
	const struct attachments *attachments)
{
	struct writing writing;

	sharded_begin(&writing, out, type, attachments);
	sharded_add_request_id(writing.json, from);
	if (from->node.n > 0) {
		buffer_add_text(writing.json, TEXT(",\"node\":"));
		json_write_string(writing.json, from->node);
	}
	if (value.at != NULL) {
		buffer_add_byte(writing.json, ',');
		buffer_add_text(writing.json, key);
		buffer_add_text(writing.json, value);
	}
	return sharded_end(&writing, from);
}

static int
sharded_write_sockets_reply(
	struct buffer *out, const struct wire_from *from, struct text sockets, const struct attachments *attachments)
{
	return sharded_write_answer(out, 8, from, TEXT("\"sockets\":"), sockets, attachments);
}

static int
sharded_write_server_emit_reply(
	struct buffer *out, const struct wire_from *from, struct text answer, const struct attachments *attachments)
{
	return sharded_write_answer(out, 10, from, TEXT("\"packet\":"), answer, attachments);
}

static int
sharded_write_count_reply(struct buffer *out, const struct wire_from *from, uint64_t clients)
{
	char number[24];

	snprintf(number, sizeof number, "%llu", (unsigned long long)clients);
	return sharded_write_answer(out, 11, from, TEXT("\"clientCount\":"), text_from(number), NULL);
}

static int
sharded_write_ack_reply(
	struct buffer *out, const struct wire_from *from, struct text answer, const struct attachments *attachments)
{
	return sharded_write_answer(out, 12, from, TEXT("\"packet\":"), answer, attachments);
}

const struct wire_codec wire_sharded = {
	.nested = true,
	.id_length = WIRE_ID_LENGTH_MAX,
	.make_id = sharded_make_id,
	.write_broadcast = sharded_write_broadcast,
	.write_broadcast_late = sharded_write_broadcast_late,
	.write_broadcast_ack = sharded_write_broadcast_ack,
	.write_rooms = sharded_write_rooms,
	.write_disconnect = sharded_write_disconnect,
	.write_fetch = sharded_write_fetch,
	.write_server_emit = sharded_write_server_emit,
	.write_sockets_reply = sharded_write_sockets_reply,
	.write_server_emit_reply = sharded_write_server_emit_reply,
	.write_count_reply = sharded_write_count_reply,
	.write_ack_reply = sharded_write_ack_reply,
	.is_from = wire_sharded_is_from,
	.read_broadcast = wire_sharded_read_late,
	.read_response = wire_sharded_read_response,
};
