/*
 * Decodes incoming messages. A message is first converted to JSON text in message->json and then walked member by
 * member. The results are slices of that text. Names with escapes are decoded into message->names, which does not
 * move while a message is read.
 */
#include "broker/wire.h"

#include "common/base/error.h"
#include "common/base/msgpack.h"
#include "common/base/json.h"
#include "common/base/mem.h"

#define DEPTH_MAX JSON_DEPTH_MAX
#define KEPT_MAX (256 * 1024) /* a buffer larger than this is freed before the next message */
#define REQUEST_ID_MAX 128    /* maximum bytes of a request id; Node.js sends 6 */

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

bool
wire_is_from(struct text payload, struct text uid)
{
	return uid.n <= MSGPACK_FIX_STRING_MAX && payload.n >= 2 + uid.n &&
	       (uint8_t)payload.at[0] == (MSGPACK_FIXARRAY | 3) &&
	       (uint8_t)payload.at[1] == (MSGPACK_FIXSTR | uid.n) && memcmp(payload.at + 2, uid.at, uid.n) == 0;
}

/* ----------------------------------------------------------------- reading */

/*
 * A list of names. The lists of one message follow one another in message->rooms, which may move until all lists are
 * read.
 */
struct names {
	unsigned from, count;
};

struct reading {
	struct wire_message *message;
	unsigned used; /* entries used in message->rooms */
	struct names rooms, except, others;
	struct text packet, opts;
	bool has_type;
};

static void
message_buffer_reset(struct buffer *buffer)
{
	if (buffer->size > KEPT_MAX)
		buffer_fini(buffer);
	buffer_reset(buffer);
}

static void
message_reset(struct wire_message *message)
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

/* Converts the payload to one JSON text in message->json, without surrounding white space. */
static int
message_to_json(struct wire_message *message, struct text payload, struct text *json)
{
	int64_t n;
	int rc;

	message_reset(message);
	if (payload.n > WIRE_PAYLOAD_MAX)
		return ERROR_TOO_BIG;
	if (payload.n > 0 && payload.at[0] == '{') {
		rc = json_check(payload, DEPTH_MAX);
		if (rc < 0)
			return rc;
		buffer_add_text(&message->json, payload);
	} else {
		n = msgpack_to_json(
			(const uint8_t *)payload.at, payload.n, DEPTH_MAX, &message->attachments, &message->json);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n != payload.n || n == 0)
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

static bool
is_null(struct text value)
{
	return json_type(value) == JSON_NULL;
}

/* Returns a string as plain text, or a number as it is written. */
static int
read_plain(struct wire_message *message, struct text value, struct text *out)
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

static int
read_name(struct reading *reading, struct names *to, struct text value)
{
	struct wire_message *message = reading->message;
	struct text name = TEXT_NONE;
	int rc = read_plain(message, value, &name);

	if (rc < 0)
		return rc;
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

/* Reads an array of names. null and {} count as an empty array. */
static int
read_names(struct reading *reading, struct names *to, struct text value)
{
	struct text element;
	int rc = 0;

	if (to->count > 0)
		return ERROR_SYNTAX; /* the key occurs twice */
	to->from = reading->used;
	if (is_null(value) || is_empty_table(value))
		return 0;
	if (json_type(value) != JSON_ARRAY)
		return ERROR_SYNTAX;
	while (rc == 0 && json_array_next(&value, &element))
		rc = read_name(reading, to, element);
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
	}
}

static int
read_opts(struct reading *reading)
{
	struct text rest = reading->opts, key, value;
	int rc = 0;

	if (rest.at == NULL || is_null(rest))
		return 0;
	if (json_type(rest) != JSON_OBJECT && !is_empty_table(rest))
		return ERROR_SYNTAX;
	reading->message->has_target = true;
	while (rc == 0 && json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("rooms")))
			rc = read_names(reading, &reading->rooms, value);
		else if (json_string_is(key, TEXT("except")))
			rc = read_names(reading, &reading->except, value);
		else if (json_string_is(key, TEXT("flags")) && json_type(value) == JSON_OBJECT)
			read_flags(reading->message, value);
	}
	return rc;
}

/* Reads an event array: the event's name and its arguments. */
static int
read_data(struct wire_message *message, struct text value)
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

static int
read_number(struct text value, uint64_t max, uint64_t *out)
{
	int64_t number;

	if (json_type(value) != JSON_NUMBER || !json_number_int(value, &number) || number < 0 ||
		(uint64_t)number > max)
		return ERROR_SYNTAX;
	*out = (uint64_t)number;
	return 0;
}

/*
 * Reads the packet {type, data, nsp} of a broadcast. Its type is EVENT (2); only old emitters send BINARY_EVENT (5).
 */
static int
read_packet(struct reading *reading)
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
			rc = read_number(value, UINT32_MAX, &type);
		else if (json_string_is(key, TEXT("data")))
			rc = read_data(message, value);
		else if (json_string_is(key, TEXT("nsp")) && !is_null(value))
			rc = json_type(value) == JSON_STRING ? read_plain(message, value, &message->nsp)
							     : ERROR_SYNTAX;
	}
	if (rc < 0)
		return rc;
	if (type != 2 && type != 5)
		return ERROR_UNSUPPORTED;
	return message->data.at == NULL ? ERROR_SYNTAX : 0;
}

static struct text *
names_at(const struct reading *reading, struct names n)
{
	return n.count > 0 ? reading->message->rooms + n.from : NULL;
}

/* Called when all lists are read and message->rooms no longer moves: sets the pointers into it. */
static void
reading_finish(struct reading *reading)
{
	struct wire_message *message = reading->message;

	message->target.rooms = names_at(reading, reading->rooms);
	message->target.room_count = reading->rooms.count;
	message->target.except = names_at(reading, reading->except);
	message->target.except_count = reading->except.count;
	message->listed_rooms = names_at(reading, reading->others);
	message->listed_room_count = reading->others.count;
}

/* -------------------------------------------------------------- broadcasts */

int
wire_read_broadcast(struct wire_message *message, struct text payload)
{
	struct reading reading = {.message = message};
	struct text rest, element;
	unsigned at = 0;
	int rc = message_to_json(message, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_ARRAY)
		return ERROR_SYNTAX;
	while (rc == 0 && json_array_next(&rest, &element)) {
		if (at == 0 && !is_null(element))
			rc = read_plain(message, element, &message->uid);
		else if (at == 1)
			reading.packet = element;
		else if (at == 2)
			reading.opts = element;
		at++;
	}
	if (rc == 0)
		rc = read_packet(&reading);
	if (rc == 0)
		rc = read_opts(&reading);
	if (rc < 0)
		return rc;
	message->has_target = true; /* a broadcast without options is for every socket */
	message->type = WIRE_BROADCAST;
	reading_finish(&reading);
	return 0;
}

/* ---------------------------------------------------------------- requests */

static int
read_id(struct wire_message *message, struct text value)
{
	int rc;

	if (is_null(value))
		return 0;
	rc = read_plain(message, value, &message->request_id);
	if (rc < 0)
		return rc;
	if (message->request_id.n == 0 || message->request_id.n > REQUEST_ID_MAX)
		return ERROR_TOO_BIG;
	message->has_request_id = true;
	return 0;
}

static int
read_type(struct reading *reading, struct text value)
{
	uint64_t type;
	int rc = read_number(value, UINT32_MAX, &type);

	if (rc < 0)
		return rc;
	if (type >= WIRE_TYPE_COUNT)
		return ERROR_UNSUPPORTED;
	reading->has_type = true;
	reading->message->type = (enum wire_type)type;
	return 0;
}

/* Reads the single room of a legacy join or leave. */
static int
read_room(struct reading *reading, struct text value)
{
	if (reading->others.count > 0 || is_null(value))
		return 0;
	reading->others.from = reading->used;
	return read_name(reading, &reading->others, value);
}

static int
read_request_member(struct reading *reading, struct text key, struct text value)
{
	struct wire_message *message = reading->message;

	if (json_string_is(key, TEXT("type")))
		return read_type(reading, value);
	if (json_string_is(key, TEXT("uid")))
		return is_null(value) ? 0 : read_plain(message, value, &message->uid);
	if (json_string_is(key, TEXT("requestId")))
		return read_id(message, value);
	if (json_string_is(key, TEXT("rooms")))
		return read_names(reading, &reading->others, value);
	if (json_string_is(key, TEXT("room")))
		return read_room(reading, value);
	if (json_string_is(key, TEXT("sid")))
		return is_null(value) ? 0 : read_plain(message, value, &message->sid);
	if (json_string_is(key, TEXT("close")))
		message->close = json_type(value) == JSON_TRUE;
	else if (json_string_is(key, TEXT("data")))
		message->data = value; /* checked once the type is known */
	else if (json_string_is(key, TEXT("packet")))
		reading->packet = value;
	else if (json_string_is(key, TEXT("opts")))
		reading->opts = value;
	return 0;
}

/* Checks the fields that each type requires. */
static int
check_request(struct reading *reading)
{
	struct wire_message *message = reading->message;
	struct text data = message->data;

	message->data = TEXT_NONE;
	switch (message->type) {
	case WIRE_SOCKETS:
	case WIRE_ALL_ROOMS:
		return message->has_request_id ? 0 : ERROR_SYNTAX;
	case WIRE_REMOTE_FETCH:
		return message->has_request_id && message->has_target ? 0 : ERROR_SYNTAX;
	case WIRE_REMOTE_JOIN:
	case WIRE_REMOTE_LEAVE:
		if (!message->has_target && (message->sid.at == NULL || reading->others.count != 1))
			return ERROR_SYNTAX;
		return 0;
	case WIRE_REMOTE_DISCONNECT:
		return message->has_target || message->sid.at != NULL ? 0 : ERROR_SYNTAX;
	case WIRE_SERVER_SIDE_EMIT:
		return data.at != NULL ? read_data(message, data) : ERROR_SYNTAX;
	case WIRE_BROADCAST:
		if (!message->has_request_id || !message->has_target)
			return ERROR_SYNTAX;
		return read_packet(reading);
	default:
		return ERROR_UNSUPPORTED;
	}
}

int
wire_read_request(struct wire_message *message, struct text payload)
{
	struct reading reading = {.message = message};
	struct text rest, key, value;
	int rc = message_to_json(message, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	while (rc == 0 && json_object_next(&rest, &key, &value))
		rc = read_request_member(&reading, key, value);
	if (rc == 0 && !reading.has_type)
		rc = ERROR_SYNTAX;
	if (rc == 0)
		rc = read_opts(&reading);
	if (rc == 0)
		rc = check_request(&reading);
	if (rc < 0)
		return rc;
	reading_finish(&reading);
	return 0;
}

/* --------------------------------------------------------------- responses */

static struct text
array_or_none(struct text value)
{
	return json_type(value) == JSON_ARRAY ? value : TEXT_NONE;
}

static int
read_response_member(struct reading *reading, struct text key, struct text value)
{
	struct wire_message *message = reading->message;

	if (json_string_is(key, TEXT("type")))
		return read_type(reading, value);
	if (json_string_is(key, TEXT("requestId")))
		return read_id(message, value);
	if (json_string_is(key, TEXT("clientCount")))
		return read_number(value, UINT32_MAX, &message->clients);
	if (json_string_is(key, TEXT("sockets")))
		message->sockets = array_or_none(value);
	else if (json_string_is(key, TEXT("rooms")))
		message->all_rooms = array_or_none(value);
	else if (json_string_is(key, TEXT("data")) || json_string_is(key, TEXT("packet")))
		message->answer = value;
	return 0;
}

int
wire_read_response(struct wire_message *message, struct text payload)
{
	struct reading reading = {.message = message};
	struct text rest, key, value;
	int rc = message_to_json(message, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	while (rc == 0 && json_object_next(&rest, &key, &value))
		rc = read_response_member(&reading, key, value);
	if (rc < 0)
		return rc;
	if (!message->has_request_id)
		return ERROR_SYNTAX;
	if (message->attachments.count > 0 &&
		json_placeholders_check(buffer_text(&message->json), message->attachments.count) < 0)
		return ERROR_SYNTAX;
	return 0;
}
