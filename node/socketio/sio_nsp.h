/*
 * Namespaces. A static namespace lives as long as the server. A child is made by a parent's pattern or function and
 * may be freed after its last socket. Listeners of a parent also run for its children, before the children's
 * listeners.
 */
#ifndef NODE_SOCKETIO_SIO_NSP_H
#define NODE_SOCKETIO_SIO_NSP_H

#include "node/socketio/sio_listener.h"
#include "node/socketio/sio_server.h"

struct sio_parent;
struct sio_presence;
struct sio_owner;

struct sio_nsp {
	struct table_node node; /* in io->nsps */
	struct sio_server *io;
	struct sio_nsp *parent;	       /* of a child, else NULL */
	struct sio_parent *family;     /* of a parent, else NULL */
	const struct sio_owner *owner; /* answers for its sockets (sio_owner.h); NULL: only listeners do */
	void *owner_arg;
	struct list sibling;		    /* child: entry in family->children */
	struct table events;		    /* listeners by event name */
	struct table server_events;	    /* listeners for events of other servers, by name */
	struct sio_listeners room;	    /* listeners of sio_on_room() */
	struct sio_listeners session_ended; /* listeners of sio_on_session_ended() */
	struct sio_listeners connection, any, any_outgoing, disconnecting, disconnect, error, upgrade, use,
		use_events;
	unsigned any_outgoing_sockets; /* number of listeners of sio_socket_on_any_outgoing() */
	struct table sockets;	       /* connected sockets by id, until "disconnect" */
	struct list asking;	       /* sockets that wait for the owner's answer */
	struct list connected;	  /* connected sockets in order of arrival, without those that are disconnecting */
	struct table rooms;	  /* struct sio_room by name */
	struct table memberships; /* struct sio_membership by socket and room, of sockets in many rooms */
	struct sio_presence *presence; /* sio_presence_state.h; NULL: off */
	struct sio_recovery_log *log;  /* recent events, for sio_recovery.h; NULL: nothing is recorded */
	struct broker_nsp *broker;     /* NULL: there are no other nodes */
	struct list arriving;	   /* sockets that are admitted once other nodes are subscribed, see sio_arrival.h */
	struct wheel_entry settle; /* the deadline of `arriving` */
	void (*admit)(struct sio_socket *s);
	uint64_t ids;	       /* next id of an outgoing acknowledgement, shared by all sockets */
	unsigned count;	       /* number of sockets in `connected` */
	unsigned users;	       /* number of socket structs, including waiting sockets */
	bool in_room_listener; /* a room listener runs: rooms must not change */
	struct list empty;     /* in io->empty: a child without sockets, which may be freed with its lost sessions */
	bool named;	       /* sio_of() has returned it: the application may hold it, so it is kept when empty */
	bool unclaimed;	       /* closed to clients until a parent's function allows the name and adopts it */
	char name[];
};

static inline struct text
sio_nsp_text(const struct sio_nsp *nsp)
{
	return text_of(nsp->name, nsp->node.key_len);
}

/* `name` is the whole name with its leading "/". Returns NULL if there is no such namespace. */
struct sio_nsp *sio_nsp_find(const struct sio_server *io, struct text name);
/* Initializes the part that namespaces and parents share. The memory must be zeroed and the name in place. */
void sio_nsp_init(struct sio_nsp *nsp, struct sio_server *io);
/*
 * Makes a child of `parent`, or, if `parent` is NULL, a namespace for sio_of(); `unclaimed`: a parent may claim it.
 * Returns NULL if there are max_children. Calls the function of sio_on_new_namespace().
 */
struct sio_nsp *sio_nsp_new(struct sio_server *io, struct text name, struct sio_nsp *parent, bool unclaimed);
/*
 * Returns the namespace for clients that `parent` admits. Makes it if it is missing, and adopts it if it is
 * `unclaimed`. Returns NULL if it belongs to another parent or there are max_children.
 */
struct sio_nsp *sio_nsp_for(struct sio_server *io, struct text name, struct sio_nsp *parent);
void sio_nsp_free(struct sio_nsp *nsp); /* requires that it has no sockets and is in no table */
/* Joins the namespaces of the same name on other nodes, if there are other nodes. */
void sio_nsp_join(struct sio_nsp *nsp);
/* Leaves the other nodes' namespaces. Open questions to other nodes end with SIO_ERR_STATE. */
void sio_nsp_leave(struct sio_nsp *nsp);
/* A socket struct was made. */
void sio_nsp_used(struct sio_nsp *nsp);
/* The application gets the namespace by its name, so it is kept when empty and no longer counts in max_children. */
void sio_nsp_pin(struct sio_nsp *nsp);
/* Job of io->empty_job: frees empty children beyond max_children, in the order in which they became empty. */
void sio_nsp_trim(struct sio_job *job);
/* A socket struct was freed. After the last one an empty child is freed too, if the options say so. */
void sio_nsp_unused(struct sio_nsp *nsp);
/* A session of a lost client has ended. After the last one an empty child is freed, if the options say so. */
void sio_nsp_session_ended(struct sio_nsp *nsp);

struct sio_client;
/*
 * Reports what the parents decided about a namespace. `nsp` NULL: refused; then `refusal` is the owner's message, or
 * NULL if no parent matches. The texts are valid during the call.
 */
typedef void sio_parent_decided_fn(
	struct sio_client *c, struct text name, struct sio_nsp *nsp, struct text auth, const char *refusal);

/* A parent decides by a pattern or by a function of the application. */
struct sio_parent {
	struct list link;	 /* in io->parents */
	struct list children;	 /* struct sio_nsp by sibling */
	struct sio_nsp *nsp;	 /* holds the listeners */
	struct pattern *pattern; /* NULL: the function decides */
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg);
	void *arg;
};
#endif
