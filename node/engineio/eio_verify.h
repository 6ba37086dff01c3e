/* The checks of a request, in the order of Engine.IO. */
#ifndef NODE_ENGINEIO_EIO_VERIFY_H
#define NODE_ENGINEIO_EIO_VERIFY_H

#include "node/engineio/eio_error.h"
#include "node/engineio/eio_jsonp.h"
#include "node/engineio/eio_session.h"
#include "node/http/http_origin.h"

/* A request as the checks understand it. */
struct eio_arrival {
	bool upgrade;		     /* an HTTP upgrade to WebSocket */
	bool b64;		     /* query b64: binary messages are sent to this transport as base64 text */
	unsigned revision;	     /* protocol revision: 4 if the query says exactly "4", otherwise 3 */
	struct eio_jsonp jsonp;	     /* of a handshake by long-polling */
	bool asked;		     /* on_headers was called */
	uint32_t ticket;	     /* the number given to eio_allow_as() */
	struct eio_session *session; /* the session that the sid names; NULL: a handshake */
	bool late;		     /* a POST of a session that the server has just closed: EIO_CONTEXT_SID */
};

/* Returns true if the request asks for an HTTP upgrade to WebSocket. */
bool eio_is_upgrade(const struct http_request *r);

/* The data for the checks. Lives in the server. */
struct eio_gate {
	struct eio_sessions *sessions;
	struct http_origins *origins; /* of corsOrigin; NULL: CORS is off */
	struct log_limit lines;	      /* limits the log lines about refused origins */
	bool told_of_eio3;	      /* the log has named the option allowEIO3 */
	bool told_of_jsonp;	      /* the log has named the option allowJsonp */
};

/*
 * Checks a request and fills `out`. Returns EIO_CONTEXT_COUNT if it is accepted, otherwise the failed check;
 * out->upgrade is set in both cases.
 */
enum eio_context eio_verify(struct eio_gate *gate, const struct http_request *r, struct eio_arrival *out);

/* Checks the protocol revision of a handshake, after on_allow has accepted it. */
enum eio_context eio_verify_revision(
	struct eio_gate *gate, const struct http_request *r, const struct eio_arrival *arrival);

#endif
