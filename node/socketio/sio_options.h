/* The options of this layer: their rows are in sio_options.c. */
#ifndef NODE_SOCKETIO_SIO_OPTIONS_H
#define NODE_SOCKETIO_SIO_OPTIONS_H

#include "common/base/options.h"

struct sio_options {
	uint64_t connect_timeout;	    /* ms until a connection must have joined a namespace; 45000 */
	bool serve_client;		    /* the browser bundle under the path; true */
	int cleanup_empty_child_namespaces; /* 1: yes; -1: only in a cluster, which is decided before the server
					       listens */
	uint64_t max_attachments;	    /* binary attachments of one packet; 10 */
	uint64_t max_namespaces;	    /* namespaces joined by one client */
	uint64_t max_refused_connects;	    /* CONNECTs of one client refused within SIO_REFUSED_MS */
	uint64_t max_rooms;		    /* rooms joined by one socket */
	uint64_t max_room_length;	    /* bytes of a room's name */
	uint64_t max_room_bytes;	    /* of the names of all rooms of one client */
	uint64_t max_pending_acks;	    /* unanswered acknowledgements of one socket */
	uint64_t max_children;		    /* namespaces made by patterns and functions, whole server */
};

struct option_table sio_options_table(struct sio_options *o);

#endif
