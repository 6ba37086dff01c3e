/*
 * Encodes outgoing messages. Broadcasts are frequent and are written as MessagePack directly. All other messages are
 * built as JSON, which is then converted if MessagePack is required.
 */
#include "broker/wire_writing.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/msgpack.h"

/* An empty list counts as no attachments. */
static const struct attachments *
attachments_or_null(const struct attachments *a)
{
	return a != NULL && a->count > 0 ? a : NULL;
}

/* -------------------------------------------------------------- MessagePack */

void
wire_pack_text(struct buffer *out, struct text text)
{
	msgpack_add_string(out, (uint32_t)text.n);
	buffer_add_text(out, text);
}

/*
 * In a Node.js server, the room 7 (a number) and the room "7" (a string) are different rooms, so such a name is sent
 * as both. Whole numbers of up to 15 digits are exact in JavaScript.
 */
static bool
looks_like_number(struct text name)
{
	bool negative = name.n > 0 && name.at[0] == '-';
	size_t first = negative ? 1 : 0, n = name.n - first;

	if (n == 0 || n > 15 || (name.at[first] == '0' && (n > 1 || negative)))
		return false;
	for (size_t i = first; i < name.n; i++) {
		if (name.at[i] < '0' || name.at[i] > '9')
			return false;
	}
	return true;
}

static void
pack_names(struct buffer *out, const struct text *items, unsigned n)
{
	size_t count = n;

	for (unsigned i = 0; i < n; i++)
		count += looks_like_number(items[i]);
	msgpack_add_array(out, (uint32_t)count);
	for (unsigned i = 0; i < n; i++) {
		wire_pack_text(out, items[i]);
		if (looks_like_number(items[i]))
			json_to_msgpack(items[i], NULL, out);
	}
}

static void
pack_flags(struct buffer *out, const struct wire_target *to)
{
	unsigned flags = to->flags;
	unsigned n = ((flags & WIRE_VOLATILE) != 0) + ((flags & WIRE_NO_COMPRESS) != 0) + (to->mark.origin != 0);
	char mark[WIRE_MARK_MAX];

	buffer_add_byte(out, (uint8_t)(MSGPACK_FIXMAP | n));
	if ((flags & WIRE_VOLATILE) != 0) {
		wire_pack_text(out, TEXT("volatile"));
		buffer_add_byte(out, MSGPACK_TRUE);
	}
	if ((flags & WIRE_NO_COMPRESS) != 0) {
		wire_pack_text(out, TEXT("compress"));
		buffer_add_byte(out, MSGPACK_FALSE);
	}
	if (to->mark.origin != 0) {
		wire_pack_text(out, TEXT("history"));
		wire_pack_text(out, text_of(mark, wire_mark_write(to->mark, mark)));
	}
}

void
wire_pack_opts(struct buffer *out, const struct wire_target *to)
{
	buffer_add_byte(out, MSGPACK_FIXMAP | 3);
	wire_pack_text(out, TEXT("rooms"));
	pack_names(out, to->rooms, to->room_count);
	wire_pack_text(out, TEXT("except"));
	pack_names(out, to->except, to->except_count);
	wire_pack_text(out, TEXT("flags"));
	pack_flags(out, to);
}

void
wire_pack_event(struct buffer *out, const struct wire_outgoing *event)
{
	msgpack_add_array(out, event->values.count + 1);
	wire_pack_text(out, event->name);
	buffer_add(out, event->values.at, event->values.n);
}

/* {type:2, data, nsp}, where pack_packet_begin() ends before the data. */
static void
pack_packet_begin(struct buffer *out)
{
	buffer_add_byte(out, MSGPACK_FIXMAP | 3);
	wire_pack_text(out, TEXT("type"));
	buffer_add_byte(out, 2);
	wire_pack_text(out, TEXT("data"));
}

static void
pack_packet_end(struct buffer *out, struct text nsp)
{
	wire_pack_text(out, TEXT("nsp"));
	wire_pack_text(out, nsp);
}

static int
pack_packet(struct buffer *out, struct text nsp, struct text data, const struct attachments *attachments)
{
	int rc;

	pack_packet_begin(out);
	rc = json_to_msgpack(data, attachments_or_null(attachments), out);
	if (rc < 0)
		return rc;
	pack_packet_end(out, nsp);
	return buffer_error(out);
}

int
wire_write_broadcast(struct buffer *out, struct text uid, struct text nsp, const struct wire_target *to,
	struct text data, const struct attachments *attachments)
{
	int rc;

	buffer_add_byte(out, MSGPACK_FIXARRAY | 3);
	wire_pack_text(out, uid);
	rc = pack_packet(out, nsp, data, attachments);
	if (rc < 0)
		return rc;
	wire_pack_opts(out, to);
	return buffer_error(out);
}

int
wire_write_broadcast_late(struct buffer *out, struct text uid, struct text nsp, const struct wire_target *to,
	const struct wire_outgoing *event)
{
	buffer_add_byte(out, MSGPACK_FIXARRAY | 3);
	wire_pack_text(out, uid);
	pack_packet_begin(out);
	wire_pack_event(out, event);
	pack_packet_end(out, nsp);
	wire_pack_opts(out, to);
	return buffer_error(out);
}

int
wire_write_broadcast_ack(struct buffer *out, struct text uid, struct text request_id, struct text nsp,
	const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	int rc;

	buffer_add_byte(out, MSGPACK_FIXMAP | 5);
	wire_pack_text(out, TEXT("uid"));
	wire_pack_text(out, uid);
	wire_pack_text(out, TEXT("requestId"));
	wire_pack_text(out, request_id);
	wire_pack_text(out, TEXT("type"));
	buffer_add_byte(out, WIRE_BROADCAST);
	wire_pack_text(out, TEXT("packet"));
	rc = pack_packet(out, nsp, data, attachments);
	if (rc < 0)
		return rc;
	wire_pack_text(out, TEXT("opts"));
	wire_pack_opts(out, to);
	return buffer_error(out);
}

/* ------------------------------------------------------------------- JSON */

/* Appends ,"name": to an object, without the comma if it is the first member. */
static void
json_add_key(struct buffer *out, const char *name)
{
	bool first = out->len > 0 && out->data[out->len - 1] == '{';

	buffer_printf(out, "%s\"%s\":", first ? "" : ",", name);
}

static void
json_add_string(struct buffer *out, const char *name, struct text string)
{
	if (string.at == NULL)
		return;
	json_add_key(out, name);
	json_write_string(out, string);
}

static void
json_add_raw(struct buffer *out, const char *name, struct text json)
{
	json_add_key(out, name);
	buffer_add_text(out, json);
}

void
wire_add_names(struct buffer *out, const struct text *items, unsigned n, bool both)
{
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buffer_add_byte(out, ',');
		json_write_string(out, items[i]);
		if (both && looks_like_number(items[i])) {
			buffer_add_byte(out, ',');
			buffer_add_text(out, items[i]);
		}
	}
	buffer_add_byte(out, ']');
}

static void
json_add_names(struct buffer *out, const char *name, const struct text *items, unsigned n, bool both)
{
	json_add_key(out, name);
	wire_add_names(out, items, n, both);
}

static void
json_add_opts(struct buffer *out, const struct wire_target *who)
{
	buffer_add_text(out, TEXT(",\"opts\":{"));
	json_add_names(out, "rooms", who->rooms, who->room_count, true);
	json_add_names(out, "except", who->except, who->except_count, true);
	buffer_add_byte(out, '}');
}

/* Appends {"uid":...,"requestId":...,"type":N and leaves the object open. */
static void
json_begin_request(struct buffer *out, struct text uid, struct text request_id, enum wire_type type)
{
	buffer_add_byte(out, '{');
	json_add_string(out, "uid", uid);
	json_add_string(out, "requestId", request_id);
	json_add_key(out, "type");
	buffer_add_number(out, (int64_t)type);
}

static int
json_end_object(struct buffer *out)
{
	buffer_add_byte(out, '}');
	return buffer_error(out);
}

/*
 * Closes the object in `json` and appends it to `out`: as MessagePack if `packed` is true or there are attachments,
 * otherwise as JSON. Frees `json`.
 */
static int
json_finish_message(struct buffer *out, struct buffer *json, const struct attachments *attachments, bool packed)
{
	int rc = json_end_object(json);

	if (rc == 0 && (packed || attachments_or_null(attachments) != NULL))
		rc = json_to_msgpack(buffer_text(json), attachments_or_null(attachments), out);
	else if (rc == 0)
		buffer_add_text(out, buffer_text(json));
	buffer_fini(json);
	return rc < 0 ? rc : buffer_error(out);
}

int
wire_write_rooms(struct buffer *out, enum wire_type type, struct text uid, const struct wire_target *who,
	const struct text *rooms, unsigned room_count)
{
	json_begin_request(out, uid, TEXT_NONE, type);
	json_add_opts(out, who);
	/* a socket joins the string room only, but leaves both */
	json_add_names(out, "rooms", rooms, room_count, type == WIRE_REMOTE_LEAVE);
	return json_end_object(out);
}

int
wire_write_disconnect(struct buffer *out, struct text uid, const struct wire_target *who, bool close)
{
	json_begin_request(out, uid, TEXT_NONE, WIRE_REMOTE_DISCONNECT);
	json_add_opts(out, who);
	json_add_raw(out, "close", close ? TEXT("true") : TEXT("false"));
	return json_end_object(out);
}

int
wire_write_fetch(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who)
{
	json_begin_request(out, uid, request_id, WIRE_REMOTE_FETCH);
	json_add_opts(out, who);
	return json_end_object(out);
}

int
wire_write_sockets(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who)
{
	json_begin_request(out, uid, request_id, WIRE_SOCKETS);
	json_add_names(out, "rooms", who->rooms, who->room_count, true);
	return json_end_object(out);
}

int
wire_write_all_rooms(struct buffer *out, struct text uid, struct text request_id)
{
	json_begin_request(out, uid, request_id, WIRE_ALL_ROOMS);
	return json_end_object(out);
}

int
wire_write_server_emit(struct buffer *out, struct text uid, struct text request_id, struct text data,
	const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	json_begin_request(&json, uid, request_id, WIRE_SERVER_SIDE_EMIT);
	json_add_raw(&json, "data", data);
	return json_finish_message(out, &json, attachments, false);
}

/* -------------------------------------------------------------- responses */

static void
json_add_node(struct buffer *out, struct text node)
{
	if (node.n > 0)
		json_add_string(out, "node", node);
}

int
wire_write_sockets_reply(struct buffer *out, struct text request_id, struct text node, struct text sockets,
	const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	buffer_add_byte(&json, '{');
	json_add_string(&json, "requestId", request_id);
	json_add_node(&json, node);
	json_add_raw(&json, "sockets", sockets);
	return json_finish_message(out, &json, attachments, false);
}

int
wire_write_rooms_reply(struct buffer *out, struct text request_id, struct text node, struct text rooms)
{
	buffer_add_byte(out, '{');
	json_add_string(out, "requestId", request_id);
	json_add_node(out, node);
	json_add_raw(out, "rooms", rooms);
	return json_end_object(out);
}

int
wire_write_done_reply(struct buffer *out, struct text request_id, struct text node)
{
	buffer_add_byte(out, '{');
	json_add_string(out, "requestId", request_id);
	json_add_node(out, node);
	return json_end_object(out);
}

static void
json_begin_response(struct buffer *out, enum wire_type type, struct text request_id, struct text node)
{
	buffer_printf(out, "{\"type\":%d", (int)type);
	json_add_string(out, "requestId", request_id);
	json_add_node(out, node);
}

int
wire_write_server_emit_reply(struct buffer *out, struct text request_id, struct text node, struct text data,
	const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	json_begin_response(&json, WIRE_SERVER_SIDE_EMIT, request_id, node);
	if (data.at != NULL)
		json_add_raw(&json, "data", data);
	return json_finish_message(out, &json, attachments, false);
}

int
wire_write_count_reply(struct buffer *out, struct text request_id, struct text node, uint64_t clients)
{
	json_begin_response(out, WIRE_BROADCAST_CLIENT_COUNT, request_id, node);
	buffer_add_text(out, TEXT(",\"clientCount\":"));
	buffer_add_number(out, (int64_t)clients);
	return json_end_object(out);
}

int
wire_write_ack_reply(struct buffer *out, struct text request_id, struct text node, struct text packet,
	const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	json_begin_response(&json, WIRE_BROADCAST_ACK, request_id, node);
	json_add_raw(&json, "packet", packet.at != NULL ? packet : TEXT("null"));
	return json_finish_message(out, &json, attachments, true);
}
