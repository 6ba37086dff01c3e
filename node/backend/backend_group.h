/*
 * A group of equal backends: each session of the group belongs to one of them. A group exists from the first HELLO
 * that names it. It stays when its last link is gone, because clients wait there for the next backend.
 *
 * A member is a ready link. It maps the handles of its frames to sessions and sockets.
 */
#ifndef NODE_BACKEND_BACKEND_GROUP_H
#define NODE_BACKEND_BACKEND_GROUP_H

#include "node/backend/backend_core.h"

struct backend_group {
	struct list link;    /* in core->groups */
	struct list members; /* struct backend_member */
	struct list without; /* struct backend_session without a backend, longest waiting first; by `link` */
	struct list patient; /* the same, if the lost backend was only silent and may come back: these wait twice as
				long */
	struct list urgent; /* sessions of both lists for whom something waits, by `turn`; they get a backend first */
	struct list quiet;  /* the other sessions of both lists, by `turn` */
	struct list leaving;   /* sessions that are being closed one by one (onLoss "reconnect"), by `turn`, and not
				  in urgent or quiet */
	unsigned leaving_all;  /* sessions put into `leaving` since leaving_since */
	unsigned leaving_gone; /* how many of them are closed */
	uint64_t leaving_since;
	unsigned sessions; /* with and without a backend */
	char *name;
	struct text *names; /* the namespaces; NULL: all that no other group names */
	unsigned name_count;
	bool wants_requests, wants_errors; /* from the last HELLO */
};

struct backend_member {
	struct list link; /* in group->members */
	struct backend_core *core;
	struct backend_group *group;
	struct backend_link *wire;
	struct table handles; /* struct backend_handle by number */
	struct list sessions; /* struct backend_session by `link` */
	struct list paused;   /* sessions whose client is not read, by `turn` */
	struct list shadows;  /* struct backend_shadow of sockets that it has handed off */
	struct list late;     /* struct backend_late of clients that have just been lost */
	unsigned late_count;
	struct list asks, casts; /* struct backend_ask and backend_cast that await an answer */
	struct list pasts;	 /* struct backend_past (backend_history.h) that await an answer */
	unsigned reads;		 /* pasts that read a history */
	struct list watches;	 /* struct backend_watch (backend_presence.c) */
	struct list requests;	 /* struct backend_request that it has to answer */
	unsigned count;		 /* number of sessions */
	unsigned weight;
	bool draining;
};

/* Returns the group that serves a namespace, or that decides whether the namespace exists. */
struct backend_group *backend_group_for(const struct backend_core *core, struct text nsp);
/* Returns true if the group's HELLO names this namespace. */
bool backend_group_names(const struct backend_group *g, struct text nsp);
/*
 * Finds or makes the group that a HELLO names, and updates it with the fields of that HELLO. Returns NULL if there
 * are BACKEND_GROUPS_MAX groups, all in use.
 */
struct backend_group *backend_group_enter(struct backend_core *core, const struct backend_hello *hello);
/* Makes the first group. It serves every namespace until a HELLO says otherwise. */
void backend_group_first(struct backend_core *core);
void backend_groups_free(struct backend_core *core);

/* Returns the member with the fewest sessions for its weight, or NULL if no member takes new work. */
struct backend_member *backend_group_choose(const struct backend_group *g);

/* Makes a member of a ready link, and adds it to its group. */
struct backend_member *backend_member_new(
	struct backend_core *core, struct backend_group *group, struct backend_link *wire);
/* Frees a member to which nothing refers. */
void backend_member_free(struct backend_member *m);
/* Returns true if new work may go to `m`: the link is ready, does not drain, and has window. */
bool backend_member_takes(const struct backend_member *m);

/* Returns the handle with this number. NULL: its session or socket is gone, which is the normal race. */
struct backend_handle *backend_handle_find(const struct backend_member *m, uint32_t number);
/* Assigns a new number to `handle`, under which backend_handle_find() returns it. */
void backend_handle_give(struct backend_member *m, struct backend_handle *handle, enum backend_kind kind);
/* Moves the number of `from` to `to`, which has another kind. `from` has no number afterwards. */
void backend_handle_move(
	struct backend_member *m, struct backend_handle *from, struct backend_handle *to, enum backend_kind kind);
/* Takes the number away: backend_handle_find() no longer returns the handle. Accepts a handle without a number. */
void backend_handle_take(struct backend_member *m, struct backend_handle *handle);

#endif
