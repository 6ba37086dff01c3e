/*
 * A connection: one socket, plain or TLS, with its output queue.
 *
 * Data goes up by callback, down by call, and a downward call never calls up:
 * conn_send() queues a reference and marks the connection dirty, no syscall,
 * no error. One write per turn carries all that was queued.
 *
 * Life: made by conn_new() (the listener does). conn_close() works anywhere,
 * any number of times, also inside the connection's own callbacks: it stops the watchers and
 * marks it dead. The end of the turn calls on_closed, then frees. A pointer is good until
 * on_closed returns; after each up-call the caller re-checks conn_dead(), nothing more.
 *
 * The owner changes during life (HTTP, then WebSocket): conn_set_owner().
 */
#ifndef COMMON_IO_CONN_H
#define COMMON_IO_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/block.h"
#include "common/io/io_tables.h"
#include "common/base/text.h"
#include "common/io/loop.h"

struct conn;
struct tls_context;

struct conn_ops {
	/*
	 * Bytes arrived. `data` is writable scratch, good during the call only. Returns how many bytes
	 * were consumed (0..n). The rest is kept and given again in front of newly read bytes; when it
	 * reaches conn_limits.max_kept, reading stops until conn_resume(). An owner that handles many things in one
	 * call looks at conn_share_spent() after each, and returns when it is true: the rest is given again in a
	 * later turn.
	 */
	size_t (*on_data)(struct conn *c, uint8_t *data, size_t n);

	/* The output queue ran empty after it held something. May be NULL. */
	void (*on_drain)(struct conn *c);

	/*
	 * The peer sent FIN, or close_notify by TLS, while we still may write (half close). NULL: conn_finish() with
	 * REASON_PEER_CLOSED. Kept bytes that were not consumed are dropped.
	 */
	void (*on_eof)(struct conn *c);

	/* The last call. Afterwards the memory is gone. */
	void (*on_closed)(struct conn *c, unsigned reason);
};

struct conn_limits {
	size_t max_queue;   /* bytes waiting for the peer, 16 more per conn_send(); beyond: REASON_SLOW_READER. 0: no
			       limit */
	size_t max_kept;    /* bytes given to on_data and not consumed; at most LOOP_SCRATCH_SIZE / 2 */
	uint64_t stall_ms;  /* queue not empty and no byte taken for so long: REASON_STALLED */
	uint64_t tls_ms;    /* TLS handshake */
	uint64_t linger_ms; /* conn_finish(): wait so long for the peer's FIN, discarding input */
};

/* Takes over `fd` (non-blocking, accepted); `tls` NULL means plain. `limits` is borrowed, must outlive the
 * connection. */
struct conn *conn_new(struct loop *l, int fd, const struct sockaddr *peer, socklen_t peer_len,
	struct tls_context *tls, const struct conn_limits *limits, const struct conn_ops *ops, void *owner);

/*
 * It belongs to the server, not to a client (the bus, the admin port): it is not counted in loop->connections, what
 * it does from now on not in loop->counters and loop->queued, and conn_finish_all() and conn_close_all() leave it
 * alone. Its owner ends it before the loop does.
 */
void conn_set_service(struct conn *c);
/*
 * Of a service whose peer sends in answer to clients: when the turn is spent it waits for the next one, as they do.
 */
void conn_set_patient(struct conn *c);

/*
 * Inside on_data the new owner is given the bytes not consumed as soon as on_data returns. Elsewhere kept bytes wait:
 * conn_resume() gives them to the new owner.
 */
void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner);
/*
 * Is on_drain to be called? Yes until told otherwise, and again after conn_set_owner(). An owner that seldom has a
 * use for it spares each write a look at its memory.
 */
void conn_want_drain(struct conn *c, bool wanted);
void *conn_owner(const struct conn *c);
struct loop *conn_loop(const struct conn *c);
/* Those of the loop that what this connection does is counted in. */
struct counters *conn_counters(const struct conn *c);

/* Queues bytes [from, from + n) of `block`, taking a reference of its own. Nothing happens on a dead or finishing
 * connection. Beyond the loop's budget the largest holders of memory are closed, this one too if it is among them. */
void conn_send(struct conn *c, struct block *block, size_t from, size_t n);

/* Queues a copy of the bytes. Without memory for it the connection ends: REASON_NO_MEMORY. */
void conn_send_copy(struct conn *c, const void *bytes, size_t n);

/* Bytes queued and not yet taken by the kernel. 0 means "writable now" in Socket.IO's sense. */
size_t conn_queued(const struct conn *c);

/*
 * What the owner keeps for this peer, of a size that the peer chooses: its unfinished message, the head of its
 * request. The whole number each time it has changed; counts in the loop's budget. A new owner begins with what it
 * says itself.
 */
void conn_hold(struct conn *c, size_t bytes);

/* Ends at once: what is queued is dropped. The first reason stays. */
void conn_close(struct conn *c, unsigned reason);

/* The same, and the peer is told that what it got is not all (RST), where it could take a FIN for the end of it. */
void conn_reset(struct conn *c, unsigned reason);

/* The same, counted and logged, when there is no memory for what the peer brought or asked for. */
void conn_no_memory(struct conn *c);

/*
 * Ends in good order: what is queued is written, then FIN (TLS: close_notify first), then input is discarded
 * until the peer's FIN or linger_ms. Further conn_send() are ignored, on_data is not called any more. A deadline
 * stays armed: it may bound the whole of it.
 */
void conn_finish(struct conn *c, unsigned reason);

/*
 * Ends our direction alone: what is queued is written, then FIN; input goes on. Further conn_send() are ignored. The
 * owner closes the connection when it has had enough.
 */
void conn_end(struct conn *c);

/* conn_finish() for every connection of the loop: the end of a server. */
void conn_finish_all(struct loop *l, unsigned reason);

/* conn_close() for every one: the end of a server's patience. */
void conn_close_all(struct loop *l, unsigned reason);

/* For on_data: the connection has had its share of this turn, see loop.h. A service's never ends. */
bool conn_share_spent(const struct conn *c);

/*
 * For on_data: the bytes had arrived, as far as can be told, when those of the call before did. So the peer sent them
 * before it could read what was sent since.
 */
bool conn_continues(const struct conn *c);

/* Calls `visit` for each client's connection of the loop, the dead too until their last call; it may close them. */
void conn_each(struct loop *l, void (*visit)(struct conn *c, void *user), void *user);

bool conn_dead(const struct conn *c);	   /* closed: only on_closed is still to come */
bool conn_finishing(const struct conn *c); /* conn_finish() was called */

/*
 * Gives kept bytes to on_data again at the end of this turn and reads on. Call it when a reason for not
 * consuming is over (the answer before a pipelined request is sent).
 */
void conn_resume(struct conn *c);

/* Bytes that were read and that on_data has not consumed; good until it is called again. Not for use inside on_data.
 */
struct text conn_kept(const struct conn *c);

/*
 * Puts bytes in front of what the socket gives, as if they had been read from it: for a connection that another
 * process began to read. Before anything was read here; on_data gets them at the end of the turn.
 */
#define CONN_PUT_BACK_MAX (LOOP_SCRATCH_SIZE + 64 * 1024)
void conn_put_back(struct conn *c, const void *bytes, size_t n);

/* Stops reading until conn_resume(), for an owner that consumes all that it is given and can take no more. */
void conn_pause(struct conn *c);

/* One deadline for the owner's use, in place of a timer object. Fires once with conn alive. after_ms 0 disarms. */
void conn_set_deadline(struct conn *c, uint64_t after_ms, void (*fire)(struct conn *c));

/* Also true for a plain connection behind which another process of ours speaks TLS with the client. */
bool conn_is_tls(const struct conn *c);
void conn_set_secure(struct conn *c);
/* True if another process that is given the descriptor can go on with the connection: there is no TLS in this one. */
bool conn_is_movable(const struct conn *c);
/* Other limits from now on; borrowed. */
void conn_set_limits(struct conn *c, const struct conn_limits *limits);
int conn_fd(const struct conn *c);

/* The peer's address without port ("192.0.2.1", "::1"; IPv4-mapped IPv6 kept as "::ffff:192.0.2.1" like Node.js; ""
 * for a unix socket). */
#define CONN_ADDRESS_MAX 64
struct text conn_peer_address(const struct conn *c, char out[CONN_ADDRESS_MAX]);
/* Address and port in the kernel's form; its length, 0 for a unix socket. */
socklen_t conn_peer(const struct conn *c, struct sockaddr_storage *out);

/* The peer came by a unix socket. */
bool conn_is_local(const struct conn *c);
/* Which process connected, and whose it is. False: it did not come by a unix socket. */
struct conn_credentials {
	long pid, uid;
};
bool conn_peer_credentials(const struct conn *c, struct conn_credentials *out);
/* Bytes that the peer's kernel has not confirmed for so long end the connection: a cut that no FIN tells. Not by a
 * unix socket. */
void conn_set_cut_timeout(struct conn *c, uint64_t ms);

#endif
