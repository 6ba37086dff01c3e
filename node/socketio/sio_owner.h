/*
 * The owner of a namespace answers for its sockets instead of, or before, the listeners of sockeye.h. Examples are a
 * link to a backend and the HTTP bridge. This file declares the up-calls; sio_raw.h declares what an owner calls.
 * Texts pass in their wire form and are not decoded into values.
 *
 *   cause                             up-call
 *   a client asks for a namespace     on_connect(), after the application's middlewares. The owner calls
 *   that exists                       sio_raw_accept() or sio_raw_refuse(), now or later
 *   a client asks for a namespace     on_namespace() of the owner set by sio_raw_own_others()
 *   that does not exist
 *   an event arrives                  on_event(), before any listener
 *   the socket leaves, or its client  on_closed(), the last call. The socket is valid until it returns
 *   leaves before the answer
 *   the session of a lost client      on_session_ended()
 *   has ended
 *
 * Every up-call may call every function of sio_raw.h and sockeye.h. Texts are valid during the call.
 */
#ifndef NODE_SOCKETIO_SIO_OWNER_H
#define NODE_SOCKETIO_SIO_OWNER_H

#include "common/base/json_msgpack.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"

/* A received event. */
struct sio_raw_event {
	struct text json; /* checked array whose first element is the name */
	struct text name; /* part of `json`: a quoted string, or a number */
	const struct attachments
		*attachments; /* for the placeholders; NULL: objects like placeholders are plain objects */
	bool wants_ack;
	uint64_t id; /* for sio_raw_ack() */
};

struct sio_owner {
	/*
	 * Asks whether this namespace may be made. The owner answers once, now or later, even if the client has gone
	 * meanwhile (see sio_step_on_gone()). sio_next() allows it: the namespace is made, and this owner owns it.
	 * sio_refuse() refuses it: the client gets the message, or the standard message for NULL. Both texts are
	 * valid until the answer. A NULL function means that this owner has only the namespaces passed to
	 * sio_raw_own().
	 */
	void (*on_namespace)(void *arg, sio_step *step, struct text name, struct text auth);
	/* A client wants to join. `auth` is {} if it sent none. NULL: every client is accepted. */
	void (*on_connect)(void *arg, sio_socket *socket, struct text auth);
	/* Returns true if the application's middlewares and listeners are to get the event too. NULL: they get it. */
	bool (*on_event)(void *arg, sio_socket *socket, const struct sio_raw_event *event);
	/*
	 * Called in two cases. A connected socket leaves; it is still in its rooms. Or the client of a socket that
	 * waits for the owner's answer has gone; then `reason` is NULL. `session_closed`: the whole connection ends
	 * too. NULL: not wanted.
	 */
	void (*on_closed)(void *arg, sio_socket *socket, const char *reason, bool session_closed);
	/*
	 * A socket has joined or left a room, for any cause. The socket may still wait for the owner's answer. A
	 * socket that ends leaves all its rooms. Rooms must not change until this returns. NULL: not wanted.
	 */
	void (*on_room)(void *arg, sio_socket *socket, bool joined, struct text room);
	/*
	 * The sockets can be recovered (sio_recovery.h). For a recovered socket, sio_recovered() is true in
	 * on_connect(), and the socket already has its id, rooms and data. If it cannot continue its session after
	 * sio_raw_accept(), because events that it missed are gone, on_closed() is called with a NULL reason, and
	 * then on_connect() for the same socket, which now is a new one.
	 */
	bool recovers;
	/* The session of a lost client has ended, before the listeners of sio_on_session_ended(). NULL: not wanted.
	 */
	void (*on_session_ended)(void *arg, sio_nsp *nsp, const sio_ended_session *ended);
};

/*
 * Sees what happens at a server, for the admin UI, beside the listeners of sockeye.h. Each function may be NULL, and
 * may call every function.
 */
struct sio_observer {
	/* A new namespace, before the application learns of it. */
	void (*on_namespace)(void *arg, sio_nsp *nsp);
	/* A socket has connected, before any listener learns of it. */
	void (*on_connection)(void *arg, sio_socket *socket);
	/* socket.data of a connected socket has changed. */
	void (*on_data)(void *arg, sio_socket *socket);
	/* An event that only the owner of the namespace gets, and that no listener of sio_on_any() sees. */
	void (*on_owned_event)(void *arg, sio_socket *socket, const struct sio_raw_event *event);
	/*
	 * Writes the object that answers to other servers' fetches have in socket.data as "_admin", where a Node.js
	 * server with @socket.io/admin-ui expects it. If this function exists, sio_fetch() takes the member out of
	 * the data of other nodes' sockets. It must not change anything.
	 */
	void (*write_mark)(const sio_socket *socket, struct buffer *out);
};

/* Further events of clients, with or without sockets, for an owner. Each function may be NULL. */
struct sio_watcher {
	/* A handshake that sio_allow_request() has not refused. The watcher must call eio_allow() or a similar
	 * function. */
	void (*on_allow)(void *arg, struct eio_pending *pending, const struct http_request *request);
	/* A handshake was completed. `ticket` is the value given to eio_allow_as(), else 0. */
	void (*on_open)(void *arg, struct eio_session *session, uint32_t ticket);
	void (*on_upgrade)(void *arg, struct eio_session *session);
	/* The client has gone, after its sockets. */
	void (*on_gone)(void *arg, struct eio_session *session, const char *reason);
	/* A request was refused (connection_error). */
	void (*on_refused)(
		void *arg, const struct http_request *request, int code, const char *message, const char *context);
};

#endif
