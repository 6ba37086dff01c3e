/*
 * What a link and the list of all links share. backend_link.c and backend_links.c go in a circle: the list makes,
 * finds and ends links, and a link that is lost, or has a frame for another one, turns to the list.
 */
#ifndef NODE_BACKEND_BACKEND_LINK_INTERNAL_H
#define NODE_BACKEND_BACKEND_LINK_INTERNAL_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/io/conn.h"
#include "node/backend/backend_link.h"
#include "node/backend/backend_links.h"
#include "node/backend/backend_output.h"

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
	struct loop_call lost, overflow;
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

#endif
