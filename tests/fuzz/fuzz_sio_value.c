/*
 * A received text with three attachments, used as an application does.
 *
 * - Each accessor on each member has a result within the text.
 * - The MessagePack object packs to the bytes that json_to_msgpack() writes.
 * - Packed into another event, the value stays valid, and no placeholder exceeds the attachments.
 */
#include <msgpack.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_value.h"

#define OUT_MAX (1 << 20)
#define WALK_DEPTH 6 /* visiting all members on all levels is quadratic in this test */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look(sio_value value, unsigned depth)
{
	const char *key, *text, *again;
	size_t n, m, cursor = 0, members = 0;
	sio_value member;

	must(sio_type_of(value) != SIO_NONE);
	text = sio_string(value, &n);
	must((text != NULL) == (sio_type_of(value) == SIO_STRING));
	if (text != NULL) {
		must(text[n] == '\0' && n == sio_length(value));
		again = sio_string(value, &m);
		must(again == text && m == n);
	}
	must((sio_binary(value, &n) != NULL) == (sio_type_of(value) == SIO_BINARY));
	sio_int(value, 0);
	sio_double(value, 0);
	while (depth > 0 && sio_each(value, &cursor, &key, &member)) {
		must((key != NULL) == (sio_type_of(value) == SIO_OBJECT));
		/* a key that contains a NUL is longer than the C string that the walk returns */
		if (key != NULL && members < 16)
			sio_get(value, key);
		look(member, depth - 1);
		members++;
	}
	if (depth > 0 && (sio_type_of(value) == SIO_ARRAY || sio_type_of(value) == SIO_OBJECT))
		must(members == sio_length(value));
}

static int
append(void *out, const char *bytes, size_t n)
{
	buffer_add(out, bytes, n);
	return buffer_error(out);
}

static void
compare_msgpack(sio_value value, const struct sio_value_owner *owner)
{
	struct buffer direct, packed;
	msgpack_packer packer;

	buffer_init(&direct, OUT_MAX);
	buffer_init(&packed, OUT_MAX);
	msgpack_packer_init(&packer, &packed, append);
	if (json_to_msgpack(owner->json, owner->attachments, &direct) == 0) {
		must(msgpack_pack_object(&packer, *sio_msgpack(value)) == 0);
		must(text_is(buffer_text(&direct), buffer_text(&packed)));
	}
	buffer_fini(&direct);
	buffer_fini(&packed);
}

static void
pack(const char *format, ...)
{
	struct sio_payload p;
	struct text json;
	va_list args;
	int error;

	sio_payload_init(&p, OUT_MAX);
	va_start(args, format);
	error = sio_pack_args(&p, "event", format, args);
	va_end(args);
	json = buffer_text(&p.json);
	if (error == 0) {
		/* two levels more than the value, which may already have the largest depth */
		must(json_check(json, JSON_DEPTH_MAX) <= 0);
		must(p.attachments.count <= 4);
		if (json_check(json, JSON_DEPTH_MAX) == 0 && p.attachments.count > 0)
			must(json_placeholders_check(json, p.attachments.count) == 0);
	}
	sio_payload_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text json = text_of((const char *)data, n);
	struct attachments attachments;
	struct sio_value_owner owner;
	sio_value value;

	if (n > OUT_MAX / 16 || json_check(json, JSON_DEPTH_MAX) != 0)
		return 0;
	attachments_init(&attachments);
	for (unsigned i = 0; i < 3; i++) {
		struct block *b = block_copy("abc", i + 1);

		attachments_add(&attachments, b);
		block_unref(b);
	}
	while (n > 0 && strchr(" \t\r\n", json.at[0]) != NULL)
		json = text_of(json.at + 1, --n);
	while (n > 0 && strchr(" \t\r\n", json.at[n - 1]) != NULL)
		json.n = --n;
	for (int with = 0; with < 2; with++) {
		sio_value_owner_init(&owner, json, with ? &attachments : NULL);
		value = sio_value_make(json, &owner);
		look(value, WALK_DEPTH);
		compare_msgpack(value, &owner);
		pack("v", value);
		pack("{s:v}Bv", "key", value, "x", (size_t)1, value);
		sio_value_owner_fini(&owner);
	}
	attachments_fini(&attachments);
	return 0;
}
