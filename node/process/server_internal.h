/*
 * The state of one server, which server.c makes and frees. The files that share it call one way:
 *
 *   server_listen.c    sio_listen(): checks the options, opens the parts and joins them
 *   server_request.c   which part serves a request
 *   server.c           the life of a server, and its functions for the program and the application
 */
#ifndef NODE_PROCESS_SERVER_INTERNAL_H
#define NODE_PROCESS_SERVER_INTERNAL_H

#include "node/adminui/adminui.h"
#include "node/engineio/eio.h"
#include "node/process/backends.h"
#include "node/process/cluster.h"
#include "node/process/drain.h"
#include "node/process/front.h"
#include "node/process/server.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_listener.h"

enum host_state { HOST_NEW, HOST_OPEN, HOST_DRAINING, HOST_CLOSING, HOST_CLOSED };

struct sio_host {
	struct loop loop;
	struct server_options options;
	struct app_options own_app_options; /* sio_declare_options() */
	struct app_options *app_options;    /* own_app_options, or those of the program */
	struct app_registry app_metrics;
	struct sio_server *core;
	struct eio_server *engine; /* set by sio_listen() */
	struct front *front;	   /* set by sio_listen() */
	enum host_state state;
	const struct place *place;	   /* NULL: a single process */
	struct listener_set *listeners;	   /* to accept from; NULL: sio_listen() opens them */
	const struct inherited *inherited; /* used by sio_listen(); may be NULL */
	struct handover *handover;	   /* set by sio_listen() if there are siblings */
	struct cluster *cluster;	   /* set by sio_listen() */
	struct upstream *upstream;	   /* set by sio_listen() */
	struct backends *backends;	   /* set by sio_listen(); NULL: no backends */
	struct adminui *adminui;	   /* set by sio_listen(); NULL: no admin UI */
	bool awaits_program;		   /* server_await_program() */
	struct drain drain;
	uint64_t gone_by; /* when remaining connections are cut; 0: never */

	struct loop_call finish;   /* ends the connections, after the sessions have sent their last packets */
	struct ev_timer gone;	   /* while closing: checks whether the last connection has ended */
	struct sio_listeners stop; /* sio_on_stop() */
	void (*done)(sio_server *io, void *arg);
	void *done_arg;
};

/* Returns true if another program has taken the port over. This server then serves only the sessions that it has. */
static inline bool
server_is_succeeded(const struct sio_host *host)
{
	return host->handover && host->state != HOST_OPEN && vitals_is_succeeded(host->place->vitals);
}

#endif
