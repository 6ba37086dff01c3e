/*
 * What backend_link.c and backend_links.c share. The two files call each other: the list makes, finds and ends links;
 * a link tells the list that it is lost, and passes a PEER frame through it.
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
	struct list siblings; /* in backend_links.all */
	struct table_node by_instance;
	struct backend_links *links;
	struct conn *conn; /* NULL: closed */
	enum backend_link_state state;
	enum backend_lost reason;
	bool reported; /* on_lost() was called */
	struct backend_hello hello;
	void *owned;
	uint32_t last_handle;

	struct buffer in; /* an incomplete large frame */
	uint64_t unreturned;
	uint64_t heard, answered; /* loop time of the last byte, and of the last sign that the backend reads */
	struct wheel_entry timer;
	struct loop_call lost, overflow;
	struct backend_output out;

	struct table nsps_out;				   /* struct backend_nsp_out, by name */
	struct backend_nsp_out *nsp_out[BACKEND_NSPS_MAX]; /* by number; [0] is unused, as 0 is "/" */
	uint16_t next_nsp;
	struct text *nsps_in; /* by number; owned */
	unsigned nsps_in_size;
	size_t nsps_in_bytes;
};

#define BACKEND_PENALTIES 64

/* An instance that sent a malformed frame, and is refused until `until`. */
struct backend_penalty {
	char name[BACKEND_NAME_MAX];
	size_t n;	   /* 0: unused entry */
	unsigned failures; /* in a row */
	uint64_t until;	   /* loop time */
};

struct backend_links {
	struct loop *loop;
	uint64_t born; /* loop time at the start of the worker; no client has been connected for longer */
	struct backend_links_setup setup;
	struct conn_limits limits;
	struct list all;	  /* ready and draining links, in order of arrival */
	struct table by_instance; /* the same links */
	unsigned count;		  /* number of the same links */
	unsigned open;		  /* links with a connection, including the lost ones */
	struct loop_call send_peers;
	struct backend_links_stats stats;
	struct backend_penalty penalties[BACKEND_PENALTIES];
	struct log_limit lines;
};

/* backend_link.c: makes a link and sends WELCOME. Takes over the content of `hello`. */
struct backend_link *backend_link_new(struct backend_links *all, struct conn *c, struct backend_hello *hello);
/* Ends the link and calls on_lost() at once, because the same instance has connected again. */
void backend_link_replace(struct backend_link *link);

/* backend_links.c: takes a lost link out of the list, before on_lost(). */
void backend_links_remove(struct backend_links *all, struct backend_link *link);
/* Passes a PEER frame on. Returns false if it is malformed. */
bool backend_links_pass(struct backend_links *all, struct backend_link *from, struct text body);

#endif
