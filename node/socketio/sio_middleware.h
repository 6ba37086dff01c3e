/* The two chains of middlewares: for connections and for events. */
#ifndef NODE_SOCKETIO_SIO_MIDDLEWARE_H
#define NODE_SOCKETIO_SIO_MIDDLEWARE_H

#include "node/socketio/sio_event.h"
#include "node/socketio/sio_step.h"

/*
 * Runs the middlewares of the namespace, then calls `then`, now or later. `then` is not called if the socket has left
 * meanwhile. `refusal` is the refused step, or NULL if all middlewares have passed the socket.
 */
void sio_middleware_connect(struct sio_socket *s, void (*then)(struct sio_socket *s, const struct sio_step *refusal));
/*
 * Runs the middlewares for events. Returns true if all have passed the event: the caller dispatches it. Returns false
 * if one has refused the event, or has not answered yet; in the second case the chain dispatches the event later.
 */
bool sio_middleware_event(struct sio_socket *s, struct sio_event *event);

#endif
