/*
 * The seam between a session and its transport: a table of functions. A session has one such table and one pointer,
 * the carrier, which is private to the transport. An upgrade replaces both and nothing else of the session.
 *
 * A transport passes packets up with eio_session_packet(), reports that it can take more with eio_session_drained(),
 * asks for a call at the end of the turn with eio_session_dirty(), and ends the session with eio_session_end() if the
 * peer left or was at fault. A transport frames packets in its own way, which may depend on the session's protocol
 * revision.
 */
#ifndef NODE_ENGINEIO_EIO_TRANSPORT_H
#define NODE_ENGINEIO_EIO_TRANSPORT_H

#include <stdbool.h>

struct eio_message;
struct eio_session;

/* For statistics. Transports that differ only in their framing have the same kind. */
enum eio_transport_kind { EIO_POLLING, EIO_WEBSOCKET, EIO_TRANSPORT_KINDS };

struct eio_transport {
	const char *name; /* as in the query: "polling" */
	enum eio_transport_kind kind;
	bool upgradable; /* a session may leave this transport by an upgrade */

	/*
	 * Queues a packet and takes a reference. Not called for a closed session. put() may end the session if too
	 * much waits.
	 */
	void (*put)(struct eio_session *s, struct eio_message *message);

	/* Returns true if a packet put now would leave at the end of this turn, with nothing before it. */
	bool (*writable)(const struct eio_session *s);

	/* Returns true if everything put has left. */
	bool (*sent)(const struct eio_session *s);

	/* Returns the bytes that wait in the carrier itself, not in a connection. NULL: always 0. */
	uint64_t (*waiting)(const struct eio_session *s);

	/*
	 * Called at the end of a turn in which eio_session_dirty() was called, unless the session is closed. Handles
	 * input and sends waiting packets. A CLOSING session gets no new packets; the transport ends it when all its
	 * packets have left. Returns false if the input exceeds the turn's share; settle() is then called again in
	 * the next turn.
	 */
	bool (*settle)(struct eio_session *s);

	/* Stops or resumes reading after s->paused has changed, or a paused session has got this transport. */
	void (*pause)(struct eio_session *s);

	/*
	 * Holds back what is put, or sends it, after s->corked has changed, or a corked session has got this
	 * transport.
	 */
	void (*cork)(struct eio_session *s);

	/*
	 * Frees the carrier, which no longer belongs to the session. If the session is not closed, another transport
	 * has taken over, and waiting packets are put to it in their order. `reason` is for connections.
	 */
	void (*stop)(struct eio_session *s, void *carrier, unsigned reason);
};

/* A connection that tries to become the carrier of an open session (eio_upgrade.c). */
struct eio_candidate {
	/* Stops the candidate, because the session ends or rejects it. */
	void (*stop)(struct eio_candidate *candidate, unsigned reason);
};

#endif
