/*
 * Decodes the messages of the classic protocol. A message is first converted to JSON text in message->json and then
 * walked member by member (wire_reading.h). The results are slices of that text.
 */
#include "broker/wire_reading.h"

#include "common/base/error.h"
#include "common/base/msgpack.h"

bool
wire_is_from(struct text payload, struct text uid)
{
	return uid.n <= MSGPACK_FIX_STRING_MAX && payload.n >= 2 + uid.n &&
	       ((uint8_t)payload.at[0] == (MSGPACK_FIXARRAY | 3) ||
		       (uint8_t)payload.at[0] == (MSGPACK_FIXARRAY | 4)) && /* recorded (bus_record.h) */
	       (uint8_t)payload.at[1] == (MSGPACK_FIXSTR | uid.n) &&
	       memcmp(payload.at + 2, uid.at, uid.n) == 0;
}

/* -------------------------------------------------------------- broadcasts */

/* The streams adapter of Node.js publishes {type, data, uid, nsp} on the channels of the classic adapter. */
static bool
is_of_other_adapter(struct text json)
{
	return json_type(json) == JSON_OBJECT && json_object_get(json, TEXT("uid")).at != NULL &&
	       json_object_get(json, TEXT("nsp")).at != NULL && json_object_get(json, TEXT("type")).at != NULL;
}

static int
read_broadcast(struct wire_message *message, struct text rest)
{
	struct wire_reading reading = {.message = message};
	struct text element;
	unsigned at = 0;
	int rc = 0;

	if (json_type(rest) != JSON_ARRAY)
		return is_of_other_adapter(rest) ? ERROR_UNSUPPORTED : ERROR_SYNTAX;
	while (rc == 0 && json_array_next(&rest, &element)) {
		if (at == 0 && !wire_is_null(element))
			rc = wire_reading_plain(message, element, &message->uid);
		else if (at == 1)
			reading.packet = element;
		else if (at == 2)
			reading.opts = element;
		at++;
	}
	if (rc == 0)
		rc = wire_reading_packet(&reading);
	if (rc == ERROR_UNSUPPORTED) /* other adapters never send arrays */
		rc = ERROR_SYNTAX;
	if (rc == 0)
		rc = wire_reading_opts(&reading);
	if (rc < 0)
		return rc;
	message->has_target = true; /* a broadcast without options is for every socket */
	message->type = WIRE_BROADCAST;
	wire_reading_finish(&reading);
	return 0;
}

int
wire_read_broadcast(struct wire_message *message, struct text payload)
{
	struct text json;
	int rc = wire_reading_begin(message, payload, &json);

	return rc < 0 ? rc : read_broadcast(message, json);
}

int
wire_read_broadcast_late(struct wire_message *message, struct text payload)
{
	struct text json;

	if (!wire_reading_begin_late(message, payload, &json))
		return wire_read_broadcast(message, payload);
	return read_broadcast(message, json);
}

/* ---------------------------------------------------------------- requests */

static int
classic_read_type(struct wire_reading *reading, struct text value)
{
	uint64_t type;
	int rc = wire_reading_number(value, UINT32_MAX, &type);

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
read_room(struct wire_reading *reading, struct text value)
{
	if (reading->others.count > 0 || wire_is_null(value))
		return 0;
	reading->others.from = reading->used;
	return wire_reading_name(reading, &reading->others, value);
}

static int
read_request_member(struct wire_reading *reading, struct text key, struct text value)
{
	struct wire_message *message = reading->message;

	if (json_string_is(key, TEXT("type")))
		return classic_read_type(reading, value);
	if (json_string_is(key, TEXT("uid")))
		return wire_reading_uid(message, value);
	if (json_string_is(key, TEXT("requestId")))
		return wire_reading_id(message, value);
	if (json_string_is(key, TEXT("rooms")))
		return wire_reading_names(reading, &reading->others, value);
	if (json_string_is(key, TEXT("room")))
		return read_room(reading, value);
	if (json_string_is(key, TEXT("sid")))
		return wire_is_null(value) ? 0 : wire_reading_plain(message, value, &message->sid);
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
check_request(struct wire_reading *reading)
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
		return data.at != NULL ? wire_reading_event(message, data) : ERROR_SYNTAX;
	case WIRE_BROADCAST:
		if (!message->has_request_id || !message->has_target)
			return ERROR_SYNTAX;
		return wire_reading_packet(reading);
	default:
		return ERROR_UNSUPPORTED;
	}
}

int
wire_read_request(struct wire_message *message, struct text payload)
{
	struct wire_reading reading = {.message = message};
	struct text rest, key, value;
	int rc = wire_reading_begin(message, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	while (rc == 0 && json_object_next(&rest, &key, &value))
		rc = read_request_member(&reading, key, value);
	if (rc == 0 && !reading.has_type)
		rc = ERROR_SYNTAX;
	if (rc == 0)
		rc = wire_reading_opts(&reading);
	if (rc == 0)
		rc = check_request(&reading);
	if (rc < 0)
		return rc;
	wire_reading_finish(&reading);
	return 0;
}

/* --------------------------------------------------------------- responses */

static struct text
array_or_none(struct text value)
{
	return json_type(value) == JSON_ARRAY ? value : TEXT_NONE;
}

static int
read_response_member(struct wire_reading *reading, struct text key, struct text value)
{
	struct wire_message *message = reading->message;

	if (json_string_is(key, TEXT("type")))
		return classic_read_type(reading, value);
	if (json_string_is(key, TEXT("requestId")))
		return wire_reading_id(message, value);
	if (json_string_is(key, TEXT("clientCount")))
		return wire_reading_number(value, UINT32_MAX, &message->clients);
	if (json_string_is(key, TEXT("node")))
		message->node = wire_reading_node(value);
	else if (json_string_is(key, TEXT("sockets")))
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
	struct wire_reading reading = {.message = message};
	struct text rest, key, value;
	int rc = wire_reading_begin(message, payload, &rest);

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
