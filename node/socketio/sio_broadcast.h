/*
 * Outgoing packets: encoded once, sent to any number of sockets. The part that delivers on this node takes an encoded
 * packet and room names, so that a broker can hand in what other nodes published.
 */
#ifndef NODE_SOCKETIO_SIO_BROADCAST_H
#define NODE_SOCKETIO_SIO_BROADCAST_H

#include "node/socketio/sio_event.h"
#include "node/socketio/sio_rooms.h"

/* sio_target.flags */
enum {
	SIO_FLAG_ONLY = 1, /* target.socket is the only receiver */
	SIO_FLAG_VOLATILE = 2,
	SIO_FLAG_NO_COMPRESS = 4,
	SIO_FLAG_LOCAL = 8,
	SIO_FLAG_TIMEOUT = 16,	 /* target.timeout was given */
	SIO_FLAG_TOO_MANY = 32,	 /* more rooms than fit */
	SIO_FLAG_MALFORMED = 64, /* a room was NULL */
};

/*
 * Describes what scratch->payload holds; `type` is SIO_EVENT or SIO_ACK. SIO_ERR_TOO_MANY, SIO_ERR_TOO_BIG.
 */
int sio_outgoing_make(struct sio_outgoing *out, const struct sio_nsp *nsp, enum sio_packet_type type,
	const uint64_t *id, struct sio_scratch *scratch, unsigned flags);
/* Nothing for a socket that cannot be sent to. */
void sio_outgoing_send(struct sio_outgoing *out, struct sio_socket *s, unsigned flags);

/* `outgoing`: what listeners of outgoing packets see; NULL: they are not called. */
void sio_deliver(
	const struct sio_selection *to, struct sio_outgoing *out, unsigned flags, struct sio_event *outgoing);
bool sio_nsp_hears_outgoing(const struct sio_nsp *nsp);

/* The rooms of a target as a selector; holds memory only when there are many. */
struct sio_target_rooms {
	struct sio_selector who;
	struct text few[2 * SIO_TARGET_ROOMS];
	struct text *many;
};
/* 0, SIO_ERR_TOO_MANY, SIO_ERR_ARGUMENT. */
int sio_target_rooms(struct sio_target_rooms *r, const sio_target *t);
void sio_target_rooms_fini(struct sio_target_rooms *r);

/* Sockets of a target that are on this node, those of a parent's children too. `out` is replaced. */
int sio_target_select(const sio_target *t, struct sio_selection *out);

#endif
