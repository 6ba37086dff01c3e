/*
 * What the files of the pass-through share. Private to node/upstream. Three of them call one another in a circle: the
 * pool (upstream.c) gives a request and its response (upstream_exchange.c) a connection to a target
 * (upstream_link.c), whose bytes go to the exchange, and whose place is the pool's again.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_INTERNAL_H
#define NODE_UPSTREAM_UPSTREAM_INTERNAL_H

#include "common/base/buffer.h"
#include "common/io/conn.h"
#include "common/io/dial.h"
#include "node/http/http.h"
#include "node/upstream/upstream_address.h"
#include "node/upstream/upstream_body.h"
#include "node/upstream/upstream_failure.h"
#include "node/upstream/upstream_options.h"
#include "node/upstream/upstream_response.h"

#define UPSTREAM_WINDOW (256 * 1024) /* bytes that wait on one side before the other is read no more */

struct upstream {
	struct loop *loop;
	const struct upstream_options *options;
	struct list targets; /* the next one in turn is first */
	unsigned target_count;
	struct list links;   /* all connections */
	struct list idle;    /* those that wait for a request, longest first */
	struct list waiting; /* exchanges without a connection, longest first */
	unsigned waiting_count;
	unsigned places; /* connections that are open or being made */
	unsigned running;
	struct loop_call serve; /* a place is free for one that waits */
	struct conn_limits limits;
	struct log_limit failed_log, unreachable_log;
	bool active, closing;
};

/* Lives until it was removed and nobody has it any more. */
struct upstream_target {
	struct list link; /* upstream.targets; in no list: removed */
	struct upstream_address address;
	unsigned refs, added;
	uint64_t down_until;
};

/* A connection to a target. */
struct upstream_link {
	struct list all, idle;
	struct upstream *u;
	struct upstream_target *target;
	struct conn *c;
	struct upstream_exchange *x; /* NULL: it waits for a request, or is closed */
	bool reused;		     /* had a request before */
};

/* A request on its way. The states are in upstream_exchange.c. */
struct upstream_exchange {
	struct list waiting;
	struct upstream *u;
	struct http_request *r;
	struct upstream_link *link; /* NULL: not yet */
	struct dial *dial;
	struct upstream_target *target; /* being connected to */
	struct wheel_entry timer;
	uint64_t dialed_at;
	struct buffer head; /* of the response, while it is partial */
	size_t seen;
	struct upstream_body body; /* of the response */
	uint64_t link_idle_ms;	   /* how long the connection may be kept afterwards; 0: not at all */
	unsigned tried;		   /* targets that could not be connected to */
	unsigned interims;
	bool fresh : 1; /* no connection that was used before */
	bool retried : 1;
	bool request_done : 1; /* the whole request is queued */
	bool body_begun : 1;   /* some of its body is */
	bool responding : 1;   /* bytes of the response have come */
	bool head_done : 1;    /* its head is with the client */
	bool paused : 1;       /* the response waits for the client */
};

/* --------------------------------------------------------------- upstream.c */

/* Finds a connection for it, makes one, lets it wait, or ends it. */
void upstream_assign(struct upstream_exchange *x);
/* What those that wait are waiting for. */
enum upstream_failure upstream_lack(const struct upstream *u);
/* It waits no more. */
void upstream_unwait(struct upstream_exchange *x);
void upstream_target_ref(struct upstream_target *t);
void upstream_target_unref(struct upstream_target *t);
/* A connection, or the making of one, is over. */
void upstream_place_free(struct upstream *u);

/* ---------------------------------------------------------- upstream_link.c */

/* Takes over the descriptor, for this exchange. */
struct upstream_link *upstream_link_new(struct upstream_exchange *x, struct upstream_target *t, int fd,
	const struct sockaddr *peer, socklen_t peer_len);
/* It has a request again. */
void upstream_link_use(struct upstream_link *k, struct upstream_exchange *x);
/* Its exchange is over: it waits for the next one for so long, or is closed (0). */
void upstream_link_release(struct upstream_link *k, uint64_t idle_ms);
/* It becomes one side of a tunnel with `client`. */
void upstream_link_tunnel(struct upstream_link *k, struct conn *client);

/* ------------------------------------------------------ upstream_exchange.c */

void upstream_exchange_start(struct upstream *u, struct http_request *r);
/* Its place in the pool: a connection that is open, or one to make. */
void upstream_exchange_attach(struct upstream_exchange *x, struct upstream_link *k);
void upstream_exchange_dial(struct upstream_exchange *x, struct upstream_target *t);
void upstream_exchange_wait(struct upstream_exchange *x);
void upstream_exchange_fail(struct upstream_exchange *x, enum upstream_failure why);

/* From its connection: bytes, of which it takes some; room for more; the end of them, in good order or not. */
size_t upstream_exchange_read(struct upstream_exchange *x, const uint8_t *data, size_t n);
void upstream_exchange_drained(struct upstream_exchange *x);
void upstream_exchange_ended(struct upstream_exchange *x, unsigned reason);

#endif
