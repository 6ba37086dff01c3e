/*
 * A connection: one socket, plain or TLS, with its output queue.
 *
 * Data goes up by callback and down by call, and a downward call never calls up. conn_send() queues a reference and
 * marks the connection dirty; it returns no error. One write per turn sends everything that was queued, or a part of
 * it if it is long. conn_send() itself writes only if the queue is full.
 *
 * conn_new() creates a connection, usually called by the accept callback of a listener. conn_close() may be called
 * anywhere and any number of times, even from the connection's own callbacks: it stops the watchers and marks the
 * connection dead. The end of the turn calls on_closed and then frees the connection. A pointer is valid until
 * on_closed returns. After each up-call, the caller only needs to check conn_dead().
 *
 * If a write fails, the peer is gone. The owner still gets what the peer had sent before, in the same turn if it is
 * not too much, and then on_closed with REASON_RESET. Until then, conn_send() and conn_end() do nothing, the queue
 * stays as it is, conn_sends() is false, and on_drain and on_eof are not called. If the owner has paused, a client's
 * connection waits for conn_resume() for linger_ms at most, and a service's, or a client's without linger_ms, for
 * stall_ms. A connection without these limits, one that is finishing, and one whose input has ended close at once.
 *
 * The owner may change during the life of a connection (HTTP, then WebSocket): see conn_set_owner().
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
	 * Bytes have arrived. `data` is writable scratch memory, valid during the call. Returns the number of bytes
	 * consumed (0..n). The rest is kept and passed again, in front of newly read bytes. If the kept bytes reach
	 * conn_limits.max_kept, reading stops until conn_resume(). An owner that handles many items in one call
	 * checks conn_share_spent() after each and returns if it is true; the rest is passed again in a later turn.
	 */
	size_t (*on_data)(struct conn *c, uint8_t *data, size_t n);

	/* The output queue has become empty. May be NULL. */
	void (*on_drain)(struct conn *c);

	/*
	 * The peer sent FIN, or close_notify over TLS, and writing is still possible (half close). NULL:
	 * conn_finish() with REASON_PEER_CLOSED. Kept bytes are dropped.
	 */
	void (*on_eof)(struct conn *c);

	/* The last call. The connection is freed afterwards. */
	void (*on_closed)(struct conn *c, unsigned reason);
};

struct conn_limits {
	/* maximum bytes waiting for the peer, plus 16 per conn_send(); beyond: REASON_SLOW_READER. 0: no limit */
	size_t max_queue;
	size_t max_kept;    /* maximum bytes passed to on_data and not consumed; at most LOOP_SCRATCH_SIZE / 2 */
	uint64_t stall_ms;  /* the peer accepted no queued byte for this long: REASON_STALLED */
	uint64_t tls_ms;    /* time limit of the TLS handshake */
	uint64_t linger_ms; /* conn_finish(): how long to wait for the peer's FIN, discarding input */
};

/*
 * Creates a connection that owns `fd` (non-blocking, connected). `tls` NULL: plain. `limits` is borrowed and must
 * outlive the connection.
 */
struct conn *conn_new(struct loop *l, int fd, const struct sockaddr *peer, socklen_t peer_len,
	struct tls_context *tls, const struct conn_limits *limits, const struct conn_ops *ops, void *owner);

/*
 * Marks a connection as a service: it belongs to the server rather than to a client (the bus, the admin port). It is
 * not counted in loop->connections, and its traffic from now on not in loop->counters and loop->queued.
 * conn_finish_all() and conn_close_all() skip it. Its owner must close it before the loop ends. In each turn its
 * events come before those of clients: if a backend has ended, the loop knows it before it reads what clients sent
 * later.
 */
void conn_set_service(struct conn *c);
/*
 * For a service whose peer sends in response to clients: when the turn's work is spent, the service waits for the
 * next turn, as clients do.
 */
void conn_set_patient(struct conn *c);
/*
 * For a service whose peers must have its bytes before those of all others: in each turn it is written first, even if
 * others had something to write earlier in the turn.
 */
void conn_set_ahead(struct conn *c);

/*
 * Sets a new owner. If called inside on_data, the new owner receives the unconsumed bytes as soon as on_data returns.
 * Elsewhere, kept bytes wait until conn_resume() passes them to the new owner.
 */
void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner);
/*
 * Turns on_drain off or on. It is on at first and after conn_set_owner(). An owner that seldom needs it saves each
 * write an access to the owner's memory.
 */
void conn_want_drain(struct conn *c, bool wanted);

void *conn_owner(const struct conn *c);
struct loop *conn_loop(const struct conn *c);
/* The counters that this connection's traffic is added to. */
struct counters *conn_counters(const struct conn *c);

/*
 * Queues bytes [from, from + n) of `block` and takes a reference. Does nothing on a dead or finishing connection. If
 * the loop's budget is exceeded, the largest holders of memory are closed, possibly this connection among them.
 */
void conn_send(struct conn *c, struct block *block, size_t from, size_t n);

/* Queues a copy of the bytes. If memory is short, the connection closes with REASON_NO_MEMORY. */
void conn_send_copy(struct conn *c, const void *bytes, size_t n);

/*
 * Holds the output back until conn_uncork(), as if the kernel accepted no more; nothing is lost. conn_finish() and
 * conn_end() end the hold, and after them conn_cork() has no effect. A full queue is written in spite of the hold.
 */
void conn_cork(struct conn *c);
void conn_uncork(struct conn *c);

/* Returns the bytes queued and not yet accepted by the kernel. 0 corresponds to "writable" in Socket.IO. */
size_t conn_queued(const struct conn *c);

/*
 * Reports the memory of peer-chosen size that the owner holds for this peer, such as an unfinished message or the
 * head of its request. The owner passes the total each time it changes. This total counts in the loop's budget. It
 * is reset to 0 when the owner changes.
 */
void conn_hold(struct conn *c, size_t bytes);

/* Closes the connection at once and drops queued bytes. The first reason given is kept. */
void conn_close(struct conn *c, unsigned reason);

/*
 * Like conn_close(), but sends RST, so that the peer cannot take the end of an incomplete reply for its regular end.
 */
void conn_reset(struct conn *c, unsigned reason);

/*
 * Closes the connection with REASON_NO_MEMORY, counts it and logs it, because memory was short for the peer's data.
 */
void conn_no_memory(struct conn *c);

/*
 * Closes the connection in an orderly way: queued bytes are written, then FIN is sent (over TLS, close_notify first),
 * then input is discarded until the peer's FIN or for linger_ms. Later conn_send() calls are ignored and on_data is
 * not called. A deadline stays armed and may limit how long all of this takes.
 */
void conn_finish(struct conn *c, unsigned reason);

/*
 * Closes the outgoing direction: queued bytes are written, then FIN is sent; input continues. Later conn_send() calls
 * are ignored. The owner closes the connection when it is done.
 */
void conn_end(struct conn *c);

/* Calls conn_finish() for every client's connection of the loop, when the server stops. */
void conn_finish_all(struct loop *l, unsigned reason);

/* Calls conn_close() for every client's connection, when the server stops waiting. */
void conn_close_all(struct loop *l, unsigned reason);

/*
 * For on_data: returns true if the connection has used up its share of this turn (loop.h). The share of a service
 * never ends.
 */
bool conn_share_spent(const struct conn *c);

/*
 * For on_data: returns true if these bytes probably had arrived together with those of the previous call. The peer
 * then sent them before it could read anything sent since.
 */
bool conn_continues(const struct conn *c);

/*
 * Calls `visit` for each client's connection of the loop, including dead ones until their last call. `visit` may
 * close connections.
 */
void conn_each(struct loop *l, void (*visit)(struct conn *c, void *user), void *user);

bool conn_dead(const struct conn *c);	   /* closed; only on_closed is still to come */
bool conn_finishing(const struct conn *c); /* conn_finish() was called */
bool conn_sends(const struct conn *c);	   /* open in both directions, and no write has failed */

/*
 * Passes kept bytes to on_data again at the end of this turn, and resumes reading. An owner calls it when it can
 * consume again, for example when the answer that a pipelined request had to wait for is sent.
 */
void conn_resume(struct conn *c);

/*
 * Returns the bytes that were read and not consumed, valid until on_data is called again. Not for use inside on_data.
 */
struct text conn_kept(const struct conn *c);

/*
 * Puts bytes in front of the input, as if they had been read from the socket. For a connection that another process
 * began to read; must be called before anything is read here. on_data receives the bytes at the end of the turn.
 */
#define CONN_PUT_BACK_MAX (LOOP_SCRATCH_SIZE + 64 * 1024)
void conn_put_back(struct conn *c, const void *bytes, size_t n);

/* Stops reading until conn_resume(), for an owner that consumes everything and can take no more for now. */
void conn_pause(struct conn *c);

/*
 * Sets the one deadline for the owner's use, which saves a timer object. It fires once, while the connection is
 * alive. after_ms 0 disarms it.
 */
void conn_set_deadline(struct conn *c, uint64_t after_ms, void (*fire)(struct conn *c));

/*
 * conn_is_tls() is also true for a plain connection if conn_set_secure() was called, because another process of this
 * server speaks TLS with the client.
 */
bool conn_is_tls(const struct conn *c);
void conn_set_secure(struct conn *c);
/*
 * Returns true if another process can continue the connection after receiving its descriptor, which is impossible if
 * this process speaks TLS.
 */
bool conn_is_movable(const struct conn *c);
/* Replaces the limits, which are borrowed. */
void conn_set_limits(struct conn *c, const struct conn_limits *limits);
int conn_fd(const struct conn *c);

/*
 * Writes the peer's address without its port: "192.0.2.1", "::1". An IPv4-mapped IPv6 address stays
 * "::ffff:192.0.2.1", as in Node.js. The result is "" for a unix socket.
 */
#define CONN_ADDRESS_MAX 64
struct text conn_peer_address(const struct conn *c, char out[CONN_ADDRESS_MAX]);
/* Writes address and port in the kernel's form and returns the length, 0 for a unix socket. */
socklen_t conn_peer(const struct conn *c, struct sockaddr_storage *out);

/* Returns true if the peer connected through a unix socket. */
bool conn_is_local(const struct conn *c);
/* Gets the process that connected and its user. Returns false if the peer did not connect through a unix socket. */
struct conn_credentials {
	long pid, uid;
};
bool conn_peer_credentials(const struct conn *c, struct conn_credentials *out);
/*
 * Closes the connection if the peer's kernel does not confirm sent bytes for `ms` milliseconds, which detects a
 * broken path. Does nothing for a unix socket.
 */
void conn_set_cut_timeout(struct conn *c, uint64_t ms);

#endif
