/*
 * Handing requests to the worker of this node that owns their session.
 *
 * Each worker slot has a door, a socket pair that the master opens before it forks: every worker may send to it, the
 * worker of the slot receives, and what waits in it outlives that worker. A message carries the client's descriptor,
 * its address and the bytes read from it so far; the sibling goes on as if it had accepted and read them itself, and
 * the connection stays there. Behind TLS the descriptor is one end of a socket pair, relay.h passes the bytes.
 *
 * A request goes at most once: the sibling that the sid names is the owner or nobody is.
 */
#ifndef NODE_PROCESS_HANDOVER_H
#define NODE_PROCESS_HANDOVER_H

#include <sys/socket.h>

#include "common/io/loop.h"
#include "node/http/http.h"

#define DOORS_MAX 512 /* workers of one node */

struct doors {
	unsigned count;
	int send[DOORS_MAX], receive[DOORS_MAX]; /* -1: closed */
};

/* ERROR_SYSTEM with errno; then nothing is open. */
int doors_open(struct doors *d, unsigned count);
/* In a worker: closes the ends that are the siblings'. */
void doors_keep(struct doors *d, unsigned slot);
/* In the master: nobody will receive at this slot any more. What waits there ends, senders get an error. */
void doors_shut(struct doors *d, unsigned slot);
void doors_close(struct doors *d);

/* What a connection is handed over for. */
enum handover_kind {
	HANDOVER_REQUEST, /* a client's request, or a connection without any yet */
	HANDOVER_BACKEND, /* a backend's link */
	HANDOVER_KINDS
};

/* A connection that comes from a sibling. */
struct handover_guest {
	int fd; /* the receiver's from now on */
	enum handover_kind kind;
	bool secure;
	struct sockaddr_storage peer;
	socklen_t peer_len; /* 0: unknown */
	struct text bytes;  /* to be read before those of `fd`; good during the call */
};

/* Whether nothing has been done for it yet, not even the TLS handshake: the master has accepted it, see care.h. */
static inline bool
handover_is_fresh(const struct handover_guest *g)
{
	return g->kind == HANDOVER_REQUEST && g->bytes.n == 0;
}

/* The bytes of one message: a request head and what may have been read behind it. */
#define HANDOVER_BYTES_MAX CONN_PUT_BACK_MAX

/*
 * The codec. A message is a fixed head, then the bytes; the descriptor travels beside it. handover_write() fills
 * `head`; handover_read() is 0 or ERROR_SYNTAX, `fd` is not its business.
 */
#define HANDOVER_HEAD 52
void handover_write(uint8_t head[HANDOVER_HEAD], const struct handover_guest *g);
int handover_read(const uint8_t *message, size_t n, struct handover_guest *g);

/*
 * Passes a connection that was just accepted to the worker of that slot; `fd` stays the caller's. 0, or the errno,
 * EAGAIN where too many wait there already.
 */
int handover_pass(
	const struct doors *d, unsigned slot, int fd, const struct sockaddr_storage *peer, socklen_t peer_len);

struct handover;

struct handover_setup {
	const struct doors *doors;	  /* borrowed */
	unsigned slot;			  /* our own */
	const struct conn_limits *limits; /* of relays; borrowed */
	void (*on_guest)(void *arg, const struct handover_guest *g);
	void *arg;
};

/* Takes what comes to our own door from now on. */
struct handover *handover_new(struct loop *l, const struct handover_setup *setup);

/*
 * Hands a service's connection to that slot: `bytes` were read from it, what it has kept goes behind them. 0: it is
 * closed here, or behind TLS a relay's, which handover_end_relays() ends; else an errno, and it is the caller's
 * still. Outside of its callbacks, nothing being queued.
 */
int handover_conn(struct handover *h, struct conn *c, unsigned slot, enum handover_kind kind, struct text bytes);
/* Ends the relays of services; all of them are gone when this is true. Accepts NULL. */
bool handover_end_relays(struct handover *h);

/* Requests that wait must be gone, with their connections, and relays of services. Accepts NULL. */
void handover_free(struct handover *h);

/*
 * Hands the request to that slot, which is another one than ours. To be called inside on_request(), in place of any
 * answer; it goes once the replies before it have left. A sibling that takes nothing for some time, or too many that
 * wait: 503 with Retry-After.
 */
void handover_request(struct handover *h, struct http_request *r, unsigned slot);

#endif
