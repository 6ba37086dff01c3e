/*
 * Acknowledgements that clients owe. A struct sio_ack waits in the table of one socket under the id that was sent;
 * a struct sio_gather collects those of one broadcast, which all have the same id on one node.
 *
 *   gather of                      is complete when                                      else
 *   this server's application      its sockets have answered and the broker has said     the timeout ends it with
 *                                  that the other nodes' have                            what came
 *   a sink (another node)          no socket is left that could answer                   BROKER_REPLY_MS
 *
 * While a question to other nodes is under way its deadline is the gather's: the broker's end names the silent ones.
 */
#ifndef NODE_SOCKETIO_SIO_ACK_H
#define NODE_SOCKETIO_SIO_ACK_H

#include "broker/broker.h"
#include "node/socketio/sio_socket.h"

#define SIO_GATHER_MS 5000		     /* a broadcast waits so long when no timeout was given */
#define SIO_GATHER_BYTES (64u * 1024 * 1024) /* answers kept for one broadcast; what comes beyond is missing */

struct sio_answers {
	unsigned count;
	const struct text *args; /* one receiver: the arguments of its packet */
	const struct sio_value_owner *owner;
	struct sio_stored **stored; /* many receivers: the first argument of each, NULL where it had none */
	struct sio_socket *socket;  /* one receiver; NULL: it was gone before it could be asked */
	uint64_t number;	    /* one receiver: the asker's */
	unsigned silent;	    /* nodes that did not answer */
	uint64_t missing;	    /* clients that did not */
};

/* Who wants an answer. */
struct sio_asker {
	sio_answers_fn *fn;
	void *arg;
	uint64_t number; /* one receiver: given back with the answer, for who asks much under one arg */
};

/* Where the answers of many receivers of this node go as they come. Makes no up-call to the application. */
struct sio_sink {
	void (*count)(void *arg, unsigned receivers); /* first, before any answer */
	void (*answer)(void *arg, struct sio_socket *s, const struct sio_packet *packet);
	void (*end)(void *arg); /* the last call: all have answered or left, or the time is over */
};

struct sio_gather {
	struct list link;   /* in io->gathers as long as it waits, or in io->refused */
	struct sio_job job; /* sio_gather_finish() */
	struct list acks;   /* struct sio_ack by in_gather */
	struct sio_server *io;
	struct wheel_entry timer;
	sio_answers_fn *fn;
	void *arg;
	unsigned expected, answered; /* sockets of this node */
	unsigned size;
	int64_t question;		  /* the broker's handle until its end; 0: nobody else is asked */
	uint64_t deadline;		  /* by the loop's clock */
	const struct sio_socket *refused; /* of a question to one receiver that was gone */
	const struct sio_sink *sink;	  /* answers go there with `arg`, there is no `fn` */
	size_t bytes;
	int error;
	struct sio_answers answers;
};

struct sio_ack {
	struct table_node node; /* in extra->acks, by `id` */
	uint64_t id;
	struct sio_socket *socket;
	struct sio_gather *gather; /* NULL: one receiver */
	struct list in_gather;	   /* or in io->ending */
	struct wheel_entry timer;  /* one receiver with a timeout */
	struct sio_asker ask;
};

/* One receiver, which has until then if `timed`, else as long as it is there. SIO_ERR_TOO_MANY. */
int sio_ack_wait(struct sio_socket *s, uint64_t id, bool timed, uint32_t timeout_ms, const struct sio_asker *ask);
/* One receiver that is gone: the asker hears SIO_ERR_STATE at the end of the turn. */
void sio_ack_refused(struct sio_socket *s, const struct sio_asker *ask);
/* Whoever asked with this `arg` is gone: nothing is called, and what the socket answers is ignored. */
void sio_ack_forget(struct sio_socket *s, const void *arg);
struct sio_gather *sio_gather_new(struct sio_server *io, const struct sio_asker *ask);
/* The socket will answer with this id. One that owes too many already is counted and its answer missed. */
void sio_gather_wait(struct sio_gather *g, struct sio_socket *s, uint64_t id);
/* All receivers are known: now it may end. */
void sio_gather_start(struct sio_gather *g, uint32_t timeout_ms);
/* Lasts as long as there is a socket that owes the answer. */
struct sio_gather *sio_gather_new_into(struct sio_server *io, const struct sio_sink *sink, void *arg);
/*
 * An answer; TEXT_NONE: nothing in it. SIO_ERR_TOO_BIG, SIO_ERR_SYSTEM (no memory for it): it counts as missing, and
 * the gather ends with that error.
 */
int sio_gather_add(struct sio_gather *g, struct text json, const struct attachments *attachments);
/* The other nodes' part is over. Makes no up-call. */
void sio_gather_others(struct sio_gather *g, int error, unsigned silent, uint64_t missing);
/* Ends at the end of the turn with this error. */
void sio_gather_end(struct sio_gather *g, int error);
/* The up-call; frees it. */
void sio_gather_finish(struct sio_gather *g);

/* An ACK packet. Makes up-calls. */
void sio_ack_receive(struct sio_socket *s, const struct sio_packet *packet);
/* The socket is gone: those of one receiver end with SIO_ERR_STATE. Makes up-calls. */
void sio_ack_abandon(struct sio_socket *s);

#endif
