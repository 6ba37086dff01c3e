/*
 * The server of this layer as its files see it: what all of them share, and nothing that any of them does. Its life
 * is in sio_core.c.
 */
#ifndef NODE_SOCKETIO_SIO_SERVER_H
#define NODE_SOCKETIO_SIO_SERVER_H

#include "common/base/table.h"
#include "node/engineio/eio.h"
#include "node/socketio/sio_options.h"
#include "node/socketio/sio_outgoing.h"
#include "node/socketio/sio_reason.h"
#include "node/socketio/sio_turn.h"
#include "node/socketio/sio_underway.h"

struct broker;
struct sio_watcher;

#define SIO_NSP_NAME_MAX 512 /* bytes of a namespace name from a client */

struct sio_hooks_of_engine {
	void (*allow)(sio_server *io, sio_request *request, sio_step *step, void *arg);
	void *allow_arg;
	void (*headers)(sio_server *io, sio_request *request, bool initial, void *arg);
	void *headers_arg;
	void (*refused)(
		sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg);
	void *refused_arg;
};

struct sio_server {
	struct loop *loop;
	struct sio_options options;
	struct sio_host *host;
	struct eio_server *engine;
	uint64_t max_payload;		       /* maxHttpBufferSize: what one packet from a client may bring */
	struct sio_packet_limits limits;       /* of packets from clients */
	struct sio_outgoing_limits out_limits; /* of packets to them */
	struct broker *broker;		       /* NULL: alone */
	bool leaving;			       /* the broker is being left: what ends now ends for that */
	uint32_t kept_server_events;	       /* events of other nodes that wait for the application's answer */

	struct table nsps;   /* struct sio_nsp by name; parents are not in it */
	struct list parents; /* struct sio_parent in order of creation */
	unsigned children;   /* namespaces made by parents, but those that sio_of() gave out */
	unsigned empty_children;
	struct list empty; /* those of them without sockets, the longest empty first */
	unsigned parents_made;
	bool served; /* a client has connected: what is named from now on is no longer the application's set-up */
	struct sio_hooks_of_engine hooks;
	void (*on_new_nsp)(sio_nsp *nsp, void *arg);
	void *on_new_nsp_arg;

	const struct sio_watcher *watcher; /* sio_owner.h; NULL: nobody */
	void *watcher_arg;

	struct sio_underway underway;

	struct sio_turn turn;
	struct list closing;	    /* struct sio_socket whose disconnect listeners wait */
	struct list gone;	    /* struct sio_socket to be freed */
	struct sio_job closing_job; /* runs the listeners of `closing` */
	struct sio_job gone_job;    /* frees those in `gone` */
	struct sio_job empty_job;   /* sio_nsp_trim() */
	struct list steps;	    /* every struct sio_step */
	struct list gathers;	    /* struct sio_gather that still wait */
	struct list ending;	    /* struct sio_ack whose socket has left, until its asker was told */
	struct list refused;	    /* those of sio_ack_refused() until the end of the turn */
	struct list asking;	    /* struct sio_question that wait for other nodes */

	struct sio_packet packet; /* the packet being handled */
	struct buffer name;	  /* and its event name */
	uint64_t epoch;		  /* marks of sockets, see sio_rooms.c */
	size_t memberships;	  /* numbers given to them so far */
	struct {
		const struct sio_socket *socket;
		size_t number; /* of the last room given */
		const struct list *link;
	} walk; /* where the last sio_room_next() stood: the next one finds its place by it, if it goes on there */
	uint64_t disconnects[SIO_REASONS];
};

#endif
