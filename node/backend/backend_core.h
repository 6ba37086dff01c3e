/*
 * What the files of this layer share about the clients of a worker and the backends that answer for them. The way
 * of calls, which goes down only:
 *
 *   backend_clients  what the Socket.IO layer and the links tell
 *   backend_in       frames from backends              backend_request  handshakes that a backend is asked about
 *   backend_cast     broadcasts                        backend_ask      namespaces that nobody here knows
 *   backend_session  a client: to which backend it belongs, with backend_socket: a client in a namespace
 *   backend_held     events that wait                  backend_out      frames to backends
 *   backend_group    equals, and what each link's handles mean
 */
#ifndef NODE_BACKEND_BACKEND_CORE_H
#define NODE_BACKEND_BACKEND_CORE_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/io/loop.h"
#include "node/backend/backend_link.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"

#define BACKEND_ROOMS_MAX 4096	    /* of one frame */
#define BACKEND_GROUPS_MAX 64	    /* kept; those without clients and links make room */
#define BACKEND_REQUEST_MS 5000	    /* a handshake waits so long for a backend's answer */
#define BACKEND_SWEEP_MS 100	    /* how late the end of a wait may be */
#define BACKEND_PACE_MS 20	    /* clients get a backend in parcels, so often */
#define BACKEND_ERRORS_A_SECOND 100 /* CONNERR */

/* What an operator sets of it: rows of backend_options.h. */
struct backend_limits {
	uint64_t wait;			     /* ms: of a client without a backend */
	uint64_t orphan_queue, orphan_total; /* bytes of events that wait: of one client, of all */
	uint64_t reattach_rate;		     /* clients a second that get a backend after they were without */
	uint64_t max_frame;
	uint64_t away; /* ms over which clients are sent away (onLoss "reconnect") */
	bool bus;      /* casts go through the broker */
};

#define BACKEND_SECONDS 10 /* buckets of struct backend_times, the last one without an end */
extern const double backend_seconds[BACKEND_SECONDS - 1];

/* A histogram. */
struct backend_times {
	uint64_t bucket[BACKEND_SECONDS];
	uint64_t ms; /* the sum */
};
void backend_times_add(struct backend_times *t, uint64_t ms);

/* One for each worker that has backends. */
struct backend_core {
	struct loop *loop;
	sio_server *io; /* from backend_clients_serve() on */
	struct backend_limits limits;
	struct list groups;	  /* struct backend_group; the first one serves whatever no other group names */
	struct table clients;	  /* struct backend_session by sid, the first of each client */
	struct list asks;	  /* struct backend_ask that wait for a backend */
	struct table requests;	  /* struct backend_request by id */
	struct list request_ages; /* the same, the oldest first */
	uint32_t request_ids, ask_ids;
	uint64_t orphans; /* sockets whose client is connected and that have no backend */
	uint64_t held;	  /* bytes of events that wait */
	unsigned members; /* ready links */
	bool ever;	  /* there was one */
	bool obeying;	  /* what changes now changes because a backend said so: it need not be told */
	struct wheel_entry pace, sweep;
	struct log_limit lines, errors;
	struct text *rooms; /* BACKEND_ROOMS_MAX, while a frame is read or written */
	struct buffer text; /* while a frame is written */
	struct backend_times attach, request;
};

/* Something waits: core->sweep looks at what has waited too long. */
static inline void
backend_sweep_later(struct backend_core *core)
{
	if (!wheel_armed(&core->sweep))
		loop_arm(core->loop, &core->sweep, BACKEND_SWEEP_MS);
}

/* ------------------------------------------------------------------ handles */

/* What a handle of a link may mean. */
enum backend_kind { BACKEND_A_SESSION, BACKEND_A_SOCKET, BACKEND_A_SHADOW };

/* Within the thing that it means. */
struct backend_handle {
	struct table_node node; /* in member->handles, by `number` */
	uint32_t number;	/* 0: none */
	uint8_t kind;		/* enum backend_kind */
};

#endif
