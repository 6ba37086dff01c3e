/*
 * How a backend comes in: from accept to HELLO. Whichever worker accepted reads HELLO; where that names a sibling,
 * the connection goes there.
 *
 *   state    event                                            next
 *   ASKED    accepted; CHALLENGE is sent                      ASKED
 *   BROUGHT  a sibling has read and checked HELLO             BROUGHT: it comes again, in front
 *   both     HELLO is good and for this worker                a link: backend_links_add()
 *   ASKED    HELLO is good and for a sibling                  LEAVING
 *   LEAVING  CHALLENGE has left, the sibling takes it         gone
 *   LEAVING  the sibling takes nothing                        REFUSED "full"
 *   any      BYE is due: HELLO is bad, late or unwelcome      REFUSED: the connection ends after BYE
 *   any      the peer ends the connection                     gone
 */
#ifndef NODE_BACKEND_BACKEND_LISTEN_H
#define NODE_BACKEND_BACKEND_LISTEN_H

#include "node/backend/backend_address.h"
#include "node/backend/backend_links.h"

#define BACKEND_GUESTS_MAX 64 /* connections of one worker that have not said HELLO */
#define BACKEND_HELLO_MS 5000

struct tls_context;

struct backend_listen_setup {
	struct text edge;
	struct text secret; /* TEXT_NONE: none is asked for */
	uint64_t cut_ms;    /* conn_set_cut_timeout() */
	/*
	 * Gives the connection to a sibling: with the bytes of HELLO in front of what it has kept. 0: it is not ours
	 * any more; else an errno. NULL: there are no siblings.
	 */
	int (*pass)(void *arg, struct conn *c, unsigned worker, struct text hello);
	void *arg;
};

struct backend_listen;

/* Takes the sockets of `addresses`. What the texts of `setup` point to is borrowed; `tls` may be NULL. */
struct backend_listen *backend_listen_new(struct loop *l, struct backend_links *links,
	struct backend_addresses *addresses, struct tls_context *tls, const struct backend_listen_setup *setup);
/* Connections from now on get another certificate; borrowed. */
void backend_listen_set_tls(struct backend_listen *bl, struct tls_context *tls);
/* From a sibling that called pass(): owns `fd`. */
void backend_listen_adopt(
	struct backend_listen *bl, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes);
/* Accepts no more, and refuses those that are there. */
void backend_listen_stop(struct backend_listen *bl);
/* Connections that are not links yet, or are about to end. */
unsigned backend_listen_count(const struct backend_listen *bl);
void backend_listen_free(struct backend_listen *bl); /* none may be left; accepts NULL */

#endif
