/*
 * Backends: applications in processes of their own, behind the edge. This is all that the process layer sees of
 * them; the protocol is in backends/PROTOCOL.md.
 *
 *   backend_frame    the codec
 *   backend_hello    the JSON of the first frames;  backend_proof: of the secret
 *   backend_address  where backends dial;  backend_listen: how they come in
 *   backend_link     one connection to a backend, what goes out in backend_output;  backend_links: all of a worker
 *   backend_clients  the clients behind them; its parts are named in backend_core.h
 *
 *   state     goes on by
 *   OPEN      backend_drain() -> DRAINING: no new backends
 *   DRAINING  backend_leave() -> LEAVING: BYE to all
 *   LEAVING   the last connection has ended: backend_is_gone() -> backend_free()
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
	const struct backend_options *options; /* borrowed for its life, checked */
	struct backend_addresses *addresses;   /* open; the sockets are taken */
	const struct tls_options *tls; /* the server's, for tls:// addresses without a certificate of their own */
	struct text edge;	       /* the node's name, the same in all workers; borrowed for its life */
	unsigned worker, workers;
	uint64_t max_message; /* bytes that a client may send in one event: it must fit into a frame */
	uint64_t away;	      /* ms over which clients are sent away whose backend wants that when it is lost */
	/* See backend_listen.h and backend_links.h; pass may be NULL, on_upstream too. */
	int (*pass)(void *arg, struct conn *c, unsigned worker, struct text hello);
	void (*write_options)(void *arg, struct buffer *out);
	void (*on_upstream)(void *arg, struct text url, bool there);
	void *arg;
};

/* A name for this node, no NUL at its end: the machine's, and something random. Returns its length. */
size_t backend_edge_name(char out[BACKEND_EDGE_MAX]);

/* ERROR_ARGUMENT, ERROR_SYSTEM, ERROR_TLS with one line in `error`. */
int backend_open(
	struct backend **out, struct loop *l, const struct backend_setup *setup, char error[BACKEND_ERROR_MAX]);
/* Backends answer for all namespaces that the application inside does not have. Before the loop runs. */
void backend_serve(struct backend *b, sio_server *io);
/* Reads certificates and keys again. ERROR_TLS with one line in `error`: the old ones stay. */
int backend_reload_tls(struct backend *b, const struct tls_options *tls, char error[BACKEND_ERROR_MAX]);
/* A connection that a sibling's pass() gave away; owns `fd`. `b` may be NULL. */
void backend_adopt(struct backend *b, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes);
bool backend_has_tls(const struct backend *b);
void backend_drain(struct backend *b); /* these four accept NULL */
void backend_leave(struct backend *b); /* also without backend_drain() */
bool backend_is_gone(const struct backend *b);
void backend_free(struct backend *b);

/* NULL: there are none. */
const struct backend_links_stats *backend_stats(const struct backend *b);
void backend_client_stats(const struct backend *b, struct backend_clients_stats *out);

#endif
