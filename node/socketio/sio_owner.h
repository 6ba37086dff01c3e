/*
 * The owner of a namespace: who answers for its sockets where listeners of sockeye.h do not, a link to a backend or a
 * bridge of HTTP. These are the up-calls; what an owner calls is in sio_raw.h. Texts pass as they are on the wire,
 * nothing is made into values.
 *
 *   a client asks for            the namespace is there        on_connect(), after the application's middlewares:
 *                                                              sio_raw_accept() or sio_raw_refuse(), now or later
 *                                it is not                     on_namespace() of the owner of all others (sio_raw.h)
 *   an event arrives                                           on_event(), before any listener
 *   the socket leaves, or the    on_closed(), the last call; a socket is good until it returns
 *   client goes before the answer
 *
 * Every up-call may call every function of sio_raw.h and sockeye.h. Texts are good during the call.
 */
#ifndef NODE_SOCKETIO_SIO_OWNER_H
#define NODE_SOCKETIO_SIO_OWNER_H

#include "common/base/json_msgpack.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"

/* A received event. */
struct sio_raw_event {
	struct text json;		       /* the array, its name first; checked */
	struct text name;		       /* within it: a quoted string, or a number */
	const struct attachments *attachments; /* what its placeholders mean; NULL: none, they are plain objects */
	bool wants_ack;
	uint64_t id; /* for sio_raw_ack() */
};

struct sio_owner {
	/*
	 * Is there such a namespace? sio_next(): yes, it is made and owned by this owner; sio_refuse(): no, with the
	 * message that the client gets, NULL: the usual one. Once, now or later, and also if the client is gone by
	 * then, which sio_step_on_gone() tells. Both texts are good until then. NULL: only those named by
	 * sio_raw_own().
	 */
	void (*on_namespace)(void *arg, sio_step *step, struct text name, struct text auth);
	/* A client wants to join. `auth` is {} when it sent none. NULL: everybody is accepted. */
	void (*on_connect)(void *arg, sio_socket *socket, struct text auth);
	/* True: it goes on to the middlewares and listeners of the application. NULL: it does. */
	bool (*on_event)(void *arg, sio_socket *socket, const struct sio_raw_event *event);
	/*
	 * A connected socket leaves, its rooms are still there; or the client of one that waits for an answer has
	 * gone, `reason` then is NULL. `session_closed`: the whole connection ends with it. NULL: not wanted.
	 */
	void (*on_closed)(void *arg, sio_socket *socket, const char *reason, bool session_closed);
	/*
	 * A socket, which may wait for the answer still, has joined a room or left it, whoever made it do so; at its
	 * end it leaves all of them. Rooms stay as they are until this returns. NULL: not wanted.
	 */
	void (*on_room)(void *arg, sio_socket *socket, bool joined, struct text room);
};

/* What else an owner may want to know of clients, whether they have sockets or not. Each may be NULL. */
struct sio_watcher {
	/* A handshake that the application inside allows, or does not care for: eio_allow() and so on, once. */
	void (*on_allow)(void *arg, struct eio_pending *pending, const struct http_request *r);
	/* A handshake was completed; `ticket` is that of eio_allow_as(), 0 without. */
	void (*on_open)(void *arg, struct eio_session *session, uint32_t ticket);
	void (*on_upgrade)(void *arg, struct eio_session *session);
	/* The client is gone, after its sockets. */
	void (*on_gone)(void *arg, struct eio_session *session, const char *reason);
	/* A request was refused: connection_error. */
	void (*on_refused)(
		void *arg, const struct http_request *r, int code, const char *message, const char *context);
};

#endif
