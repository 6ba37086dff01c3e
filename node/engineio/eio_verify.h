/* The checks of a request, in the order of the original. */
#ifndef NODE_ENGINEIO_EIO_VERIFY_H
#define NODE_ENGINEIO_EIO_VERIFY_H

#include "node/engineio/eio_error.h"
#include "node/engineio/eio_session.h"
#include "node/http/http_origin.h"

/* What a request asks for. */
struct eio_arrival {
	bool upgrade;		     /* an HTTP upgrade to WebSocket */
	bool b64;		     /* query b64: bytes are sent as base64 text on this transport */
	unsigned revision;	     /* of the protocol: 4 where the query says exactly that, else 3 */
	bool asked;		     /* the application has added its fields (on_headers) */
	uint32_t ticket;	     /* of eio_allow_as() */
	struct eio_session *session; /* the one that the sid names; NULL: a handshake */
};

/* True if a request asks for an HTTP upgrade to WebSocket. */
bool eio_is_upgrade(const struct http_request *r);

/* What requests are checked against; in the server. */
struct eio_gate {
	struct eio_sessions *sessions;
	struct http_origins *origins; /* of corsOrigin; NULL: none */
	struct log_limit lines;	      /* about origins that were refused */
};

/* Reads a request. EIO_CONTEXT_COUNT: fine; else the cause of the refusal, and `out->upgrade` is set at least. */
enum eio_context eio_verify(struct eio_gate *g, const struct http_request *r, struct eio_arrival *out);

/* The part that comes after on_allow. */
enum eio_context eio_verify_revision(const struct eio_arrival *how);

#endif
