/*
 * The raw entry: the Socket.IO layer for callers that have JSON text instead of values, such as links to backends,
 * the HTTP API and webhooks. It can do all that sockeye.h can, and stands on the same functions (sio_emission.h,
 * sio_order.h, sio_fetch.h).
 *
 * A content is the text of a JSON array and its attachments. Each attachment is referred to by one
 * {"_placeholder":true,"num":i} at any depth; without attachments, such an object is a plain object. The text is
 * checked in one pass and copied, and attachments are referenced, so a content must be valid during the call only. No
 * function makes an up-call, except to listeners of outgoing packets and of rooms, and where its comment says so.
 *
 * Results: 0, or
 *   SIO_ERR_ARGUMENT    the text is not a JSON array, an event does not begin with a name, or a placeholder is wrong
 *   SIO_ERR_RESERVED    the event name is reserved
 *   SIO_ERR_TOO_MANY    arguments, attachments, rooms or unanswered acknowledgements
 *   SIO_ERR_TOO_BIG, SIO_ERR_STATE, SIO_ERR_SYSTEM (no memory)
 * It is not an error if the socket has left or the namespace has no sockets.
 */
#ifndef NODE_SOCKETIO_SIO_RAW_H
#define NODE_SOCKETIO_SIO_RAW_H

#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_target.h"

/* --------------------------------------------------------------- owning */

/*
 * Makes `owner` the owner of the namespace, which is made if missing. Its sockets stay; their events and ends go to
 * the new owner from now on. `owner` NULL: the namespace loses its owner, and sockets that wait for its answer are
 * refused. Setting the same owner again does nothing. SIO_ERR_STATE: another owner has it; SIO_ERR_ARGUMENT: not a
 * valid name with a leading "/"; SIO_ERR_TOO_MANY: there are max_children.
 */
int sio_raw_own(sio_server *io, struct text name, const struct sio_owner *owner, void *arg);
/*
 * Makes `owner` the owner of every namespace that does not exist when a client asks for it and that on_namespace()
 * allows. Parents that the application has made before are asked first. `owner` also gets "/", unless the application
 * has taken it by sio_of(). Holds for the life of the server.
 */
void sio_raw_own_others(sio_server *io, const struct sio_owner *owner, void *arg);
/* Sets the server's only watcher, for the life of the server; borrowed. */
void sio_raw_watch(sio_server *io, const struct sio_watcher *watcher, void *arg);
/* Sets the server's only observer. NULL: it has none. */
void sio_raw_observe(sio_server *io, const struct sio_observer *observer, void *arg);
/* Returns the namespace, or NULL if it does not exist. */
sio_nsp *sio_raw_nsp(const sio_server *io, struct text name);
/*
 * Returns the parent whose pattern matches the name, or NULL. The parent makes the namespace, if it does not exist,
 * when a client asks for it; a question of anybody else does not.
 */
const sio_nsp *sio_raw_pattern(const sio_server *io, struct text name);
/*
 * Returns a namespace for events of the owner of all other namespaces. Makes the namespace if it is missing, because
 * it may have sockets at other nodes. The pointer is valid for this turn: while there are more than maxChildren
 * namespaces, those without clients that have been unused for longest are freed. Returns NULL if the name is not
 * valid, if maxChildren are in use, or if the application has parents of its own, because they may match the name.
 */
sio_nsp *sio_raw_reach(sio_server *io, struct text name);

/* -------------------------------------------------------------- visiting */

/*
 * For a server without clients whose broker visits the other nodes: returns the namespace of that name, which is made
 * if missing. It is valid for this turn. While there are more than maxChildren namespaces, those that have been
 * unused for longest are freed. Returns NULL if the name is not valid.
 */
sio_nsp *sio_raw_visit(sio_server *io, struct text name);

/* ------------------------------------------------------------- a socket */

/* Returns a connected socket of this node, or NULL. */
sio_socket *sio_raw_find(const sio_nsp *nsp, struct text id);
/* The owner's pointer for a socket, initially NULL; valid until on_closed() has returned. */
void sio_raw_set_owned(sio_socket *s, void *owned);
void *sio_raw_owned(const sio_socket *s);
/* The Engine.IO session, shared by all sockets of a client. NULL after the client has gone. */
struct eio_session *sio_raw_engine(const sio_socket *s);
struct text sio_raw_session(const sio_socket *s); /* the sid, or TEXT_NONE */
struct text sio_raw_auth(const sio_socket *s);	  /* the auth of its CONNECT as JSON; {} if it sent none */
/* socket.data as it was set; the text is TEXT_NONE if it was not set. */
struct sio_content sio_raw_data(const sio_socket *s);

/*
 * Answers on_connect() with yes. The socket is in the namespace when this returns. If its client is closing,
 * on_closed() follows instead. A recovered socket joins when its missed events have been sent; with several workers
 * this may be later. Until then, events to it are kept and follow the missed ones. If the missed events are gone,
 * on_closed() and then on_connect() for a new socket are called, now or later. SIO_ERR_STATE: the socket does not
 * wait for an answer.
 */
int sio_raw_accept(sio_socket *s);
/*
 * Answers on_connect() for a recovered socket that cannot be continued. The session ends, and the client goes on with
 * a new socket: calls on_closed() with a NULL reason, then on_connect() for the same socket with a new id and without
 * rooms and data; the application's middlewares run in between. SIO_ERR_STATE: the socket is not recovered or does
 * not wait.
 */
int sio_raw_restart(sio_socket *s);
/* Answers with CONNECT_ERROR; `data` is JSON or TEXT_NONE. The socket is gone afterwards, without on_closed(). */
int sio_raw_refuse(sio_socket *s, const char *message, struct text data);

/*
 * For on_closed(): true if the client may come back as the same socket (sio_recovery.h), so that events for the room
 * of its id are recorded from now on.
 */
bool sio_raw_may_return(const sio_socket *s);
/* Names the session of a socket, also after the socket has left. It is a secret of the client. */
struct sio_raw_key {
	char pid[32]; /* all zero: it has no session */
};
struct sio_raw_key sio_raw_session_key(const sio_socket *s);
/* Returns the socket of this worker that has the session, also while it waits for the owner's answer, or NULL. */
sio_socket *sio_raw_session_socket(const sio_server *io, const struct sio_raw_key *key);
/*
 * Ends the session of a lost client of the namespace, which then comes back as a new one. Does nothing if the client
 * is back.
 */
void sio_raw_end_session(sio_nsp *nsp, const struct sio_raw_key *key);

/* Sends to one socket, even while it waits for the answer. `flags`: SIO_FLAG_VOLATILE, SIO_FLAG_NO_COMPRESS. */
int sio_raw_emit(sio_socket *s, unsigned flags, const struct sio_content *event);
/*
 * Like sio_raw_emit(), with an acknowledgement. ask->fn is called once, unless sio_raw_forget() is called before:
 * with error 0, SIO_ERR_TIMEOUT (after timeout_ms; 0: no timeout) or SIO_ERR_STATE (the socket left). sio_raw_acked()
 * reads the answer.
 */
int sio_raw_emit_ack(sio_socket *s, unsigned flags, uint32_t timeout_ms, const struct sio_content *event,
	const struct sio_asker *ask);
/* Drops the callbacks with this `arg` of questions to this socket. Late answers are ignored. */
void sio_raw_forget(sio_socket *s, const void *arg);
/*
 * Acknowledges the event that the socket sent with this id. The caller must do so once for each event that wants an
 * answer: the ids are not checked, and a second answer is sent like the first (stock clients ignore it).
 */
int sio_raw_ack(sio_socket *s, uint64_t id, const struct sio_content *args);
/* Sets socket.data to one JSON value; TEXT_NONE removes it. */
int sio_raw_set_data(sio_socket *s, const struct sio_content *data);
/* Join and leave rooms of one socket. Errors are those of sio_join(). */
int sio_raw_join(sio_socket *s, const struct text *rooms, unsigned rooms_count);
void sio_raw_leave(sio_socket *s, const struct text *rooms, unsigned rooms_count);

/* Returns the array and the attachments that one socket has answered; the text is TEXT_NONE without an answer. */
struct sio_content sio_raw_acked(const sio_answers *answers);
/* Returns the first argument of the i-th answer, for the answers of several sockets. */
struct sio_content sio_raw_answer(const sio_answers *answers, unsigned i);

/* --------------------------------------------------------------- targets */

/* Sockets of a namespace, which must not be a parent; on all nodes unless SIO_FLAG_LOCAL is set. */
struct sio_raw_to {
	sio_nsp *nsp;
	struct sio_selector who; /* without rooms: all sockets */
	unsigned flags;
	uint32_t timeout_ms; /* of questions, with SIO_FLAG_TIMEOUT; else the default of sockeye.h */
};

/* Sends to the target. */
int sio_raw_cast(const struct sio_raw_to *to, const struct sio_content *event);
/* Collects the answers of all nodes. Calls ask->fn once, like sio_emit_ack(); sio_raw_answer() reads the answers. */
int sio_raw_cast_ack(const struct sio_raw_to *to, const struct sio_content *event, const struct sio_asker *ask);
/*
 * Sends to this node's sockets and passes each answer to the sink as it arrives. sink->count() is called before this
 * returns, the other functions later, sink->end() last.
 */
int sio_raw_cast_stream(
	const struct sio_raw_to *to, const struct sio_content *event, const struct sio_sink *sink, void *arg);
/* As sio_sockets_join(), sio_sockets_leave() and sio_disconnect_sockets(). */
int sio_raw_cast_join(const struct sio_raw_to *to, const struct text *rooms, unsigned rooms_count);
int sio_raw_cast_leave(const struct sio_raw_to *to, const struct text *rooms, unsigned rooms_count);
int sio_raw_cast_disconnect(const struct sio_raw_to *to, bool close);
/*
 * Finds only the ids, without duplicates and in no particular order. An id takes some twenty bytes, where
 * sio_raw_fetch() sends the whole handshake of each socket. `fn` is called as by sio_all_rooms(). SIO_ERR_ARGUMENT:
 * `to` has exceptions, which the question between nodes cannot express.
 */
int sio_raw_ids(const struct sio_raw_to *to, sio_rooms_fn *fn, void *arg);
/*
 * Like sio_fetch(). With SIO_FLAG_MARKED in to->flags the data of other nodes' sockets keeps its member "_admin", see
 * sio_observer. sio_all_rooms() finds the names of all rooms.
 */
int sio_raw_fetch(const struct sio_raw_to *to, sio_fetch_fn *fn, void *arg);

#endif
