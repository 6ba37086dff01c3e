/* Declarations shared by the conn_*.c files, the streams and the loop's end-of-turn step. Private to common/io. */
#ifndef COMMON_IO_CONN_INTERNAL_H
#define COMMON_IO_CONN_INTERNAL_H

#include "common/io/conn.h"
#include "common/io/stream.h"

struct conn_slice {
	struct block *block;
	uint32_t from, n;
};

/*
 * Slices of blocks that wait for the peer. Nearly always there is at most one, which is stored in the queue itself.
 * From the second on, they are in a list of chunks taken from the loop's spares. An empty queue owns no memory.
 */
struct conn_queue {
	union {
		struct conn_slice only;
		struct {
			struct conn_chunk *head, *tail;
		};
	};
	size_t bytes;
	uint32_t count;
	bool chunked; /* `head` and `tail` are in use */
};

/*
 * Each waiting slice counts as this many bytes more against max_queue; otherwise tiny messages would take many times
 * the limit in memory.
 */
#define CONN_SLICE_COST sizeof(struct conn_slice)

#define HELD_UNIT 64 /* bytes; see conn.held */

#define CONN_CHUNK_SLICES 15
struct conn_chunk {
	struct conn_chunk *next;
	uint32_t first, end; /* range of slices in use */
	struct conn_slice slices[CONN_CHUNK_SLICES];
};

struct conn {
	struct list link; /* in at most one list of the loop, see conn_relink() */
	/* in loop.open, or in put_off, heavy or serving while it waits; a service is in put_off at most */
	struct list open;
	const struct conn_ops *ops;
	void *owner;
	const struct conn_limits *limits;
	struct ssl_st *ssl; /* NULL: plain */
	struct ev_io io;    /* io.data points to the loop */
	struct conn_queue out;
	uint8_t *kept;
	uint32_t kept_len;
	uint16_t peer_port;
	uint8_t peer_family;
	bool hurried : 1;      /* has left loop.unflushed once since its last flush */
	bool ahead : 1;	       /* conn_set_ahead() */
	bool write_failed : 1; /* see conn_write_failed(); `ending` and `blocked` are set, too */
	uint8_t peer_address[16];
	struct wheel_entry deadline; /* deadline of the owner */
	void (*on_deadline)(struct conn *c);
	struct wheel_entry guard; /* internal timer for handshake, stall or linger, which exclude one another */

	uint32_t held;	     /* conn_hold(), in units of HELD_UNIT bytes */
	unsigned reason : 8; /* below NAMES_MAX */
	bool dead : 1;
	bool service : 1;   /* conn_set_service() */
	bool patient : 1;   /* conn_set_patient() */
	bool finishing : 1; /* conn_finish() was called */
	bool ending : 1;    /* conn_end() was called */
	bool ended : 1;	    /* FIN has been sent */
	bool secure : 1;    /* conn_set_secure() */
	bool lingering : 1; /* FIN has been sent; input is discarded */
	bool handshaking : 1;
	bool eof : 1;	  /* the peer closed its direction */
	bool paused : 1;  /* kept bytes reached max_kept */
	bool blocked : 1; /* the kernel accepts no more; waiting until writable */
	bool read_waits_write : 1;
	bool write_waits_read : 1;
	bool more : 1;	    /* the TLS library holds input that no poll reports */
	bool filled : 1;    /* the last read filled its buffer, so the kernel may hold more */
	bool continues : 1; /* conn_continues() */
	bool owner_changed : 1;
	bool resume : 1;    /* kept bytes are to be delivered, see conn_relink() */
	bool dirty : 1;	    /* a flush is due */
	bool put_off : 1;   /* in loop.put_off, or in loop.heavy if `heavy` */
	bool heavy : 1;	    /* not read until its next share */
	bool undrained : 1; /* conn_want_drain(): on_drain is off */
	bool corked : 1;    /* conn_cork() */
};

static inline struct loop *
loop_of(const struct conn *c)
{
	return c->io.data;
}

static inline const struct stream_ops *
stream_of(const struct conn *c)
{
	return c->ssl != NULL ? &stream_tls : &stream_plain;
}

/* Returns the total that this connection's queued bytes are added to. */
static inline uint64_t *
conn_queued_total(const struct conn *c)
{
	struct loop *l = loop_of(c);

	return c->service ? &l->service_queued : &l->queued;
}

/* Returns all bytes held for the peer, by which the budget ranks it. */
static inline uint64_t
conn_memory(const struct conn *c)
{
	return (uint64_t)c->out.bytes + c->out.count * CONN_SLICE_COST + c->kept_len + (uint64_t)c->held * HELD_UNIT;
}

/* Closes a connection for the budget and drops its queue. Returns the bytes it holds until its last call. */
uint64_t conn_give_up(struct conn *c);

/* Moves the connection to the list for its state: dead, resumed or dirty, in this order. */
void conn_relink(struct conn *c);
/* Adjusts the watched events to the state. Costs a system call only if the events differ at the next poll. */
void conn_update_events(struct conn *c);
/* Closes the connection with the reason for this negative result of the stream (stream.h). */
void conn_stream_failed(struct conn *c, int64_t result);
/* Continues the TLS handshake. */
void conn_handshake(struct conn *c);

/* ------------------------------------------------------------ conn_input.c */

/* Reads once and passes the bytes to the owner. */
void conn_read(struct conn *c);
/* Frees the kept bytes. */
void conn_drop_kept(struct conn *c);
/* Carries out conn_resume(), at the end of the turn. */
void conn_resume_now(struct conn *c);
/* Postpones the connection to the next turn or, if `heavy`, to its next share. */
void conn_put_off(struct conn *c, bool heavy);
/* Takes the connection out of the list in which it waits. */
void conn_put_off_end(struct conn *c);
/* Continues a postponed connection. */
void conn_serve(struct conn *c);

/* ------------------------------------------------------------ conn_queue.c */

/* Makes the end of the turn flush the connection. */
void conn_mark_dirty(struct conn *c);
/* Flushes the connection: writes its queue, or a part of it. Behind the last part, sends FIN or calls on_drain. */
void conn_flush_now(struct conn *c);
/* Writes before the end of the turn, as much as the kernel accepts. */
void conn_write_now(struct conn *c);
/* Arms the timer that limits how long the remaining output may take before the end. */
void conn_guard_end(struct conn *c);
/*
 * Called when the socket accepts nothing more, because the peer is gone. What the peer had sent before is still read
 * and passed to the owner, up to the end of input; then the connection closes with REASON_RESET. Makes no up-call.
 */
void conn_write_failed(struct conn *c);
/* Drops the queue. */
void conn_queue_clear(struct conn *c);
/* Frees the unused chunks that the loop keeps. */
void conn_queue_free_spares(struct loop *l);

/*
 * A walk over waiting slices from the head; started by conn_queue_walk(). conn_queue_next() returns NULL at the end.
 */
struct conn_cursor {
	const struct conn_slice *only;
	const struct conn_chunk *chunk;
	uint32_t index; /* relative to the chunk's first slice */
};
const struct conn_slice *conn_queue_next(struct conn_cursor *cursor);

static inline struct conn_cursor
conn_queue_walk(const struct conn_queue *queue)
{
	if (queue->chunked)
		return (struct conn_cursor){NULL, queue->head, 0};
	return (struct conn_cursor){queue->count > 0 ? &queue->only : NULL, NULL, 0};
}

/* Returns the first slice. The queue must not be empty. */
static inline struct conn_slice *
conn_queue_first(struct conn_queue *queue)
{
	return queue->chunked ? &queue->head->slices[queue->head->first] : &queue->only;
}

/* ------------------------------------------------------------------ conn.c */

/* Makes the last call, on_closed, and frees the connection. */
void conn_bury(struct conn *c);

#endif
