/*
 * The server of this layer: its namespaces, what waits for the end of the turn, and the scratch that every packet
 * shares so that sockets own nearly nothing.
 *
 * Up-calls to the application are made from three places only: from the engine's up-calls, from timers, and from
 * sio_turn(), the deferred call at the end of a turn. Public functions never call the application
 * (listeners of outgoing packets excepted); what they cause is put in one of the lists below.
 */
#ifndef NODE_SOCKETIO_SIO_SERVER_H
#define NODE_SOCKETIO_SIO_SERVER_H

#include "common/base/list.h"
#include "common/io/log.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_outgoing.h"
#include "node/socketio/sio_payload.h"
#include "node/socketio/sio_value.h"

#define SIO_NSP_NAME_MAX 512	     /* bytes of a namespace name from a client */
#define SIO_SCRATCH_KEPT (64 * 1024) /* a scratch buffer that grew beyond is given back after use */

struct sio_socket;

/* Sockets picked for a broadcast. */
struct sio_selection {
	struct sio_socket **at;
	unsigned count, size;
};

/* What one emit packs into. Taken and given back, because a listener of outgoing packets may emit itself. */
struct sio_scratch {
	struct sio_scratch *next;
	struct sio_payload payload;
	struct buffer head;
	struct sio_selection selection;
};

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
	unsigned children;   /* namespaces made by parents */
	unsigned parents_made;
	struct sio_hooks_of_engine hooks;
	void (*on_new_nsp)(sio_nsp *nsp, void *arg);
	void *on_new_nsp_arg;

	struct sio_underway underway;

	struct loop_call turn;	     /* sio_turn() */
	struct list closing;	     /* struct sio_socket whose disconnect listeners wait */
	struct list gone;	     /* struct sio_socket to be freed */
	struct list ready;	     /* struct sio_step answered outside of its function */
	struct list answered;	     /* struct sio_gather that are complete */
	struct list asking;	     /* struct sio_question that wait for other nodes */
	struct list asked;	     /* those that are complete */
	struct list steps;	     /* every struct sio_step */
	struct list gathers;	     /* struct sio_gather that still wait */
	struct sio_turn_text *texts; /* good until the turn ends */

	struct sio_scratch *scratch;
	struct sio_packet packet; /* the packet being handled */
	struct buffer name;	  /* and its event name */
	uint64_t epoch;		  /* marks of sockets, see sio_rooms.c */
	struct log_limit log_limit;
	uint64_t disconnects[SIO_REASONS];
};

/* Asks for sio_turn() at the end of this turn. */
void sio_turn_wanted(struct sio_server *io);

/* NUL-terminated copy, good until the end of the turn. */
const char *sio_turn_copy(struct sio_server *io, struct text t);
/* Room for n bytes, the same life. */
char *sio_turn_room(struct sio_server *io, size_t n);
/* A value on a checked text that lives at least until the end of the turn. */
sio_value sio_turn_value(struct sio_server *io, struct text json);

/* Buffers to pack in, to be given back before the call returns; an up-call within may take another. */
struct sio_scratch *sio_scratch_take(struct sio_server *io);
void sio_scratch_give(struct sio_server *io, struct sio_scratch *s);

/* A log line that clients can provoke: rate-limited. */
void sio_log_limit(struct sio_server *io, const char *event, struct text sid, const char *limit);

/* A checked text with its attachments, copied: a socket's data, an answer. */
struct sio_stored {
	struct sio_value_owner owner;
	struct attachments attachments;
	char json[];
};
struct sio_stored *sio_stored_new(struct text json, const struct attachments *attachments);
void sio_stored_free(struct sio_stored *s);		/* accepts NULL */
sio_value sio_stored_value(const struct sio_stored *s); /* NULL: SIO_NONE */

/* The engine's hooks: sio_request.c. */
void sio_request_on_allow(void *arg, struct eio_pending *pending, const struct http_request *r);
void sio_request_on_headers(void *arg, struct http_request *r, struct eio_session *session, bool initial);
void sio_request_on_refused(
	void *arg, const struct http_request *r, enum eio_error_code code, const char *message, const char *context);

#endif
