/*
 * Packing by format string. One loop over the format writes the JSON text at once; what is open is a small stack:
 *
 *   place               takes                              then
 *   top, array          a value                            the same
 *   object, key next    s or S                             object, value next
 *   object, value next  a value                            object, key next (a missing `v` takes its key back)
 */
#include "node/socketio/sio_pack.h"

#include <msgpack.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_value.h"

#define FORMAT_DEPTH_MAX 32  /* brackets within one another in a format, which a person writes */
#define ATTACHMENTS_MAX 1024 /* of one event; stock clients take 10 */

struct sio_pack_level {
	bool object, first, value_next;
	size_t start; /* where the member began, its comma included */
	bool start_first;
};

struct sio_pack {
	struct sio_payload *p;
	va_list args;
	unsigned top, top_max; /* values outside all brackets */
	bool foreign;	       /* some text came ready made: what looks like a placeholder in it may be forged */
	unsigned depth;	       /* levels[0] is the top */
	size_t binary;	       /* bytes of attachments made here */
	struct sio_pack_level levels[FORMAT_DEPTH_MAX + 1];
};

static __attribute__((cold, noinline)) int
sio_pack_refuse(struct sio_pack *k, const char *why)
{
	k->p->why = why;
	return ERROR_ARGUMENT;
}

/* What the caller hands in is the caller's mistake, whatever is wrong with it. */
static int
sio_pack_error(int error)
{
	if (error == ERROR_MEMORY)
		return ERROR_SYSTEM;
	return error == ERROR_TOO_BIG || error == ERROR_TOO_MANY || error == 0 ? error : ERROR_ARGUMENT;
}

static int
sio_pack_binary(struct sio_pack *k, const void *bytes, size_t n)
{
	struct block *block;

	if (n > 0 && !sio_is_pointer(bytes))
		return sio_pack_refuse(k, "the bytes are no pointer");
	if (k->p->attachments.count >= ATTACHMENTS_MAX)
		return ERROR_TOO_MANY;
	if (n > k->p->json.max - k->binary)
		return ERROR_TOO_BIG;
	k->binary += n;
	json_write_placeholder(&k->p->json, k->p->attachments.count);
	block = block_try_copy(bytes, n);
	if (!block)
		return ERROR_MEMORY;
	attachments_add(&k->p->attachments, block);
	block_unref(block);
	return 0;
}

static int
sio_pack_copy(struct sio_pack *k, struct text json, const struct sio_value_owner *owner)
{
	const struct attachments *from = owner ? owner->attachments : NULL;
	int error;

	if (!from || from->count == 0)
		k->foreign = true;
	error = json_placeholders_copy(json, from, &k->p->attachments, &k->p->json);
	return error ? error : k->p->attachments.count > ATTACHMENTS_MAX ? ERROR_TOO_MANY : 0;
}

/* A value that is missing is JavaScript's undefined: null in an array, no member in an object. */
static int
sio_pack_value(struct sio_pack *k, sio_value value)
{
	struct sio_pack_level *level = &k->levels[k->depth];

	if (value.n > 0)
		return sio_pack_copy(k, text_of(value.json, value.n), value.owner);
	if (level->object) {
		if (!k->p->json.error)
			k->p->json.len = level->start;
		level->first = level->start_first;
	} else {
		buffer_add_text(&k->p->json, TEXT("null"));
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
sio_pack_msgpack(struct sio_pack *k, const msgpack_object *object)
{
	struct sio_payload *p = k->p;
	struct buffer bytes;
	msgpack_packer packer;
	int64_t n;
	int error;

	if (!sio_is_pointer(object))
		return sio_pack_refuse(k, "the MessagePack object is no pointer");
	/* Floats may take more bytes there than as text. */
	buffer_init(&bytes, p->json.max > SIZE_MAX / 8 ? SIZE_MAX / 2 : p->json.max * 4);
	msgpack_packer_init(&packer, &bytes, sio_pack_append);
	error = msgpack_pack_object(&packer, *object) ? ERROR_TOO_BIG : 0;
	if (!error) {
		n = msgpack_to_json(bytes.data, bytes.len, JSON_DEPTH_MAX, &p->attachments, &p->json);
		error = n > 0 ? 0 : n < 0 ? (int)n : ERROR_ARGUMENT;
		k->foreign = true;
		if (sio_pack_error(error) == ERROR_ARGUMENT)
			k->p->why = "a MessagePack object that cannot be JSON";
	}
	buffer_fini(&bytes);
	return error;
}

static int
sio_pack_json(struct sio_pack *k, const char *json)
{
	int error;

	if (!sio_is_pointer(json))
		return sio_pack_refuse(k, "the JSON text is no pointer");
	error = json_check(text_from(json), JSON_DEPTH_MAX);
	if (error)
		return sio_pack_refuse(k, "text that is not JSON");
	return sio_pack_copy(k, text_from(json), NULL);
}

static int
sio_pack_string(struct sio_pack *k, struct text s)
{
	return json_write_string(&k->p->json, s) ? 0 : sio_pack_refuse(k, "text that is not UTF-8");
}

/* `n` is not looked at unless there is a text. */
static int
sio_pack_text(struct sio_pack *k, const char *at, size_t n)
{
	if (sio_is_pointer(at))
		return sio_pack_string(k, text_of(at, n));
	if (at)
		return sio_pack_refuse(k, "a number where a text is wanted");
	buffer_add_text(&k->p->json, TEXT("null"));
	return 0;
}

static void
sio_pack_bool(struct sio_pack *k, int value)
{
	buffer_add_text(&k->p->json, value ? TEXT("true") : TEXT("false"));
}

/* One value that is neither bracket nor `*`. */
static int
sio_pack_item(struct sio_pack *k, char c)
{
	struct buffer *out = &k->p->json;
	const char *at;

	switch (c) {
	case 's':
		at = va_arg(k->args, const char *);
		return sio_pack_text(k, at, sio_is_pointer(at) ? strlen(at) : 0);
	case 'S':
		at = va_arg(k->args, const char *);
		return sio_pack_text(k, at, va_arg(k->args, size_t));
	case 'i':
		buffer_add_number(out, va_arg(k->args, int));
		return 0;
	case 'I':
		buffer_add_number(out, va_arg(k->args, int64_t));
		return 0;
	case 'u':
		buffer_add_number(out, va_arg(k->args, unsigned));
		return 0;
	case 'd':
		json_write_double(out, va_arg(k->args, double));
		return 0;
	case 'b':
		sio_pack_bool(k, va_arg(k->args, int));
		return 0;
	case 'n':
		buffer_add_text(out, TEXT("null"));
		return 0;
	case 'B':
		at = va_arg(k->args, const void *);
		return sio_pack_binary(k, at, va_arg(k->args, size_t));
	case 'v':
		return sio_pack_value(k, va_arg(k->args, sio_value));
	case 'V':
		return sio_pack_msgpack(k, va_arg(k->args, const msgpack_object *));
	case 'j':
		return sio_pack_json(k, va_arg(k->args, const char *));
	default:
		return sio_pack_refuse(k, "unknown letter");
	}
}

/* Before a value (or `n` of them at once): its comma, and whether one may stand here. */
static int
sio_pack_begin(struct sio_pack *k, unsigned n)
{
	struct sio_pack_level *level = &k->levels[k->depth];

	if (k->depth == 0) {
		if (n > k->top_max - k->top)
			return k->top_max > 1 ? ERROR_TOO_MANY : sio_pack_refuse(k, "more than one value");
		k->top += n;
	}
	if (level->object) {
		level->value_next = false; /* the comma is before the key */
		return 0;
	}
	if (!level->first)
		buffer_add_byte(&k->p->json, ',');
	level->first = false;
	return 0;
}

static int
sio_pack_key(struct sio_pack *k, char c)
{
	struct sio_pack_level *level = &k->levels[k->depth];
	const char *at;
	int error;

	if (c != 's' && c != 'S')
		return sio_pack_refuse(k, "a key is s or S");
	at = va_arg(k->args, const char *);
	if (!sio_is_pointer(at))
		return sio_pack_refuse(k, "the key is no text");
	level->start = k->p->json.len;
	level->start_first = level->first;
	if (!level->first)
		buffer_add_byte(&k->p->json, ',');
	level->first = false;
	level->value_next = true;
	error = sio_pack_string(k, text_of(at, c == 's' ? strlen(at) : va_arg(k->args, size_t)));
	buffer_add_byte(&k->p->json, ':');
	return error;
}

static int
sio_pack_open(struct sio_pack *k, char c)
{
	int error = sio_pack_begin(k, 1);

	if (error)
		return error;
	if (k->depth == FORMAT_DEPTH_MAX)
		return sio_pack_refuse(k, "too many brackets within one another");
	k->levels[++k->depth] = (struct sio_pack_level){.object = c == '{', .first = true};
	buffer_add_byte(&k->p->json, (uint8_t)c);
	return 0;
}

static int
sio_pack_close(struct sio_pack *k, char c)
{
	const struct sio_pack_level *level = &k->levels[k->depth];

	if (k->depth == 0 || c != (level->object ? '}' : ']'))
		return sio_pack_refuse(k, "a bracket closes what none has opened");
	if (level->value_next)
		return sio_pack_refuse(k, "a key without a value");
	k->depth--;
	buffer_add_byte(&k->p->json, (uint8_t)c);
	return 0;
}

static int
sio_pack_event_args(struct sio_pack *k, const sio_event *event)
{
	const struct sio_args *args = event ? sio_event_args(event) : NULL;
	int error;

	if (!args)
		return sio_pack_refuse(k, "the event is NULL");
	if (k->levels[k->depth].object || (k->depth == 0 && k->top_max == 1))
		return sio_pack_refuse(k, "* stands for arguments, which are not one value");
	if (args->count == 0)
		return 0;
	error = sio_pack_begin(k, args->count);
	return error ? error : sio_pack_copy(k, args->list, args->owner);
}

static int
sio_pack_next(struct sio_pack *k, char c)
{
	const struct sio_pack_level *level = &k->levels[k->depth];
	int error;

	if (c == ']' || c == '}')
		return sio_pack_close(k, c);
	if (level->object && !level->value_next)
		return sio_pack_key(k, c);
	if (c == '[' || c == '{')
		return sio_pack_open(k, c);
	if (c == '*')
		return sio_pack_event_args(k, va_arg(k->args, const sio_event *));
	error = sio_pack_begin(k, 1);
	return error ? error : sio_pack_item(k, c);
}

/*
 * Text that came ready made may hold what looks like a placeholder. As long as the packet has no attachments it is a
 * plain object; in one that has, receivers would refuse a wrong number and close, so it is refused here.
 */
static int
sio_pack_check(const struct sio_pack *k, size_t start)
{
	struct text packed = buffer_text(&k->p->json);

	if (!k->foreign || k->p->attachments.count == 0)
		return 0;
	if (json_placeholders_check(text_of(packed.at + start, packed.n - start), k->p->attachments.count) == 0)
		return 0;
	k->p->why = "an object that looks like the placeholder of an attachment";
	return ERROR_ARGUMENT;
}

static int
sio_pack_run(struct sio_pack *k, const char *format)
{
	const char *f;
	int error = 0;

	for (f = format; *f; f++) {
		if (*f == ',' || *f == ':' || *f == ' ')
			continue;
		error = sio_pack_next(k, *f);
		if (!error)
			error = buffer_error(&k->p->json);
		if (error)
			break;
	}
	k->p->at = (size_t)(f - format);
	return error ? error : k->depth > 0 ? sio_pack_refuse(k, "a bracket is not closed") : 0;
}

static void
sio_pack_init(struct sio_pack *k, struct sio_payload *p, unsigned top_max)
{
	k->p = p;
	p->why = NULL;
	p->at = 0;
	k->top = 0;
	k->top_max = top_max;
	k->foreign = false;
	k->binary = 0;
	k->depth = 0;
	k->levels[0] = (struct sio_pack_level){.first = true};
}

int
sio_pack_args(struct sio_payload *p, const char *name, const char *format, va_list args)
{
	struct sio_pack k;
	size_t start = p->json.len;
	int error;

	sio_pack_init(&k, p, SIO_ARGS_MAX);
	buffer_add_byte(&p->json, '[');
	if (name) {
		sio_pack_begin(&k, 1);
		if (!json_write_string(&p->json, text_from(name)))
			return sio_pack_refuse(&k, "an event's name that is not UTF-8");
	}
	va_copy(k.args, args);
	error = sio_pack_run(&k, format ? format : "");
	va_end(k.args);
	buffer_add_byte(&p->json, ']');
	if (!error)
		error = buffer_error(&p->json);
	if (!error)
		error = sio_pack_check(&k, start);
	return sio_pack_error(error);
}

int
sio_pack_data(struct sio_payload *p, const char *format, va_list args)
{
	struct sio_pack k;
	size_t start = p->json.len;
	int error;

	if (!format || !*format)
		return 0;
	sio_pack_init(&k, p, 1);
	va_copy(k.args, args);
	error = sio_pack_run(&k, format);
	va_end(k.args);
	if (!error && k.top == 0)
		error = sio_pack_refuse(&k, "no value");
	if (!error)
		error = buffer_error(&p->json);
	if (!error)
		error = sio_pack_check(&k, start);
	return sio_pack_error(error);
}
