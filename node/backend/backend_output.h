/*
 * What a link sends. Small parts of all frames of a turn are written into one chunk after the other, large blocks are
 * referenced, so that one call gives the connection few pieces, and one write of the kernel takes them.
 *
 *   a frame is   when                                                     then
 *   ready        it fits into the window, or less than half of that is    sent at the end of the turn
 *                used, and nothing waits
 *   waiting      otherwise                                                ready when the backend returns bytes
 *   dropped      it is larger than maxFrame, or memory is short           backend_output_end() is false
 *
 * More waiting than the window and the largest frame, or no memory for the lists of pieces: the link ends.
 */
#ifndef NODE_BACKEND_BACKEND_OUTPUT_H
#define NODE_BACKEND_BACKEND_OUTPUT_H

#include "common/base/list.h"
#include "common/io/conn.h"
#include "node/backend/backend_frame.h"

/* A piece of what is to be sent: bytes of a block, of which a reference is held. */
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
	uint64_t *frames_out;	    /* by type: counted there */
	struct loop_call *overflow; /* deferred when more waits than may, or without memory: the link is to end */
};

/*
 * A frame under construction lies in `frame`; its small parts are written into `chunk`, which many frames share.
 * Finished, it goes to `ready`, which leaves at the end of the turn, or without window to `waiting`.
 */
struct backend_output {
	struct backend_output_setup setup;
	struct block *chunk; /* NULL: none yet */
	uint32_t used;	     /* of the chunk */
	struct backend_pieces frame, ready;
	uint8_t *head; /* of the frame, in its first piece; NULL: none is under construction */
	struct backend_frame fields;
	bool failed;	     /* no memory for a part */
	bool no_memory;	     /* no memory for what has to be sent: that is why it is closed */
	bool closed;	     /* frames are dropped, but for urgent ones */
	bool stalled;	     /* the window was used up, or something waits */
	struct list waiting; /* struct backend_waiting */
	size_t waiting_bytes;
	uint64_t used_window; /* bytes that the backend has not given back */
	struct loop_call flush;
};

void backend_output_init(struct backend_output *o, const struct backend_output_setup *setup);
/* Drops all that was not given to the connection. */
void backend_output_fini(struct backend_output *o);

/* backend_link.h says what these do. */
void backend_output_begin(
	struct backend_output *o, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id);
void backend_output_put(struct backend_output *o, const void *bytes, size_t n);
void backend_output_put_u32(struct backend_output *o, uint32_t value);
void backend_output_put_text(struct backend_output *o, struct text t);
void backend_output_put_block(struct backend_output *o, struct block *block);
void backend_output_put_rooms(struct backend_output *o, const struct text *rooms, unsigned n);
void backend_output_put_args(struct backend_output *o, struct text json, const struct attachments *attachments);
bool backend_output_end(struct backend_output *o);

/* Frames that need no window and go before what waits: WINDOW, PING, PONG, BYE. */
void backend_output_urgent(struct backend_output *o, uint8_t type, uint32_t id, struct text body);
/* Gives what is ready to the connection now. */
void backend_output_flush(struct backend_output *o);
/* The backend gave back so many bytes; false: more than it was sent. */
bool backend_output_returned(struct backend_output *o, uint32_t bytes);

#endif
