#include "broker/wire_sharded.h"

#include "broker/wire_reading.h"
#include "common/base/error.h"
#include "common/base/msgpack.h"

#define ID_UNITS 20 /* length of a socket's id in UTF-16 code units */

/* Numbers of the types that nodes send, with the type of struct wire_message (wire.h) that means the same. */
static const struct {
	unsigned number;
	bool answer;
	enum wire_type type;
} types[] = {
	{WIRE_SHARDED_BROADCAST, false, WIRE_BROADCAST},
	{4, false, WIRE_REMOTE_JOIN},
	{5, false, WIRE_REMOTE_LEAVE},
	{6, false, WIRE_REMOTE_DISCONNECT},
	{7, false, WIRE_REMOTE_FETCH},
	{9, false, WIRE_SERVER_SIDE_EMIT},
	{8, true, WIRE_REMOTE_FETCH},
	{10, true, WIRE_SERVER_SIDE_EMIT},
	{11, true, WIRE_BROADCAST_CLIENT_COUNT},
	{12, true, WIRE_BROADCAST_ACK},
};

/* ------------------------------------------------------------ own messages */

/* If `tail` ends with `part`, cuts it off and returns true. */
static bool
cut_tail(struct text *tail, struct text part)
{
	if (!text_ends(*tail, part))
		return false;
	tail->n -= part.n;
	return true;
}

/* Cuts a MessagePack string. */
static bool
cut_packed(struct text *tail, struct text string)
{
	uint8_t head[3] = {MSGPACK_STR_8, (uint8_t)string.n};
	size_t n = 2;

	if (string.n > UINT8_MAX)
		return false;
	if (string.n <= MSGPACK_FIX_STRING_MAX) {
		head[0] = (uint8_t)(MSGPACK_FIXSTR | string.n);
		n = 1;
	}
	return cut_tail(tail, string) && cut_tail(tail, text_of((const char *)head, n));
}

/*
 * A message ends with uid and nsp. In JSON the comma before "uid" cannot be part of a string, because the quote after
 * it would end that string.
 */
bool
wire_sharded_is_from(struct text payload, const struct wire_from *from)
{
	struct text tail = payload;

	if (payload.n > 0 && payload.at[0] == '{')
		return cut_tail(&tail, TEXT("\"}")) && cut_tail(&tail, from->nsp) &&
		       cut_tail(&tail, TEXT("\",\"nsp\":\"")) && cut_tail(&tail, from->uid) &&
		       cut_tail(&tail, TEXT(",\"uid\":\""));
	return cut_packed(&tail, from->nsp) && cut_packed(&tail, TEXT("nsp")) && cut_packed(&tail, from->uid) &&
	       cut_packed(&tail, TEXT("uid"));
}

/* ------------------------------------------------------------------ rooms */

static size_t
utf16_units(struct text text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t byte = (uint8_t)text.at[i];

		n += (byte & 0xc0) != 0x80; /* the first byte of a character */
		n += byte >= 0xf0;	    /* such a character takes two units */
	}
	return n;
}

bool
wire_sharded_looks_like_id(struct text room)
{
	return room.n >= ID_UNITS && room.n <= 3 * ID_UNITS && utf16_units(room) == ID_UNITS;
}

bool
wire_sharded_looks_like_v2_id(struct text room, struct text nsp)
{
	return room.n == nsp.n + 1 + ID_UNITS && text_starts(room, nsp) && room.at[nsp.n] == '#';
}

/* --------------------------------------------------------------- messages */

static int
sharded_read_type(struct wire_message *message, struct text value, bool answer)
{
	uint64_t number;
	int rc = wire_reading_number(value, UINT32_MAX, &number);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (types[i].number == number && types[i].answer == answer) {
			message->type = types[i].type;
			return 0;
		}
	}
	return ERROR_UNSUPPORTED;
}

/* The members of a message. Values are slices of its JSON text. */
struct frame {
	struct text type, data, nsp;
};

/* Reads {type, data, uid, nsp}. */
static int
read_frame(struct wire_message *message, struct text rest, struct frame *frame)
{
	struct text key, value;
	int rc = 0;

	if (json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	*frame = (struct frame){TEXT_NONE, TEXT_NONE, TEXT_NONE};
	while (rc == 0 && json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("type")))
			frame->type = value;
		else if (json_string_is(key, TEXT("data")))
			frame->data = value;
		else if (json_string_is(key, TEXT("uid")))
			rc = wire_reading_uid(message, value);
		else if (json_string_is(key, TEXT("nsp")))
			rc = json_type(value) == JSON_STRING ? wire_reading_plain(message, value, &frame->nsp)
							     : ERROR_SYNTAX;
	}
	return rc;
}

static int
read_data_member(struct wire_reading *reading, struct text key, struct text value)
{
	struct wire_message *message = reading->message;

	if (json_string_is(key, TEXT("packet")))
		reading->packet = value;
	else if (json_string_is(key, TEXT("opts")))
		reading->opts = value;
	else if (json_string_is(key, TEXT("requestId")))
		return wire_reading_id(message, value);
	else if (json_string_is(key, TEXT("rooms")))
		return wire_reading_names(reading, &reading->others, value);
	else if (json_string_is(key, TEXT("close")))
		message->close = json_type(value) == JSON_TRUE;
	else if (json_string_is(key, TEXT("clientCount")))
		return wire_reading_number(value, UINT32_MAX, &message->clients);
	else if (json_string_is(key, TEXT("node")))
		message->node = wire_reading_node(value);
	else if (json_string_is(key, TEXT("sockets")))
		message->sockets =
			message->type == WIRE_REMOTE_FETCH && json_type(value) == JSON_ARRAY ? value : TEXT_NONE;
	return 0;
}

static int
read_data(struct wire_reading *reading, struct text data)
{
	struct text key, value;
	int rc = 0;

	if (data.at == NULL || json_type(data) != JSON_OBJECT)
		return ERROR_SYNTAX;
	while (rc == 0 && json_object_next(&data, &key, &value))
		rc = read_data_member(reading, key, value);
	return rc;
}

/* Checks and reads the members that each type needs. */
static int
read_content(struct wire_reading *reading)
{
	struct wire_message *message = reading->message;

	switch (message->type) {
	case WIRE_BROADCAST:
		return message->has_target ? wire_reading_packet(reading) : ERROR_SYNTAX;
	case WIRE_REMOTE_JOIN:
	case WIRE_REMOTE_LEAVE:
	case WIRE_REMOTE_DISCONNECT:
		return message->has_target ? 0 : ERROR_SYNTAX;
	case WIRE_REMOTE_FETCH:
		return message->has_target && message->has_request_id ? 0 : ERROR_SYNTAX;
	default: /* a server emit */
		return reading->packet.at != NULL ? wire_reading_event(message, reading->packet) : ERROR_SYNTAX;
	}
}

static int
read_statement(struct wire_message *message, struct text json)
{
	struct wire_reading reading = {.message = message};
	struct frame frame;
	int rc = read_frame(message, json, &frame);

	if (rc < 0)
		return rc;
	if (frame.type.at == NULL || frame.nsp.at == NULL || message->uid.n == 0)
		return ERROR_SYNTAX;
	rc = sharded_read_type(message, frame.type, false);
	if (rc == 0)
		rc = read_data(&reading, frame.data);
	if (rc == 0)
		rc = wire_reading_opts(&reading);
	if (rc == 0)
		rc = read_content(&reading);
	if (rc < 0)
		return rc;
	message->nsp = frame.nsp; /* reading the packet has replaced it */
	wire_reading_finish(&reading);
	return 0;
}

int
wire_sharded_read(struct wire_message *message, struct text payload)
{
	struct text json;
	int rc = wire_reading_begin(message, payload, &json);

	return rc < 0 ? rc : read_statement(message, json);
}

int
wire_sharded_read_late(struct wire_message *message, struct text payload)
{
	struct text json;

	if (!wire_reading_begin_late_sharded(message, payload, &json))
		return wire_sharded_read(message, payload);
	return read_statement(message, json);
}

int
wire_sharded_read_response(struct wire_message *message, struct text payload)
{
	struct wire_reading reading = {.message = message};
	struct text json;
	struct frame frame;
	int rc = wire_reading_begin(message, payload, &json);

	if (rc == 0)
		rc = read_frame(message, json, &frame);
	if (rc < 0)
		return rc;
	if (frame.type.at == NULL)
		return ERROR_SYNTAX;
	rc = sharded_read_type(message, frame.type, true);
	if (rc == 0)
		rc = read_data(&reading, frame.data);
	if (rc < 0)
		return rc;
	if (!message->has_request_id || (message->type == WIRE_REMOTE_FETCH && message->sockets.at == NULL))
		return ERROR_SYNTAX;
	message->answer = reading.packet;
	if (message->attachments.count > 0 &&
		json_placeholders_check(buffer_text(&message->json), message->attachments.count) < 0)
		return ERROR_SYNTAX;
	return 0;
}
