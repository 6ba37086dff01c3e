/* The receivers of an emit: the value sio_target of sockeye.h, converted to a selector. */
#ifndef NODE_SOCKETIO_SIO_TARGET_H
#define NODE_SOCKETIO_SIO_TARGET_H

#include "node/socketio/sio_rooms.h"

/* sio_target.flags */
enum {
	SIO_FLAG_ONLY = 1, /* target.socket is the only receiver */
	SIO_FLAG_VOLATILE = 2,
	SIO_FLAG_NO_COMPRESS = 4,
	SIO_FLAG_LOCAL = 8,
	SIO_FLAG_TIMEOUT = 16,	 /* target.timeout is set */
	SIO_FLAG_TOO_MANY = 32,	 /* more rooms were given than fit */
	SIO_FLAG_MALFORMED = 64, /* a room was NULL */
	SIO_FLAG_MARKED = 128,	 /* sio_raw_fetch(): keep "_admin" */
};

/* The rooms of a target as a selector. Allocates memory only for a list of rooms. */
struct sio_target_rooms {
	struct sio_selector who;
	struct text few[2 * SIO_TARGET_ROOMS];
	struct text *many;
};
/* Returns 0, SIO_ERR_TOO_MANY, SIO_ERR_ARGUMENT or SIO_ERR_SYSTEM. `out` borrows the names. */
int sio_target_rooms(struct sio_target_rooms *out, const sio_target *target);
void sio_target_rooms_fini(struct sio_target_rooms *out);

#endif
