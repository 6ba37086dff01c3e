/*
 * Snapshots of sockets of this node, and of sockets that other nodes report. The list owns or counts all the memory
 * that its entries point to, so sockets may end while it lives. The entries are what the application gets.
 *
 * A socket of this node costs two references, its names, and no JSON: its handshake is written when it is first read.
 */
#ifndef NODE_SOCKETIO_SIO_FETCHED_H
#define NODE_SOCKETIO_SIO_FETCHED_H

#include "common/base/arena.h"
#include "node/socketio/sio_socket.h"

/* All zero: empty. */
struct sio_fetched_list {
	sio_socket_info *at; /* the sockets of this node first */
	unsigned count, size;
	unsigned local;		    /* number of sockets of this node */
	bool unmark;		    /* take "_admin" out of the data of other nodes' sockets */
	struct arena arena;	    /* names, arrays of rooms, and the private part of each entry of this node */
	struct fetched_kept *kept;  /* the answers of other nodes */
	struct sio_stored *no_data; /* {}, shared by all sockets of this node without data */
	int error;		    /* SIO_ERR_SYSTEM: some data is missing for want of memory */
};

void sio_fetched_fini(struct sio_fetched_list *list);
/* Adds sockets of this node. Called before any sio_fetched_add_answer(). */
void sio_fetched_add_sockets(struct sio_fetched_list *list, const struct sio_selection *sockets);
/* Adds a checked JSON array of {id,rooms,data,handshake} from another node. Malformed elements are skipped. */
void sio_fetched_add_answer(struct sio_fetched_list *list, struct text json, const struct attachments *attachments);

/* Appends a socket of this node to an answer for another node. `mark`: the value of data._admin, or "". */
void sio_fetched_write(
	const struct sio_socket *s, struct text mark, struct buffer *json, struct attachments *attachments);

#endif
