/*
 * Acknowledgements that clients owe. A struct sio_ack waits in the table of one socket under the id that was sent.
 * A struct sio_gather collects the acknowledgements of one broadcast, which share one id on a node.
 *
 *   gather for                     is complete when                                      otherwise
 *   this server's application      its sockets have answered and the broker has          the timeout ends it with the
 *                                  reported the answers of the other nodes               answers received so far
 *   a sink (another node)          no socket is left that could answer                   ends after BROKER_REPLY_MS
 *
 * While the broker waits for other nodes, its deadline ends the gather: the broker then reports the silent nodes.
 */
#ifndef NODE_SOCKETIO_SIO_ACK_H
#define NODE_SOCKETIO_SIO_ACK_H

#include "broker/broker.h"
#include "node/socketio/sio_nodes.h"
#include "node/socketio/sio_socket.h"

#define SIO_GATHER_MS 5000 /* timeout of a broadcast for which the application set none */
/* Bytes of answers kept for one broadcast; further answers count as missing. */
#define SIO_GATHER_BYTES (64u * 1024 * 1024)

struct sio_answers {
	unsigned count;
	const struct text *args; /* one receiver: the arguments of its packet */
	const struct sio_value_owner *owner;
	struct sio_stored **stored; /* many receivers: the first argument of each, NULL where it had none */
	struct sio_socket *socket;  /* one receiver; NULL: the receiver had left before the question */
	uint64_t number;	    /* one receiver: the caller's number */
	unsigned silent;	    /* nodes that did not answer */
	uint64_t missing;	    /* clients that did not answer */
};

/* The caller who wants an answer. */
struct sio_asker {
	sio_answers_fn *fn;
	void *arg;
	uint64_t number; /* one receiver: returned with the answer, so that one `arg` can serve several questions */
};

/* Receives the answers of this node's sockets one by one. A sink makes no up-call to the application. */
struct sio_sink {
	void (*count)(void *arg, unsigned receivers); /* called first, before any answer */
	void (*answer)(void *arg, struct sio_socket *s, const struct sio_packet *packet);
	void (*end)(void *arg); /* the last call: every socket has answered or left, or the timeout has passed */
};

struct sio_gather {
	struct list link;   /* in io->gathers while waiting, or in io->refused */
	struct sio_job job; /* sio_gather_finish() */
	struct list acks;   /* struct sio_ack by in_gather */
	struct sio_server *io;
	struct wheel_entry timer;
	sio_answers_fn *fn;
	void *arg;
	unsigned expected, answered; /* sockets of this node */
	unsigned size;
	int64_t question;  /* the broker's handle until it reports the end; 0: no other node is asked */
	uint64_t deadline; /* by the loop's clock */
	const struct sio_socket *refused; /* the receiver, if it had left before the question; else NULL */
	const struct sio_sink *sink;	  /* receives the answers, with `arg`, instead of `fn` */
	size_t bytes;
	int error;
	struct sio_silent named; /* the nodes that did not answer, if they have names */
	struct sio_answers answers;
};

struct sio_ack {
	struct table_node node; /* in extra->acks, by `id` */
	uint64_t id;
	struct sio_socket *socket;
	struct sio_gather *gather; /* NULL: one receiver */
	struct list in_gather;	   /* in gather->acks, or in io->ending */
	struct wheel_entry timer;  /* one receiver with a timeout */
	struct sio_asker ask;
};

/*
 * Waits for the acknowledgement of one receiver, for `timeout_ms` if `timed`, else until the socket leaves.
 * Returns 0 or SIO_ERR_TOO_MANY.
 */
int sio_ack_wait(struct sio_socket *s, uint64_t id, bool timed, uint32_t timeout_ms, const struct sio_asker *ask);
/* For one receiver that has left: the caller gets SIO_ERR_STATE at the end of the turn. */
void sio_ack_refused(struct sio_socket *s, const struct sio_asker *ask);
/* Drops the callbacks with this `arg`, whose owner is gone. Answers of the socket to these questions are ignored. */
void sio_ack_forget(struct sio_socket *s, const void *arg);
/* Makes a gather for the application. The caller adds receivers, then calls sio_gather_start(). */
struct sio_gather *sio_gather_new(struct sio_server *io, const struct sio_asker *ask);
/*
 * Adds a receiver, which will answer with this id. If the receiver already owes max_pending_acks answers, this one
 * counts as missing.
 */
void sio_gather_wait(struct sio_gather *gather, struct sio_socket *s, uint64_t id);
/* All receivers have been added: from now on the gather may end. */
void sio_gather_start(struct sio_gather *gather, uint32_t timeout_ms);
/* Makes a gather for a sink. It lasts as long as a socket owes an answer, at most until its timeout. */
struct sio_gather *sio_gather_new_into(struct sio_server *io, const struct sio_sink *sink, void *arg);
/*
 * Stores a copy of an answer; TEXT_NONE: an answer without an argument. On SIO_ERR_TOO_BIG and SIO_ERR_SYSTEM (no
 * memory) the answer counts as missing and becomes the error with which the gather ends.
 */
int sio_gather_add(struct sio_gather *gather, struct text json, const struct attachments *attachments);
/* The broker reports the end of its part: the silent nodes and the missing clients. Makes no up-call. */
void sio_gather_others(struct sio_gather *gather, int error, unsigned silent, uint64_t missing);
/* Schedules the end with this error for the end of the turn. */
void sio_gather_end(struct sio_gather *gather, int error);
/* Calls back, then frees the gather. */
void sio_gather_finish(struct sio_gather *gather);

/* Handles an ACK packet. Makes up-calls. */
void sio_ack_receive(struct sio_socket *s, const struct sio_packet *packet);
/* The socket has left: acknowledgements of one receiver end with SIO_ERR_STATE. Makes up-calls. */
void sio_ack_abandon(struct sio_socket *s);

#endif
