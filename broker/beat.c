#include "broker/beat.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/base/ascii.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/json.h"

#define DEPTH_MAX 8
#define SAFE_INTEGER ((INT64_C(1) << 53) - 1)

static const char *const states[] = {"serving", "draining", "left"};

/* ------------------------------------------------------------- namespaces */

/* FNV-1a */
uint32_t
beat_namespace(struct text name)
{
	uint32_t hash = 0x811c9dc5;

	for (size_t i = 0; i < name.n; i++)
		hash = (hash ^ (uint8_t)name.at[i]) * 0x01000193;
	return hash;
}

void
beat_add_namespace(struct beat *beat, struct text name)
{
	if (beat->namespace_count < BEAT_NAMESPACES_MAX)
		beat->namespaces[beat->namespace_count++] = beat_namespace(name);
	else
		beat->more = true;
}

bool
beat_has_namespace(const struct beat *beat, struct text name)
{
	uint32_t hash = beat_namespace(name);

	for (unsigned i = 0; i < beat->namespace_count; i++) {
		if (beat->namespaces[i] == hash)
			return true;
	}
	return beat->more;
}

/* ----------------------------------------------------------------- fields */

struct field {
	struct text key;
	enum field_kind { FIELD_ID, FIELD_TEXT, FIELD_NUMBER32, FIELD_NUMBER64 } kind;
	size_t at;    /* offset in struct beat */
	uint64_t max; /* bytes of a text; value of a number */
};

#define KEY(literal)                                                                                                 \
	{                                                                                                            \
		(literal), sizeof(literal) - 1                                                                       \
	}
#define AT(member) offsetof(struct beat, member)

static const struct field fields[] = {
	{KEY("id"), FIELD_ID, AT(about.id), BEAT_ID_LENGTH},
	{KEY("instance"), FIELD_ID, AT(about.instance), BEAT_ID_LENGTH},
	{KEY("node"), FIELD_NUMBER32, AT(about.node), BEAT_NODE_MAX},
	{KEY("worker"), FIELD_NUMBER32, AT(about.worker), BEAT_WORKER_MAX},
	{KEY("started"), FIELD_NUMBER64, AT(about.started_ms), SAFE_INTEGER},
	{KEY("clients"), FIELD_NUMBER64, AT(about.clients), SAFE_INTEGER},
	{KEY("every"), FIELD_NUMBER64, AT(every_ms), BEAT_EVERY_MAX_MS},
	{KEY("host"), FIELD_TEXT, AT(about.host), BEAT_HOST_MAX},
	{KEY("port"), FIELD_NUMBER32, AT(about.port), UINT16_MAX},
	{KEY("version"), FIELD_TEXT, AT(about.version), BEAT_WORD_MAX},
	{KEY("mode"), FIELD_TEXT, AT(about.mode), BEAT_WORD_MAX},
	{KEY("db"), FIELD_NUMBER32, AT(about.db), UINT32_MAX},
};

#define FIELD_COUNT (sizeof fields / sizeof fields[0])
#define FIELDS_ALL ((1u << FIELD_COUNT) - 1)

/* ---------------------------------------------------------------- writing */

static void
field_write(struct buffer *out, const struct field *field, const struct beat *beat)
{
	const char *at = (const char *)beat + field->at;

	buffer_printf(out, ",\"%s\":", field->key.at);
	switch (field->kind) {
	case FIELD_NUMBER32:
		buffer_add_number(out, (int64_t) * (const uint32_t *)(const void *)at);
		break;
	case FIELD_NUMBER64:
		buffer_add_number(out, (int64_t) * (const uint64_t *)(const void *)at);
		break;
	default:
		json_write_string(out, text_from(at));
		break;
	}
}

int
beat_write(struct buffer *out, const struct beat *beat)
{
	buffer_add_text(out, TEXT("{\"v\":1"));
	for (size_t i = 0; i < FIELD_COUNT; i++)
		field_write(out, &fields[i], beat);
	buffer_printf(out, ",\"state\":\"%s\"", states[beat->state]);
	if (beat->hello)
		buffer_add_text(out, TEXT(",\"hello\":true"));
	buffer_add_text(out, TEXT(",\"namespaces\":["));
	for (unsigned i = 0; i < beat->namespace_count; i++)
		buffer_printf(out, "%s\"%08x\"", i > 0 ? "," : "", (unsigned)beat->namespaces[i]);
	buffer_printf(out, "],\"more\":%s}", beat->more ? "true" : "false");
	return buffer_error(out);
}

/* ---------------------------------------------------------------- reading */

static bool
is_id(const char *id)
{
	size_t n = strlen(id);

	return n == BEAT_ID_LENGTH && strspn(id, base64url_alphabet) == n;
}

static int
read_text(struct text value, char *to, size_t max)
{
	char decoded[6 * BEAT_HOST_MAX + 2]; /* decoding may use as many bytes as the JSON text has */
	size_t n;

	_Static_assert(BEAT_HOST_MAX >= BEAT_WORD_MAX && BEAT_HOST_MAX >= BEAT_ID_LENGTH, "every text must fit");
	if (json_type(value) != JSON_STRING)
		return ERROR_SYNTAX;
	if (value.n > 6 * max + 2)
		return ERROR_TOO_BIG;
	n = json_string_decode_name(value, decoded);
	if (n > max)
		return ERROR_TOO_BIG;
	memcpy(to, decoded, n);
	to[n] = '\0';
	return 0;
}

static int
beat_read_number(struct text value, uint64_t max, uint64_t *number)
{
	int64_t n;

	if (json_type(value) != JSON_NUMBER || !json_number_int(value, &n) || n < 0 || (uint64_t)n > max)
		return ERROR_SYNTAX;
	*number = (uint64_t)n;
	return 0;
}

static int
field_read(const struct field *field, struct beat *beat, struct text value)
{
	char *at = (char *)beat + field->at;
	uint64_t number = 0;
	int rc;

	switch (field->kind) {
	case FIELD_ID:
		rc = read_text(value, at, field->max);
		return rc == 0 && !is_id(at) ? ERROR_SYNTAX : rc;
	case FIELD_TEXT:
		return read_text(value, at, field->max);
	default:
		break;
	}
	rc = beat_read_number(value, field->max, &number);
	if (field->kind == FIELD_NUMBER32)
		*(uint32_t *)(void *)at = (uint32_t)number;
	else
		*(uint64_t *)(void *)at = number;
	return rc;
}

static int
beat_read_namespaces(struct beat *beat, struct text list)
{
	struct text element;

	if (json_type(list) != JSON_ARRAY)
		return ERROR_SYNTAX;
	beat->namespace_count = 0;
	while (json_array_next(&list, &element)) {
		char word[8 + 1];
		int rc = read_text(element, word, 8);

		if (rc < 0)
			return rc;
		if (strlen(word) != 8 || strspn(word, ascii_hex_digits) != 8)
			return ERROR_SYNTAX;
		if (beat->namespace_count == BEAT_NAMESPACES_MAX)
			return ERROR_TOO_MANY;
		beat->namespaces[beat->namespace_count++] = (uint32_t)strtoul(word, NULL, 16);
	}
	return 0;
}

static int
read_state(struct beat *beat, struct text value)
{
	for (unsigned i = 0; json_type(value) == JSON_STRING && i < sizeof states / sizeof states[0]; i++) {
		if (json_string_is(value, text_from(states[i]))) {
			beat->state = (enum beat_state)i;
			return 0;
		}
	}
	return ERROR_SYNTAX;
}

struct reading {
	struct beat *beat;
	unsigned seen; /* bit i: fields[i] */
	bool has_state;
};

static int
read_member(struct reading *reading, struct text key, struct text value)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (json_string_is(key, fields[i].key)) {
			reading->seen |= 1u << i;
			return field_read(&fields[i], reading->beat, value);
		}
	}
	if (json_string_is(key, TEXT("namespaces")))
		return beat_read_namespaces(reading->beat, value);
	if (json_string_is(key, TEXT("state"))) {
		reading->has_state = true;
		return read_state(reading->beat, value);
	}
	if (json_string_is(key, TEXT("hello")))
		reading->beat->hello = json_type(value) == JSON_TRUE;
	else if (json_string_is(key, TEXT("more")))
		reading->beat->more = json_type(value) == JSON_TRUE;
	return 0;
}

int
beat_read(struct beat *beat, struct text payload)
{
	struct reading reading = {.beat = beat};
	struct text rest = payload, key, value;
	uint64_t v;
	int rc;

	*beat = (struct beat){.state = BEAT_SERVING};
	if (payload.n > BEAT_BYTES_MAX)
		return ERROR_TOO_BIG;
	rc = json_check(payload, DEPTH_MAX);
	if (rc == 0 && json_type(payload) != JSON_OBJECT)
		rc = ERROR_SYNTAX;
	if (rc < 0)
		return rc;
	value = json_object_get(payload, TEXT("v"));
	if (value.at == NULL || beat_read_number(value, SAFE_INTEGER, &v) < 0)
		return ERROR_SYNTAX;
	if (v != 1)
		return ERROR_UNSUPPORTED;
	while (rc == 0 && json_object_next(&rest, &key, &value))
		rc = read_member(&reading, key, value);
	if (rc == 0 && (reading.seen != FIELDS_ALL || !reading.has_state || beat->every_ms == 0))
		rc = ERROR_SYNTAX;
	return rc;
}
