/*
 * The keeper has the log and the sessions of connection state recovery for all workers of a machine. It lives in the
 * hub, so it outlives each worker. It knows no connections and no clock: the hub passes messages and the time.
 *
 * The hub gives each recorded event a number, by which all workers have one order. A worker delivers its own events
 * at once and hears those of others in this order. So what a client has got is told by two counts (struct
 * sio_recovery_position). The answer to REPLAY travels in the same order as events: it has what the client misses up
 * to a number, and the worker delivers what comes after.
 *
 *   session   ends by
 *   live      STORE, or its worker is gone: stored; END: freed
 *   stored    CLAIM: claimed; its window ends, or a limit: freed
 *   claimed   REPLAY: live; RELEASE, or the claiming worker is gone: stored again, its window goes on
 */
#ifndef NODE_SOCKETIO_SIO_KEEPER_H
#define NODE_SOCKETIO_SIO_KEEPER_H

#include "broker/wire.h"
#include "node/socketio/sio_keep_wire.h"
#include "node/socketio/sio_recovery_log.h"
#include "node/socketio/sio_recovery_stats.h"

struct sio_keeper;

struct sio_keeper_options {
	uint64_t window_ms;    /* maxDisconnectionDuration */
	uint64_t notice_ms;    /* how long a loss may go unnoticed */
	uint64_t max_bytes;    /* recoveryMaxBytes */
	uint64_t max_sessions; /* recoveryMaxSessions */
	/* Sends to the worker with that origin, after all events that have got a number. */
	void (*send)(void *arg, struct text origin, struct text message);
	/* sio_keeper_settle() is to be called when all that workers have sent before now has been received. */
	void (*settle_later)(void *arg);
	void *arg;
};

struct sio_keeper *sio_keeper_new(const struct sio_keeper_options *options);
void sio_keeper_free(struct sio_keeper *keeper); /* accepts NULL */

/* A message of a worker. `connection` tells connections apart: see sio_keeper_gone(). */
void sio_keeper_receive(struct sio_keeper *keeper, const void *connection, struct text message, uint64_t now);
/* The connection has ended; if it has said HELLO, its worker is gone. */
void sio_keeper_gone(struct sio_keeper *keeper, const void *connection, uint64_t now);
/*
 * An event is being published: `payload` as of wire.h. `origin` names the worker that has recorded it under `local`;
 * SIO_KEEP_LOST, SIO_KEEP_NOT_RECORDED: as they say; 0: no worker has recorded it, then the keeper records it unless
 * it is volatile or wants acknowledgements. Returns the number of the event; 0: it is not recorded.
 */
uint64_t sio_keeper_record(
	struct sio_keeper *keeper, uint64_t origin, uint64_t local, struct text payload, uint64_t now);
/* Answers the claims that waited for what other workers have sent before. */
void sio_keeper_settle(struct sio_keeper *keeper, uint64_t now);
/* Drops what is too old. To be called each second or so. */
void sio_keeper_sweep(struct sio_keeper *keeper, uint64_t now);

/* Fills what the keeper has; the results of claims and the replayed events are counted by the workers. */
void sio_keeper_stats(const struct sio_keeper *keeper, uint64_t now, struct sio_recovery_stats *out);

/* The epoch of the offsets of a namespace. */
void sio_keeper_epoch(const char key[SIO_KEEP_KEY], struct text nsp, char out[SIO_EPOCH_LENGTH]);

#endif
