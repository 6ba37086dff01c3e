/*
 * Messages of other nodes in sharded mode. The first byte selects the kind, the rest is the payload. Parsed parts lie
 * within the message, and a message that is written again is read as the same.
 */
#include <assert.h>

#include "broker/wire_sharded.h"
#include "broker/wire_sockets.h"
#include "common/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wire_message m, again;
static struct buffer out, part;

static void
same(struct text a, struct text b)
{
	assert(text_is(a, b));
}

static int
write_again(const struct wire_from *from)
{
	const struct wire_codec *codec = &wire_sharded;

	switch (m.type) {
	case WIRE_BROADCAST:
		if (m.has_request_id)
			return codec->write_broadcast_ack(&out, from, &m.target, m.data, &m.attachments, 1);
		return codec->write_broadcast(&out, from, &m.target, m.data, &m.attachments);
	case WIRE_SERVER_SIDE_EMIT:
		return codec->write_server_emit(&out, from, m.data, &m.attachments);
	case WIRE_REMOTE_FETCH:
		return codec->write_fetch(&out, from, &m.target);
	case WIRE_REMOTE_DISCONNECT:
		return codec->write_disconnect(&out, from, &m.target, m.close);
	default:
		return codec->write_rooms(&out, from, m.type, &m.target, m.listed_rooms, m.listed_room_count);
	}
}

/* An event that stays MessagePack means the same as the text that the other reader makes of it. */
static void
statement_late(struct text payload, int rc)
{
	static struct attachments attachments;

	assert(wire_sharded_read_late(&again, payload) == rc);
	if (rc != 0 || again.event.array.at == NULL)
		return;
	same(m.uid, again.uid);
	same(m.nsp, again.nsp);
	assert(m.type == again.type && !m.has_request_id && !again.has_request_id);
	assert(m.data_count == again.data_count && m.attachments.count == again.event.values.bins);
	assert(m.target.flags == again.target.flags && m.target.room_count == again.target.room_count);
	attachments_cut(&attachments, 0);
	buffer_reset(&part);
	assert(msgpack_to_json((const uint8_t *)again.event.array.at, again.event.array.n, JSON_DEPTH_MAX,
		       &attachments, &part) == (int64_t)again.event.array.n);
	same(buffer_text(&part), m.data);
}

static void
statement(struct text payload)
{
	struct wire_from from;
	int rc = wire_sharded_read(&m, payload);

	statement_late(payload, rc);
	if (rc < 0)
		return;
	assert(m.uid.n > 0 && m.uid.n <= WIRE_ID_MAX && m.nsp.at != NULL);
	from = (struct wire_from){
		.uid = m.uid, .nsp = m.nsp, .request_id = m.has_request_id ? m.request_id : TEXT_NONE};
	if (write_again(&from) < 0)
		return; /* one level deeper than allowed */
	assert(wire_sharded_read(&again, buffer_text(&out)) == 0);
	same(m.uid, again.uid);
	same(m.nsp, again.nsp);
	assert(m.type == again.type);
	/* joins, leaves and disconnects are not answered */
	assert(m.has_request_id == again.has_request_id || m.type == WIRE_REMOTE_JOIN ||
		m.type == WIRE_REMOTE_LEAVE || m.type == WIRE_REMOTE_DISCONNECT);
	assert(m.data_count == again.data_count && m.target.flags == again.target.flags);
	assert(m.target.room_count == again.target.room_count);
	for (unsigned i = 0; i < m.target.except_count; i++)
		same(m.target.except[i], again.target.except[i]);
	if (wire_sharded.is_from(buffer_text(&out), &from))
		same(from.uid, again.uid);
	for (unsigned i = 0; i < m.target.room_count; i++) {
		(void)wire_sharded_looks_like_id(m.target.rooms[i]);
		(void)wire_sharded_looks_like_v2_id(m.target.rooms[i], m.nsp);
	}
}

static void
answer(struct text payload)
{
	struct wire_from from = {.uid = TEXT("0123456789abcdef"), .nsp = TEXT("/")};

	if (wire_sharded.read_response(&m, payload) < 0)
		return;
	assert(m.has_request_id && m.request_id.n > 0 && m.request_id.n <= WIRE_ID_MAX);
	if (m.sockets.at != NULL) {
		buffer_reset(&part);
		wire_sockets_ids(m.sockets, &part);
		assert(buffer_error(&part) != 0 || json_check(buffer_text(&part), JSON_DEPTH_MAX) == 0);
		buffer_reset(&part);
		wire_sockets_rooms(m.sockets, &part);
		assert(buffer_error(&part) != 0 || json_check(buffer_text(&part), JSON_DEPTH_MAX) == 0);
	}
	from.request_id = m.request_id;
	if (wire_sharded.write_ack_reply(&out, &from, m.answer, &m.attachments) != 0)
		return;
	assert(wire_sharded.read_response(&again, buffer_text(&out)) == 0);
	same(m.request_id, again.request_id);
	assert((m.answer.at == NULL) == (again.answer.at == NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct wire_from nobody = {.uid = TEXT("0123456789abcdef"), .nsp = TEXT("/")};
	struct text payload;

	if (size == 0)
		return 0;
	if (out.max == 0) {
		wire_message_init(&m);
		wire_message_init(&again);
		buffer_init(&out, 1 << 22);
		buffer_init(&part, 1 << 22);
	}
	buffer_reset(&out);
	payload = text_of((const char *)data + 1, size - 1);
	(void)wire_sharded.is_from(payload, &nobody);
	if (data[0] % 2 == 0)
		statement(payload);
	else
		answer(payload);
	return 0;
}
