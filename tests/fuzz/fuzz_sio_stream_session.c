/*
 * Sessions that are stored in Redis (sio_stream_session.h). The first byte says whether a seal has been cut off. What
 * is read is written and read again: the result is the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_stream_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct buffer rooms, map, rooms_again;

static void
look_at_rooms(const struct sio_stream_session *session)
{
	const char *at = session->rooms.at;

	for (uint32_t i = 0; i < session->room_count; i++)
		assert(!text_is(sio_recovery_room_read(&at), session->sid));
	assert(session->room_count == 0 || at == session->rooms.at + session->rooms.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sio_stream_session session, again;
	size_t seal;

	if (n == 0 || n > 65536)
		return 0;
	seal = data[0] % 2 != 0 ? 16 : 0;
	buffer_init(&rooms, SIO_STREAM_SESSION_MAX);
	buffer_init(&rooms_again, SIO_STREAM_SESSION_MAX);
	buffer_init(&map, SIO_STREAM_SESSION_MAX);
	if (sio_stream_session_read(text_of((const char *)data + 1, n - 1), seal, &rooms, &session) == 0) {
		look_at_rooms(&session);
		if (!session.ours)
			session.nsp = session.owner = session.given = TEXT("");
		sio_stream_session_write(&map, &session, seal);
		assert(buffer_error(&map) == 0);
		assert(sio_stream_session_read(buffer_text(&map), seal, &rooms_again, &again) == 0);
		assert(again.room_count == session.room_count && again.own == session.own);
		assert(session.room_count == 0 || text_is(again.rooms, session.rooms));
		assert(text_is(again.sid, session.sid) && text_is(again.pid, session.pid));
		assert(text_is(again.given, session.given));
		assert(again.start == session.start && again.since == session.since && again.lost == session.lost);
	}
	buffer_fini(&rooms);
	buffer_fini(&rooms_again);
	buffer_fini(&map);
	return 0;
}
