#include "node/api/api_command.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "common/base/mem.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_server.h"

struct reader {
	struct api_command *command;
	struct api_fault *fault;
	size_t used;			  /* of command->plain */
	struct text event, args, timeout; /* slices of the body */
	bool binary;
};

struct field {
	const char *name;
	unsigned kinds, needed_by; /* bits by enum api_kind */
	bool (*read)(struct reader *reader, struct text name, struct text value);
};

#define ONLY(kind) (1u << (kind))
#define ALL (ONLY(API_KINDS) - 1)

static bool
command_wrong_type(struct reader *reader, struct text name, const char *wanted)
{
	return api_fault(reader->fault, 400, "wrong_type", name, "%.*s must be %s", (int)name.n, name.at, wanted);
}

static struct text
command_decode_text(struct reader *reader, struct text string)
{
	char *to = reader->command->plain + reader->used;
	size_t n = json_string_decode(string, to);

	reader->used += n;
	return text_of(to, n);
}

/* ------------------------------------------------------------------ fields */

static bool
command_read_switch(struct reader *reader, struct text name, struct text value, bool *out)
{
	enum json_type type = json_type(value);

	if (type != JSON_TRUE && type != JSON_FALSE)
		return command_wrong_type(reader, name, "true or false");
	*out = type == JSON_TRUE;
	return true;
}

static bool
command_read_volatile(struct reader *reader, struct text name, struct text value)
{
	return command_read_switch(reader, name, value, &reader->command->is_volatile);
}

static bool
command_read_compress(struct reader *reader, struct text name, struct text value)
{
	return command_read_switch(reader, name, value, &reader->command->compress);
}

static bool
command_read_ack(struct reader *reader, struct text name, struct text value)
{
	return command_read_switch(reader, name, value, &reader->command->ack);
}

static bool
command_read_close(struct reader *reader, struct text name, struct text value)
{
	return command_read_switch(reader, name, value, &reader->command->close);
}

static bool
command_read_binary(struct reader *reader, struct text name, struct text value)
{
	return command_read_switch(reader, name, value, &reader->binary);
}

static bool
command_read_timeout(struct reader *reader, struct text name, struct text value)
{
	int64_t ms;

	if (json_type(value) != JSON_NUMBER || !json_number_int(value, &ms) || ms < 1 || ms > API_TIMEOUT_MAX)
		return api_fault(reader->fault, 400, "out_of_range", name,
			"timeout must be a whole number of milliseconds from 1 to %d", API_TIMEOUT_MAX);
	reader->command->timeout_ms = (uint32_t)ms;
	reader->timeout = value;
	return true;
}

static bool
command_read_namespace(struct reader *reader, struct text name, struct text value)
{
	if (json_type(value) != JSON_STRING)
		return command_wrong_type(reader, name, "a string");
	reader->command->nsp = command_decode_text(reader, value);
	if (reader->command->nsp.n == 0 || *reader->command->nsp.at != '/' ||
		reader->command->nsp.n > SIO_NSP_NAME_MAX ||
		memchr(reader->command->nsp.at, '\0', reader->command->nsp.n) != NULL)
		return api_fault(reader->fault, 400, "bad_name", name,
			"namespace must begin with \"/\", be at most %d bytes long and not contain U+0000",
			SIO_NSP_NAME_MAX);
	return true;
}

static bool
command_read_event(struct reader *reader, struct text name, struct text value)
{
	size_t n;

	if (json_type(value) != JSON_STRING)
		return command_wrong_type(reader, name, "a string");
	n = json_string_length(value);
	if (n == 0 || n > API_NAME_MAX)
		return api_fault(
			reader->fault, 400, "bad_name", name, "event must be 1 to %d bytes long", API_NAME_MAX);
	if (!sio_event_name_allowed(value))
		return api_fault(reader->fault, 400, "reserved_event", name,
			"event must not be connect, connect_error, disconnect, disconnecting, newListener or "
			"removeListener: these names are reserved");
	reader->event = value;
	return true;
}

static bool
command_read_args(struct reader *reader, struct text name, struct text value)
{
	struct text rest = value, element;
	unsigned n = 0;

	if (json_type(value) != JSON_ARRAY)
		return command_wrong_type(reader, name, "an array");
	while (json_array_next(&rest, &element))
		n++;
	if (n >= SIO_ARGS_MAX)
		return api_fault(
			reader->fault, 400, "too_many", name, "args must have at most %d elements", SIO_ARGS_MAX - 1);
	reader->args = value;
	return true;
}

static bool
command_read_name(struct reader *reader, struct text list, unsigned i, struct text value, struct text *out)
{
	if (json_type(value) != JSON_STRING)
		return command_wrong_type(reader, list, "an array of strings");
	*out = command_decode_text(reader, value);
	if (out->n > API_NAME_MAX || memchr(out->at, '\0', out->n) != NULL)
		return api_fault(reader->fault, 400, "bad_name", list,
			"%.*s[%u] must be at most %d bytes long and hold no U+0000", (int)list.n, list.at, i,
			API_NAME_MAX);
	return true;
}

static unsigned
count_of(struct text array)
{
	struct text element;
	unsigned n = 0;

	while (n <= API_NAMES_MAX && json_array_next(&array, &element))
		n++;
	return n;
}

/*
 * An empty list is refused: the program that computed it found no receiver, but without rooms the request would reach
 * every socket.
 */
static bool
command_read_names(
	struct reader *reader, struct text name, struct text value, struct api_names *out, const char *instead)
{
	struct text rest = value, element;
	unsigned n;

	if (json_type(value) != JSON_ARRAY)
		return command_wrong_type(reader, name, "an array of strings");
	n = count_of(value);
	if (n > API_NAMES_MAX)
		return api_fault(reader->fault, 400, "too_many", name, "%.*s must have at most %d elements",
			(int)name.n, name.at, API_NAMES_MAX);
	if (n == 0 && instead != NULL)
		return api_fault(reader->fault, 400, "empty", name, "%.*s is an empty array: %s", (int)name.n,
			name.at, instead);
	out->at = mem_try_alloc((n + 1) * sizeof *out->at);
	if (out->at == NULL)
		return api_fault(reader->fault, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
	while (json_array_next(&rest, &element)) {
		if (!command_read_name(reader, name, out->count, element, &out->at[out->count]))
			return false;
		out->count++;
	}
	return true;
}

static bool
command_read_rooms(struct reader *reader, struct text name, struct text value)
{
	return command_read_names(
		reader, name, value, &reader->command->rooms, "leave it out to reach every socket of the namespace");
}

static bool
command_read_except(struct reader *reader, struct text name, struct text value)
{
	return command_read_names(reader, name, value, &reader->command->except, NULL);
}

static bool
command_read_moves(struct reader *reader, struct text name, struct text value)
{
	return command_read_names(reader, name, value, &reader->command->moves, "name at least one room");
}

static const struct field fields[] = {
	{"namespace", ALL, 0, command_read_namespace},
	{"rooms", ALL, 0, command_read_rooms},
	{"except", ALL, 0, command_read_except},
	{"event", ONLY(API_EMIT), ONLY(API_EMIT), command_read_event},
	{"args", ONLY(API_EMIT), 0, command_read_args},
	{"binary", ONLY(API_EMIT), 0, command_read_binary},
	{"volatile", ONLY(API_EMIT), 0, command_read_volatile},
	{"compress", ONLY(API_EMIT), 0, command_read_compress},
	{"ack", ONLY(API_EMIT), 0, command_read_ack},
	{"timeout", ONLY(API_EMIT), 0, command_read_timeout},
	{"join", ONLY(API_JOIN), ONLY(API_JOIN), command_read_moves},
	{"leave", ONLY(API_LEAVE), ONLY(API_LEAVE), command_read_moves},
	{"close", ONLY(API_DISCONNECT), 0, command_read_close},
};
#define FIELDS (sizeof fields / sizeof *fields)

/* -------------------------------------------------------------------- body */

static bool
command_refuse_unknown(struct reader *reader, struct text key)
{
	char known[128] = "";
	struct text name;
	size_t at = 0;

	for (unsigned i = 0; i < FIELDS; i++) {
		if ((fields[i].kinds & ONLY(reader->command->kind)) != 0)
			at += (size_t)snprintf(
				known + at, sizeof known - at, "%s%s", at != 0 ? ", " : "", fields[i].name);
	}
	name = command_decode_text(reader, key);
	return api_fault(reader->fault, 400, "unknown_field", name, "unknown field; the fields are %s", known);
}

static bool
command_read_member(struct reader *reader, struct text key, struct text value, unsigned *seen)
{
	struct text name;

	for (unsigned i = 0; i < FIELDS; i++) {
		name = text_from(fields[i].name);
		if ((fields[i].kinds & ONLY(reader->command->kind)) == 0 || !json_string_is(key, name))
			continue;
		if ((*seen & 1u << i) != 0)
			return api_fault(reader->fault, 400, "duplicate_field", name, "%s must not be given twice",
				fields[i].name);
		*seen |= 1u << i;
		return fields[i].read(reader, name, value);
	}
	return command_refuse_unknown(reader, key);
}

static bool
command_read_object(struct reader *reader, struct text rest)
{
	struct text key, value;
	unsigned seen = 0;

	while (json_object_next(&rest, &key, &value)) {
		if (!command_read_member(reader, key, value, &seen))
			return false;
	}
	for (unsigned i = 0; i < FIELDS; i++) {
		if ((fields[i].needed_by & ONLY(reader->command->kind)) != 0 && (seen & 1u << i) == 0)
			return api_fault(reader->fault, 400, "missing_field", text_from(fields[i].name),
				"%s is missing", fields[i].name);
	}
	if (reader->timeout.at != NULL && !reader->command->ack)
		return api_fault(reader->fault, 400, "not_together", TEXT("timeout"),
			"timeout is for acknowledgements: it needs \"ack\":true");
	if (reader->command->ack && reader->command->is_volatile)
		return api_fault(reader->fault, 400, "not_together", TEXT("volatile"),
			"a volatile event may be dropped, so it cannot be acknowledged");
	return true;
}

/* Builds [name, args...], with binary values as attachments. */
static bool
command_pack_event(struct reader *reader, size_t size)
{
	struct api_command *command = reader->command;
	struct text args = reader->args;
	int rc = 0;

	buffer_init(&command->event, size + 16 + (size_t)API_ATTACHMENTS_MAX * 64);
	buffer_add_byte(&command->event, '[');
	buffer_add_text(&command->event, reader->event);
	args.n = args.n != 0 ? args.n - 1 : 0; /* without the brackets */
	while (args.n > 1 && strchr(" \t\r\n", args.at[args.n - 1]) != NULL)
		args.n--;
	if (args.n > 1)
		buffer_add_byte(&command->event, ',');
	if (args.n > 1 && !reader->binary)
		buffer_add(&command->event, args.at + 1, args.n - 1);
	else if (args.n > 1)
		rc = json_base64_read(text_of(args.at + 1, args.n - 1), API_ATTACHMENTS_MAX, &command->attachments,
			&command->event);
	buffer_add_byte(&command->event, ']');
	if (rc == 0)
		rc = buffer_error(&command->event);
	switch (rc) {
	case 0:
		return true;
	case ERROR_SYNTAX:
		return api_fault(reader->fault, 400, "bad_base64", TEXT("args"),
			"the text of \"$base64\" must be Base64 with its padding (RFC 4648, section 4)");
	case ERROR_EXISTS:
		return api_fault(reader->fault, 400, "not_together", TEXT("args"),
			"an object with \"_placeholder\":true cannot be sent beside binary values: clients would "
			"take it for a binary value");
	case ERROR_TOO_MANY:
		return api_fault(reader->fault, 400, "too_many", TEXT("args"),
			"args must hold at most %d binary values", API_ATTACHMENTS_MAX);
	default:
		return api_fault(reader->fault, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
	}
}

static bool
command_check_json(struct text body, struct api_fault *fault)
{
	int rc = json_check(body, JSON_DEPTH_MAX);

	switch (rc) {
	case 0:
		break;
	case ERROR_UTF8:
		return api_fault(fault, 400, "invalid_utf8", TEXT_NONE, "the body is not valid UTF-8");
	case ERROR_TOO_DEEP:
		return api_fault(fault, 400, "too_deep", TEXT_NONE, "the body is nested deeper than %d levels",
			JSON_DEPTH_MAX);
	default:
		return api_fault(fault, 400, "invalid_json", TEXT_NONE,
			body.n == 0 ? "the body is empty: send a JSON object"
				    : "the body is not JSON: byte %zu is unexpected",
			json_error_position(body, JSON_DEPTH_MAX));
	}
	if (json_type(body) != JSON_OBJECT)
		return api_fault(fault, 400, "wrong_type", TEXT_NONE, "the body must be a JSON object");
	return true;
}

bool
api_command_read(struct api_command *command, enum api_kind kind, struct text body, struct api_fault *fault)
{
	struct reader reader = {.command = command, .fault = fault};

	*command = (struct api_command){
		.kind = kind, .nsp = TEXT("/"), .compress = true, .timeout_ms = API_TIMEOUT_INITIAL};
	attachments_init(&command->attachments);
	if (!command_check_json(body, fault))
		return false;
	command->plain = mem_try_alloc(body.n);
	if (command->plain == NULL)
		return api_fault(fault, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
	while (strchr(" \t\r\n", *body.at) != NULL)
		body = text_of(body.at + 1, body.n - 1);
	if (command_read_object(&reader, body) && (kind != API_EMIT || command_pack_event(&reader, body.n)))
		return true;
	api_command_fini(command);
	return false;
}

void
api_command_fini(struct api_command *command)
{
	mem_free(command->rooms.at);
	mem_free(command->except.at);
	mem_free(command->moves.at);
	mem_free(command->plain);
	buffer_fini(&command->event);
	attachments_fini(&command->attachments);
	*command = (struct api_command){.kind = command->kind};
}
