/* What the files of a connection share with one another and with the loop's end of turn. Private to common/io. */
#ifndef COMMON_IO_CONN_INTERNAL_H
#define COMMON_IO_CONN_INTERNAL_H

#include "common/io/conn.h"
#include "common/io/stream.h"

struct conn_slice {
	struct block *block;
	uint32_t from, n;
};

/*
 * Slices of blocks that wait for the peer. Nearly always there is one at most, which lies in the queue itself; from
 * the second on they are in a list of chunks from the loop's spares. Empty, it owns nothing.
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
	bool chunked; /* head and tail are meant */
};

/* Each waiting slice counts as so many bytes more against max_queue, lest tiny messages cost many times the limit. */
#define CONN_SLICE_COST sizeof(struct conn_slice)

#define HELD_UNIT 64

#define CONN_CHUNK_SLICES 15
struct conn_chunk {
	struct conn_chunk *next;
	uint32_t first, end; /* the slices in use */
	struct conn_slice slices[CONN_CHUNK_SLICES];
};

struct conn {
	struct list link; /* in at most one list of the loop, see conn_relink() */
	struct list open; /* in loop.open, or in put_off, heavy or serving while it waits; a service's at most in
			     put_off */
	const struct conn_ops *ops;
	void *owner;
	const struct conn_limits *limits;
	struct ssl_st *ssl; /* NULL: plain */
	struct ev_io io;    /* data: the loop */
	struct conn_queue out;
	uint8_t *kept;
	uint32_t kept_len;
	uint16_t peer_port;
	uint16_t peer_family;
	uint8_t peer_address[16];
	struct wheel_entry deadline; /* the owner's */
	void (*on_deadline)(struct conn *c);
	struct wheel_entry guard; /* ours: handshake, stall or linger, which exclude one another */

	uint32_t held; /* conn_hold(), in units of HELD_UNIT bytes */
	unsigned reason : 8;
	bool dead : 1;
	bool service : 1;   /* conn_set_service() */
	bool patient : 1;   /* conn_set_patient() */
	bool finishing : 1; /* conn_finish() was called */
	bool ending : 1;    /* conn_end() was called */
	bool ended : 1;	    /* its FIN is sent */
	bool secure : 1;    /* conn_set_secure() */
	bool lingering : 1; /* FIN is sent, input is thrown away */
	bool handshaking : 1;
	bool eof : 1;	  /* the peer ended its direction */
	bool paused : 1;  /* kept bytes reached max_kept */
	bool blocked : 1; /* the kernel takes no more: wait for writability */
	bool read_waits_write : 1;
	bool write_waits_read : 1;
	bool more : 1;	    /* the TLS library holds input that no poll will report */
	bool filled : 1;    /* the last read got all that it asked for: the kernel may hold more */
	bool continues : 1; /* conn_continues() */
	bool owner_changed : 1;
	bool resume : 1;    /* kept bytes are due, see conn_relink() */
	bool dirty : 1;	    /* a flush is due */
	bool put_off : 1;   /* in loop.put_off, or if heavy in loop.heavy */
	bool heavy : 1;	    /* it is not read until its next share */
	bool undrained : 1; /* conn_want_drain(): the owner does not want on_drain */
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

/* What the bytes that wait for this peer are part of. */
static inline uint64_t *
conn_queued_total(const struct conn *c)
{
	struct loop *l = loop_of(c);

	return c->service ? &l->service_queued : &l->queued;
}

/* All that is held for the peer: what the budget ranks it by. */
static inline uint64_t
conn_memory(const struct conn *c)
{
	return (uint64_t)c->out.bytes + c->out.count * CONN_SLICE_COST + c->kept_len + (uint64_t)c->held * HELD_UNIT;
}

/* Closes it for the budget and drops what is queued. Returns what it holds until its last call. */
uint64_t conn_give_up(struct conn *c);

/* Puts the connection into the list that its bits ask for: dead, resumed, dirty, in this order. */
void conn_relink(struct conn *c);
/* Makes the watcher wait for what the state needs. Costs a system call only if that differs at the next poll. */
void conn_update_events(struct conn *c);
void conn_stream_failed(struct conn *c, int64_t result);
void conn_handshake(struct conn *c);

/* conn_input.c */
void conn_read(struct conn *c);
void conn_drop_kept(struct conn *c);
void conn_resume_now(struct conn *c);
/* It waits for the next turn, or if `heavy` for its next share. */
void conn_put_off(struct conn *c, bool heavy);
void conn_put_off_end(struct conn *c);
/* The turn it waited for has come. */
void conn_serve(struct conn *c);

/* conn_queue.c */
void conn_mark_dirty(struct conn *c);
void conn_flush_now(struct conn *c);
void conn_write_now(struct conn *c); /* before it is due: as much as the kernel takes */
/* What still has to be written before the end takes no longer than the limits allow. */
void conn_guard_end(struct conn *c);
void conn_queue_clear(struct conn *c);
void conn_queue_free_spares(struct loop *l);

/* A walk over waiting slices from the head; NULL at the end. Starts by conn_queue_walk(). */
struct conn_cursor {
	const struct conn_slice *only;
	const struct conn_chunk *chunk;
	uint32_t index; /* counted from the chunk's first */
};
const struct conn_slice *conn_queue_next(struct conn_cursor *cursor);

static inline struct conn_cursor
conn_queue_walk(const struct conn_queue *q)
{
	if (q->chunked)
		return (struct conn_cursor){NULL, q->head, 0};
	return (struct conn_cursor){q->count > 0 ? &q->only : NULL, NULL, 0};
}

/* Of a queue that is not empty. */
static inline struct conn_slice *
conn_queue_first(struct conn_queue *q)
{
	return q->chunked ? &q->head->slices[q->head->first] : &q->only;
}

/* conn.c: the last call */
void conn_bury(struct conn *c);

#endif
