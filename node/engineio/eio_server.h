/*
 * The inside of an Engine.IO server, for the files of this folder: the sessions table, what all sessions share, and
 * the way of a request from verification to a transport.
 */
#ifndef NODE_ENGINEIO_EIO_SERVER_H
#define NODE_ENGINEIO_EIO_SERVER_H

#include "common/base/list.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_error.h"
#include "node/engineio/eio_tables.h"
#include "node/http/http_cors.h"
#include "node/ws/ws.h"

struct eio_server {
	struct loop *loop;
	const struct eio_options *options;
	const struct eio_ops *ops;
	void *arg;
	struct table sessions; /* by sid; a closed session stays until its on_close, so that walks are safe */
	unsigned open;	       /* sessions that are not closed */
	unsigned websockets;   /* of them, over WebSocket */
	uint64_t queued;       /* bytes of packets that wait for a poll */
	uint64_t refused[EIO_CONTEXT_COUNT];
	uint64_t ended[EIO_CLOSE_REASONS];
	unsigned node, worker;	 /* place named by new sids */
	bool closed;		 /* eio_server_drain(), eio_server_close() */
	bool polling, websocket; /* transports allowed */
	struct list dirty;	 /* sessions with something to do at the end of the turn */
	struct loop_call settle;
	struct list pendings; /* struct eio_pending */
	unsigned pending_count;
	struct list unclaimed; /* upgrades on nobody's path */
	struct ws_options ws_options;
	uint64_t max_buffered; /* eio_options_max_buffered() */
	struct http_cors cors;
	char *path; /* the prefix that requests must have */
	size_t path_len;
	char *open_tail[2]; /* of open packets, behind the sid: without and with an upgrade */
	struct eio_message *ping, *noop, *close, *initial; /* packets that are the same for everybody */
};

/* How a request came: an upgrade to WebSocket, or plain HTTP. */
struct eio_arrival {
	bool websocket; /* asks for an upgrade to WebSocket */
	bool b64;	/* query b64: bytes are sent as base64 text on this transport */
};

/* Answers with the error of `context` and reports it; the request is gone. `message` NULL: the table's. */
void eio_server_refuse(
	struct eio_server *e, struct http_request *r, bool websocket, enum eio_context context, const char *message);

/* A verified request without sid: opens a session. */
void eio_server_handshake(struct eio_server *e, struct http_request *r, struct eio_arrival how);

/*
 * The checks of a request in the original's order (eio_verify.c). EIO_CONTEXT_COUNT: fine, then `session` is the one
 * the sid names, or NULL for a handshake.
 */
enum eio_context eio_verify(
	struct eio_server *e, const struct http_request *r, struct eio_arrival *how, struct eio_session **session);

/* The revision of the protocol is exactly 4; anything else, also nothing, means 3. */
bool eio_verify_protocol(const struct http_request *r);

/* Asks the application (on_allow); the request goes on to eio_server_handshake() or is refused. */
void eio_pending_ask(struct eio_server *e, struct http_request *r, struct eio_arrival how);

/* At the server's end: requests that wait are dropped. */
void eio_pending_stop(struct eio_server *e);
void eio_unclaimed_stop(struct eio_server *e);

#endif
