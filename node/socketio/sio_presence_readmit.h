/*
 * Users who were left out because there were presenceMaxUsers come in when there is room again. Without this, servers
 * whose tables were full at different moments would disagree for ever.
 */
#ifndef NODE_SOCKETIO_SIO_PRESENCE_READMIT_H
#define NODE_SOCKETIO_SIO_PRESENCE_READMIT_H

#include "node/socketio/sio_presence_state.h"

/*
 * Counts the sockets of this server that were left out, and marks the lists of other servers as wanted. Called at
 * each tick; costs nothing while nobody has been left out.
 */
void sio_presence_readmit(struct sio_presence *presence);

#endif
