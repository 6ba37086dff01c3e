/*
 * Outgoing messages. A broadcast, which there are many of, is written as MessagePack at once; all others are put
 * together as JSON, and converted where MessagePack is asked for.
 */
#include "broker/wire.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/msgpack.h"

/* Attachments there are none of make no placeholder. */
static const struct attachments *
real(const struct attachments *a)
{
	return a != NULL && a->count > 0 ? a : NULL;
}

/* -------------------------------------------------------------- MessagePack */

static void
put_text(struct buffer *out, struct text t)
{
	msgpack_add_string(out, (uint32_t)t.n);
	buffer_add_text(out, t);
}

/*
 * A Node.js server may have sockets in the room 7 as well as in the room "7", and finds either only by its own kind:
 * such a name goes out as both. Fifteen digits are whole numbers in JavaScript whatever they are.
 */
static bool
is_number(struct text name)
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
put_list(struct buffer *out, const struct text *items, unsigned n)
{
	size_t count = n;

	for (unsigned i = 0; i < n; i++)
		count += is_number(items[i]);
	msgpack_add_array(out, (uint32_t)count);
	for (unsigned i = 0; i < n; i++) {
		put_text(out, items[i]);
		if (is_number(items[i]))
			json_to_msgpack(items[i], NULL, out);
	}
}

static void
put_flags(struct buffer *out, unsigned flags)
{
	unsigned n = ((flags & WIRE_VOLATILE) != 0) + ((flags & WIRE_NO_COMPRESS) != 0);

	buffer_add_byte(out, (uint8_t)(MSGPACK_FIXMAP | n));
	if ((flags & WIRE_VOLATILE) != 0) {
		put_text(out, TEXT("volatile"));
		buffer_add_byte(out, MSGPACK_TRUE);
	}
	if ((flags & WIRE_NO_COMPRESS) != 0) {
		put_text(out, TEXT("compress"));
		buffer_add_byte(out, MSGPACK_FALSE);
	}
}

static void
put_opts(struct buffer *out, const struct wire_target *to)
{
	buffer_add_byte(out, MSGPACK_FIXMAP | 3);
	put_text(out, TEXT("rooms"));
	put_list(out, to->rooms, to->room_count);
	put_text(out, TEXT("except"));
	put_list(out, to->except, to->except_count);
	put_text(out, TEXT("flags"));
	put_flags(out, to->flags);
}

/* {type:2, data, nsp} */
static int
put_packet(struct buffer *out, struct text nsp, struct text data, const struct attachments *attachments)
{
	int rc;

	buffer_add_byte(out, MSGPACK_FIXMAP | 3);
	put_text(out, TEXT("type"));
	buffer_add_byte(out, 2);
	put_text(out, TEXT("data"));
	rc = json_to_msgpack(data, real(attachments), out);
	if (rc < 0)
		return rc;
	put_text(out, TEXT("nsp"));
	put_text(out, nsp);
	return buffer_error(out);
}

int
wire_write_broadcast(struct buffer *out, struct text uid, struct text nsp, const struct wire_target *to,
	struct text data, const struct attachments *attachments)
{
	int rc;

	buffer_add_byte(out, MSGPACK_FIXARRAY | 3);
	put_text(out, uid);
	rc = put_packet(out, nsp, data, attachments);
	if (rc < 0)
		return rc;
	put_opts(out, to);
	return buffer_error(out);
}

int
wire_write_broadcast_ack(struct buffer *out, struct text uid, struct text request_id, struct text nsp,
	const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	int rc;

	buffer_add_byte(out, MSGPACK_FIXMAP | 5);
	put_text(out, TEXT("uid"));
	put_text(out, uid);
	put_text(out, TEXT("requestId"));
	put_text(out, request_id);
	put_text(out, TEXT("type"));
	buffer_add_byte(out, WIRE_BROADCAST);
	put_text(out, TEXT("packet"));
	rc = put_packet(out, nsp, data, attachments);
	if (rc < 0)
		return rc;
	put_text(out, TEXT("opts"));
	put_opts(out, to);
	return buffer_error(out);
}

/* ------------------------------------------------------------------- JSON */

/* ,"name": or, first in its object, without the comma */
static void
add_name(struct buffer *out, const char *name)
{
	bool first = out->len > 0 && out->data[out->len - 1] == '{';

	buffer_printf(out, "%s\"%s\":", first ? "" : ",", name);
}

static void
add_member(struct buffer *out, const char *name, struct text string)
{
	if (string.at == NULL)
		return;
	add_name(out, name);
	json_write_string(out, string);
}

static void
add_raw(struct buffer *out, const char *name, struct text json)
{
	add_name(out, name);
	buffer_add_text(out, json);
}

/* `both`: as numbers too, where they look like it. */
static void
add_names(struct buffer *out, const char *name, const struct text *items, unsigned n, bool both)
{
	add_name(out, name);
	buffer_add_byte(out, '[');
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buffer_add_byte(out, ',');
		json_write_string(out, items[i]);
		if (both && is_number(items[i])) {
			buffer_add_byte(out, ',');
			buffer_add_text(out, items[i]);
		}
	}
	buffer_add_byte(out, ']');
}

static void
add_opts(struct buffer *out, const struct wire_target *who)
{
	buffer_add_text(out, TEXT(",\"opts\":{"));
	add_names(out, "rooms", who->rooms, who->room_count, true);
	add_names(out, "except", who->except, who->except_count, true);
	buffer_add_byte(out, '}');
}

/* {"uid":...,"requestId":...,"type":N: the object stays open. */
static void
begin_request(struct buffer *out, struct text uid, struct text request_id, enum wire_type type)
{
	buffer_add_byte(out, '{');
	add_member(out, "uid", uid);
	add_member(out, "requestId", request_id);
	add_name(out, "type");
	buffer_add_number(out, (int64_t)type);
}

static int
end(struct buffer *out)
{
	buffer_add_byte(out, '}');
	return buffer_error(out);
}

/* Appends an object that was put together in `json`, as MessagePack if binary is in it or `packed` says so. */
static int
finish(struct buffer *out, struct buffer *json, const struct attachments *attachments, bool packed)
{
	int rc = end(json);

	if (rc == 0 && (packed || real(attachments) != NULL))
		rc = json_to_msgpack(buffer_text(json), real(attachments), out);
	else if (rc == 0)
		buffer_add_text(out, buffer_text(json));
	buffer_fini(json);
	return rc < 0 ? rc : buffer_error(out);
}

int
wire_write_rooms(struct buffer *out, enum wire_type type, struct text uid, const struct wire_target *who,
	const struct text *rooms, unsigned room_count)
{
	begin_request(out, uid, TEXT_NONE, type);
	add_opts(out, who);
	/* one joins a room of one kind, and leaves both */
	add_names(out, "rooms", rooms, room_count, type == WIRE_REMOTE_LEAVE);
	return end(out);
}

int
wire_write_disconnect(struct buffer *out, struct text uid, const struct wire_target *who, bool close)
{
	begin_request(out, uid, TEXT_NONE, WIRE_REMOTE_DISCONNECT);
	add_opts(out, who);
	add_raw(out, "close", close ? TEXT("true") : TEXT("false"));
	return end(out);
}

int
wire_write_fetch(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who)
{
	begin_request(out, uid, request_id, WIRE_REMOTE_FETCH);
	add_opts(out, who);
	return end(out);
}

int
wire_write_sockets(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who)
{
	begin_request(out, uid, request_id, WIRE_SOCKETS);
	add_names(out, "rooms", who->rooms, who->room_count, true);
	return end(out);
}

int
wire_write_all_rooms(struct buffer *out, struct text uid, struct text request_id)
{
	begin_request(out, uid, request_id, WIRE_ALL_ROOMS);
	return end(out);
}

int
wire_write_server_emit(struct buffer *out, struct text uid, struct text request_id, struct text data,
	const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	begin_request(&json, uid, request_id, WIRE_SERVER_SIDE_EMIT);
	add_raw(&json, "data", data);
	return finish(out, &json, attachments, false);
}

/* -------------------------------------------------------------- responses */

int
wire_write_sockets_reply(
	struct buffer *out, struct text request_id, struct text sockets, const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	buffer_add_byte(&json, '{');
	add_member(&json, "requestId", request_id);
	add_raw(&json, "sockets", sockets);
	return finish(out, &json, attachments, false);
}

int
wire_write_rooms_reply(struct buffer *out, struct text request_id, struct text rooms)
{
	buffer_add_byte(out, '{');
	add_member(out, "requestId", request_id);
	add_raw(out, "rooms", rooms);
	return end(out);
}

int
wire_write_done_reply(struct buffer *out, struct text request_id)
{
	buffer_add_byte(out, '{');
	add_member(out, "requestId", request_id);
	return end(out);
}

static void
begin_response(struct buffer *out, enum wire_type type, struct text request_id)
{
	buffer_printf(out, "{\"type\":%d", (int)type);
	add_member(out, "requestId", request_id);
}

int
wire_write_server_emit_reply(
	struct buffer *out, struct text request_id, struct text data, const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	begin_response(&json, WIRE_SERVER_SIDE_EMIT, request_id);
	if (data.at != NULL)
		add_raw(&json, "data", data);
	return finish(out, &json, attachments, false);
}

int
wire_write_count_reply(struct buffer *out, struct text request_id, uint64_t clients)
{
	begin_response(out, WIRE_BROADCAST_CLIENT_COUNT, request_id);
	buffer_add_text(out, TEXT(",\"clientCount\":"));
	buffer_add_number(out, (int64_t)clients);
	return end(out);
}

int
wire_write_ack_reply(
	struct buffer *out, struct text request_id, struct text packet, const struct attachments *attachments)
{
	struct buffer json;

	buffer_init(&json, out->max);
	begin_response(&json, WIRE_BROADCAST_ACK, request_id);
	add_raw(&json, "packet", packet.at != NULL ? packet : TEXT("null"));
	return finish(out, &json, attachments, true);
}
