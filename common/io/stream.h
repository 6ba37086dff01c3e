/*
 * The transport of a connection's bytes, plain TCP or TLS, behind one table of functions. The functions make no
 * up-calls; a failure is a result. TLS may have to write before it can read, and the reverse. The stream reports this
 * in two bits of the connection: read_waits_write and write_waits_read.
 */
#ifndef COMMON_IO_STREAM_H
#define COMMON_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct tls_context;

enum {
	STREAM_EOF = 0,
	STREAM_WAIT = -1,  /* would block */
	STREAM_RESET = -2, /* the socket failed */
	STREAM_TLS = -3,   /* the TLS library failed */
	STREAM_GONE = -4,  /* the peer closed during the handshake */
};

struct stream_ops {
	/* One step of the handshake. Returns 0 when it is complete. NULL for plain connections. */
	int (*handshake)(struct conn *c);
	/*
	 * Reads up to `n` bytes. Returns their number, STREAM_EOF, or a negative result. Sets c->more if bytes are
	 * left that the poll does not report.
	 */
	int64_t (*read)(struct conn *c, uint8_t *at, size_t n);
	/*
	 * Writes from the head of the output queue, which must not be empty. Returns the number of bytes accepted (>
	 * 0) or a negative result. Sets `*full` if the kernel accepts no more.
	 */
	int64_t (*write)(struct conn *c, bool *full);
	/* Closes the outgoing direction; the queue must be empty. Returns 0 when FIN has been sent. */
	int (*shutdown)(struct conn *c);
	void (*free)(struct conn *c);
};

extern const struct stream_ops stream_plain;
extern const struct stream_ops stream_tls;

/* Creates c->ssl. The handshake begins with its first step. */
void stream_tls_start(struct conn *c, struct tls_context *context);

/*
 * Calls recv(), handles EINTR and updates the counters. Returns > 0, STREAM_EOF, STREAM_WAIT or STREAM_RESET.
 * Bypasses TLS.
 */
int64_t stream_receive(struct conn *c, void *at, size_t n);

/* The counterpart for send(). It never raises SIGPIPE. */
int64_t stream_transmit(struct conn *c, const void *at, size_t n);

#endif
