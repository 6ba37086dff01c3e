#include "node/socketio/sio_stream_record.h"

#include "broker/broker.h"
#include "common/base/base64.h"
#include "common/base/json_msgpack.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_stream_key.h"

#define DATA_DEPTH 64

/* Compares in constant time. */
static bool
same_secret(struct text a, struct text b)
{
	unsigned char differs = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		differs |= (unsigned char)(a.at[i] ^ b.at[i]);
	return differs == 0;
}

enum sio_recovery_result
sio_stream_record_read(struct sio_stream *stream, const struct sio_nsp *nsp, struct text pid, struct text value,
	struct buffer *map_room, struct buffer *rooms, struct sio_stream_session *out)
{
	struct text key = sio_stream_key(stream, pid), map;
	uint8_t *room;
	int64_t n;

	if (value.n == 0)
		return SIO_RECOVERY_NO_SESSION;
	if (value.n > BASE64_ENCODED(SIO_STREAM_SESSION_MAX))
		return SIO_RECOVERY_TOO_BIG;
	buffer_reset(map_room);
	buffer_reset(rooms);
	room = buffer_room(map_room, BASE64_DECODED_MAX(value.n));
	if (room == NULL)
		return SIO_RECOVERY_FAILED;
	n = base64_decode(value, room);
	if (n < 0)
		return SIO_RECOVERY_FAILED;
	map_room->len += (size_t)n;
	map = buffer_text(map_room);
	if (!broker_stream_unseal(nsp->broker, key, &map))
		return SIO_RECOVERY_FOREIGN;
	if (sio_stream_session_read(map, broker_stream_tag(nsp->broker), rooms, out) < 0 ||
		!same_secret(out->pid, pid))
		return SIO_RECOVERY_FAILED;
	return SIO_RECOVERY_RECOVERED;
}

struct sio_stored *
sio_stream_record_data(const struct sio_stream_session *record, bool *failed)
{
	struct text packed = record->data;
	struct sio_stored *stored = NULL;
	struct attachments attachments;
	struct buffer json;

	*failed = false;
	if (packed.n == 0)
		return NULL;
	attachments_init(&attachments);
	buffer_init(&json, SIO_STREAM_SESSION_MAX * 4);
	if (msgpack_to_json((const uint8_t *)packed.at, packed.n, DATA_DEPTH, &attachments, &json) > 0 &&
		buffer_error(&json) == 0)
		stored = sio_stored_new(buffer_text(&json), attachments.count != 0 ? &attachments : NULL);
	*failed = stored == NULL;
	buffer_fini(&json);
	attachments_fini(&attachments);
	return stored;
}
