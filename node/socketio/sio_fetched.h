/*
 * Snapshots of sockets of this node, and of sockets that other nodes report. The list owns all the memory that its
 * entries point to.
 */
#ifndef NODE_SOCKETIO_SIO_FETCHED_H
#define NODE_SOCKETIO_SIO_FETCHED_H

#include "node/socketio/sio_socket.h"

struct sio_fetched {
	char *names;	/* the id, then the rooms, each NUL-terminated */
	unsigned rooms; /* number of names after the id */
	sio_value data, handshake;
};

struct sio_fetched_list {
	struct sio_fetched *at;
	unsigned count, size;
	struct sio_stored **kept; /* the memory that the values point into */
	unsigned kept_count, kept_size;
	int error; /* SIO_ERR_SYSTEM: some data is missing for want of memory */
};

void sio_fetched_fini(struct sio_fetched_list *list);
void sio_fetched_add_socket(struct sio_fetched_list *list, const struct sio_socket *s);
/* Adds a checked JSON array of {id,rooms,data,handshake} from another node. Malformed elements are skipped. */
void sio_fetched_add_answer(struct sio_fetched_list *list, struct text json, const struct attachments *attachments);

/* Appends one socket of this node to an answer for another node. */
void sio_fetched_write(const struct sio_socket *s, struct buffer *json, struct attachments *attachments);

#endif
