/*
 * The MessagePack parser (socket.io-msgpack-parser 3.0). Every packet is one binary message, a map:
 *
 *   key    value
 *   type   0..4; there are no types for binary packets
 *   nsp    string, always present
 *   data   CONNECT: a map or absent; EVENT, ACK: an array; DISCONNECT: absent; CONNECT_ERROR: a string or a map
 *   id     integer, or absent
 *
 * The keys come in any order, the last of equal keys counts, and other keys are ignored: stock clients send
 * `options`. The value undefined of notepack 2 (d4 00 00) counts as absent.
 *
 * The layers above get the same as from a JSON client: `data` becomes JSON text, and its binary values become
 * attachments. An array of plain values (msgpack_plain.h) stays MessagePack until something reads its text. Values
 * that the application passes on to other clients of this parser are copied as they are. socket.io-msgpack-parser
 * accepts event names that are reserved. This parser refuses them, as the JSON parser does: an event "disconnect" of
 * a client would run the application's clean-up on a connected socket.
 */
#include <math.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/msgpack.h"
#include "common/base/msgpack_item.h"
#include "common/base/msgpack_plain.h"
#include "common/base/utf8.h"
#include "node/socketio/sio_parser.h"

/* bytes of JSON for one byte of MessagePack, at most: a map of false to false needs 14 for 2 */
#define JSON_PER_BYTE 8
/* further bytes of JSON: a placeholder for each of MSGPACK_ATTACHMENTS_MAX binary values */
#define JSON_EXTRA (MSGPACK_ATTACHMENTS_MAX * 48)
/* memory for text is allocated at once for this many bytes of a message; most of a larger one may be binary */
#define JSON_FIRST_MAX 512
/* the keys as strings of MessagePack */
#define KEY_TYPE "\xa4type"
#define KEY_DATA                                                                                                     \
	"\xa4"                                                                                                       \
	"data"
#define KEY_NSP "\xa3nsp"
#define KEY_ID "\xa2id"
/* bytes of a map without its namespace and data */
#define HEAD_ROOM 64
/* bytes in front of the map: the head of the block and of the frame */
#define FRONT_ROOM (BLOCK_HEAD + 16)

/* A packet's data as JSON. */
struct sio_partial {
	struct buffer json;
	struct attachments attachments;
};

/* The state of one decode. */
struct msgpack_packet {
	struct msgpack_input in;
	const struct sio_packet_limits *limits;
	struct sio_partial **partial; /* made when text is written */
	struct sio_packet *out;
	bool has_type, has_nsp, is_array; /* is_array: the data is an array, of out->argc elements */
};

/* ------------------------------------------------------------------ decoding */

/* Returns an error for a value that ends the input or cannot be read; otherwise 0. */
static int
msgpack_packet_item(struct msgpack_input *in, struct msgpack_item *item)
{
	int rc = msgpack_item_read(in, item);

	return rc == 0 ? ERROR_SYNTAX : rc < 0 ? rc : 0;
}

/* An integer may have come as a float64, as JavaScript has only one type of number. */
static int
msgpack_packet_integer(struct msgpack_packet *packet, uint64_t max, uint64_t *value, bool *present)
{
	struct msgpack_item item;
	int rc = msgpack_packet_item(&packet->in, &item);

	if (rc != 0)
		return rc;
	*present = !msgpack_item_undefined(&item);
	if (!*present)
		return 0;
	if (item.kind == MSGPACK_KIND_DOUBLE && item.real >= 0 && item.real <= (double)max &&
		floor(item.real) == item.real)
		*value = (uint64_t)item.real;
	else if (item.kind == MSGPACK_KIND_UINT || (item.kind == MSGPACK_KIND_INT && item.sint >= 0))
		*value = item.kind == MSGPACK_KIND_UINT ? item.uint : (uint64_t)item.sint;
	else
		return ERROR_SYNTAX;
	return *value <= max ? 0 : ERROR_TOO_BIG;
}

static int
msgpack_packet_type(struct msgpack_packet *packet)
{
	uint64_t type = 0;
	int rc = msgpack_packet_integer(packet, SIO_CONNECT_ERROR, &type, &packet->has_type);

	packet->out->type = (enum sio_packet_type)type;
	return rc;
}

static int
msgpack_packet_nsp(struct msgpack_packet *packet)
{
	struct msgpack_item item;
	int rc = msgpack_packet_item(&packet->in, &item);

	if (rc != 0)
		return rc;
	if (item.kind != MSGPACK_KIND_STR)
		return ERROR_SYNTAX;
	if (item.body.n > packet->limits->max_nsp)
		return ERROR_TOO_BIG;
	if (!utf8_valid(item.body.at, item.body.n))
		return ERROR_UTF8;
	packet->out->nsp = item.body;
	packet->has_nsp = true;
	return 0;
}

/* Makes room for the text of `n` bytes of MessagePack, in place of an earlier text. Returns 0 or ERROR_MEMORY. */
static int
msgpack_partial_begin(struct sio_partial **at, size_t n)
{
	struct sio_partial *partial = *at;

	if (partial != NULL) {
		buffer_reset(&partial->json);
		attachments_cut(&partial->attachments, 0);
		return 0;
	}
	*at = partial = mem_try_alloc(sizeof *partial);
	if (partial == NULL)
		return ERROR_MEMORY;
	buffer_init(&partial->json, n * JSON_PER_BYTE + JSON_EXTRA);
	(void)buffer_room(&partial->json, (n < JSON_FIRST_MAX ? n : JSON_FIRST_MAX) * 3 / 2);
	attachments_init(&partial->attachments);
	return 0;
}

/* Appends one value to the JSON text. */
static int
msgpack_packet_value(struct msgpack_packet *packet, unsigned max_depth)
{
	struct sio_partial *partial = *packet->partial;
	int64_t n = msgpack_to_json(packet->in.at, (size_t)(packet->in.end - packet->in.at), max_depth,
		&partial->attachments, &partial->json);

	if (n <= 0)
		return n < 0 ? (int)n : ERROR_SYNTAX;
	packet->in.at += n;
	return 0;
}

/* Converts the elements of an array one by one, so that their bounds need no second pass. */
static int
msgpack_packet_elements(struct msgpack_packet *packet, uint32_t count)
{
	struct buffer *json = &(*packet->partial)->json;

	buffer_add_byte(json, '[');
	for (uint32_t i = 0; i < count; i++) {
		size_t from;
		int rc;

		if (i > 0)
			buffer_add_byte(json, ',');
		from = json->len;
		rc = msgpack_packet_value(packet, packet->limits->max_depth - 1);
		if (rc != 0)
			return rc;
		packet->out->args[i].n = json->len - from; /* `at` follows when the text no longer moves */
	}
	buffer_add_byte(json, ']');
	return buffer_error(json);
}

/*
 * Keeps the elements of an array as they are, if all are plain and the first could be the name of an event. Otherwise
 * returns false, and nothing has changed.
 */
static bool
msgpack_packet_keep(struct msgpack_packet *packet, uint32_t count)
{
	struct msgpack_input in = packet->in;
	struct msgpack_values *values = &packet->out->values;
	struct msgpack_item first;
	unsigned bins = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!msgpack_plain(&in, packet->limits->max_depth - 1, &bins))
			return false;
	}
	packet->out->name = TEXT_NONE;
	if (count > 0) {
		struct msgpack_input again = packet->in;

		if (msgpack_item_read(&again, &first) > 0 && first.kind == MSGPACK_KIND_STR &&
			memchr(first.body.at, '\0', first.body.n) == NULL)
			packet->out->name = first.body;
	}
	*values = (struct msgpack_values){packet->in.at, (size_t)(in.at - packet->in.at), count, bins};
	packet->in = in;
	return true;
}

static int
msgpack_packet_array(struct msgpack_packet *packet, uint32_t count)
{
	int rc;

	if (count > SIO_ARGS_MAX)
		return ERROR_TOO_MANY;
	packet->out->argc = count;
	packet->is_array = true;
	if (msgpack_packet_keep(packet, count))
		return 0;
	rc = msgpack_partial_begin(packet->partial, (size_t)(packet->in.end - packet->in.at));
	return rc == 0 ? msgpack_packet_elements(packet, count) : rc;
}

/* Forgets the data of an earlier key. */
static void
msgpack_packet_data_none(struct msgpack_packet *packet)
{
	if (*packet->partial != NULL) {
		buffer_reset(&(*packet->partial)->json);
		attachments_cut(&(*packet->partial)->attachments, 0);
	}
	packet->is_array = false;
	packet->out->argc = 0;
	packet->out->values.at = NULL;
}

static int
msgpack_packet_data(struct msgpack_packet *packet)
{
	struct msgpack_input ahead = packet->in;
	struct msgpack_item item;
	int rc = msgpack_packet_item(&ahead, &item);

	if (rc != 0)
		return rc;
	msgpack_packet_data_none(packet);
	if (item.kind == MSGPACK_KIND_ARRAY || msgpack_item_undefined(&item)) {
		packet->in = ahead;
		return item.kind == MSGPACK_KIND_ARRAY ? msgpack_packet_array(packet, item.count) : 0;
	}
	rc = msgpack_partial_begin(packet->partial, (size_t)(packet->in.end - packet->in.at));
	return rc == 0 ? msgpack_packet_value(packet, packet->limits->max_depth) : rc;
}

static int
msgpack_packet_member(struct msgpack_packet *packet)
{
	struct msgpack_item key;
	int rc = msgpack_packet_item(&packet->in, &key);

	if (rc != 0)
		return rc;
	if (key.kind != MSGPACK_KIND_STR)
		return ERROR_SYNTAX;
	if (text_is(key.body, TEXT("type")))
		return msgpack_packet_type(packet);
	if (text_is(key.body, TEXT("data")))
		return msgpack_packet_data(packet);
	if (text_is(key.body, TEXT("nsp")))
		return msgpack_packet_nsp(packet);
	if (text_is(key.body, TEXT("id"))) {
		packet->out->id = 0;
		return msgpack_packet_integer(packet, SIO_ID_MAX, &packet->out->id, &packet->out->has_id);
	}
	rc = msgpack_item_skip(&packet->in);
	return rc == 0 ? ERROR_SYNTAX : rc < 0 ? rc : 0;
}

static int
msgpack_packet_members(struct msgpack_packet *packet)
{
	struct msgpack_item map;
	int rc = msgpack_packet_item(&packet->in, &map);

	if (rc == 0 && map.kind != MSGPACK_KIND_MAP)
		rc = ERROR_SYNTAX;
	/* each member takes at least a byte, so a false count ends at the end of the input */
	for (uint32_t i = 0; rc == 0 && i < map.count; i++)
		rc = msgpack_packet_member(packet);
	if (rc == 0 && packet->in.at != packet->in.end)
		rc = ERROR_SYNTAX;
	return rc;
}

/* Sets the texts of the packet, which point into the JSON text. */
static void
msgpack_packet_texts(struct sio_packet *out, const struct sio_partial *partial)
{
	const char *at;

	out->data = partial != NULL && partial->json.len > 0 ? buffer_text(&partial->json) : TEXT_NONE;
	out->blocks = partial != NULL && partial->attachments.count > 0 ? &partial->attachments : NULL;
	out->attachments = partial != NULL ? partial->attachments.count : 0;
	at = out->data.at;
	for (unsigned i = 0; at != NULL && i < out->argc; i++) {
		out->args[i].at = ++at; /* behind the bracket or the comma */
		at += out->args[i].n;
	}
}

/* Checks the name of an EVENT. */
static bool
msgpack_packet_named(const struct sio_packet *out)
{
	if (out->argc == 0)
		return false;
	if (out->values.at == NULL)
		return sio_event_name_allowed(out->args[0]);
	return !sio_event_name_reserved(out->name);
}

/* Checks the packet as a whole, by its type. */
static int
msgpack_packet_check(const struct msgpack_packet *packet)
{
	const struct sio_packet *out = packet->out;
	bool is_map = out->data.n > 0 && *out->data.at == '{';

	if (!packet->has_type || !packet->has_nsp)
		return ERROR_SYNTAX;
	if (out->attachments > SIO_ATTACHMENTS_MAX)
		return ERROR_TOO_MANY;
	switch (out->type) {
	case SIO_CONNECT:
		if (out->attachments > 0) /* `auth` is text */
			return ERROR_UNSUPPORTED;
		return !packet->is_array && (out->data.n == 0 || is_map) ? 0 : ERROR_SYNTAX;
	case SIO_DISCONNECT:
		return !packet->is_array && out->data.n == 0 ? 0 : ERROR_SYNTAX;
	case SIO_CONNECT_ERROR:
		return is_map || (out->data.n > 0 && *out->data.at == '"') ? 0 : ERROR_SYNTAX;
	case SIO_EVENT:
		if (!packet->is_array || !msgpack_packet_named(out))
			return ERROR_SYNTAX;
		break;
	default:
		if (!packet->is_array)
			return ERROR_SYNTAX;
	}
	/* a map that looks like a placeholder means the same as from a JSON client; values have no such map */
	return out->attachments > 0 && out->data.n > 0 ? json_placeholders_check(out->data, out->attachments) : 0;
}

/* See sio_parser.write(). The values have been checked, so this fails only if memory is short. */
static int
msgpack_write(struct sio_partial **partial, const struct sio_packet_limits *limits, struct sio_packet *out)
{
	const struct msgpack_values *values = &out->values;
	struct msgpack_packet packet = {
		.in = {values->at, values->at + values->n}, .limits = limits, .partial = partial, .out = out};

	if (msgpack_partial_begin(partial, values->n) != 0 || msgpack_packet_elements(&packet, values->count) != 0)
		return ERROR_MEMORY;
	msgpack_packet_texts(out, *partial);
	return 0;
}

/*
 * Makes the texts of an EVENT whose name is a number, or not a name at all: its values cannot be used. Sets the texts
 * of other packets, if they have any.
 */
static int
msgpack_packet_finish(struct msgpack_packet *packet)
{
	struct sio_packet *out = packet->out;
	int rc = 0;

	if (out->values.at != NULL && out->type == SIO_EVENT && out->name.at == NULL) {
		rc = msgpack_write(packet->partial, packet->limits, out);
		out->values.at = NULL;
	} else if (out->values.at == NULL) {
		msgpack_packet_texts(out, *packet->partial);
	} else {
		out->data = TEXT_NONE;
		out->blocks = NULL;
		out->attachments = out->values.bins;
	}
	return rc;
}

static void
msgpack_forget(struct sio_partial *partial)
{
	if (partial == NULL)
		return;
	buffer_fini(&partial->json);
	attachments_fini(&partial->attachments);
	mem_free(partial);
}

static size_t
msgpack_held(const struct sio_partial *partial)
{
	return partial != NULL ? sizeof *partial + partial->json.size + attachments_bytes(&partial->attachments) : 0;
}

static int
msgpack_decode(struct sio_partial **partial, bool binary, uint8_t *data, size_t n,
	const struct sio_packet_limits *limits, struct sio_packet *out)
{
	struct msgpack_packet packet = {.in = {data, data + n}, .limits = limits, .partial = partial, .out = out};
	int rc;

	if (!binary) {
		out->why = "got plaintext data from a client of the MessagePack parser";
		return ERROR_SYNTAX;
	}
	/* set field by field: `args` takes 4 KB */
	out->has_id = false;
	out->id = 0;
	out->argc = 0;
	out->values.at = NULL;
	rc = msgpack_packet_members(&packet);
	if (rc == 0)
		rc = msgpack_packet_finish(&packet);
	if (rc == 0)
		rc = msgpack_packet_check(&packet);
	if (rc != 0)
		out->values.at = NULL;
	out->why = error_text(rc);
	return rc == 0 ? 1 : rc;
}

/* ------------------------------------------------------------------ encoding */

static void
msgpack_write_id(const struct sio_packet_out *packet, struct buffer *out)
{
	buffer_add_text(out, TEXT(KEY_ID));
	msgpack_add_unsigned(out, packet->id);
}

/* Writes the part of the map before the data. The keys are in the order of socket.io-msgpack-parser. */
static void
msgpack_write_front(const struct sio_packet_out *packet, bool has_data, struct buffer *out)
{
	buffer_add_byte(out, (uint8_t)(MSGPACK_FIXMAP | (2 + has_data + packet->has_id)));
	if (packet->has_id && packet->type == SIO_ACK)
		msgpack_write_id(packet, out);
	buffer_add_text(out, TEXT(KEY_TYPE));
	buffer_add_byte(out, (uint8_t)packet->type);
	if (has_data)
		buffer_add_text(out, TEXT(KEY_DATA));
}

/* Writes the part of the map after the data. */
static void
msgpack_write_back(const struct sio_packet_out *packet, struct buffer *out)
{
	if (packet->has_id && packet->type != SIO_ACK)
		msgpack_write_id(packet, out);
	buffer_add_text(out, TEXT(KEY_NSP));
	msgpack_add_string(out, (uint32_t)packet->nsp.n);
	buffer_add_text(out, packet->nsp);
}

/* Makes a message from late values, which are copied. `head` holds the parts of the map around them. */
static int
msgpack_encode_late(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	const struct sio_late *late = packet->late;
	struct text parts[4] = {[1] = late->name, [2] = text_of((const char *)late->values.at, late->values.n)};
	size_t front;

	msgpack_write_front(packet, true, head);
	msgpack_add_array(head, late->values.count + (late->name.at != NULL));
	if (late->name.at != NULL)
		msgpack_add_string(head, (uint32_t)late->name.n);
	front = head->len;
	msgpack_write_back(packet, head);
	if (buffer_error(head) != 0)
		return buffer_error(head);
	parts[0] = text_of((const char *)head->data, front);
	parts[3] = text_of((const char *)head->data + front, head->len - front);
	messages[0] = eio_message_binary_of(parts, 4);
	return messages[0] != NULL ? 1 : ERROR_MEMORY;
}

static int
msgpack_encode_text(const struct sio_packet_out *packet, struct eio_message **messages)
{
	size_t n = HEAD_ROOM + packet->nsp.n + packet->json.n + attachments_bytes(packet->attachments);
	bool has_data = packet->json.n > 0;
	struct buffer out;
	int rc = 0;

	/* 0.5 and a comma take 4 bytes of JSON but 9 of MessagePack; only repeated attachments exceed the limit */
	buffer_init(&out, FRONT_ROOM + HEAD_ROOM + packet->nsp.n + packet->max_bytes + packet->json.n / 2 * 3);
	eio_message_begin(&out, n);
	msgpack_write_front(packet, has_data, &out);
	if (has_data)
		rc = json_to_msgpack(packet->json, packet->attachments, &out);
	msgpack_write_back(packet, &out);
	if (rc == 0)
		rc = buffer_error(&out);
	if (rc != 0) {
		buffer_fini(&out);
		return rc;
	}
	messages[0] = eio_message_end(&out, n);
	return messages[0] != NULL ? 1 : ERROR_MEMORY;
}

/* Text is converted in the message's own buffer, because it may exceed the limit of `head`. */
static int
msgpack_encode(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	return packet->late != NULL ? msgpack_encode_late(packet, head, messages)
				    : msgpack_encode_text(packet, messages);
}

const struct sio_parser sio_parser_msgpack = {
	.name = "msgpack",
	.revision = 5,
	.variant = 2,
	.encode = msgpack_encode,
	.decode = msgpack_decode,
	.write = msgpack_write,
	.held = msgpack_held,
	.forget = msgpack_forget,
};
