/*
 * Broadcasts whose event can stay MessagePack (msgpack_plain.h). Everything around the event is short and becomes
 * JSON text, so that it is read by the same code as any other message.
 */
#include "broker/wire_reading.h"

#include "broker/wire_sharded.h"
#include "common/base/error.h"

#define DEPTH_MAX JSON_DEPTH_MAX

struct wire_late {
	struct msgpack_input in;
	struct wire_message *message;
};

/* Appends a value as text. Its `depth` is the number of containers around it. */
static bool
late_value(struct wire_late *late, unsigned depth)
{
	struct wire_message *message = late->message;
	int64_t n = msgpack_to_json(late->in.at, (size_t)(late->in.end - late->in.at), DEPTH_MAX - depth,
		&message->attachments, &message->json);

	if (n <= 0 || message->attachments.count > 0)
		return false; /* binary values belong to events */
	late->in.at += n;
	return true;
}

/* Takes the event array, which must be the only one. Its `depth` is the number of containers around it. */
static bool
late_event(struct wire_late *late, unsigned depth)
{
	struct wire_event *event = &late->message->event;
	const uint8_t *from = late->in.at;
	struct msgpack_item array, name;
	struct msgpack_input first;

	if (event->array.at != NULL || msgpack_item_read(&late->in, &array) <= 0 ||
		array.kind != MSGPACK_KIND_ARRAY || array.count == 0)
		return false;
	first = late->in;
	if (msgpack_item_read(&first, &name) <= 0 || name.kind != MSGPACK_KIND_STR ||
		memchr(name.body.at, '\0', name.body.n) != NULL)
		return false;
	event->values = (struct msgpack_values){.at = late->in.at, .count = array.count};
	for (uint32_t i = 0; i < array.count; i++) {
		if (!msgpack_plain(&late->in, DEPTH_MAX - depth - 1, &event->values.bins))
			return false;
	}
	event->values.n = (size_t)(late->in.at - event->values.at);
	event->array = text_of((const char *)from, (size_t)(late->in.at - from));
	return event->values.bins <= MSGPACK_ATTACHMENTS_MAX;
}

/* Reads the head of a map and appends the beginning of an object. */
static bool
late_begin_map(struct wire_late *late, struct msgpack_item *map)
{
	buffer_add_byte(&late->message->json, '{');
	return msgpack_item_read(&late->in, map) > 0 && map->kind == MSGPACK_KIND_MAP;
}

/* Reads the key of a member. */
static bool
late_key(struct wire_late *late, struct text *key)
{
	struct msgpack_item item;

	if (msgpack_item_read(&late->in, &item) <= 0 || item.kind != MSGPACK_KIND_STR)
		return false;
	*key = item.body;
	return true;
}

/* Appends the key of a member. */
static void
late_add_key(struct wire_late *late, struct text key)
{
	struct buffer *json = &late->message->json;

	if (json->len > 0 && json->data[json->len - 1] != '{')
		buffer_add_byte(json, ',');
	json_write_string(json, key);
	buffer_add_byte(json, ':');
}

/* Appends the packet without its event. */
static bool
late_packet(struct wire_late *late, unsigned depth)
{
	struct msgpack_item map;
	struct text key;

	if (!late_begin_map(late, &map))
		return false;
	for (uint32_t i = 0; i < map.count; i++) {
		if (!late_key(late, &key))
			return false;
		if (text_is(key, TEXT("data"))) {
			if (!late_event(late, depth + 1))
				return false;
			continue;
		}
		late_add_key(late, key);
		if (!late_value(late, depth + 1))
			return false;
	}
	buffer_add_byte(&late->message->json, '}');
	return true;
}

/* Appends a classic message, [uid, packet, opts], without its event. */
static bool
late_classic(struct wire_late *late)
{
	struct buffer *json = &late->message->json;
	struct msgpack_item array;

	if (msgpack_item_read(&late->in, &array) <= 0 || array.kind != MSGPACK_KIND_ARRAY)
		return false;
	buffer_add_byte(json, '[');
	for (uint32_t i = 0; i < array.count; i++) {
		if (i > 0)
			buffer_add_byte(json, ',');
		if (i == 1 ? !late_packet(late, 1) : !late_value(late, 1))
			return false;
	}
	buffer_add_byte(json, ']');
	return true;
}

/* Appends {packet, opts}, where the packet must be the only one, without its event. */
static bool
late_data(struct wire_late *late)
{
	struct msgpack_item map;
	bool packet = false;
	struct text key;

	if (!late_begin_map(late, &map))
		return false;
	for (uint32_t i = 0; i < map.count; i++) {
		if (!late_key(late, &key) || text_is(key, TEXT("requestId")))
			return false; /* the event of a question is read as text */
		late_add_key(late, key);
		if (!text_is(key, TEXT("packet"))) {
			if (!late_value(late, 2))
				return false;
			continue;
		}
		if (packet || !late_packet(late, 2))
			return false;
		packet = true;
	}
	buffer_add_byte(&late->message->json, '}');
	return true;
}

/* Appends a sharded message, {type, data, uid, nsp}, where the data must be the only one, without its event. */
static bool
late_sharded(struct wire_late *late)
{
	struct msgpack_item map;
	bool data = false;
	struct text key;

	if (!late_begin_map(late, &map))
		return false;
	for (uint32_t i = 0; i < map.count; i++) {
		if (!late_key(late, &key))
			return false;
		late_add_key(late, key);
		if (text_is(key, TEXT("type")) &&
			(late->in.at == late->in.end || *late->in.at != WIRE_SHARDED_BROADCAST))
			return false;
		if (!text_is(key, TEXT("data"))) {
			if (!late_value(late, 1))
				return false;
			continue;
		}
		if (data || !late_data(late))
			return false;
		data = true;
	}
	buffer_add_byte(&late->message->json, '}');
	return true;
}

static bool
late_begin(struct wire_message *message, struct text payload, struct text *json, bool (*read)(struct wire_late *))
{
	const uint8_t *at = (const uint8_t *)payload.at;
	struct wire_late late = {.in = {at, at + payload.n}, .message = message};

	if (payload.n == 0 || payload.n > WIRE_PAYLOAD_MAX)
		return false;
	wire_reading_reset(message);
	if (!read(&late) || late.in.at != late.in.end || buffer_error(&message->json) != 0 ||
		message->event.array.at == NULL)
		return false;
	message->data_count = message->event.values.count;
	*json = buffer_text(&message->json);
	return true;
}

bool
wire_reading_begin_late(struct wire_message *message, struct text payload, struct text *json)
{
	return late_begin(message, payload, json, late_classic);
}

bool
wire_reading_begin_late_sharded(struct wire_message *message, struct text payload, struct text *json)
{
	return payload.n > 0 && payload.at[0] != '{' && late_begin(message, payload, json, late_sharded);
}
