/* The two chains of middlewares. Neither knows what comes after it. */
#ifndef NODE_SOCKETIO_SIO_MIDDLEWARE_H
#define NODE_SOCKETIO_SIO_MIDDLEWARE_H

#include "node/socketio/sio_event.h"
#include "node/socketio/sio_step.h"

/*
 * Middlewares of the namespace, then `then`, now or later, unless the socket is gone by then. `refusal` is the step
 * that was refused, NULL: all have let it pass.
 */
void sio_middleware_connect(struct sio_socket *s, void (*then)(struct sio_socket *s, const struct sio_step *refusal));
/*
 * Those of events; true: all have passed, dispatch it now. False: refused, or they wait, and then dispatch it
 * themselves.
 */
bool sio_middleware_event(struct sio_socket *s, struct sio_event *event);

#endif
