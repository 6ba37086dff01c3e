/*
 * The "values" of sockeye.h. A value is a slice of checked text; nothing is decoded before it is asked for.
 *
 * A string decodes to fewer bytes than its quoted form takes. So one block as large as the whole text has room for
 * all decoded strings, each at the offset of its quote: asking twice gives the same place, and nothing needs to be
 * looked up.
 */
#include "node/socketio/sio_value.h"
#include "node/socketio/sio_check.h"

#include <msgpack.h>

#include "common/base/json.h"
#include "common/base/json_walk.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/table.h"

struct sio_decoded {
	char *strings;	      /* owner->json.n bytes, NULL until the first string */
	msgpack_zone *zone;   /* NULL until the first sio_msgpack() */
	struct table objects; /* struct sio_object by the place of their text */
};

struct sio_object {
	struct table_node node;
	const char *json; /* the key is this pointer's bytes */
	bool too_deep;
	msgpack_object object;
};

void
sio_value_owner_init(struct sio_value_owner *owner, struct text json, const struct attachments *attachments)
{
	*owner = (struct sio_value_owner){.json = json, .attachments = attachments};
	sio_born(SIO_AN_OWNER, owner);
}

void
sio_value_owner_fini(struct sio_value_owner *owner)
{
	struct sio_decoded *d = owner->decoded;

	if (d) {
		mem_free(d->strings);
		table_fini(&d->objects); /* its nodes are in the zone */
		if (d->zone)
			msgpack_zone_free(d->zone);
		mem_free(d);
	}
	owner->decoded = NULL;
	sio_died(owner);
}

static struct sio_decoded *
sio_value_decoded(struct sio_value_owner *owner)
{
	if (!owner->decoded) {
		owner->decoded = mem_zalloc(sizeof *owner->decoded);
		table_init(&owner->decoded->objects);
	}
	return owner->decoded;
}

sio_value
sio_value_make(struct text json, const struct sio_value_owner *owner)
{
	if (json.n == 0)
		return sio_value_none();
	return (sio_value){.json = json.at, .n = json.n, .owner = owner};
}

sio_value
sio_value_none(void)
{
	return (sio_value){.json = NULL, .n = 0, .owner = NULL};
}

struct sio_args
sio_args_make(const struct text *args, unsigned count, const struct sio_value_owner *owner)
{
	struct sio_args made = {.list = TEXT_NONE, .count = count, .owner = owner};

	if (count > 0)
		made.list = text_of(args[0].at, (size_t)(args[count - 1].at + args[count - 1].n - args[0].at));
	return made;
}

static struct text
sio_value_text(sio_value value)
{
	return text_of(value.json, value.n);
}

/* The copies are the owner's memory, not its value: making one is no change that a caller can see. */
static struct sio_value_owner *
sio_value_owner(sio_value value)
{
	must(value.owner != NULL);
	return (struct sio_value_owner *)(uintptr_t)value.owner;
}

static const struct block *
sio_value_block(sio_value value)
{
	const struct sio_value_owner *owner;
	unsigned num;

	if (value.n == 0 || *value.json != '{')
		return NULL;
	owner = sio_value_owner(value);
	if (!owner->attachments || owner->attachments->count == 0)
		return NULL;
	if (!json_placeholder(sio_value_text(value), owner->attachments->count, &num))
		return NULL;
	return owner->attachments->blocks[num];
}

/* True for an array, and for an object that does not stand for an attachment. */
static bool
sio_value_is(sio_value value, char bracket)
{
	return value.n > 0 && *value.json == bracket && (bracket != '{' || !sio_value_block(value));
}

sio_type
sio_type_of(sio_value value)
{
	SIO_NEEDS_VALUE(value);
	if (value.n == 0)
		return SIO_NONE;
	switch (json_type(sio_value_text(value))) {
	case JSON_NULL:
		return SIO_NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return SIO_BOOL;
	case JSON_NUMBER:
		return SIO_NUMBER;
	case JSON_STRING:
		return SIO_STRING;
	case JSON_ARRAY:
		return SIO_ARRAY;
	default:
		return sio_value_block(value) ? SIO_BINARY : SIO_OBJECT;
	}
}

sio_value
sio_get(sio_value object, const char *key)
{
	SIO_NEEDS_VALUE(object);
	if (!sio_value_is(object, '{'))
		return sio_value_none();
	if (!sio_is_pointer(key))
		return sio_value_none();
	return sio_value_make(json_object_get(sio_value_text(object), text_from(key)), object.owner);
}

sio_value
sio_at(sio_value array, unsigned index)
{
	SIO_NEEDS_VALUE(array);
	struct text rest = sio_value_text(array), element;

	if (!sio_value_is(array, '['))
		return sio_value_none();
	while (json_array_next(&rest, &element))
		if (index-- == 0)
			return sio_value_make(element, array.owner);
	return sio_value_none();
}

unsigned
sio_length(sio_value value)
{
	SIO_NEEDS_VALUE(value);
	struct text rest = sio_value_text(value), key, element;
	unsigned n = 0;

	switch (sio_type_of(value)) {
	case SIO_STRING:
		return (unsigned)json_string_length(rest);
	case SIO_BINARY:
		return sio_value_block(value)->len;
	case SIO_ARRAY:
		while (json_array_next(&rest, &element))
			n++;
		return n;
	case SIO_OBJECT:
		while (json_object_next(&rest, &key, &element))
			n++;
		return n;
	default:
		return 0;
	}
}

/*
 * A quoted string of the owner's text, NUL-terminated at its place among the decoded ones; NULL when there is no
 * memory for them. Whoever does not ask for its length gets no NUL within it.
 */
static const char *
sio_value_decode(struct sio_value_owner *owner, struct text quoted, size_t *n)
{
	struct sio_decoded *d = sio_value_decoded(owner);
	size_t length;
	char *at;

	must(quoted.at >= owner->json.at && quoted.at + quoted.n <= owner->json.at + owner->json.n);
	if (!d->strings) {
		d->strings = mem_try_alloc(owner->json.n);
		if (!d->strings) {
			owner->no_memory = true;
			if (n)
				*n = 0;
			return NULL;
		}
	}
	at = d->strings + (quoted.at - owner->json.at);
	length = n ? json_string_decode(quoted, at) : json_string_decode_name(quoted, at);
	at[length] = '\0'; /* there is room: the quotes took two bytes */
	if (n)
		*n = length;
	return at;
}

bool
sio_each(sio_value value, size_t *cursor, const char **key, sio_value *member)
{
	SIO_NEEDS_VALUE(value);
	SIO_NEEDS(SIO_A_CURSOR, cursor, false);
	SIO_NEEDS(SIO_A_RESULT, member, false);
	struct text rest = sio_value_text(value), name = TEXT_NONE, element;
	bool more, object = value.n > 0 && *value.json == '{';

	/* Whether an object is an attachment takes a look at all of it: once, at the start. */
	if (*cursor > value.n || (*cursor == 0 && !sio_value_is(value, object ? '{' : '[')))
		return false;
	rest = text_of(rest.at + *cursor, rest.n - *cursor);
	more = object ? json_object_next(&rest, &name, &element) : json_array_next(&rest, &element);
	*cursor = (size_t)(rest.at - value.json);
	if (!more)
		return false;
	if (key) {
		*key = object ? sio_value_decode(sio_value_owner(value), name, NULL) : NULL;
		if (object && !*key)
			return false;
	}
	*member = sio_value_make(element, value.owner);
	return true;
}

const char *
sio_string(sio_value value, size_t *n)
{
	SIO_NEEDS_VALUE(value);
	if (value.n == 0 || *value.json != '"') {
		if (n)
			*n = 0;
		return NULL;
	}
	return sio_value_decode(sio_value_owner(value), sio_value_text(value), n);
}

int64_t
sio_int(sio_value value, int64_t otherwise)
{
	SIO_NEEDS_VALUE(value);
	int64_t number;
	double real;

	if (sio_type_of(value) != SIO_NUMBER)
		return otherwise;
	if (json_number_int(sio_value_text(value), &number))
		return number;
	real = json_number_double(sio_value_text(value));
	return real >= -0x1p63 && real < 0x1p63 ? (int64_t)real : otherwise;
}

double
sio_double(sio_value value, double otherwise)
{
	SIO_NEEDS_VALUE(value);
	return sio_type_of(value) == SIO_NUMBER ? json_number_double(sio_value_text(value)) : otherwise;
}

bool
sio_bool(sio_value value, bool otherwise)
{
	SIO_NEEDS_VALUE(value);
	return sio_type_of(value) == SIO_BOOL ? *value.json == 't' : otherwise;
}

const void *
sio_binary(sio_value value, size_t *n)
{
	SIO_NEEDS_VALUE(value);
	const struct block *b = sio_value_block(value);

	if (n)
		*n = b ? b->len : 0;
	return b ? b->data : NULL;
}

const char *
sio_json(sio_value value, size_t *n)
{
	SIO_NEEDS_VALUE(value);
	if (n)
		*n = value.n;
	return value.json;
}

/* ------------------------------------------------------------------ as MessagePack objects */

/* Finished values wait here until their container closes. */
struct sio_builder {
	struct sio_value_owner *owner;
	msgpack_zone *zone;
	msgpack_object *stack;
	size_t count, size;
	bool no_memory;	      /* nothing more is made */
	msgpack_object spare; /* where there is no room for one */
};

static msgpack_object *
sio_builder_push(struct sio_builder *b, msgpack_object_type type)
{
	msgpack_object *o;

	if (b->count == b->size) {
		size_t size = b->size ? b->size * 2 : 16;
		msgpack_object *grown = mem_try_realloc(b->stack, size * sizeof *grown);

		if (!grown) {
			b->no_memory = true;
			return &b->spare;
		}
		b->stack = grown;
		b->size = size;
	}
	o = &b->stack[b->count++];
	memset(o, 0, sizeof *o);
	o->type = type;
	return o;
}

static void *
sio_builder_alloc(struct sio_builder *b, size_t n)
{
	void *at = msgpack_zone_malloc(b->zone, n);

	if (!at)
		b->no_memory = true;
	return at;
}

static void
sio_builder_number(struct sio_builder *b, struct text number)
{
	uint64_t magnitude;
	bool negative;

	if (!json_number_integer(number, &negative, &magnitude) || (negative && magnitude > UINT64_C(1) << 63))
		sio_builder_push(b, MSGPACK_OBJECT_FLOAT64)->via.f64 = json_number_double(number);
	else if (negative && magnitude > 0)
		sio_builder_push(b, MSGPACK_OBJECT_NEGATIVE_INTEGER)->via.i64 = (int64_t)(0 - magnitude);
	else
		sio_builder_push(b, MSGPACK_OBJECT_POSITIVE_INTEGER)->via.u64 = magnitude;
}

static void
sio_builder_string(struct sio_builder *b, struct text quoted)
{
	msgpack_object *o = sio_builder_push(b, MSGPACK_OBJECT_STR);
	size_t n = quoted.n - 2;

	if (memchr(quoted.at, '\\', quoted.n))
		o->via.str.ptr = sio_value_decode(b->owner, quoted, &n);
	else
		o->via.str.ptr = quoted.at + 1;
	if (!o->via.str.ptr)
		b->no_memory = true;
	o->via.str.size = (uint32_t)n;
}

static void
sio_builder_scalar(struct sio_builder *b, struct text scalar)
{
	switch (*scalar.at) {
	case '"':
		sio_builder_string(b, scalar);
		break;
	case 'n':
		sio_builder_push(b, MSGPACK_OBJECT_NIL);
		break;
	case 't':
	case 'f':
		sio_builder_push(b, MSGPACK_OBJECT_BOOLEAN)->via.boolean = *scalar.at == 't';
		break;
	default:
		sio_builder_number(b, scalar);
	}
}

/* The values since the bracket become the elements of one. An attachment is pointed at, not copied. */
static void
sio_builder_close(struct sio_builder *b, const struct json_level *closed)
{
	const struct attachments *attachments = b->owner->attachments;
	size_t n = b->count - closed->mark;
	void *elements = NULL;
	msgpack_object *o;
	unsigned num;

	b->count = closed->mark;
	if (attachments && json_level_placeholder(closed, attachments->count, &num) > 0) {
		o = sio_builder_push(b, MSGPACK_OBJECT_BIN);
		o->via.bin.ptr = (const char *)attachments->blocks[num]->data;
		o->via.bin.size = attachments->blocks[num]->len;
		return;
	}
	if (n > 0) {
		elements = sio_builder_alloc(b, n * sizeof(msgpack_object));
		if (!elements)
			return;
		memcpy(elements, b->stack + closed->mark, n * sizeof(msgpack_object));
	}
	o = sio_builder_push(b, closed->object ? MSGPACK_OBJECT_MAP : MSGPACK_OBJECT_ARRAY);
	if (closed->object) {
		o->via.map.ptr = elements; /* a pair is a key followed by its value */
		o->via.map.size = closed->count;
	} else {
		o->via.array.ptr = elements;
		o->via.array.size = closed->count;
	}
}

/*
 * A client's value is no deeper than JSON_DEPTH_MAX, but a format may have wrapped it in more: such a one is too
 * deep, and this is kept too, so that asking again makes nothing new. NULL: there is no memory for it.
 */
static const struct sio_object *
sio_builder_run(struct sio_builder *b, struct text json)
{
	struct sio_object *made = sio_builder_alloc(b, sizeof *made);
	struct json_walk w;
	int token = JSON_END;

	json_walk_init(&w, json);
	while (!b->no_memory && (token = json_walk_next(&w)) > JSON_END) {
		if (token == JSON_OPEN)
			json_walk_level(&w)->mark = b->count;
		else if (token == JSON_CLOSE)
			sio_builder_close(b, json_walk_closed(&w));
		else
			sio_builder_scalar(b, w.token);
	}
	if (b->no_memory)
		return NULL;
	must(token < 0 || b->count == 1);
	made->json = json.at;
	made->too_deep = token < 0;
	if (!made->too_deep)
		made->object = b->stack[0];
	table_add(&b->owner->decoded->objects, &made->node, text_of((const char *)&made->json, sizeof made->json));
	return made;
}

const struct msgpack_object *
sio_msgpack(sio_value value)
{
	SIO_NEEDS_VALUE(value);
	struct sio_builder b = {0};
	const struct sio_object *made;
	struct table_node *node;
	struct sio_decoded *d;

	if (value.n == 0)
		return NULL;
	b.owner = sio_value_owner(value);
	d = sio_value_decoded(b.owner);
	node = table_find(&d->objects, text_of((const char *)&value.json, sizeof value.json));
	if (node) {
		made = container_of(node, struct sio_object, node);
	} else {
		if (!d->zone)
			d->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
		b.zone = d->zone;
		made = b.zone ? sio_builder_run(&b, sio_value_text(value)) : NULL;
		mem_free(b.stack);
		if (!made) {
			b.owner->no_memory = true;
			return NULL;
		}
	}
	return made->too_deep ? NULL : &made->object;
}
