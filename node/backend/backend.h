/*
 * Backends: applications in other processes, linked to this edge. This header is all that the process layer uses.
 * backends/PROTOCOL.md describes the protocol.
 *
 *   backend_frame    the codec of frames
 *   backend_hello    the JSON of the first frames
 *   backend_proof    the proof that a backend knows the secret
 *   backend_address  the addresses that backends dial
 *   backend_listen   accepted connections, until HELLO
 *   backend_link     one connection to a backend
 *   backend_output   what a link sends
 *   backend_links    all links of a worker
 *   backend_clients  the clients behind the backends; backend_core.h lists its parts
 *
 *   state     ends with
 *   OPEN      backend_drain(): accepts no new backends                    -> DRAINING
 *   DRAINING  backend_leave(): sends BYE on every link                    -> LEAVING
 *   LEAVING   the end of the last connection: backend_is_gone() is true   -> backend_free()
 */
#ifndef NODE_BACKEND_BACKEND_H
#define NODE_BACKEND_BACKEND_H

#include "node/backend/backend_address.h"
#include "node/backend/backend_clients.h"
#include "node/backend/backend_links.h"
#include "node/backend/backend_options.h"

#define BACKEND_ERROR_MAX OPTION_ERROR_MAX
#define BACKEND_EDGE_MAX 64 /* bytes of a node's name */

struct backend;
struct tls_options;

struct backend_setup {
	const struct backend_options *options; /* checked; borrowed until backend_free() */
	struct backend_addresses *addresses;   /* open; this backend takes over the listening sockets */
	const struct tls_options *tls; /* the server's, for tls:// addresses without a certificate of their own */
	struct text edge;	       /* the node's name, the same in all workers; borrowed until backend_free() */
	unsigned worker, workers;
	bool bus;	      /* broadcasts of backends go through the broker */
	bool history;	      /* rooms have a history; without `bus`, this worker is alone */
	uint64_t max_message; /* largest event of a client, in bytes; a frame must hold it */
	uint64_t away; /* ms over which the edge spreads closing the clients of a lost backend (onLoss "reconnect") */
	/* See backend_listen.h and backend_links.h. `pass` and `on_upstream` may be NULL. */
	int (*pass)(void *arg, struct conn *c, unsigned worker, struct text hello);
	void (*write_options)(void *arg, struct buffer *out);
	void (*on_upstream)(void *arg, struct text url, bool there);
	void *arg;
};

/* Writes a name for this node: its host name and random characters, without a NUL. Returns the length. */
size_t backend_edge_name(char out[BACKEND_EDGE_MAX]);

/* Returns 0, or ERROR_ARGUMENT, ERROR_SYSTEM or ERROR_TLS with one line in `error`. */
int backend_open(
	struct backend **out, struct loop *l, const struct backend_setup *setup, char error[BACKEND_ERROR_MAX]);
/* Gives the backends all namespaces that the application inside does not serve. Call this before the loop runs. */
void backend_serve(struct backend *b, sio_server *io);
/* Reads certificates and keys again. On ERROR_TLS, with one line in `error`, the old ones stay in use. */
int backend_reload_tls(struct backend *b, const struct tls_options *tls, char error[BACKEND_ERROR_MAX]);
/* Takes a connection that a sibling's pass() handed over. Owns `fd`, also if `b` is NULL. */
void backend_adopt(struct backend *b, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes);
/* Returns true if one of the addresses uses TLS. */
bool backend_has_tls(const struct backend *b);
void backend_drain(struct backend *b); /* these four accept NULL */
void backend_leave(struct backend *b); /* backend_drain() need not precede this */
/* Returns true if no connection of a backend is left. */
bool backend_is_gone(const struct backend *b);
void backend_free(struct backend *b);

/* Returns NULL if `b` is NULL. */
const struct backend_links_stats *backend_stats(const struct backend *b);
/* Fills `out`; all zero if `b` is NULL. */
void backend_client_stats(const struct backend *b, struct backend_clients_stats *out);

#endif
