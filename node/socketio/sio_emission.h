/*
 * The path of an event whose arguments are already packed:
 *
 *   sio_emit.c       packs the arguments        | sio_raw.c checks a text | sio_cluster_in.c takes one from the bus
 *   sio_emission.c   selects the receivers (sio_rooms.h), describes the packet (sio_outgoing.h), registers acks
 *   sio_deliver.c    delivers on this node; the first receiver of each parser has the packet encoded
 *   sio_cluster.c    publishes to the other nodes
 *
 * Each step calls only the next. No step makes an up-call, except to listeners of outgoing packets.
 */
#ifndef NODE_SOCKETIO_SIO_EMISSION_H
#define NODE_SOCKETIO_SIO_EMISSION_H

#include "broker/wire.h"
#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_target.h"

/* An event and its receivers. All pointers are borrowed. */
struct sio_emission {
	struct sio_nsp *nsp;
	struct sio_content what; /* a checked array that begins with the name; every attachment has its placeholder */
	struct text name;	 /* decoded, NUL-terminated; TEXT_NONE: decoded from `what` when needed */
	unsigned flags;		 /* SIO_FLAG_: volatile, no compression, local, timeout */
	bool remote;		 /* the event comes from another node */
	struct wire_mark mark;	 /* of a remote or released event in the history of a room; origin 0: none */
	bool released;	    /* the event was held (sio_stream_hold.c, sio_history_hold.c), and is delivered now */
	bool has_id;	    /* released: an acknowledgement with the id `id` is awaited */
	uint64_t id, entry; /* entry: number of the event in its stream; 0: none */
	uint32_t timeout_ms;
	struct sio_asker ask; /* fn NULL: no acknowledgements */
	struct sio_scratch *scratch;
};

/*
 * Sends to one socket, even while its middlewares run. Returns 0, SIO_ERR_TOO_BIG or SIO_ERR_TOO_MANY. If the socket
 * has left, the result is 0.
 */
int sio_emission_one(const struct sio_emission *emission, struct sio_socket *s);
/*
 * Sends to sockets of the namespace on all nodes. This node's sockets are served first, whatever happens to the
 * others. Returns 0 or an error. After an error no socket has got the event, with one exception: an event that is too
 * big only for the bus has reached this node's sockets.
 */
int sio_emission_many(const struct sio_emission *emission, const struct sio_selector *who);
/*
 * Sends to scratch->selection, sockets of this node. Calls sink->count() first, then sink->answer() for each answer,
 * and sink->end() when no socket is left that could answer, or after timeout_ms. Returns the number of receivers, or
 * an error; after an error sink->count() has not been called. The event is recorded for the sockets that `who`
 * selects; with NULL it is not recorded.
 */
int sio_emission_here(
	const struct sio_emission *emission, const struct sio_selector *who, const struct sio_sink *sink, void *arg);

/* Answers the event that the client sent with this id. Returns 0, SIO_ERR_TOO_BIG or SIO_ERR_TOO_MANY. */
int sio_emission_answer(
	struct sio_socket *s, uint64_t id, const struct sio_content *what, struct sio_scratch *scratch);

#endif
