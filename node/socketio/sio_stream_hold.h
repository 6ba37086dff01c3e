/*
 * Holds the events of this worker until they are read back from the stream (sio_stream.h). The functions are those
 * of struct sio_stream_ops.
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_HOLD_H
#define NODE_SOCKETIO_SIO_STREAM_HOLD_H

#include "node/socketio/sio_stream_state.h"

bool sio_stream_hold_one(const struct sio_emission *emission, struct sio_socket *s, const uint64_t *id, int *rc);
bool sio_stream_hold_many(const struct sio_emission *emission, const struct sio_selector *who, int *rc);
uint64_t sio_stream_number_unheld(struct sio_stream *stream, struct sio_nsp *nsp);
void sio_stream_on_own(struct sio_nsp *nsp, uint64_t number, uint64_t entry);
bool sio_stream_find_place(struct sio_nsp *nsp, struct sio_stream_place *place);

void sio_stream_hold_init(struct sio_stream *stream);
/* Delivers all held events, without offsets. */
void sio_stream_hold_fini(struct sio_stream *stream);

#endif
