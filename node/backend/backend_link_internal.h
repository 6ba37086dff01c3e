/* What the files of a link share: backend_link.c is its life and its input, backend_output.c its output. */
#ifndef NODE_BACKEND_BACKEND_LINK_INTERNAL_H
#define NODE_BACKEND_BACKEND_LINK_INTERNAL_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/io/conn.h"
#include "node/backend/backend_link.h"
#include "node/backend/backend_links.h"

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

/*
 * The way out. A frame under construction lies in `frame`; its small parts are written into `chunk`, which many
 * frames share. Finished, it goes to `ready`, which leaves at the end of the turn, or without window to `waiting`.
 */
struct backend_output {
	struct block *chunk; /* NULL: none yet */
	uint32_t used;	     /* of the chunk */
	struct backend_pieces frame, ready;
	uint8_t *head; /* of the frame, in its first piece; NULL: none is under construction */
	struct backend_frame fields;
	bool failed;	     /* no memory for a part */
	struct list waiting; /* struct backend_waiting */
	size_t waiting_bytes;
	uint64_t used_window; /* bytes that the backend has not given back */
	bool stalled;	      /* on_window() is due when there is window again */
	struct loop_call flush;
};

enum backend_link_state { BACKEND_READY, BACKEND_DRAINING, BACKEND_LOST };

struct backend_nsp_out {
	struct table_node node;
	uint16_t number;
	char *name;
};

struct backend_link {
	struct list siblings; /* backend_links.all */
	struct table_node by_instance;
	struct backend_links *links;
	struct conn *conn; /* NULL: gone */
	enum backend_link_state state;
	enum backend_lost reason;
	bool told; /* on_lost() was called */
	struct backend_hello hello;
	void *owned;
	uint32_t last_handle;

	struct buffer in; /* a large frame that is not all there yet */
	uint64_t unreturned;
	uint64_t heard, answered; /* loop time of the last byte; of the last that tells that it is alive */
	struct wheel_entry timer;
	struct loop_call lost;
	struct backend_output out;

	struct table nsps_out;				   /* struct backend_nsp_out, by name */
	struct backend_nsp_out *nsp_out[BACKEND_NSPS_MAX]; /* by number; [0] is unused: 0 is "/" */
	uint16_t next_nsp;
	struct text *nsps_in; /* by number; owned */
	unsigned nsps_in_size;
	size_t nsps_in_bytes;
};

#define BACKEND_PENALTIES 64

/* An instance that sent nonsense. */
struct backend_penalty {
	char name[BACKEND_NAME_MAX];
	size_t n;	   /* 0: nobody */
	unsigned failures; /* in a row */
	uint64_t until;	   /* loop time */
};

struct backend_links {
	struct loop *loop;
	struct backend_links_setup setup;
	struct conn_limits limits;
	struct list all;	  /* ready and draining, in the order of arrival */
	struct table by_instance; /* the same */
	unsigned count;		  /* the same */
	unsigned open;		  /* with a connection, the lost too */
	struct loop_call tell_peers;
	struct backend_links_stats stats;
	struct backend_penalty penalties[BACKEND_PENALTIES];
	struct log_limit lines;
};

/* backend_link.c: a link that begins, and sends its first frames. */
struct backend_link *backend_link_new(struct backend_links *all, struct conn *c, struct backend_hello *hello);
/* Ends it now, and calls on_lost(): its successor is here. */
void backend_link_replace(struct backend_link *link);

/* backend_links.c, of a link: it is out of the list before on_lost(). */
void backend_links_remove(struct backend_links *all, struct backend_link *link);
/* PEER from it. False: malformed. */
bool backend_links_pass(struct backend_links *all, struct backend_link *from, struct text body);

/* backend_output.c */
void backend_output_init(struct backend_link *link);
/* Drops all that was not given to the connection. */
void backend_output_fini(struct backend_link *link);
/* Frames that need no window and go before what waits: WINDOW, PING, PONG, BYE. */
void backend_output_urgent(struct backend_link *link, uint8_t type, uint32_t id, struct text body);
/* Gives what is ready to the connection now. */
void backend_output_flush(struct backend_link *link);
/* The backend gave back so many bytes; false: more than it was sent. */
bool backend_output_returned(struct backend_link *link, uint32_t bytes);

#endif
