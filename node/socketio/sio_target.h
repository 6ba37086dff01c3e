/* Whom an emit reaches: the value sio_target of sockeye.h, as rooms and as sockets of this node. */
#ifndef NODE_SOCKETIO_SIO_TARGET_H
#define NODE_SOCKETIO_SIO_TARGET_H

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

/* The rooms of a target as a selector; holds memory only when there are many. */
struct sio_target_rooms {
	struct sio_selector who;
	struct text few[2 * SIO_TARGET_ROOMS];
	struct text *many;
};
/* 0, SIO_ERR_TOO_MANY, SIO_ERR_ARGUMENT. */
int sio_target_rooms(struct sio_target_rooms *r, const sio_target *t);
void sio_target_rooms_fini(struct sio_target_rooms *r);

#endif
