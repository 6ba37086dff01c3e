/*
 * Sockets as they were when somebody asked: those of this node, and those that other nodes tell of. What is here is
 * a list that owns all it shows.
 */
#ifndef NODE_SOCKETIO_SIO_FETCHED_H
#define NODE_SOCKETIO_SIO_FETCHED_H

#include "node/socketio/sio_socket.h"

struct sio_fetched {
	char *names;	/* the id and the rooms, each with a NUL */
	unsigned rooms; /* names after the id */
	sio_value data, handshake;
};

struct sio_fetched_list {
	struct sio_fetched *at;
	unsigned count, size;
	struct sio_stored **kept; /* what the values lie in */
	unsigned kept_count, kept_size;
	int error; /* SIO_ERR_SYSTEM: there was no memory for some of it */
};

void sio_fetched_fini(struct sio_fetched_list *l);
void sio_fetched_add_socket(struct sio_fetched_list *l, const struct sio_socket *s);
/* A checked JSON array of {id,rooms,data,handshake} from another node; what is no such object is left out. */
void sio_fetched_add_answer(struct sio_fetched_list *l, struct text json, const struct attachments *attachments);

/* The other way: appends one socket of this node to an answer for another. */
void sio_fetched_write(const struct sio_socket *s, struct buffer *json, struct attachments *attachments);

#endif
