/*
 * The public sio_list: values that the application collects one by one, to send them as one array. The list lives
 * until the end of the turn in which it was made (sio_turn.h). The letter L of a format (sio_pack.h) copies its
 * elements.
 */
#ifndef NODE_SOCKETIO_SIO_LIST_H
#define NODE_SOCKETIO_SIO_LIST_H

#include "node/socketio/sio_payload.h"
#include "node/socketio/sio_turn.h"

struct sio_list {
	struct sio_turn_object held;
	struct sio_turn *turn;
	struct sio_payload payload; /* the elements, separated by commas */
	unsigned count;
	int error; /* the list is incomplete: it has reached the limit of an emit, or memory ran out */
};

#endif
