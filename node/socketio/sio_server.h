/*
 * The state of a sio_server that the files of this layer share. It is made and freed in sio_core.c.
 */
#ifndef NODE_SOCKETIO_SIO_SERVER_H
#define NODE_SOCKETIO_SIO_SERVER_H

#include "common/base/table.h"
#include "common/io/threads.h"
#include "node/engineio/eio.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_options.h"
#include "node/socketio/sio_outgoing.h"
#include "node/socketio/sio_reason.h"
#include "node/socketio/sio_turn.h"
#include "node/socketio/sio_underway.h"
#include "node/socketio/sio_handler_times.h"

struct broker;
struct sio_recovery;
struct sio_history;
struct sio_silent;
struct sio_watcher;

#define SIO_NSP_NAME_MAX 512 /* bytes of a namespace name from a client */
#define SIO_ID_LENGTH 20     /* of all ids but those of revision 4 in custom namespaces (sio_socket_new()) */

struct sio_hooks_of_engine {
	void (*allow)(sio_server *io, sio_request *request, sio_step *step, void *arg);
	void *allow_arg;
	const char *(*id)(sio_server *io, sio_request *request, void *arg);
	void *id_arg;
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
	uint64_t max_payload;		 /* maxHttpBufferSize: bytes that one packet from a client may have */
	struct sio_packet_limits limits; /* for packets from clients */
	uint64_t max_emit;		 /* bytes of a packet to a client, text and attachments together */
	struct broker *broker;		 /* NULL: no other nodes */
	struct sio_recovery *recovery;	 /* NULL: connectionStateRecovery is off */
	struct sio_history *history;	 /* sio_history_state.h; NULL: no room has a history */
	/* with a history: a socket with joins and a session is about to stop getting events */
	void (*joins_leaving)(struct sio_socket *s);
	bool leaving;		     /* the broker is being left, which ends all questions to other nodes */
	uint32_t kept_server_events; /* events of other nodes that wait for the application's answer */

	struct table nsps;   /* struct sio_nsp by name, without parents */
	struct list parents; /* struct sio_parent in order of creation */
	unsigned children;   /* namespaces made by parents, except those returned by sio_of() */
	unsigned empty_children;
	struct list empty; /* children without sockets, in the order in which they became empty */
	unsigned parents_made;
	bool served; /* a client has connected: the application's set-up is over */
	struct sio_hooks_of_engine hooks;
	void (*on_new_nsp)(sio_nsp *nsp, void *arg);
	void *on_new_nsp_arg;
	struct sio_observer observer; /* zeroed: none */
	void *observer_arg;

	const struct sio_watcher *watcher; /* sio_owner.h; may be NULL */
	void *watcher_arg;

	struct sio_underway underway;
	struct sio_handler_times handler_times;
	const struct sio_silent *silent; /* of the question whose callback runs; NULL: none runs */

	struct threads threads; /* for sio_work() */
	uint64_t work_until;	/* when unfinished work is abandoned; 0: the server does not wait for it yet */
	bool work_ended;	/* no more work is accepted */

	struct table timers; /* struct timer of sio_timer.c, by number */
	uint64_t last_timer;

	struct sio_turn turn;
	struct list closing;	    /* struct sio_socket whose disconnect listeners are still to run */
	struct list gone;	    /* struct sio_socket to be freed */
	struct sio_job closing_job; /* runs the listeners of `closing` */
	struct sio_job gone_job;    /* frees the sockets in `gone` */
	struct sio_job empty_job;   /* sio_nsp_trim() */
	struct list steps;	    /* every struct sio_step */
	unsigned removals;	    /* number of removed middlewares, so that chains under way skip them */
	struct list gathers;	    /* struct sio_gather that still wait */
	struct list ending;	    /* struct sio_ack whose socket has left and whose callback is still to run */
	struct list refused;	    /* struct sio_gather of sio_ack_refused(), until the end of the turn */
	struct list asking;	    /* struct sio_question that wait for other nodes */

	struct sio_packet packet;		/* the packet being handled, see sio_received.h */
	const struct sio_parser *packet_parser; /* of its client; set if the packet came as MessagePack values */
	struct sio_partial *packet_texts;	/* its texts, once they have been made */
	struct sio_client *serving;		/* the client that sent it; NULL: none is being handled */
	struct buffer name;			/* its event name */
	uint64_t epoch;				/* of the last selection, see sio_rooms.c */
	size_t memberships;			/* how many memberships have got a number so far */
	struct {
		const struct sio_socket *socket;
		size_t number; /* of the last room returned */
		const struct list *link;
	} walk; /* position of the last sio_room_next(), from which the next call for that socket continues */
	const struct sio_socket *lost; /* the socket whose client has gone, while its listeners run */
	const char *lost_details;      /* why, in the engine's words */
	uint64_t disconnects[SIO_REASONS];
};

#endif
