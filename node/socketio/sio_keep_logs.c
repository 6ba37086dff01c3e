#include "node/socketio/sio_keep_logs.h"

#include "node/socketio/sio_keep_session.h"

/* Sets the log's origin, epoch and position to those that the peer has given this worker. */
static void
keep_name_log(const struct sio_keep *keep, struct sio_nsp *nsp)
{
	nsp->log->origin = keep->welcome ? keep->origin : 0;
	nsp->log->touched = sio_keep_touched;
	nsp->log->placer = keep->placer;
	nsp->log->deaf = keep->deaf;
	nsp->log->heard = nsp->log->head = keep->heard;
	if (keep->welcome)
		sio_keeper_epoch(keep->key, sio_nsp_text(nsp), nsp->log->epoch);
}

void
sio_keep_adopt(struct sio_nsp *nsp)
{
	keep_name_log(nsp->io->recovery->keep, nsp);
}

void
sio_keep_name_logs(struct sio_keep *keep)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keep->recovery->io->nsps, &cursor)) != NULL) {
		struct sio_nsp *nsp = container_of(node, struct sio_nsp, node);

		nsp->log->floor = 0;
		keep_name_log(keep, nsp);
	}
}

void
sio_keep_trim(struct sio_keep *keep)
{
	struct sio_recovery_store *store = &keep->recovery->store;

	/* if a client waits for a dropped event, replay_send_own() fails and the client is not recovered */
	while (store->count > 1 && (keep->replays_asked == 0 || store->bytes > store->max_bytes))
		(void)sio_recovery_store_drop(store);
}
