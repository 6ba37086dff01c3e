/*
 * Connections of backends from accept to HELLO. The worker that accepts a connection reads HELLO. If HELLO names a
 * sibling, the connection moves to that worker.
 *
 *   state    event                                            next
 *   ASKED    accepted; CHALLENGE is sent                      ASKED
 *   BROUGHT  a sibling has checked HELLO and passed it on     BROUGHT: HELLO is read again
 *   both     HELLO is good and names this worker              a link: backend_links_add()
 *   ASKED    HELLO is good and names a sibling                LEAVING
 *   LEAVING  CHALLENGE is sent, the sibling takes over        gone
 *   LEAVING  the sibling cannot take the connection           REFUSED "full"
 *   any      HELLO is bad, late or unwelcome                  REFUSED: BYE, then the connection ends
 *   any      the peer ends the connection                     gone
 */
#ifndef NODE_BACKEND_BACKEND_LISTEN_H
#define NODE_BACKEND_BACKEND_LISTEN_H

#include "node/backend/backend_address.h"
#include "node/backend/backend_links.h"

/* Connections of one worker that are not links. When one more comes, the oldest of them is closed. */
#define BACKEND_GUESTS_MAX 64
#define BACKEND_HELLO_MS 5000

struct tls_context;

struct backend_listen_setup {
	struct text edge;
	struct text secret; /* TEXT_NONE: no secret is needed */
	uint64_t cut_ms;    /* conn_set_cut_timeout() */
	/*
	 * Moves the connection to a sibling, with the bytes of HELLO before its unread input. Returns 0 if the
	 * sibling now owns the connection, otherwise an errno. NULL: this worker has no siblings.
	 */
	int (*pass)(void *arg, struct conn *c, unsigned worker, struct text hello);
	void *arg;
};

struct backend_listen;

/* Takes over the sockets of `addresses`. The texts in `setup` are borrowed; `tls` may be NULL. */
struct backend_listen *backend_listen_new(struct loop *l, struct backend_links *links,
	struct backend_addresses *addresses, struct tls_context *tls, const struct backend_listen_setup *setup);
/* Sets the certificate for new connections; `tls` is borrowed. */
void backend_listen_set_tls(struct backend_listen *bl, struct tls_context *tls);
/* Takes a connection that a sibling's pass() handed over. Owns `fd`. */
void backend_listen_adopt(
	struct backend_listen *bl, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes);
/* Stops accepting, and refuses the connections that have not become links. */
void backend_listen_stop(struct backend_listen *bl);
/* Returns the number of connections that are not links yet, or that are about to end. */
unsigned backend_listen_count(const struct backend_listen *bl);
void backend_listen_free(struct backend_listen *bl); /* backend_listen_count() must be 0; accepts NULL */

#endif
