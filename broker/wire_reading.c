/*
 * What the readers of all forms share. Names with escapes are decoded into message->names, which does not move while
 * a message is read.
 */
#include "broker/wire_reading.h"

#include "broker/beat.h"

#include "common/base/error.h"
#include "common/base/mem.h"

#define DEPTH_MAX JSON_DEPTH_MAX
#define KEPT_MAX (256 * 1024) /* a buffer larger than this is freed before the next message */

void
wire_message_init(struct wire_message *message)
{
	memset(message, 0, sizeof *message);
	buffer_init(&message->json, WIRE_PAYLOAD_MAX);
	buffer_init(&message->names, WIRE_PAYLOAD_MAX);
	attachments_init(&message->attachments);
}

void
wire_message_fini(struct wire_message *message)
{
	buffer_fini(&message->json);
	buffer_fini(&message->names);
	attachments_fini(&message->attachments);
	mem_free(message->rooms);
	message->rooms = NULL;
	message->rooms_size = 0;
}

/* ----------------------------------------------------------------- reading */

static void
message_buffer_reset(struct buffer *buffer)
{
	if (buffer->size > KEPT_MAX)
		buffer_fini(buffer);
	buffer_reset(buffer);
}

void
wire_reading_reset(struct wire_message *message)
{
	struct buffer json, names;
	struct attachments attachments;
	struct text *rooms = message->rooms;
	unsigned size = message->rooms_size;

	message_buffer_reset(&message->json);
	message_buffer_reset(&message->names);
	attachments_cut(&message->attachments, 0);
	json = message->json;
	names = message->names;
	attachments = message->attachments;
	memset(message, 0, sizeof *message);
	message->json = json;
	message->names = names;
	message->attachments = attachments;
	message->rooms = rooms;
	message->rooms_size = size;
	message->type = WIRE_TYPE_COUNT;
}

int
wire_reading_begin(struct wire_message *message, struct text payload, struct text *json)
{
	int64_t names;
	int rc;

	wire_reading_reset(message);
	if (payload.n > WIRE_PAYLOAD_MAX)
		return ERROR_TOO_BIG;
	if (payload.n > 0 && payload.at[0] == '{') {
		rc = json_check(payload, DEPTH_MAX);
		if (rc < 0)
			return rc;
		buffer_add_text(&message->json, payload);
	} else {
		names = msgpack_to_json(
			(const uint8_t *)payload.at, payload.n, DEPTH_MAX, &message->attachments, &message->json);
		if (names < 0)
			return (int)names;
		if ((uint64_t)names != payload.n || names == 0)
			return ERROR_SYNTAX;
	}
	if (buffer_error(&message->json) != 0)
		return buffer_error(&message->json);
	*json = text_trim(buffer_text(&message->json));
	return 0;
}

/* Languages with a single table type, such as Lua, may write an empty object as [] and an empty array as {}. */
static bool
is_empty_table(struct text value)
{
	struct text key, element, object = value;

	if (json_type(value) == JSON_ARRAY)
		return !json_array_next(&value, &element);
	return json_type(value) == JSON_OBJECT && !json_object_next(&object, &key, &element);
}

int
wire_reading_plain(struct wire_message *message, struct text value, struct text *out)
{
	enum json_type type = json_type(value);
	uint8_t *room;

	if (type == JSON_NUMBER) {
		*out = value;
		return 0;
	}
	if (type != JSON_STRING)
		return ERROR_SYNTAX;
	*out = text_of(value.at + 1, value.n - 2);
	if (memchr(out->at, '\\', out->n) == NULL)
		return 0;
	/* reserve space for all names of the message, so that decoded names do not move */
	if (message->names.len == 0 && buffer_room(&message->names, message->json.len) == NULL)
		return buffer_error(&message->names);
	room = buffer_room(&message->names, value.n);
	if (room == NULL)
		return buffer_error(&message->names);
	*out = text_of((const char *)room, json_string_decode(value, (char *)room));
	message->names.len += out->n;
	return 0;
}

int
wire_reading_name(struct wire_reading *reading, struct wire_names *to, struct text value)
{
	struct wire_message *message = reading->message;
	struct text name = TEXT_NONE;
	int rc = wire_reading_plain(message, value, &name);

	if (rc < 0)
		return rc;
	to->listed++;
	if (to->count > 0 && text_is(name, message->rooms[reading->used - 1]))
		return 0; /* "7" followed by 7 names the same room on this node */
	if (reading->used == WIRE_ROOMS_MAX)
		return ERROR_TOO_MANY;
	if (reading->used == message->rooms_size) {
		unsigned size = message->rooms_size ? 2 * message->rooms_size : 8;
		struct text *grown = mem_try_realloc(message->rooms, size * sizeof *grown);

		if (grown == NULL)
			return ERROR_MEMORY;
		message->rooms = grown;
		message->rooms_size = size;
	}
	message->rooms[reading->used++] = name;
	to->count++;
	return 0;
}

int
wire_reading_names(struct wire_reading *reading, struct wire_names *to, struct text value)
{
	struct text element;
	int rc = 0;

	if (to->count > 0)
		return ERROR_SYNTAX; /* the key occurs twice */
	to->from = reading->used;
	if (wire_is_null(value) || is_empty_table(value))
		return 0;
	if (json_type(value) != JSON_ARRAY)
		return ERROR_SYNTAX;
	while (rc == 0 && json_array_next(&value, &element))
		rc = wire_reading_name(reading, to, element);
	return rc;
}

static bool
is_truthy(struct text value)
{
	switch (json_type(value)) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_NUMBER:
		return json_number_double(value) != 0;
	case JSON_STRING:
		return value.n > 2;
	default:
		return true;
	}
}

/* Reads the flags as the adapter in JavaScript does: volatile is on if truthy, compress is off if false. */
static void
read_flags(struct wire_message *message, struct text value)
{
	struct text key, element;

	while (json_object_next(&value, &key, &element)) {
		if (json_string_is(key, TEXT("volatile")) && is_truthy(element))
			message->target.flags |= WIRE_VOLATILE;
		if (json_string_is(key, TEXT("compress")) && json_type(element) == JSON_FALSE)
			message->target.flags |= WIRE_NO_COMPRESS;
		if (json_string_is(key, TEXT("history")) && json_type(element) == JSON_STRING)
			message->target.mark = wire_mark_read(text_of(element.at + 1, element.n - 2));
	}
}

int
wire_reading_opts(struct wire_reading *reading)
{
	struct text rest = reading->opts, key, value;
	int rc = 0;

	if (rest.at == NULL || wire_is_null(rest))
		return 0;
	if (json_type(rest) != JSON_OBJECT && !is_empty_table(rest))
		return ERROR_SYNTAX;
	reading->message->has_target = true;
	while (rc == 0 && json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("rooms")))
			rc = wire_reading_names(reading, &reading->rooms, value);
		else if (json_string_is(key, TEXT("except")))
			rc = wire_reading_names(reading, &reading->except, value);
		else if (json_string_is(key, TEXT("flags")) && json_type(value) == JSON_OBJECT)
			read_flags(reading->message, value);
	}
	return rc;
}

int
wire_reading_event(struct wire_message *message, struct text value)
{
	struct text rest = value, element;

	if (json_type(value) != JSON_ARRAY)
		return ERROR_SYNTAX;
	message->data = value;
	message->data_count = 0;
	while (json_array_next(&rest, &element))
		message->data_count++;
	if (message->data_count == 0)
		return ERROR_SYNTAX;
	/*
	 * this also rejects a peer's plain object that looks like a placeholder, since the two cannot be told apart
	 */
	if (message->attachments.count > 0 && json_placeholders_check(value, message->attachments.count) < 0)
		return ERROR_SYNTAX;
	return 0;
}

struct text
wire_reading_node(struct text value)
{
	if (json_type(value) != JSON_STRING || value.n != BEAT_ID_LENGTH + 2)
		return TEXT_NONE;
	return text_of(value.at + 1, BEAT_ID_LENGTH);
}

int
wire_reading_number(struct text value, uint64_t max, uint64_t *out)
{
	int64_t number;

	if (json_type(value) != JSON_NUMBER || !json_number_int(value, &number) || number < 0 ||
		(uint64_t)number > max)
		return ERROR_SYNTAX;
	*out = (uint64_t)number;
	return 0;
}

int
wire_reading_packet(struct wire_reading *reading)
{
	struct wire_message *message = reading->message;
	struct text rest = reading->packet, key, value;
	uint64_t type = 0;
	int rc = 0;

	if (rest.at == NULL || json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	message->nsp = TEXT("/");
	while (rc == 0 && json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("type")))
			rc = wire_reading_number(value, UINT32_MAX, &type);
		else if (json_string_is(key, TEXT("data")))
			rc = wire_reading_event(message, value);
		else if (json_string_is(key, TEXT("nsp")) && !wire_is_null(value))
			rc = json_type(value) == JSON_STRING ? wire_reading_plain(message, value, &message->nsp)
							     : ERROR_SYNTAX;
		else if (json_string_is(key, TEXT("id")) && !wire_is_null(value))
			message->has_packet_id = true;
	}
	if (rc < 0)
		return rc;
	if (type != 2 && type != 5)
		return ERROR_UNSUPPORTED;
	return message->data.at == NULL && message->event.array.at == NULL ? ERROR_SYNTAX : 0;
}

static struct text *
names_at(const struct wire_reading *reading, struct wire_names names)
{
	return names.count > 0 ? reading->message->rooms + names.from : NULL;
}

void
wire_reading_finish(struct wire_reading *reading)
{
	struct wire_message *message = reading->message;

	message->target.rooms = names_at(reading, reading->rooms);
	message->target.room_count = reading->rooms.count;
	message->rooms_listed = reading->rooms.listed;
	message->target.except = names_at(reading, reading->except);
	message->target.except_count = reading->except.count;
	message->listed_rooms = names_at(reading, reading->others);
	message->listed_room_count = reading->others.count;
}

int
wire_reading_id(struct wire_message *message, struct text value)
{
	int rc;

	if (wire_is_null(value))
		return 0;
	rc = wire_reading_plain(message, value, &message->request_id);
	if (rc < 0)
		return rc;
	if (message->request_id.n == 0 || message->request_id.n > WIRE_ID_MAX)
		return ERROR_TOO_BIG;
	message->has_request_id = true;
	return 0;
}

int
wire_reading_uid(struct wire_message *message, struct text value)
{
	int rc = wire_is_null(value) ? 0 : wire_reading_plain(message, value, &message->uid);

	return rc == 0 && message->uid.n > WIRE_ID_MAX ? ERROR_TOO_BIG : rc;
}
