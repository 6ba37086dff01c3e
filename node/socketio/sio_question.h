/*
 * A question of the application to all nodes, such as sio_fetch() or sio_all_rooms(). Its answers are collected here,
 * beginning with this node's own.
 *
 *   state    where                ends by
 *   asking   io->asking           the broker reports the end, at its deadline at the latest; or the server closes
 *   asked    a job of the turn    the end of the turn: finish() calls back and frees the question
 */
#ifndef NODE_SOCKETIO_SIO_QUESTION_H
#define NODE_SOCKETIO_SIO_QUESTION_H

#include "broker/broker.h"
#include "node/socketio/sio_nodes.h"
#include "node/socketio/sio_server.h"

/* Bytes of other nodes' answers to keep; further answers are dropped. */
#define SIO_QUESTION_BYTES (256u * 1024 * 1024)

struct sio_question {
	struct list link; /* in io->asking */
	struct sio_job job;
	struct sio_server *io;
	void (*finish)(struct sio_question *question);
	void (*on_answer)(struct sio_question *question, struct text json, const struct attachments *attachments);
	int64_t handle; /* of the broker, until it reports the end */
	size_t bytes;
	int error;
	unsigned silent;	 /* nodes that did not answer */
	struct sio_silent named; /* the silent nodes that have a name */
};

void sio_question_init(struct sio_question *question, struct sio_server *io,
	void (*finish)(struct sio_question *question),
	void (*on_answer)(struct sio_question *question, struct text json, const struct attachments *attachments));
/* Returns the parameter of broker_ask_*(). */
struct broker_question sio_question_to_broker(struct sio_question *question, unsigned flags, uint32_t timeout_ms);
/* Call it with the result of broker_ask_*(). 0: there are no other nodes, so the question ends. */
void sio_question_asked(struct sio_question *question, int64_t handle);
/* Ends the question: finish() is called at the end of the turn. */
void sio_question_end(struct sio_question *question, int error);

#endif
