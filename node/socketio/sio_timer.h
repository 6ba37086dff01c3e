/* The timers that the application has started. The public functions are in sockeye.h. */
#ifndef NODE_SOCKETIO_SIO_TIMER_H
#define NODE_SOCKETIO_SIO_TIMER_H

struct sio_server;

/* Ends all timers of the server. */
void sio_timers_stop(struct sio_server *io);

#endif
