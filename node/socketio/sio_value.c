/*
 * The values of sockeye.h. A value is a slice of checked text, and is decoded only on request.
 *
 * A decoded string is shorter than its quoted form. So one block of the size of the whole text has room for all
 * decoded strings, each at the offset of its opening quote. A second request for a string gives the same address
 * without any lookup.
 */
#include "node/socketio/sio_value.h"
#include "node/socketio/sio_check.h"

#include <msgpack.h>

#include "common/base/json.h"
#include "common/base/json_walk.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/base/table.h"

struct sio_decoded {
	char *strings;	      /* owner->json.n bytes, NULL until the first string */
	msgpack_zone *zone;   /* NULL until the first sio_msgpack() */
	struct table objects; /* struct sio_object by the address of their text */
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
	struct sio_decoded *decoded = owner->decoded;

	if (decoded) {
		small_free_any(decoded->strings);
		table_fini(&decoded->objects); /* its nodes are in the zone */
		if (decoded->zone)
			msgpack_zone_free(decoded->zone);
		small_free(decoded, sizeof *decoded);
	}
	owner->decoded = NULL;
	sio_died(owner);
}

static struct sio_decoded *
sio_value_decoded(struct sio_value_owner *owner)
{
	if (!owner->decoded) {
		owner->decoded = small_zalloc(sizeof *owner->decoded);
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

/* Decoded copies belong to the owner but are not part of its value, so making one is invisible to callers. */
static struct sio_value_owner *
sio_value_owner(sio_value value)
{
	must(value.owner != NULL);
	return (struct sio_value_owner *)(uintptr_t)value.owner;
}

sio_value
sio_value_late(const struct sio_value_owner *owner, const uint8_t *at)
{
	return (sio_value){.json = (const char *)at, .n = 0, .owner = owner};
}

sio_value
sio_value_write(sio_value late)
{
	struct sio_value_owner *owner = sio_value_owner(late);
	const uint8_t *at = (const uint8_t *)late.json;

	return sio_value_make(owner->write(owner, at, at), owner);
}

struct msgpack_values
sio_value_values(sio_value value, struct sio_value_owner **owner)
{
	struct msgpack_input in = {.at = (const uint8_t *)value.json};

	if (value.n != 0 || value.owner == NULL || value.json == NULL)
		return (struct msgpack_values){.at = NULL};
	*owner = sio_value_owner(value);
	in.end = (*owner)->values_end;
	must(msgpack_item_skip(&in) > 0);
	return (struct msgpack_values){
		(const uint8_t *)value.json, (size_t)(in.at - (const uint8_t *)value.json), 1, 0};
}

sio_value
sio_value_none(void)
{
	return (sio_value){.json = NULL, .n = 0, .owner = NULL};
}

static struct text
sio_value_text(sio_value value)
{
	return text_of(value.json, value.n);
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

/* True for an array, and for an object that is not the placeholder of an attachment. */
static bool
sio_value_is(sio_value value, char bracket)
{
	return value.n > 0 && *value.json == bracket && (bracket != '{' || !sio_value_block(value));
}

sio_type
sio_type_of(sio_value value)
{
	SIO_NEEDS_VALUE(value);
	value = sio_value_read(value);
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
	object = sio_value_read(object);
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
	array = sio_value_read(array);
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
	value = sio_value_read(value);
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
 * Decodes a quoted string of the owner's text to its place in the block, NUL-terminated. Returns NULL if there is no
 * memory for the block. Without the length (`n` NULL), each U+0000 is decoded as U+FFFD, because it would end the
 * string.
 */
static const char *
sio_value_decode(struct sio_value_owner *owner, struct text quoted, size_t *n)
{
	struct sio_decoded *decoded = sio_value_decoded(owner);
	size_t length;
	char *at;

	must(quoted.at >= owner->json.at && quoted.at + quoted.n <= owner->json.at + owner->json.n);
	if (!decoded->strings) {
		decoded->strings = small_try_alloc(owner->json.n);
		if (!decoded->strings) {
			owner->no_memory = true;
			if (n)
				*n = 0;
			return NULL;
		}
	}
	at = decoded->strings + (quoted.at - owner->json.at);
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
	value = sio_value_read(value);
	SIO_NEEDS(SIO_A_CURSOR, cursor, false);
	SIO_NEEDS(SIO_A_RESULT, member, false);
	struct text rest = sio_value_text(value), name = TEXT_NONE, element;
	bool more, object = value.n > 0 && *value.json == '{';

	/* the check for a placeholder scans the object, so it is made only at the start */
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
	value = sio_value_read(value);
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
	value = sio_value_read(value);
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
	value = sio_value_read(value);
	return sio_type_of(value) == SIO_NUMBER ? json_number_double(sio_value_text(value)) : otherwise;
}

bool
sio_bool(sio_value value, bool otherwise)
{
	SIO_NEEDS_VALUE(value);
	value = sio_value_read(value);
	return sio_type_of(value) == SIO_BOOL ? *value.json == 't' : otherwise;
}

const void *
sio_binary(sio_value value, size_t *n)
{
	SIO_NEEDS_VALUE(value);
	value = sio_value_read(value);
	const struct block *block = sio_value_block(value);

	if (n)
		*n = block ? block->len : 0;
	return block ? block->data : NULL;
}

const char *
sio_json(sio_value value, size_t *n)
{
	SIO_NEEDS_VALUE(value);
	value = sio_value_read(value);
	if (n)
		*n = value.n;
	return value.json;
}

/* ------------------------------------------------------------------ as MessagePack objects */

/* Builds an object bottom-up: finished values wait on the stack until their container closes. */
struct sio_builder {
	struct sio_value_owner *owner;
	msgpack_zone *zone;
	msgpack_object *stack;
	size_t count, size;
	bool no_memory;	      /* nothing more is built */
	msgpack_object spare; /* takes the writes when the stack cannot grow */
};

static msgpack_object *
sio_builder_push(struct sio_builder *builder, msgpack_object_type type)
{
	msgpack_object *object;

	if (builder->count == builder->size) {
		size_t size = builder->size ? builder->size * 2 : 16;
		msgpack_object *grown = mem_try_realloc(builder->stack, size * sizeof *grown);

		if (!grown) {
			builder->no_memory = true;
			return &builder->spare;
		}
		builder->stack = grown;
		builder->size = size;
	}
	object = &builder->stack[builder->count++];
	memset(object, 0, sizeof *object);
	object->type = type;
	return object;
}

static void *
sio_builder_alloc(struct sio_builder *builder, size_t n)
{
	void *at = msgpack_zone_malloc(builder->zone, n);

	if (!at)
		builder->no_memory = true;
	return at;
}

static void
sio_builder_number(struct sio_builder *builder, struct text number)
{
	uint64_t magnitude;
	bool negative;

	if (!json_number_integer(number, &negative, &magnitude) || (negative && magnitude > UINT64_C(1) << 63))
		sio_builder_push(builder, MSGPACK_OBJECT_FLOAT64)->via.f64 = json_number_double(number);
	else if (negative && magnitude > 0)
		sio_builder_push(builder, MSGPACK_OBJECT_NEGATIVE_INTEGER)->via.i64 = (int64_t)(0 - magnitude);
	else
		sio_builder_push(builder, MSGPACK_OBJECT_POSITIVE_INTEGER)->via.u64 = magnitude;
}

static void
sio_builder_string(struct sio_builder *builder, struct text quoted)
{
	msgpack_object *object = sio_builder_push(builder, MSGPACK_OBJECT_STR);
	size_t n = quoted.n - 2;

	if (memchr(quoted.at, '\\', quoted.n))
		object->via.str.ptr = sio_value_decode(builder->owner, quoted, &n);
	else
		object->via.str.ptr = quoted.at + 1;
	if (!object->via.str.ptr)
		builder->no_memory = true;
	object->via.str.size = (uint32_t)n;
}

static void
sio_builder_scalar(struct sio_builder *builder, struct text scalar)
{
	switch (*scalar.at) {
	case '"':
		sio_builder_string(builder, scalar);
		break;
	case 'n':
		sio_builder_push(builder, MSGPACK_OBJECT_NIL);
		break;
	case 't':
	case 'f':
		sio_builder_push(builder, MSGPACK_OBJECT_BOOLEAN)->via.boolean = *scalar.at == 't';
		break;
	default:
		sio_builder_number(builder, scalar);
	}
}

/* Turns the values since the bracket into one container. An attachment is referenced, not copied. */
static void
sio_builder_close(struct sio_builder *builder, const struct json_level *closed)
{
	const struct attachments *attachments = builder->owner->attachments;
	size_t n = builder->count - closed->mark;
	void *elements = NULL;
	msgpack_object *object;
	unsigned num;

	builder->count = closed->mark;
	if (attachments && json_level_placeholder(closed, attachments->count, &num) > 0) {
		object = sio_builder_push(builder, MSGPACK_OBJECT_BIN);
		object->via.bin.ptr = (const char *)attachments->blocks[num]->data;
		object->via.bin.size = attachments->blocks[num]->len;
		return;
	}
	if (n > 0) {
		elements = sio_builder_alloc(builder, n * sizeof(msgpack_object));
		if (!elements)
			return;
		memcpy(elements, builder->stack + closed->mark, n * sizeof(msgpack_object));
	}
	object = sio_builder_push(builder, closed->object ? MSGPACK_OBJECT_MAP : MSGPACK_OBJECT_ARRAY);
	if (closed->object) {
		object->via.map.ptr = elements; /* a pair is a key followed by its value */
		object->via.map.size = closed->count;
	} else {
		object->via.array.ptr = elements;
		object->via.array.size = closed->count;
	}
}

/*
 * Builds the object of a value. Values from clients are not deeper than JSON_DEPTH_MAX, but a format may have wrapped
 * one in more levels; it is then too deep. That result is kept too, so that asking again allocates nothing. Returns
 * NULL if memory is short.
 */
static const struct sio_object *
sio_builder_run(struct sio_builder *builder, struct text json)
{
	struct sio_object *made = sio_builder_alloc(builder, sizeof *made);
	struct json_walk walk;
	int token = JSON_END;

	json_walk_init(&walk, json);
	while (!builder->no_memory && (token = json_walk_next(&walk)) > JSON_END) {
		if (token == JSON_OPEN)
			json_walk_level(&walk)->mark = builder->count;
		else if (token == JSON_CLOSE)
			sio_builder_close(builder, json_walk_closed(&walk));
		else
			sio_builder_scalar(builder, walk.token);
	}
	if (builder->no_memory)
		return NULL;
	must(token < 0 || builder->count == 1);
	made->json = json.at;
	made->too_deep = token < 0;
	if (!made->too_deep)
		made->object = builder->stack[0];
	table_add(&builder->owner->decoded->objects, &made->node,
		text_of((const char *)&made->json, sizeof made->json));
	return made;
}

const struct msgpack_object *
sio_msgpack(sio_value value)
{
	SIO_NEEDS_VALUE(value);
	value = sio_value_read(value);
	struct sio_builder builder = {0};
	const struct sio_object *made;
	struct table_node *node;
	struct sio_decoded *decoded;

	if (value.n == 0)
		return NULL;
	builder.owner = sio_value_owner(value);
	decoded = sio_value_decoded(builder.owner);
	node = table_find(&decoded->objects, text_of((const char *)&value.json, sizeof value.json));
	if (node) {
		made = container_of(node, struct sio_object, node);
	} else {
		if (!decoded->zone)
			decoded->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
		builder.zone = decoded->zone;
		made = builder.zone ? sio_builder_run(&builder, sio_value_text(value)) : NULL;
		mem_free(builder.stack);
		if (!made) {
			builder.owner->no_memory = true;
			return NULL;
		}
	}
	return made->too_deep ? NULL : &made->object;
}
