/*
 * What the files of this layer share: the clients of a worker and the backends that serve them. Calls go down this
 * list:
 *
 *   backend_clients  callbacks from the Socket.IO layer and from the links
 *   backend_in       frames from backends
 *   backend_request  handshakes that a backend allows or refuses
 *   backend_cast     broadcasts
 *   backend_history  the history of rooms
 *   backend_presence who is in a room
 *   backend_ask      questions about unknown namespaces
 *   backend_session  a client and the backend it belongs to, with backend_socket: a client in a namespace
 *   backend_late     frames for clients that have just been lost
 *   backend_held     events that wait
 *   backend_out      frames to backends
 *   backend_group    groups of equal backends, and the handles of each link
 */
#ifndef NODE_BACKEND_BACKEND_CORE_H
#define NODE_BACKEND_BACKEND_CORE_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/io/loop.h"
#include "node/backend/backend_link.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"

struct sio_owner;

#define BACKEND_ROOMS_MAX 4096	    /* in one frame */
#define BACKEND_GROUPS_MAX 64	    /* a group without clients and links makes room for a new one */
#define BACKEND_REQUEST_MS 5000	    /* time for a backend to answer a REQUEST */
#define BACKEND_SWEEP_MS 100	    /* interval of looking for waits that are over */
#define BACKEND_PACE_MS 20	    /* interval at which the next parcel of clients gets a backend */
#define BACKEND_ERRORS_A_SECOND 100 /* CONNERR frames */

/* Limits that the operator sets; backend_options.h has the options. */
struct backend_limits {
	uint64_t wait;			     /* ms that a client waits for a backend */
	uint64_t orphan_queue, orphan_total; /* bytes of waiting events: of one client, of all clients */
	uint64_t reattach_rate;		     /* clients per second that get a backend after waiting */
	uint64_t max_frame;
	uint64_t away; /* ms over which closing of clients is spread (onLoss "reconnect") */
	bool bus;      /* broadcasts go through the broker (fanout "bus") */
	bool history; /* rooms have a history; without `bus`, this worker is the only one that the broadcasts reach */
};

#define BACKEND_SECONDS 10 /* buckets of struct backend_times; the last one has no upper bound */
extern const double backend_seconds[BACKEND_SECONDS - 1];

/* A histogram of durations. */
struct backend_times {
	uint64_t bucket[BACKEND_SECONDS];
	uint64_t ms; /* sum of all durations */
};
/* Adds one duration. */
void backend_times_add(struct backend_times *t, uint64_t ms);

/* One per worker that has backends. */
struct backend_core {
	struct loop *loop;
	sio_server *io;		       /* set by backend_clients_serve() */
	const struct sio_owner *owner; /* of the namespaces; also set by backend_clients_serve() */
	struct backend_limits limits;
	struct list groups; /* struct backend_group; the first one serves the namespaces that no other group names */
	struct table clients;	  /* first struct backend_session of each client, by sid */
	struct list asks;	  /* struct backend_ask that wait for a backend */
	struct list presences;	  /* struct backend_presence (backend_presence.c) */
	struct table requests;	  /* struct backend_request by id */
	struct list request_ages; /* the same, oldest first */
	uint32_t request_ids, ask_ids;
	uint64_t orphans; /* sockets of connected clients without a backend */
	uint64_t held;	  /* bytes of events that wait */
	unsigned members; /* ready links */
	bool ever;	  /* a link was ready at some time */
	bool obeying;	  /* a backend's frame is being carried out: do not report its changes to that backend */
	struct wheel_entry pace, sweep;
	struct log_limit lines, errors;
	struct text *rooms; /* scratch of BACKEND_ROOMS_MAX rooms, while a frame is read or written */
	struct buffer text; /* scratch while a frame is written */
	struct backend_times attach, request;
};

/* Call this when something begins to wait: core->sweep will end the wait in time. */
static inline void
backend_sweep_later(struct backend_core *core)
{
	if (!wheel_armed(&core->sweep))
		loop_arm(core->loop, &core->sweep, BACKEND_SWEEP_MS);
}

/* ------------------------------------------------------------------ handles */

/* What a handle of a link means. */
enum backend_kind { BACKEND_A_SESSION, BACKEND_A_SOCKET, BACKEND_A_SHADOW, BACKEND_A_LATE };

/* Part of the session, socket, shadow or late entry (backend_late.h) that the handle means. */
struct backend_handle {
	struct table_node node; /* in member->handles, by `number` */
	uint32_t number;	/* 0: no handle assigned */
	uint8_t kind;		/* enum backend_kind */
};

#endif
