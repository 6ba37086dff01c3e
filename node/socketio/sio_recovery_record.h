/* How connection state recovery (sio_recovery.h) records events and gives them offsets. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_RECORD_H
#define NODE_SOCKETIO_SIO_RECOVERY_RECORD_H

#include "node/socketio/sio_nsp.h"

static inline bool
sio_recovery_on(const struct sio_nsp *nsp)
{
	return nsp->log != NULL && nsp->owner == NULL;
}

/*
 * Records the event and appends its offset. If the event is not recorded, a client would take a string at its end for
 * an offset; then the newest offset is appended, which is true for every socket that has got all events so far. Call
 * it when nothing comes between it and the delivery. The new text lives during the delivery.
 */
void sio_recovery_stamp(struct sio_outgoing *out);

struct sio_recovery;
/*
 * Keeps the limit on bytes and arms the timer that drops what is too old. The newest entry stays, because it is being
 * delivered.
 */
void sio_recovery_trim_log(struct sio_recovery *recovery);

#endif
