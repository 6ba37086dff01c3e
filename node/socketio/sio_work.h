/* Work of the application in threads. The public function is in sockeye.h. */
#ifndef NODE_SOCKETIO_SIO_WORK_H
#define NODE_SOCKETIO_SIO_WORK_H

#include <stdbool.h>

struct sio_server;

#define SIO_WORK_PATIENCE_MS 10000 /* how long a server that closes waits for work */

/*
 * Called again and again while the server closes. Returns true when all work is done, or when the time is over; the
 * work that is left is then abandoned. Afterwards sio_work() refuses more work.
 */
bool sio_work_end(struct sio_server *io);

#endif
