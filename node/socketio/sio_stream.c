#include "node/socketio/sio_stream.h"

#include "broker/broker.h"
#include "common/base/mem.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_stream_claim.h"
#include "node/socketio/sio_stream_expiry.h"
#include "node/socketio/sio_stream_hold.h"
#include "node/socketio/sio_stream_replay.h"
#include "node/socketio/sio_stream_store.h"
#include "node/socketio/sio_stream_write.h"

static const struct sio_stream_ops stream_ops = {
	.claim = sio_stream_claim,
	.unclaim = sio_stream_unclaim,
	.fail = sio_stream_fail,
	.leave = sio_stream_leave,
	.end_stored = sio_stream_end_stored,
	.replay = sio_stream_replay,
	.hold_one = sio_stream_hold_one,
	.hold_many = sio_stream_hold_many,
	.number_unheld = sio_stream_number_unheld,
	.on_own = sio_stream_on_own,
	.find_place = sio_stream_find_place,
	.on_direct = sio_stream_on_direct,
};

void
sio_stream_new(struct sio_recovery *recovery, struct broker *broker)
{
	struct sio_stream *stream = mem_zalloc(sizeof *stream);
	struct table_cursor cursor = {0};
	struct table_node *node;

	stream->ops = &stream_ops;
	stream->recovery = recovery;
	stream->broker = broker;
	sio_stream_write_init(stream);
	sio_stream_store_init(stream);
	sio_stream_hold_init(stream);
	sio_stream_claims_init(stream);
	sio_stream_replays_init(stream);
	recovery->stream = stream;
	recovery->adopt = sio_stream_adopt;
	while ((node = table_next(&recovery->io->nsps, &cursor)) != NULL)
		sio_stream_adopt(container_of(node, struct sio_nsp, node));
	sio_expiry_new(recovery, &sio_stream_expiry_peer);
	broker_stream_open(broker);
}

void
sio_stream_free(struct sio_stream *stream)
{
	if (stream == NULL)
		return;
	sio_stream_hold_fini(stream);
	sio_stream_claims_fini(stream);
	sio_stream_replays_fini(stream);
	sio_stream_store_fini(stream);
	sio_expiry_free(stream->recovery->expiry);
	sio_stream_write_fini(stream);
	stream->recovery->stream = NULL;
	stream->recovery->adopt = NULL;
	mem_free(stream);
}
