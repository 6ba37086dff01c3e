/*
 * A question of the application to all nodes whose answer is put together here: sio_fetch(), sio_all_rooms(). It
 * begins with what this node knows.
 *
 *   state    in            goes on by
 *   asking   io->asking    the broker's end, at latest by its deadline; the server closing
 *   asked    the turn      its end: finish(), the up-call, which frees it
 */
#ifndef NODE_SOCKETIO_SIO_QUESTION_H
#define NODE_SOCKETIO_SIO_QUESTION_H

#include "broker/broker.h"
#include "node/socketio/sio_server.h"

#define SIO_QUESTION_BYTES (256u * 1024 * 1024) /* answers of other nodes kept; what comes beyond is missing */

struct sio_question {
	struct list link; /* in io->asking */
	struct sio_job job;
	struct sio_server *io;
	void (*finish)(struct sio_question *q);
	void (*on_answer)(struct sio_question *q, struct text json, const struct attachments *attachments);
	int64_t handle; /* the broker's, until its end */
	size_t bytes;
	int error;
	unsigned silent; /* nodes that did not answer */
};

void sio_question_init(struct sio_question *q, struct sio_server *io, void (*finish)(struct sio_question *q),
	void (*on_answer)(struct sio_question *q, struct text json, const struct attachments *attachments));
/* What goes into broker_ask_*(). */
struct broker_question sio_question_to_broker(struct sio_question *q, unsigned flags, uint32_t timeout_ms);
/* What came of it; 0: there was nobody to ask. */
void sio_question_asked(struct sio_question *q, int64_t handle);
/* Complete: finish() is called at the end of the turn. */
void sio_question_end(struct sio_question *q, int error);

#endif
