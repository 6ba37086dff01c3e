/*
 * Packing by format string. One loop over the format writes the JSON text directly. A small stack holds the open
 * brackets:
 *
 *   state               accepts        next state
 *   top, array          a value        the same
 *   object, key next    s or S         object, value next
 *   object, value next  a value        object, key next (for a missing `v` the key is removed again)
 */
#include "node/socketio/sio_pack.h"

#include <msgpack.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_list.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_value.h"

#define FORMAT_DEPTH_MAX 32  /* nesting of brackets in a format */
#define ATTACHMENTS_MAX 1024 /* in one event; stock clients accept 10 */

struct sio_pack_level {
	bool object, first, value_next;
	size_t start; /* offset of the current member, its comma included */
	bool start_first;
};

struct sio_pack {
	struct sio_payload *payload;
	va_list args;
	unsigned top, top_max; /* values outside all brackets */
	bool foreign;	       /* the JSON contains ready-made text, in which placeholders may be forged */
	unsigned late_top;     /* `top` of the first value that may stay MessagePack; UINT_MAX: no value may */
	unsigned depth;	       /* levels[0] is outside all brackets */
	size_t binary;	       /* bytes of attachments made here */
	struct sio_pack_level levels[FORMAT_DEPTH_MAX + 1];
};

static __attribute__((cold, noinline)) int
sio_pack_refuse(struct sio_pack *pack, const char *why)
{
	pack->payload->why = why;
	return ERROR_ARGUMENT;
}

/* Invalid input comes from the caller, so any such error becomes ERROR_ARGUMENT. */
static int
sio_pack_error(int error)
{
	if (error == ERROR_MEMORY)
		return ERROR_SYSTEM;
	return error == ERROR_TOO_BIG || error == ERROR_TOO_MANY || error == 0 ? error : ERROR_ARGUMENT;
}

static int
sio_pack_binary(struct sio_pack *pack, const void *bytes, size_t n)
{
	struct block *block;

	if (n > 0 && !sio_is_pointer(bytes))
		return sio_pack_refuse(pack, "an invalid pointer to bytes");
	if (pack->payload->attachments.count >= ATTACHMENTS_MAX)
		return ERROR_TOO_MANY;
	if (n > pack->payload->json.max - pack->binary)
		return ERROR_TOO_BIG;
	pack->binary += n;
	json_write_placeholder(&pack->payload->json, pack->payload->attachments.count);
	block = block_try_copy(bytes, n);
	if (!block)
		return ERROR_MEMORY;
	attachments_add(&pack->payload->attachments, block);
	block_unref(block);
	return 0;
}

static int
sio_pack_copy(struct sio_pack *pack, struct text json, const struct attachments *from)
{
	int error;

	if (!from || from->count == 0)
		pack->foreign = true;
	error = json_placeholders_copy(json, from, &pack->payload->attachments, &pack->payload->json);
	return error ? error : pack->payload->attachments.count > ATTACHMENTS_MAX ? ERROR_TOO_MANY : 0;
}

static const struct attachments *
sio_pack_attachments(const struct sio_value_owner *owner)
{
	return owner ? owner->attachments : NULL;
}

/*
 * Keeps MessagePack values late. They must be the first values, or follow the late values directly in the same
 * message. Returns false if they must be packed as text.
 */
static bool
sio_pack_keep(struct sio_pack *pack, struct msgpack_values values, struct sio_value_owner *owner)
{
	struct sio_payload *payload = pack->payload;
	struct msgpack_values *late = &payload->late.values;

	if (pack->depth > 0 || values.count > pack->top_max - pack->top)
		return false;
	if (late->at == NULL) {
		if (pack->top != pack->late_top)
			return false; /* an earlier value is already text */
		*late = values;
		payload->late_owner = owner;
	} else if (payload->late_owner == owner && late->at + late->n == values.at) {
		late->n += values.n;
		late->count += values.count;
	} else {
		return false;
	}
	pack->top += values.count;
	return true;
}

/* Appends the text of the late values. */
static int
sio_pack_late_text(struct sio_payload *payload)
{
	struct msgpack_values late = payload->late.values;
	struct sio_value_owner *owner = payload->late_owner;
	struct text text;

	text = owner->write(owner, late.at, late.at + late.n);
	if (text.n == 0)
		return ERROR_MEMORY;
	if (payload->json.len > 1)
		buffer_add_byte(&payload->json, ',');
	return json_placeholders_copy(text, owner->attachments, &payload->attachments, &payload->json);
}

/* Turns the late values into text, because a value that cannot be late follows. */
static __attribute__((cold, noinline)) int
sio_pack_end_late(struct sio_pack *pack)
{
	struct sio_payload *payload = pack->payload;
	int error = sio_pack_late_text(payload);

	pack->foreign = true;
	pack->levels[0].first = false;
	payload->late.values.at = NULL;
	return error;
}

static inline bool
sio_pack_is_late(const struct sio_pack *pack)
{
	return __builtin_expect(pack->payload->late.values.at != NULL, 0);
}

/* A missing value is JavaScript's undefined: null in an array, no member in an object. */
static int
sio_pack_value(struct sio_pack *pack, sio_value value)
{
	struct sio_pack_level *level = &pack->levels[pack->depth];

	value = sio_value_read(value);
	if (value.n > 0)
		return sio_pack_copy(pack, text_of(value.json, value.n), sio_pack_attachments(value.owner));
	if (level->object) {
		if (!pack->payload->json.error)
			pack->payload->json.len = level->start;
		level->first = level->start_first;
	} else {
		buffer_add_text(&pack->payload->json, TEXT("null"));
	}
	return 0;
}

static int
sio_pack_append(void *out, const char *bytes, size_t n)
{
	buffer_add(out, bytes, n);
	return buffer_error(out);
}

static int
sio_pack_msgpack(struct sio_pack *pack, const msgpack_object *object)
{
	struct sio_payload *payload = pack->payload;
	struct buffer bytes;
	msgpack_packer packer;
	int64_t n;
	int error;

	if (!sio_is_pointer(object))
		return sio_pack_refuse(pack, "an invalid pointer to a MessagePack object");
	/* some values, such as floats, take more bytes in MessagePack than as text */
	buffer_init(&bytes, payload->json.max > SIZE_MAX / 8 ? SIZE_MAX / 2 : payload->json.max * 4);
	msgpack_packer_init(&packer, &bytes, sio_pack_append);
	error = msgpack_pack_object(&packer, *object) ? ERROR_TOO_BIG : 0;
	if (!error) {
		n = msgpack_to_json(bytes.data, bytes.len, JSON_DEPTH_MAX, &payload->attachments, &payload->json);
		error = n > 0 ? 0 : n < 0 ? (int)n : ERROR_ARGUMENT;
		pack->foreign = true;
		if (sio_pack_error(error) == ERROR_ARGUMENT)
			pack->payload->why = "the MessagePack object cannot be represented as JSON";
	}
	buffer_fini(&bytes);
	return error;
}

static int
sio_pack_json(struct sio_pack *pack, const char *json)
{
	int error;

	if (!sio_is_pointer(json))
		return sio_pack_refuse(pack, "an invalid pointer to JSON text");
	error = json_check(text_from(json), JSON_DEPTH_MAX);
	if (error)
		return sio_pack_refuse(pack, "the text is not JSON");
	return sio_pack_copy(pack, text_from(json), NULL);
}

static int
sio_pack_base64(struct sio_pack *pack, const char *json)
{
	struct sio_payload *payload = pack->payload;
	int error;

	if (!sio_is_pointer(json))
		return sio_pack_refuse(pack, "an invalid pointer to JSON text");
	if (json_check(text_from(json), JSON_DEPTH_MAX))
		return sio_pack_refuse(pack, "the text is not JSON");
	pack->foreign = true;
	error = json_base64_read(text_from(json), ATTACHMENTS_MAX, &payload->attachments, &payload->json);
	if (error == ERROR_SYNTAX)
		payload->why = "the value of $base64 is not Base64";
	if (error == ERROR_EXISTS)
		payload->why = "an object that looks like the placeholder of an attachment";
	return error;
}

/* The elements were checked when they were added. */
static int
sio_pack_list(struct sio_pack *pack, const sio_list *list)
{
	struct buffer *out = &pack->payload->json;
	int error;

	if (!sio_is_pointer(list))
		return sio_pack_refuse(pack, "an invalid pointer to a list");
	SIO_NEEDS(SIO_A_LIST, list, ERROR_ARGUMENT);
	if (list->error)
		return list->error;
	buffer_add_byte(out, '[');
	error = list->count ? sio_pack_copy(pack, buffer_text(&list->payload.json), &list->payload.attachments) : 0;
	buffer_add_byte(out, ']');
	return error;
}

/* Packs one fetched socket. Its handshake stays out, because it holds cookies and the client's authentication. */
static int
sio_pack_fetched_one(struct sio_pack *pack, const sio_socket_info *info)
{
	struct buffer *out = &pack->payload->json;
	int error = 0;

	buffer_add_text(out, TEXT("{\"id\":"));
	json_write_string(out, text_from(info->id));
	buffer_add_text(out, TEXT(",\"rooms\":["));
	for (unsigned i = 0; i < info->rooms_count; i++) {
		if (i > 0)
			buffer_add_byte(out, ',');
		json_write_string(out, text_from(info->rooms[i]));
	}
	buffer_add_text(out, TEXT("],\"data\":"));
	if (info->data.n > 0)
		error = sio_pack_copy(
			pack, text_of(info->data.json, info->data.n), sio_pack_attachments(info->data.owner));
	else
		buffer_add_text(out, TEXT("{}"));
	buffer_add_byte(out, '}');
	return error;
}

static int
sio_pack_fetched(struct sio_pack *pack, const sio_socket_info *infos, unsigned n)
{
	int error = 0;

	if (n > 0 && !sio_is_pointer(infos))
		return sio_pack_refuse(pack, "an invalid pointer to fetched sockets");
	buffer_add_byte(&pack->payload->json, '[');
	for (unsigned i = 0; i < n && !error; i++) {
		if (i > 0)
			buffer_add_byte(&pack->payload->json, ',');
		error = sio_pack_fetched_one(pack, &infos[i]);
	}
	buffer_add_byte(&pack->payload->json, ']');
	return error;
}

static int
sio_pack_string(struct sio_pack *pack, struct text string)
{
	return json_write_string(&pack->payload->json, string) ? 0 : sio_pack_refuse(pack, "the text is not UTF-8");
}

/* `n` is ignored if `at` is not a pointer. */
static int
sio_pack_text(struct sio_pack *pack, const char *at, size_t n)
{
	if (sio_is_pointer(at))
		return sio_pack_string(pack, text_of(at, n));
	if (at)
		return sio_pack_refuse(pack, "a number in place of a string");
	buffer_add_text(&pack->payload->json, TEXT("null"));
	return 0;
}

static void
sio_pack_bool(struct sio_pack *pack, int value)
{
	buffer_add_text(&pack->payload->json, value ? TEXT("true") : TEXT("false"));
}

/* Packs one value, except brackets and `*`. */
static int
sio_pack_item(struct sio_pack *pack, char letter)
{
	struct buffer *out = &pack->payload->json;
	const sio_socket_info *infos;
	const char *at;

	switch (letter) {
	case 's':
		at = va_arg(pack->args, const char *);
		return sio_pack_text(pack, at, sio_is_pointer(at) ? strlen(at) : 0);
	case 'S':
		at = va_arg(pack->args, const char *);
		return sio_pack_text(pack, at, va_arg(pack->args, size_t));
	case 'i':
		buffer_add_number(out, va_arg(pack->args, int));
		return 0;
	case 'I':
		buffer_add_number(out, va_arg(pack->args, int64_t));
		return 0;
	case 'u':
		buffer_add_number(out, va_arg(pack->args, unsigned));
		return 0;
	case 'd':
		json_write_double(out, va_arg(pack->args, double));
		return 0;
	case 'b':
		sio_pack_bool(pack, va_arg(pack->args, int));
		return 0;
	case 'n':
		buffer_add_text(out, TEXT("null"));
		return 0;
	case 'B':
		at = va_arg(pack->args, const void *);
		return sio_pack_binary(pack, at, va_arg(pack->args, size_t));
	case 'V':
		return sio_pack_msgpack(pack, va_arg(pack->args, const msgpack_object *));
	case 'j':
		return sio_pack_json(pack, va_arg(pack->args, const char *));
	case 'J':
		return sio_pack_base64(pack, va_arg(pack->args, const char *));
	case 'L':
		return sio_pack_list(pack, va_arg(pack->args, const sio_list *));
	case 'F':
		infos = va_arg(pack->args, const sio_socket_info *);
		return sio_pack_fetched(pack, infos, va_arg(pack->args, unsigned));
	default:
		return sio_pack_refuse(pack, "unknown letter");
	}
}

/* Call it before a value, or before `n` values: checks that they are allowed here and writes the comma. */
static int
sio_pack_begin(struct sio_pack *pack, unsigned n)
{
	struct sio_pack_level *level = &pack->levels[pack->depth];

	if (pack->depth == 0) {
		if (n > pack->top_max - pack->top)
			return pack->top_max > 1 ? ERROR_TOO_MANY : sio_pack_refuse(pack, "more than one value");
		pack->top += n;
	}
	if (level->object) {
		level->value_next = false; /* the key has written the comma */
		return 0;
	}
	if (!level->first)
		buffer_add_byte(&pack->payload->json, ',');
	level->first = false;
	return 0;
}

static int
sio_pack_key(struct sio_pack *pack, char letter)
{
	struct sio_pack_level *level = &pack->levels[pack->depth];
	const char *at;
	int error;

	if (letter != 's' && letter != 'S')
		return sio_pack_refuse(pack, "a key must be s or S");
	at = va_arg(pack->args, const char *);
	if (!sio_is_pointer(at))
		return sio_pack_refuse(pack, "the key is not a string");
	level->start = pack->payload->json.len;
	level->start_first = level->first;
	if (!level->first)
		buffer_add_byte(&pack->payload->json, ',');
	level->first = false;
	level->value_next = true;
	error = sio_pack_string(pack, text_of(at, letter == 's' ? strlen(at) : va_arg(pack->args, size_t)));
	buffer_add_byte(&pack->payload->json, ':');
	return error;
}

static int
sio_pack_open(struct sio_pack *pack, char letter)
{
	int error = sio_pack_begin(pack, 1);

	if (error)
		return error;
	if (pack->depth == FORMAT_DEPTH_MAX)
		return sio_pack_refuse(pack, "brackets are nested too deeply");
	pack->levels[++pack->depth] = (struct sio_pack_level){.object = letter == '{', .first = true};
	buffer_add_byte(&pack->payload->json, (uint8_t)letter);
	return 0;
}

static int
sio_pack_close(struct sio_pack *pack, char letter)
{
	const struct sio_pack_level *level = &pack->levels[pack->depth];

	if (pack->depth == 0 || letter != (level->object ? '}' : ']'))
		return sio_pack_refuse(pack, "unmatched closing bracket");
	if (level->value_next)
		return sio_pack_refuse(pack, "a key without a value");
	pack->depth--;
	buffer_add_byte(&pack->payload->json, (uint8_t)letter);
	return 0;
}

static int
sio_pack_event_args(struct sio_pack *pack, const sio_event *event)
{
	const struct sio_args *args = event ? sio_event_args(event) : NULL;
	int error;

	if (!args)
		return sio_pack_refuse(pack, "the event is NULL");
	if (pack->levels[pack->depth].object || (pack->depth == 0 && pack->top_max == 1))
		return sio_pack_refuse(pack, "* is not allowed where one value is expected");
	if (args->count == 0)
		return 0;
	if (__builtin_expect(args->values.at != NULL, 0)) {
		if (sio_pack_keep(pack, args->values, args->owner))
			return 0;
		if (args->owner->write(args->owner, NULL, NULL).n == 0)
			return ERROR_MEMORY;
		error = sio_pack_is_late(pack) ? sio_pack_end_late(pack) : 0;
		if (error)
			return error;
	}
	error = sio_pack_begin(pack, args->count);
	return error ? error : sio_pack_copy(pack, args->list, sio_pack_attachments(args->owner));
}

/* `v`, a value of a client that may be MessagePack. */
static int
sio_pack_received(struct sio_pack *pack, sio_value value)
{
	struct sio_value_owner *owner = NULL;
	struct msgpack_values values;
	int error = 0;

	if (__builtin_expect(value.n == 0, 0)) {
		values = sio_value_values(value, &owner);
		if (values.at != NULL && sio_pack_keep(pack, values, owner))
			return 0;
	}
	if (sio_pack_is_late(pack))
		error = sio_pack_end_late(pack);
	if (!error)
		error = sio_pack_begin(pack, 1);
	return error ? error : sio_pack_value(pack, value);
}

static int
sio_pack_next(struct sio_pack *pack, char letter)
{
	const struct sio_pack_level *level = &pack->levels[pack->depth];
	int error;

	if (letter == ']' || letter == '}')
		return sio_pack_close(pack, letter);
	if (level->object && !level->value_next)
		return sio_pack_key(pack, letter);
	if (letter == '[' || letter == '{') {
		error = sio_pack_is_late(pack) ? sio_pack_end_late(pack) : 0;
		return error ? error : sio_pack_open(pack, letter);
	}
	if (letter == '*')
		return sio_pack_event_args(pack, va_arg(pack->args, const sio_event *));
	if (letter == 'v')
		return sio_pack_received(pack, va_arg(pack->args, sio_value));
	if (sio_pack_is_late(pack) && (error = sio_pack_end_late(pack)) != 0)
		return error;
	error = sio_pack_begin(pack, 1);
	return error ? error : sio_pack_item(pack, letter);
}

/*
 * Ready-made text may contain objects that look like placeholders. Without attachments they are plain objects. In a
 * packet with attachments, receivers would refuse a wrong number and close the connection; so it is refused here.
 */
static int
sio_pack_check(const struct sio_pack *pack, size_t start)
{
	struct text packed = buffer_text(&pack->payload->json);

	if (!pack->foreign || pack->payload->attachments.count == 0)
		return 0;
	if (json_placeholders_check(text_of(packed.at + start, packed.n - start), pack->payload->attachments.count) ==
		0)
		return 0;
	pack->payload->why = "an object that looks like the placeholder of an attachment";
	return ERROR_ARGUMENT;
}

static int
sio_pack_run(struct sio_pack *pack, const char *format)
{
	const char *f;
	int error = 0;

	for (f = format; *f; f++) {
		if (*f == ',' || *f == ':' || *f == ' ')
			continue;
		error = sio_pack_next(pack, *f);
		if (!error)
			error = buffer_error(&pack->payload->json);
		if (error)
			break;
	}
	pack->payload->at = (size_t)(f - format);
	pack->payload->values = pack->top;
	return error ? error : pack->depth > 0 ? sio_pack_refuse(pack, "unclosed bracket") : 0;
}

static void
sio_pack_init(struct sio_pack *pack, struct sio_payload *payload, unsigned top_max)
{
	pack->payload = payload;
	payload->why = NULL;
	payload->at = 0;
	payload->values = 0;
	pack->top = 0;
	pack->top_max = top_max;
	pack->foreign = false;
	pack->late_top = UINT_MAX;
	pack->binary = 0;
	pack->depth = 0;
	pack->levels[0] = (struct sio_pack_level){.first = true};
}

/* Makes the text of a late payload, whose `json` ends after the name so far. */
static int
sio_pack_write_late(struct sio_late *late, struct sio_content *out)
{
	struct sio_payload *payload = container_of(late, struct sio_payload, late);
	struct buffer *json = &payload->json;

	/* without the values, the text ends with a quote or an opening bracket */
	if (json->len > 0 && json->data[json->len - 1] != ']') {
		buffer_fail(json, sio_pack_late_text(payload));
		buffer_add_byte(json, ']');
	}
	if (buffer_error(json) != 0)
		return sio_pack_error(buffer_error(json));
	*out = sio_payload_text(payload);
	out->late = late;
	return 0;
}

static int
sio_pack_all(struct sio_payload *payload, const char *name, const char *format, va_list args, bool late)
{
	struct sio_pack pack;
	size_t start = payload->json.len;
	int error;

	sio_pack_init(&pack, payload, SIO_ARGS_MAX);
	buffer_add_byte(&payload->json, '[');
	if (name) {
		sio_pack_begin(&pack, 1);
		if (!json_write_string(&payload->json, text_from(name)))
			return sio_pack_refuse(&pack, "the event name is not UTF-8");
	}
	if (late)
		pack.late_top = pack.top;
	va_copy(pack.args, args);
	error = sio_pack_run(&pack, format ? format : "");
	va_end(pack.args);
	if (!error && payload->late.values.at != NULL) {
		payload->late.name = name ? text_from(name) : TEXT_NONE;
		payload->late.write = sio_pack_write_late;
		return buffer_error(&payload->json);
	}
	buffer_add_byte(&payload->json, ']');
	if (!error)
		error = buffer_error(&payload->json);
	if (!error)
		error = sio_pack_check(&pack, start);
	return sio_pack_error(error);
}

int
sio_pack_args(struct sio_payload *payload, const char *name, const char *format, va_list args)
{
	return sio_pack_all(payload, name, format, args, false);
}

int
sio_pack_args_late(struct sio_payload *payload, const char *name, const char *format, va_list args)
{
	return sio_pack_all(payload, name, format, args, true);
}

int
sio_pack_data(struct sio_payload *payload, const char *format, va_list args)
{
	struct sio_pack pack;
	size_t start = payload->json.len;
	int error;

	if (!format || !*format)
		return 0;
	sio_pack_init(&pack, payload, 1);
	va_copy(pack.args, args);
	error = sio_pack_run(&pack, format);
	va_end(pack.args);
	if (!error && pack.top == 0)
		error = sio_pack_refuse(&pack, "missing value");
	if (!error)
		error = buffer_error(&payload->json);
	if (!error)
		error = sio_pack_check(&pack, start);
	return sio_pack_error(error);
}
