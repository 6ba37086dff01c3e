/*
 * The way of an event that is packed already:
 *
 *   sio_emit.c       packs the arguments        | sio_raw.c checks a text | sio_cluster_in.c takes one off the bus
 *   sio_emission.c   chooses the receivers (sio_rooms.h), describes the packet (sio_outgoing.h), expects answers
 *   sio_deliver.c    this node's receivers; the first one of each parser has it encoded
 *   sio_cluster.c    tells the other nodes
 *
 * Each step calls the next and knows no other. Makes no up-call but those of listeners of outgoing packets.
 */
#ifndef NODE_SOCKETIO_SIO_EMISSION_H
#define NODE_SOCKETIO_SIO_EMISSION_H

#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_target.h"

/* An event and whom it is for. All of it is borrowed. */
struct sio_emission {
	struct sio_nsp *nsp;
	struct sio_content what; /* a checked array that begins with the name; every attachment has its placeholder */
	struct text name; /* plain, with a NUL at its end; TEXT_NONE: it is found in `what` when it is needed */
	unsigned flags;	  /* SIO_FLAG_: volatile, no compression, local, a timeout */
	uint32_t timeout_ms;
	struct sio_asker ask; /* fn NULL: no acknowledgements are wanted */
	struct sio_scratch *scratch;
};

/* To one socket, also while its middlewares run. 0, SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY; one that is gone is no error.
 */
int sio_emission_one(const struct sio_emission *m, struct sio_socket *s);
/*
 * To sockets of the namespace on all nodes, here first, whatever becomes of the others. 0, or an error, after which
 * nobody has got it, or if it is too big for the bus alone this node's sockets.
 */
int sio_emission_many(const struct sio_emission *m, const struct sio_selector *who);
/*
 * To scratch->selection, sockets of this node. With a sink: each answer goes there, sink->count() comes first, and
 * the end when no socket is left that could answer, or after timeout_ms. The number of receivers, or an error, after
 * which sink->count() has not been called.
 */
int sio_emission_here(const struct sio_emission *m, const struct sio_sink *sink, void *arg);

/* An answer to the event that a client sent with this id. 0, SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY. */
int sio_emission_answer(
	struct sio_socket *s, uint64_t id, const struct sio_content *what, struct sio_scratch *scratch);

#endif
