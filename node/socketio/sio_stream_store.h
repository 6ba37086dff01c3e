/* Stores the sessions of this worker in Redis (sio_stream.h), and returns how far its sockets have got. */
#ifndef NODE_SOCKETIO_SIO_STREAM_STORE_H
#define NODE_SOCKETIO_SIO_STREAM_STORE_H

#include "node/socketio/sio_stream_state.h"

struct bus_stream_question;
struct sio_stream_session;

void sio_stream_store_init(struct sio_stream *stream);
/* Stores the sessions whose changes wait. */
void sio_stream_store_fini(struct sio_stream *stream);
/* Prepares the log of a namespace for streams mode. */
void sio_stream_adopt(struct sio_nsp *nsp);

/* Returns the time to live of a live session in Redis, in ms. */
uint64_t sio_stream_live_ms(const struct sio_stream *stream);

/* Returns the position up to which every event has been delivered to this worker's sockets. */
uint64_t sio_stream_position(const struct sio_nsp *nsp);

/* As struct sio_stream_ops. */
void sio_stream_leave(struct sio_recovery_session *session, struct sio_socket *s, bool may_return);
void sio_stream_unclaim(struct sio_recovery_session *session);
void sio_stream_fail(struct sio_recovery_session *session);

/*
 * Asks Redis to store the record as that of a live session, if it has `old` under its key (sio_stream_swap.h).
 * Returns 0, or an error, after which nothing is called.
 */
int sio_stream_ask_live(const struct sio_nsp *nsp, const struct sio_stream_session *record, struct text old,
	struct bus_stream_question *question);

/*
 * Sockets of this worker get a recorded event without its offset. No socket of the namespace can be recovered until
 * the worker has read back its event with this number, or a later one.
 */
void sio_stream_early(struct sio_nsp *nsp, uint64_t number);
/*
 * The worker has read back that event as `entry`. Older offsets stay invalid for all sockets that are connected now.
 */
void sio_stream_read_early(struct sio_nsp *nsp, uint64_t number, uint64_t entry);

#endif
