#include "node/socketio/sio_history_entry.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/msgpack.h"
#include "common/base/msgpack_item.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_parser.h"

#define VERSION 1
#define ELEMENTS 5

int
sio_history_entry_write(struct buffer *out, const struct sio_history_entry *entry, struct text json,
	const struct attachments *attachments)
{
	int rc;

	msgpack_add_array(out, ELEMENTS);
	msgpack_add_unsigned(out, VERSION);
	msgpack_add_unsigned(out, entry->mark.origin);
	msgpack_add_unsigned(out, entry->mark.number);
	msgpack_add_array(out, entry->except_count);
	for (unsigned i = 0; i < entry->except_count; i++) {
		msgpack_add_string(out, (uint32_t)entry->except[i].n);
		buffer_add_text(out, entry->except[i]);
	}
	rc = json_to_msgpack(json, attachments != NULL && attachments->count > 0 ? attachments : NULL, out);
	return rc != 0 ? rc : buffer_error(out);
}

static bool
read_unsigned(struct msgpack_input *in, uint64_t *out)
{
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0 || item.kind != MSGPACK_KIND_UINT)
		return false;
	*out = item.uint;
	return true;
}

static bool
read_except(struct msgpack_input *in, struct sio_history_entry *out)
{
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0 || item.kind != MSGPACK_KIND_ARRAY ||
		item.count > SIO_HISTORY_EXCEPT_MAX)
		return false;
	out->except_count = item.count;
	for (unsigned i = 0; i < out->except_count; i++) {
		if (msgpack_item_read(in, &item) <= 0 || item.kind != MSGPACK_KIND_STR)
			return false;
		out->except[i] = item.body;
	}
	return true;
}

int
sio_history_entry_read(
	struct text bytes, struct sio_history_entry *out, struct buffer *json, struct attachments *attachments)
{
	struct msgpack_input in = {(const uint8_t *)bytes.at, (const uint8_t *)bytes.at + bytes.n};
	struct msgpack_item head;
	struct text rest, name;
	uint64_t version;
	int64_t n;

	*out = (struct sio_history_entry){.except_count = 0};
	if (msgpack_item_read(&in, &head) <= 0 || head.kind != MSGPACK_KIND_ARRAY || head.count != ELEMENTS ||
		!read_unsigned(&in, &version) || version != VERSION || !read_unsigned(&in, &out->mark.origin) ||
		!read_unsigned(&in, &out->mark.number) || out->mark.origin == 0 || !read_except(&in, out))
		return ERROR_SYNTAX;
	n = msgpack_to_json(in.at, (size_t)(in.end - in.at), JSON_DEPTH_MAX, attachments, json);
	if (n <= 0)
		return n < 0 ? (int)n : ERROR_SYNTAX;
	if (in.at + n != in.end)
		return ERROR_SYNTAX;
	rest = buffer_text(json);
	if (json_type(rest) != JSON_ARRAY || !json_array_next(&rest, &name) || !sio_event_name_allowed(name))
		return ERROR_SYNTAX;
	return attachments->count > SIO_ATTACHMENTS_MAX ? ERROR_TOO_MANY : 0;
}
