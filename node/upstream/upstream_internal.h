/*
 * Shared by the files of the pass-through; private to node/upstream. Three files call one another: the pool
 * (upstream.c) gives an exchange (upstream_exchange.c) a connection to a target (upstream_link.c); the connection
 * passes its bytes to the exchange, and returns its place to the pool when it ends.
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

#define UPSTREAM_WINDOW (256 * 1024) /* bytes that may wait on one side before the other side is no longer read */

struct upstream {
	struct loop *loop;
	const struct upstream_options *options;
	struct list targets; /* struct upstream_target; the first one is next in turn */
	unsigned target_count;
	struct list links;   /* all connections */
	struct list idle;    /* connections without a request, longest idle first */
	struct list waiting; /* exchanges without a connection, longest waiting first */
	unsigned waiting_count;
	unsigned places; /* connections that are open or being made */
	unsigned running;
	struct loop_call serve; /* gives free places to waiting exchanges */
	struct conn_limits limits;
	struct log_limit failed_log, unreachable_log;
	bool active, draining, closing;
};

/* Lives until it is removed and the last reference is gone. */
struct upstream_target {
	struct list link; /* in upstream.targets; in no list once removed */
	struct upstream_address address;
	unsigned refs;
	unsigned added;	     /* how often it was added and not yet removed */
	uint64_t down_until; /* skipped until then, by the loop's clock */
};

/* A connection to a target. */
struct upstream_link {
	struct list all, idle;
	struct upstream *upstream;
	struct upstream_target *target;
	struct conn *c;
	struct upstream_exchange *exchange; /* NULL: idle or closed */
	bool reused;			    /* has carried an earlier request */
};

/* A request under way. The states are in upstream_exchange.c. */
struct upstream_exchange {
	struct list waiting;
	struct upstream *upstream;
	struct http_request *request;
	struct upstream_link *link; /* NULL: none yet */
	struct dial *dial;
	struct upstream_target *target; /* the target that is being dialed */
	struct wheel_entry timer;
	uint64_t dialed_at;
	struct buffer head;	   /* of the response, while it is incomplete */
	size_t seen;		   /* bytes of `head` that upstream_head_find() has examined */
	struct upstream_body body; /* of the response */
	uint64_t link_idle_ms;	   /* how long the link may stay idle after the response; 0: it is closed */
	unsigned tried;		   /* targets that could not be connected to */
	unsigned interims;	   /* 1xx responses passed on */
	bool fresh : 1;		   /* needs a new connection, not a reused one */
	bool retried : 1;
	bool request_done : 1; /* the whole request is queued */
	bool body_begun : 1;   /* some of its body is queued */
	bool responding : 1;   /* bytes of the response have come */
	bool head_done : 1;    /* the head of the response was passed on */
	bool paused : 1;       /* the response waits for the client */
};

/* --------------------------------------------------------------- upstream.c */

/* Gives the exchange a connection, dials one, lets the exchange wait, or ends it. */
void upstream_assign(struct upstream_exchange *exchange);
/* Returns why exchanges have to wait: UPSTREAM_BUSY or UPSTREAM_NONE. */
enum upstream_failure upstream_lack(const struct upstream *upstream);
/* Takes the exchange out of the queue. */
void upstream_unwait(struct upstream_exchange *exchange);
/* Count the references to a target. The last reference frees a target that has been removed. */
void upstream_target_ref(struct upstream_target *target);
void upstream_target_unref(struct upstream_target *target);
/* A connection or a dial has ended: its place is free. */
void upstream_place_free(struct upstream *upstream);

/* ---------------------------------------------------------- upstream_link.c */

/* Makes a link for this exchange. Takes over `fd`. */
struct upstream_link *upstream_link_new(struct upstream_exchange *exchange, struct upstream_target *target, int fd,
	const struct sockaddr *peer, socklen_t peer_len);
/* Gives an idle link a new exchange. */
void upstream_link_use(struct upstream_link *link, struct upstream_exchange *exchange);
/* The exchange of this link is over. The link stays idle for `idle_ms`, or is closed if that is 0. */
void upstream_link_release(struct upstream_link *link, uint64_t idle_ms);
/* Makes the link one side of a tunnel with `client`. */
void upstream_link_tunnel(struct upstream_link *link, struct conn *client);

/* ------------------------------------------------------ upstream_exchange.c */

/* Begins to pass on a request, whose answer comes from the exchange. */
void upstream_exchange_start(struct upstream *upstream, struct http_request *request);
/* The pool gives the exchange an open connection, makes it dial a target, or lets it wait in the queue. */
void upstream_exchange_attach(struct upstream_exchange *exchange, struct upstream_link *link);
void upstream_exchange_dial(struct upstream_exchange *exchange, struct upstream_target *target);
void upstream_exchange_wait(struct upstream_exchange *exchange);
void upstream_exchange_fail(struct upstream_exchange *exchange, enum upstream_failure why);

/* Bytes have come from the link. Returns how many of them were used. */
size_t upstream_exchange_read(struct upstream_exchange *exchange, const uint8_t *data, size_t n);
/* The link has sent all its queued bytes. */
void upstream_exchange_drained(struct upstream_exchange *exchange);
/* The connection of the link has ended. */
void upstream_exchange_ended(struct upstream_exchange *exchange, unsigned reason);

#endif
