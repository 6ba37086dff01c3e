/* How connection state recovery (sio_recovery.h) records events and gives them offsets. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_RECORD_H
#define NODE_SOCKETIO_SIO_RECOVERY_RECORD_H

#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_recovery_log.h"

/* Returns true if the events of the namespace are recorded. */
static inline bool
sio_recovery_on(const struct sio_nsp *nsp)
{
	return nsp->log != NULL && (nsp->owner == NULL || nsp->owner->recovers);
}

/*
 * Records the event and appends its offset. A client takes a string at the end of an event for an offset, so an
 * event that is not recorded but ends with a string gets the newest offset. That offset is correct for every socket
 * that has received all events so far. The caller must deliver the event next; the new text is valid during the
 * delivery.
 */
void sio_recovery_stamp(struct sio_outgoing *out);

struct sio_recovery;
/*
 * Enforces the limit on bytes, and arms the timer that drops old entries. The newest entry stays, because it is being
 * delivered.
 */
void sio_recovery_trim_log(struct sio_recovery *recovery);

#endif
