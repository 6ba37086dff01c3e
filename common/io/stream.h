/*
 * The bytes under a connection: plain TCP or TLS, behind one table of
 * functions. None of them calls up; a failure is a result, and what the
 * stream waits for shows in two bits of the connection (read_waits_write,
 * write_waits_read), since TLS may have to write before it can read and the
 * other way round.
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
	STREAM_WAIT = -1,  /* not now */
	STREAM_RESET = -2, /* the socket failed */
	STREAM_TLS = -3,   /* the TLS library refused */
	STREAM_GONE = -4,  /* the peer ended in the middle of the handshake */
};

struct stream_ops {
	/* One step of the handshake: 0 when it is complete. Plain has none (NULL). */
	int (*handshake)(struct conn *c);
	/* Up to n bytes: > 0, STREAM_EOF, or negative. Sets c->more when bytes are left that the poll cannot see. */
	int64_t (*read)(struct conn *c, uint8_t *at, size_t n);
	/* Writes from the head of the output queue, which holds something; > 0 bytes taken. `*full`: the kernel takes
	 * no more. */
	int64_t (*write)(struct conn *c, bool *full);
	/* Ends our direction, the queue being empty: 0 when FIN is sent. */
	int (*shutdown)(struct conn *c);
	void (*free)(struct conn *c);
};

extern const struct stream_ops stream_plain;
extern const struct stream_ops stream_tls;

/* Makes c->ssl; the handshake begins with the first step. */
void stream_tls_start(struct conn *c, struct tls_context *context);

/* recv() with EINTR and the counters done: > 0, STREAM_EOF, STREAM_WAIT, STREAM_RESET. Bypasses TLS. */
int64_t stream_receive(struct conn *c, void *at, size_t n);

/* The same for send(). Never raises SIGPIPE. */
int64_t stream_transmit(struct conn *c, const void *at, size_t n);

#endif
