/*
 * Messages of other nodes. The first byte selects the kind, the rest is the payload. Parsed parts lie within the
 * message, and a message that is written again is read as the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "broker/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wire_message m, again;
static struct buffer out;

static void
same(struct text a, struct text b)
{
	assert(text_is(a, b));
}

/* An event that stays MessagePack means the same as the text that the other reader makes of it. */
static void
broadcast_late(struct text payload, int rc)
{
	static struct attachments attachments;
	static struct buffer json;

	assert(wire_read_broadcast_late(&again, payload) == rc);
	if (rc != 0 || again.event.array.at == NULL)
		return;
	same(m.uid, again.uid);
	same(m.nsp, again.nsp);
	assert(m.data_count == again.data_count && m.attachments.count == again.event.values.bins);
	assert(m.target.flags == again.target.flags && m.target.room_count == again.target.room_count);
	attachments_cut(&attachments, 0);
	buffer_fini(&json);
	buffer_init(&json, 1 << 26);
	assert(msgpack_to_json((const uint8_t *)again.event.array.at, again.event.array.n, 512, &attachments,
		       &json) == (int64_t)again.event.array.n);
	same(buffer_text(&json), m.data);
}

static void
broadcast(struct text payload)
{
	int rc = wire_read_broadcast(&m, payload);

	broadcast_late(payload, rc);
	if (rc < 0)
		return;
	assert(m.data_count > 0);
	if (wire_write_broadcast(&out, m.uid, m.nsp, &m.target, m.data, &m.attachments) < 0)
		return; /* one level deeper than allowed */
	assert(wire_read_broadcast(&again, buffer_text(&out)) == 0);
	same(m.uid, again.uid);
	same(m.nsp, again.nsp);
	assert(m.data_count == again.data_count);
	assert(m.target.flags == again.target.flags && m.target.room_count == again.target.room_count);
	for (unsigned i = 0; i < m.target.except_count; i++)
		same(m.target.except[i], again.target.except[i]);
}

static void
request(struct text payload)
{
	if (wire_read_request(&m, payload) < 0)
		return;
	assert(m.type < WIRE_BROADCAST_CLIENT_COUNT);
	if (m.type != WIRE_REMOTE_JOIN || !m.has_target)
		return;
	assert(wire_write_rooms(&out, m.type, m.uid, &m.target, m.listed_rooms, m.listed_room_count) == 0);
	assert(wire_read_request(&again, buffer_text(&out)) == 0);
	assert(m.listed_room_count == again.listed_room_count);
	for (unsigned i = 0; i < m.listed_room_count; i++)
		same(m.listed_rooms[i], again.listed_rooms[i]);
}

static void
response(struct text payload)
{
	if (wire_read_response(&m, payload) < 0)
		return;
	assert(m.has_request_id && m.request_id.n > 0);
	if (m.sockets.at != NULL)
		assert(m.sockets.at[0] == '[');
	if (m.answer.at != NULL &&
		wire_write_ack_reply(&out, m.request_id, TEXT_NONE, m.answer, &m.attachments) == 0) {
		assert(wire_read_response(&again, buffer_text(&out)) == 0);
		same(m.request_id, again.request_id);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text payload;

	if (size == 0)
		return 0;
	if (out.max == 0) {
		wire_message_init(&m);
		wire_message_init(&again);
		buffer_init(&out, 1 << 22);
	}
	buffer_reset(&out);
	payload = text_of((const char *)data + 1, size - 1);
	if (data[0] % 3 == 0)
		broadcast(payload);
	else if (data[0] % 3 == 1)
		request(payload);
	else
		response(payload);
	return 0;
}
