/* serverSideEmit: events between the servers of a cluster, which no client sees. */
#ifndef NODE_SOCKETIO_SIO_SERVER_EVENT_H
#define NODE_SOCKETIO_SIO_SERVER_EVENT_H

#include "node/socketio/sio_event.h"

#define SIO_SERVER_EVENTS_KEPT 65536 /* questions of other servers that the application has not answered */

/*
 * An event of another server: its array, the name in front. `reply` NULL: no answer is wanted. Makes up-calls. An
 * event that nobody listens to is no error: whoever asked learns by the deadline that this server stays silent.
 */
int sio_server_event_receive(
	struct sio_nsp *nsp, struct text data, const struct attachments *attachments, struct broker_reply *reply);

#endif
