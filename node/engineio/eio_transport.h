/*
 * The seam between a session and what carries its packets: a table of functions for each transport. A session knows
 * one such table and one pointer, its carrier, which means something to the transport alone. The upgrade exchanges
 * both; nothing else of the session changes.
 *
 * What a transport does by itself: it brings packets up by eio_session_packet(), says that it can take more by
 * eio_session_drained(), asks for the end of the turn by eio_session_dirty(), and ends the session by
 * eio_session_end() when the peer has gone or was at fault. How packets are framed is its own affair too, and may
 * depend on the session's revision of the protocol.
 */
#ifndef NODE_ENGINEIO_EIO_TRANSPORT_H
#define NODE_ENGINEIO_EIO_TRANSPORT_H

#include <stdbool.h>

struct eio_message;
struct eio_session;

/* For counting: a transport that differs in the framing alone is of the same kind. */
enum eio_transport_kind { EIO_POLLING, EIO_WEBSOCKET, EIO_TRANSPORT_KINDS };

struct eio_transport {
	const char *name; /* as in the query: "polling" */
	enum eio_transport_kind kind;
	bool upgradable; /* a session over it may move to a better one */

	/* Queues a packet; a reference is taken. The session is not closed. May end the session: too much waits. */
	void (*put)(struct eio_session *s, struct eio_message *m);

	/* True if a packet put now would leave with this turn, and nothing waits in front of it. */
	bool (*writable)(const struct eio_session *s);

	/* True if nothing that was put waits any more. */
	bool (*sent)(const struct eio_session *s);

	/* Bytes that wait in the carrier itself, not in a connection. NULL: none ever do. */
	uint64_t (*waiting)(const struct eio_session *s);

	/*
	 * The end of a turn in which eio_session_dirty() was called; the session is not closed. Handles what has come
	 * and sends what waits. Of a CLOSING session nothing new is put: once all has left, the transport ends it.
	 * False: more has come than a turn's share, and the rest is to be handled by another call in the next turn.
	 */
	bool (*settle)(struct eio_session *s);

	/* s->paused has changed, or a paused session has got this transport: nothing is read, or again. */
	void (*pause)(struct eio_session *s);

	/*
	 * The carrier, which is the session's no more, is freed. Of a session that is not closed, another transport
	 * has taken over: packets that still wait are put to that one, in their order. `reason` is for connections.
	 */
	void (*stop)(struct eio_session *s, void *carrier, unsigned reason);
};

/* What tries to become the carrier of an open session (eio_upgrade.c). */
struct eio_candidate {
	/* The session ends, or gives it up: it goes. */
	void (*stop)(struct eio_candidate *candidate, unsigned reason);
};

#endif
