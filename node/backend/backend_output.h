/*
 * What a link sends. The small parts of all frames of a turn are written one after the other into chunks; large
 * blocks are referenced. The connection therefore gets few pieces, and one system call writes them.
 *
 *   a frame is   if                                                       then
 *   ready        it fits into the window, or less than half of the        it is sent at the end of the turn
 *                window is used; and nothing waits
 *   waiting      otherwise                                                it is ready when the backend returns bytes
 *   dropped      it is larger than maxFrame, or memory is short           backend_output_end() returns false
 *
 * The link ends if more than the window and the largest frame waits, or if memory is short for the lists of
 * pieces.
 */
#ifndef NODE_BACKEND_BACKEND_OUTPUT_H
#define NODE_BACKEND_BACKEND_OUTPUT_H

#include "common/base/list.h"
#include "common/io/conn.h"
#include "node/backend/backend_frame.h"

/* Bytes of a block, with a reference to it. */
struct backend_piece {
	struct block *block;
	uint32_t from, n;
};

struct backend_pieces {
	struct backend_piece *list;
	unsigned count, size;
	size_t bytes;
};

struct backend_output_setup {
	struct conn *conn;
	uint64_t window, max_frame;
	uint64_t *frames_out;	    /* counters by type, owned by the caller */
	struct loop_call *overflow; /* deferred when the link has to end: too much waits, or memory is short */
};

/*
 * The frame under construction is in `frame`. Its small parts are in `chunk`, which many frames share.
 * backend_output_end() moves the frame to `ready`, which is sent at the end of the turn, or to `waiting` if there is
 * no window.
 */
struct backend_output {
	struct backend_output_setup setup;
	struct block *chunk; /* NULL: not allocated yet */
	uint32_t used;	     /* bytes of the chunk */
	struct backend_pieces frame, ready;
	uint8_t *head; /* of the frame under construction, in its first piece; NULL: no frame */
	struct backend_frame fields;
	bool failed;	     /* no memory for a part */
	bool no_memory;	     /* `closed` because there was no memory for a list of pieces */
	bool closed;	     /* only urgent frames are sent */
	bool stalled;	     /* the window is full, or something waits */
	struct list waiting; /* struct backend_waiting */
	size_t waiting_bytes;
	uint64_t used_window; /* bytes that the backend has not given back */
	struct loop_call flush;
};

/* `setup` is copied. */
void backend_output_init(struct backend_output *output, const struct backend_output_setup *setup);
/* Drops everything that the connection has not taken. */
void backend_output_fini(struct backend_output *output);

/* See backend_link.h for these. */
void backend_output_begin(
	struct backend_output *output, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id);
void backend_output_put(struct backend_output *output, const void *bytes, size_t n);
void backend_output_put_u32(struct backend_output *output, uint32_t value);
void backend_output_put_text(struct backend_output *output, struct text t);
void backend_output_put_block(struct backend_output *output, struct block *block);
void backend_output_put_rooms(struct backend_output *output, const struct text *rooms, unsigned n);
void backend_output_put_args(struct backend_output *output, struct text json, const struct attachments *attachments);
bool backend_output_end(struct backend_output *output);

/* Sends WINDOW, PING, PONG or BYE. They need no window and go before the waiting frames. */
void backend_output_urgent(struct backend_output *output, uint8_t type, uint32_t id, struct text body);
/* Passes the ready frames to the connection now. */
void backend_output_flush(struct backend_output *output);
/* The backend returns `bytes` to the window. Returns false if that is more than it has been sent. */
bool backend_output_returned(struct backend_output *output, uint32_t bytes);

#endif
