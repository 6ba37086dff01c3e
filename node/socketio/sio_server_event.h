/* serverSideEmit: events between the servers of a cluster, which do not reach clients. */
#ifndef NODE_SOCKETIO_SIO_SERVER_EVENT_H
#define NODE_SOCKETIO_SIO_SERVER_EVENT_H

#include "node/socketio/sio_event.h"

#define SIO_SERVER_EVENTS_KEPT 65536 /* questions of other servers that may wait for the application's answer */

/*
 * Handles an event of another server. `data` is its array, the name first. `reply` NULL: no answer is wanted. Makes
 * up-calls. An event without listeners is not an error: the asker's deadline shows that this server did not answer.
 */
int sio_server_event_receive(
	struct sio_nsp *nsp, struct text data, const struct attachments *attachments, struct broker_reply *reply);

#endif
