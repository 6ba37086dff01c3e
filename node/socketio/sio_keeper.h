/*
 * The keeper has the log and the sessions of connection state recovery for all workers of a machine. It is part of
 * the hub, so it outlives each worker. It uses neither file descriptors nor a clock: the hub passes it messages and
 * the time.
 *
 * The keeper numbers the recorded events. A worker delivers its own events at once, and the events of other workers
 * in the order of their numbers. So two counts tell which events a client has received (struct
 * sio_recovery_position). The answer to REPLAY arrives in the same order: it contains the missed events up to a
 * number, and the worker delivers the later ones as they arrive.
 *
 *   session   ends by
 *   live      STORE, or its worker is gone: stored; RELEASE, because the socket left, or its client was closing,
 *             before the answer to REPLAY arrived: stored as before REPLAY; END: freed
 *   stored    CLAIM: claimed; its window ends, or a limit: freed
 *   claimed   REPLAY: live; RELEASE, or the claiming worker is gone: stored again, its window goes on
 *
 * A claim of a live or claimed session waits, and the session's worker is told to end the socket (TAKE). When the
 * session is stored, the claim gets it. Of several claims, only the one whose connection began last waits. The others
 * are refused: the client has left their connections. The workers and the hub are on one machine, so they share a
 * clock.
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_H
#define NODE_SOCKETIO_SIO_KEEPER_H

#include "broker/wire.h"
#include "node/socketio/sio_keep_wire.h"
#include "node/socketio/sio_keeper_options.h"
#include "node/socketio/sio_recovery_stats.h"

struct sio_keeper;

struct sio_keeper *sio_keeper_new(const struct sio_keeper_options *options);
void sio_keeper_free(struct sio_keeper *keeper); /* accepts NULL */

/*
 * Handles a message of a worker. `connection` identifies the connection on which it arrived: see sio_keeper_gone().
 */
void sio_keeper_receive(struct sio_keeper *keeper, const void *connection, struct text message, uint64_t now);
/* The connection has ended. The workers that sent HELLO on it count as gone; their sessions are stored. */
void sio_keeper_gone(struct sio_keeper *keeper, const void *connection, uint64_t now);
/*
 * An event is being published; `payload` has the format of wire.h. `origin` is SIO_KEEP_LOST, SIO_KEEP_NOT_RECORDED,
 * or the worker that has recorded the event under the number `local`. With `origin` 0, no worker has recorded the
 * event, and the keeper records it unless it is volatile or wants acknowledgements. Returns the number of the event,
 * or 0 if it is not recorded.
 */
uint64_t sio_keeper_record(
	struct sio_keeper *keeper, uint64_t origin, uint64_t local, struct text payload, uint64_t now);
/* Answers the claims that have waited because their sessions were unknown (struct keeper_parked). */
void sio_keeper_settle(struct sio_keeper *keeper, uint64_t now);
/* Drops events and sessions that are too old. Called about once a second. */
void sio_keeper_sweep(struct sio_keeper *keeper, uint64_t now);

/* Fills in the keeper's figures. The workers count the results of claims and the replayed events. */
void sio_keeper_stats(const struct sio_keeper *keeper, uint64_t now, struct sio_recovery_stats *out);

#endif
