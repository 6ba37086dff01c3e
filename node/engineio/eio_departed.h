/*
 * Remembers for a moment the sids of sessions on polling that the server has closed. The client of such a session
 * learns of the close from its poll, and may have sent a POST before that. The POST is answered with "ok" and its
 * packets are ignored. If it were refused, the client could report "transport error" instead of the server's close.
 *
 * The memory is fixed, and allocated when the first session departs. A place follows from the hash of the sid, so a
 * later sid may replace an earlier one, whose POST is then refused.
 */
#ifndef NODE_ENGINEIO_EIO_DEPARTED_H
#define NODE_ENGINEIO_EIO_DEPARTED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

/* how long a POST may be under way, or wait in a busy server, after its session has closed */
#define EIO_DEPARTED_MS 500
#define EIO_DEPARTED_MAX 1024

struct eio_departed_sid;

/* Begins as zeros. Lives in the sessions of a server. */
struct eio_departed {
	struct eio_departed_sid *sids; /* EIO_DEPARTED_MAX places; NULL: no session has departed yet */
	uint64_t until;		       /* the time at which the last one is forgotten */
};

void eio_departed_fini(struct eio_departed *departed);

/* Adds the sid, which has EIO_SID_LENGTH characters. `now` is the time of the loop in ms, here and below. */
void eio_departed_add(struct eio_departed *departed, struct text sid, uint64_t now);

/* Returns true if the sid was added within the last EIO_DEPARTED_MS and no other has replaced it. */
bool eio_departed_has(const struct eio_departed *departed, struct text sid, uint64_t now);

#endif
