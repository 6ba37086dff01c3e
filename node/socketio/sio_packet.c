/*
 * The parser makes one pass from left to right and accepts each field only in its exact form:
 *
 *   type      '0'..'6'
 *   count     types 5 and 6: digits, then '-'
 *   nsp       if the next byte is '/': up to ',' or the end
 *   id        digits, optional
 *   data      the rest, without the JSON whitespace (space, TAB, LF, CR) around it
 *
 * Node.js reads numbers loosely: `42 ["x"]` gives the id 0 and `42 5["x"]` the id 5. This parser skips whitespace
 * before the data, and whitespace before an id is an error.
 */
#include "node/socketio/sio_packet.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/utf8.h"

/* True for the first letters of the reserved names and for an escape. Most names need no further comparison. */
static bool
may_be_reserved(char first)
{
	return first == 'c' || first == 'd' || first == 'n' || first == 'r' || first == '\\';
}

bool
sio_event_name_reserved(struct text name)
{
	static const struct text reserved[] = {
		TEXT("connect"),
		TEXT("connect_error"),
		TEXT("disconnect"),
		TEXT("disconnecting"),
		TEXT("newListener"),
		TEXT("removeListener"),
	};

	if (name.n == 0 || !may_be_reserved(*name.at))
		return false;
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (text_is(name, reserved[i]))
			return true;
	return false;
}

/* Like sio_event_name_reserved(), for a name that is still quoted and escaped. */
static bool
sio_packet_name_reserved(struct text quoted)
{
	char plain[64];

	/* a reserved name has at most 14 characters: even with each as \uXXXX it is shorter than 100 bytes */
	if (quoted.n > 100 || !may_be_reserved(quoted.at[1]))
		return false;
	if (!memchr(quoted.at, '\\', quoted.n))
		return sio_event_name_reserved(text_of(quoted.at + 1, quoted.n - 2));
	if (json_string_length(quoted) > sizeof plain)
		return false;
	return sio_event_name_reserved(text_of(plain, json_string_decode(quoted, plain)));
}

bool
sio_event_name_allowed(struct text name)
{
	enum json_type type = json_type(name);

	return type == JSON_NUMBER || (type == JSON_STRING && !sio_packet_name_reserved(name));
}

/* Removes leading digits from *rest and returns their number. A value above `max` is reported as `max` + 1. */
static size_t
sio_packet_digits(struct text *rest, uint64_t max, uint64_t *value)
{
	size_t n = 0;

	*value = 0;
	while (n < rest->n && rest->at[n] >= '0' && rest->at[n] <= '9') {
		*value = *value * 10 + (uint64_t)(rest->at[n++] - '0');
		if (*value > max)
			*value = max + 1;
	}
	*rest = text_of(rest->at + n, rest->n - n);
	return n;
}

static int
sio_packet_count(struct sio_packet *out, struct text *rest, const struct sio_packet_limits *limits)
{
	uint64_t count;

	if (sio_packet_digits(rest, limits->max_attachments, &count) == 0 || rest->n == 0 || *rest->at != '-' ||
		count == 0)
		return ERROR_SYNTAX;
	if (count > limits->max_attachments)
		return ERROR_TOO_MANY;
	out->attachments = (unsigned)count;
	*rest = text_of(rest->at + 1, rest->n - 1);
	return 0;
}

static int
sio_packet_nsp(struct sio_packet *out, struct text *rest, const struct sio_packet_limits *limits)
{
	const char *comma;

	if (rest->n == 0 || *rest->at != '/') {
		out->nsp = TEXT("/");
		return 0;
	}
	comma = memchr(rest->at, ',', rest->n);
	out->nsp = text_of(rest->at, comma ? (size_t)(comma - rest->at) : rest->n);
	if (out->nsp.n > limits->max_nsp)
		return ERROR_TOO_BIG;
	if (!utf8_valid(out->nsp.at, out->nsp.n))
		return ERROR_UTF8;
	*rest = text_of(rest->at + out->nsp.n, rest->n - out->nsp.n);
	if (comma)
		*rest = text_of(rest->at + 1, rest->n - 1);
	return 0;
}

static int
sio_packet_id(struct sio_packet *out, struct text *rest)
{
	out->has_id = sio_packet_digits(rest, SIO_ID_MAX, &out->id) > 0;
	return out->id > SIO_ID_MAX ? ERROR_TOO_BIG : 0;
}

/* EVENT, ACK and their binary forms: checks the array and finds the bounds of its elements. */
static int
sio_packet_args(struct sio_packet *out, const struct sio_packet_limits *limits)
{
	bool event = out->type == SIO_EVENT || out->type == SIO_BINARY_EVENT;
	int argc;

	if (out->data.n == 0 || *out->data.at != '[')
		return ERROR_SYNTAX;
	argc = json_array_split(out->data, out->args, SIO_ARGS_MAX, limits->max_depth);
	if (argc < 0)
		return argc;
	out->argc = (unsigned)argc;
	if (event && (argc == 0 || !sio_event_name_allowed(out->args[0])))
		return ERROR_SYNTAX;
	return out->attachments > 0 ? json_placeholders_check(out->data, out->attachments) : 0;
}

/* CONNECT and CONNECT_ERROR: checks the value. */
static int
sio_packet_value(struct sio_packet *out, const struct sio_packet_limits *limits)
{
	if (out->data.n == 0)
		return out->type == SIO_CONNECT ? 0 : ERROR_SYNTAX;
	if (*out->data.at != '{' && (out->type == SIO_CONNECT || *out->data.at != '"'))
		return ERROR_SYNTAX;
	return json_check(out->data, limits->max_depth);
}

static bool
sio_packet_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static int
sio_packet_data(struct sio_packet *out, struct text rest, const struct sio_packet_limits *limits)
{
	while (rest.n > 0 && sio_packet_blank(*rest.at))
		rest = text_of(rest.at + 1, rest.n - 1);
	while (rest.n > 0 && sio_packet_blank(rest.at[rest.n - 1]))
		rest.n--;
	out->data = rest.n ? rest : TEXT_NONE;
	out->argc = 0;
	switch (out->type) {
	case SIO_DISCONNECT:
		return rest.n ? ERROR_SYNTAX : 0;
	case SIO_CONNECT:
	case SIO_CONNECT_ERROR:
		return sio_packet_value(out, limits);
	default:
		return sio_packet_args(out, limits);
	}
}

int
sio_packet_parse(struct sio_packet *out, struct text message, const struct sio_packet_limits *limits)
{
	struct text rest;
	int error = 0;

	if (message.n == 0 || *message.at < '0' || *message.at > '0' + SIO_BINARY_ACK)
		return ERROR_SYNTAX;
	/* set field by field: `args` takes 4 KB, and clearing it would cost more than parsing a small packet */
	out->type = (enum sio_packet_type)(*message.at - '0');
	out->attachments = 0;
	out->blocks = NULL;
	rest = text_of(message.at + 1, message.n - 1);
	if (out->type == SIO_BINARY_EVENT || out->type == SIO_BINARY_ACK)
		error = sio_packet_count(out, &rest, limits);
	if (!error)
		error = sio_packet_nsp(out, &rest, limits);
	if (!error)
		error = sio_packet_id(out, &rest);
	if (!error)
		error = sio_packet_data(out, rest, limits);
	return error;
}

void
sio_packet_write_head(
	struct buffer *out, enum sio_packet_type type, unsigned attachments, struct text nsp, const uint64_t *id)
{
	buffer_add_byte(out, (uint8_t)('0' + type));
	if (attachments > 0) {
		buffer_add_number(out, attachments);
		buffer_add_byte(out, '-');
	}
	if (nsp.n > 0 && !text_is(nsp, TEXT("/"))) {
		buffer_add_text(out, nsp);
		buffer_add_byte(out, ',');
	}
	if (id)
		buffer_add_number(out, (int64_t)*id);
}
