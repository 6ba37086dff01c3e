/*
 * Backends that are equals: each session of theirs belongs to one of them. A group is there from the HELLO that first
 * names it, and stays when its last link has gone, as clients wait for the next one.
 *
 * A member is a ready link. What its handles mean is known here.
 */
#ifndef NODE_BACKEND_BACKEND_GROUP_H
#define NODE_BACKEND_BACKEND_GROUP_H

#include "node/backend/backend_core.h"

struct backend_group {
	struct list link;    /* in core->groups */
	struct list members; /* struct backend_member */
	struct list without; /* struct backend_session that have none, the longest first: by `link` */
	struct list patient; /* the same, but theirs was silent and may only be busy: they wait twice as long */
	struct list urgent;  /* the same by `turn`: something waits for the backend; those come first */
	struct list quiet;   /* the others */
	struct list leaving; /* neither: those that are sent away, by `turn` */
	unsigned leaving_all, leaving_gone; /* how many there were since leaving_since, how many of them have gone */
	uint64_t leaving_since;
	unsigned sessions; /* all, also those that have a backend */
	char *name;
	struct text *names; /* the namespaces; NULL: all that no other group names */
	unsigned name_count;
	bool wants_requests, wants_errors; /* as the last HELLO said */
};

struct backend_member {
	struct list link; /* in group->members */
	struct backend_core *core;
	struct backend_group *group;
	struct backend_link *wire;
	struct table handles;	 /* struct backend_handle by number */
	struct list sessions;	 /* struct backend_session by `link` */
	struct list paused;	 /* those of them that are not read, by `turn` */
	struct list shadows;	 /* struct backend_shadow: sockets that it has handed off */
	struct list asks, casts; /* struct backend_ask, backend_cast that it waits for */
	struct list requests;	 /* struct backend_request that it has to answer */
	unsigned count;		 /* sessions */
	unsigned weight;
	bool draining;
};

/* The group that serves a namespace, or may say whether there is such a one. */
struct backend_group *backend_group_for(const struct backend_core *core, struct text nsp);
/* Does it name the namespace itself? */
bool backend_group_names(const struct backend_group *g, struct text nsp);
/* The group of a HELLO, made when missing, with what that says of it. NULL: there are BACKEND_GROUPS_MAX. */
struct backend_group *backend_group_enter(struct backend_core *core, const struct backend_hello *hello);
/* The first group, which serves every namespace until a HELLO says otherwise. */
void backend_group_first(struct backend_core *core);
void backend_groups_free(struct backend_core *core);

/* The one with the fewest sessions for its weight that takes new ones; NULL: there is none. */
struct backend_member *backend_group_choose(const struct backend_group *g);

struct backend_member *backend_member_new(
	struct backend_core *core, struct backend_group *group, struct backend_link *wire);
/* Nothing hangs on it any more. */
void backend_member_free(struct backend_member *m);
/* May new work be given to it? */
bool backend_member_takes(const struct backend_member *m);

/* What the number of a frame means; NULL: nothing any more, the normal race. */
struct backend_handle *backend_handle_find(const struct backend_member *m, uint32_t number);
/* A new number, under which the handle is found. */
void backend_handle_give(struct backend_member *m, struct backend_handle *h, enum backend_kind kind);
/* The same number for another thing, which takes the place of the first. */
void backend_handle_move(
	struct backend_member *m, struct backend_handle *from, struct backend_handle *to, enum backend_kind kind);
void backend_handle_take(struct backend_member *m, struct backend_handle *h); /* harmless without a number */

#endif
