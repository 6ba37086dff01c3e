/*
 * Namespaces. A static one lives as long as the server; a child, made by a parent's pattern or function, may be
 * forgotten when its last socket has been freed. Listeners of the parent serve its children, before their own.
 */
#ifndef NODE_SOCKETIO_SIO_NSP_H
#define NODE_SOCKETIO_SIO_NSP_H

#include "node/socketio/sio_listener.h"
#include "node/socketio/sio_server.h"

struct sio_parent;
struct sio_owner;

struct sio_nsp {
	struct table_node node; /* in io->nsps */
	struct sio_server *io;
	struct sio_nsp *parent;	       /* of a child */
	struct sio_parent *family;     /* of a parent */
	const struct sio_owner *owner; /* who answers for its sockets (sio_owner.h); NULL: listeners alone */
	void *owner_arg;
	struct list sibling;	    /* a child: in family->children */
	struct table events;	    /* listeners by event name */
	struct table server_events; /* listeners of other servers' events by name */
	struct sio_listeners room;  /* of rooms that come and go */
	struct sio_listeners connection, any, any_outgoing, disconnecting, disconnect, error, use, use_events;
	struct table sockets;	   /* connected, by id, until "disconnect" */
	struct list asking;	   /* sockets that wait for the owner's answer */
	struct list connected;	   /* the same in order of arrival, those disconnecting excluded */
	struct table rooms;	   /* struct sio_room by name */
	struct table memberships;  /* struct sio_membership by socket and room */
	struct broker_nsp *broker; /* NULL: there are no other nodes */
	struct list arriving;	   /* sockets that are let in once the other nodes are heard, see sio_arrival.h */
	struct wheel_entry settle; /* until when they wait */
	void (*admit)(struct sio_socket *s);
	uint64_t ids;	       /* ids of outgoing acknowledgements, shared by the sockets */
	unsigned count;	       /* sockets in `connected` */
	unsigned users;	       /* socket structs alive, waiting ones too */
	bool in_room_listener; /* rooms stay as they are meanwhile */
	struct list empty;     /* in io->empty: a child without sockets, which may be forgotten */
	bool named;	       /* sio_of() gave it out: the application may hold it, so it stays when it is empty */
	bool unclaimed;	       /* nobody may join before a parent's function has allowed it, which adopts it */
	char name[];
};

static inline struct text
sio_nsp_text(const struct sio_nsp *nsp)
{
	return text_of(nsp->name, nsp->node.key_len);
}

/* The whole name, "/" first; NULL when there is none. */
struct sio_nsp *sio_nsp_find(const struct sio_server *io, struct text name);
/* What namespaces and parents begin with; the memory is zeroed, the name in place. */
void sio_nsp_init(struct sio_nsp *nsp, struct sio_server *io);
/*
 * A child when `parent` is given; else one that sio_of() names, `unclaimed` if a parent may claim it. NULL: more
 * children than max_children. Calls sio_on_new_namespace's function.
 */
struct sio_nsp *sio_nsp_new(struct sio_server *io, struct text name, struct sio_nsp *parent, bool unclaimed);
/*
 * The namespace for clients that `parent` lets in: made when missing, adopted when it was named without a parent
 * since clients are served. NULL: it is another parent's, or there are max_children.
 */
struct sio_nsp *sio_nsp_for(struct sio_server *io, struct text name, struct sio_nsp *parent);
void sio_nsp_free(struct sio_nsp *nsp); /* no sockets, in no table */
/* Among the namespaces of other nodes, if the server is. What it still asks them when it leaves ends with
 * SIO_ERR_STATE. */
void sio_nsp_join(struct sio_nsp *nsp);
void sio_nsp_leave(struct sio_nsp *nsp);
void sio_nsp_used(struct sio_nsp *nsp);
/* The application gets it by its name: it stays, and counts in max_children no more. */
void sio_nsp_pin(struct sio_nsp *nsp);
/* For io->empty_job: forgets empty children beyond max_children, the longest empty first. */
void sio_nsp_trim(struct sio_job *job);
/* A socket was freed; the last one takes an empty child along if the options say so. */
void sio_nsp_unused(struct sio_nsp *nsp);

struct sio_client;
/*
 * What came of asking the parents for a namespace. `refusal`: an owner's word for it; NULL: there is no such one. The
 * texts are good during the call.
 */
typedef void sio_parent_decided_fn(
	struct sio_client *c, struct text name, struct sio_nsp *nsp, struct text auth, const char *refusal);

/* How a parent decides: a pattern, or the application's function. */
struct sio_parent {
	struct list link;	 /* in io->parents */
	struct list children;	 /* struct sio_nsp by sibling */
	struct sio_nsp *nsp;	 /* holds the listeners */
	struct pattern *pattern; /* NULL: the function */
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg);
	void *arg;
};
#endif
