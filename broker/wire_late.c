/*
 * Broadcasts whose event can stay MessagePack (msgpack_plain.h). Everything around the event is short and becomes
 * JSON text, so that it is read by the same code as any other message.
 */
#include "broker/wire_reading.h"

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

/* Takes the event array, which must be the only one. */
static bool
late_event(struct wire_late *late)
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
		if (!msgpack_plain(&late->in, DEPTH_MAX - 3, &event->values.bins))
			return false;
	}
	event->values.n = (size_t)(late->in.at - event->values.at);
	event->array = text_of((const char *)from, (size_t)(late->in.at - from));
	return event->values.bins <= MSGPACK_ATTACHMENTS_MAX;
}

/* Appends the packet without its event. */
static bool
late_packet(struct wire_late *late)
{
	struct buffer *json = &late->message->json;
	struct msgpack_item map, key;
	bool first = true;

	if (msgpack_item_read(&late->in, &map) <= 0 || map.kind != MSGPACK_KIND_MAP)
		return false;
	buffer_add_byte(json, '{');
	for (uint32_t i = 0; i < map.count; i++) {
		if (msgpack_item_read(&late->in, &key) <= 0 || key.kind != MSGPACK_KIND_STR)
			return false;
		if (text_is(key.body, TEXT("data"))) {
			if (!late_event(late))
				return false;
			continue;
		}
		if (!first)
			buffer_add_byte(json, ',');
		first = false;
		json_write_string(json, key.body);
		buffer_add_byte(json, ':');
		if (!late_value(late, 2))
			return false;
	}
	buffer_add_byte(json, '}');
	return true;
}

/* Appends the message without its event. */
static bool
late_message(struct wire_late *late)
{
	struct buffer *json = &late->message->json;
	struct msgpack_item array;

	if (msgpack_item_read(&late->in, &array) <= 0 || array.kind != MSGPACK_KIND_ARRAY)
		return false;
	buffer_add_byte(json, '[');
	for (uint32_t i = 0; i < array.count; i++) {
		if (i > 0)
			buffer_add_byte(json, ',');
		if (i == 1 ? !late_packet(late) : !late_value(late, 1))
			return false;
	}
	buffer_add_byte(json, ']');
	return late->in.at == late->in.end && buffer_error(json) == 0;
}

bool
wire_reading_begin_late(struct wire_message *message, struct text payload, struct text *json)
{
	const uint8_t *at = (const uint8_t *)payload.at;
	struct wire_late late = {.in = {at, at + payload.n}, .message = message};

	if (payload.n == 0 || payload.n > WIRE_PAYLOAD_MAX)
		return false;
	wire_reading_reset(message);
	if (!late_message(&late) || message->event.array.at == NULL)
		return false;
	message->data_count = message->event.values.count;
	*json = buffer_text(&message->json);
	return true;
}
