/*
 * The raw entry: the Socket.IO layer for those who have JSON text in their hands and not values: links to backends,
 * an HTTP API, webhooks. It is as whole as sockeye.h, which stands on the same functions (sio_emission.h,
 * sio_order.h, sio_fetch.h).
 *
 * A content is the text of a JSON array with its attachments, each of which some {"_placeholder":true,"num":i} stands
 * for, at any depth; without attachments what looks like one is a plain object. It is checked in one pass and copied
 * (blocks of attachments are referenced), so it need be good during the call only. Nothing here makes an up-call,
 * listeners of outgoing packets and of rooms excepted.
 *
 * Results: 0, or SIO_ERR_ARGUMENT: the text is not a JSON array, of an event one that begins with a name, or a
 * placeholder is wrong; SIO_ERR_RESERVED: the name is; SIO_ERR_TOO_MANY: arguments, attachments, rooms, unanswered
 * acknowledgements; SIO_ERR_TOO_BIG; SIO_ERR_STATE. A socket that is gone or namespace without sockets is no error.
 */
#ifndef NODE_SOCKETIO_SIO_RAW_H
#define NODE_SOCKETIO_SIO_RAW_H

#include "node/socketio/sio_ack.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_target.h"

/* --------------------------------------------------------------- owning */

/*
 * Takes the namespace, which is made when missing. Its sockets stay as they are, whoever owns it: from now on events
 * and ends are `owner`'s. `owner` NULL: nobody's, and sockets that wait for an answer are refused. The same as before
 * is no error; SIO_ERR_STATE: it is another's; SIO_ERR_ARGUMENT: not a name ("/" first); SIO_ERR_TOO_MANY.
 */
int sio_raw_own(sio_server *io, struct text name, const struct sio_owner *owner, void *arg);
/*
 * Takes all namespaces that are not there when a client asks for them and on_namespace() allows, after the parents
 * that the application has made until now; "/" too, unless the application has asked for it by sio_of(). For the life
 * of the server.
 */
void sio_raw_own_others(sio_server *io, const struct sio_owner *owner, void *arg);
/* One watcher for the life of the server; borrowed. */
void sio_raw_watch(sio_server *io, const struct sio_watcher *watcher, void *arg);
/* The namespace, or NULL when there is none of that name; none is made. */
sio_nsp *sio_raw_nsp(const sio_server *io, struct text name);

/* -------------------------------------------------------------- visiting */

/*
 * The namespace of that name on a server without clients, whose broker visits the others: made when missing, and
 * forgotten some time later, the longest unused first, when there are more than maxChildren. It is good for the calls
 * of this turn. NULL: not a name.
 */
sio_nsp *sio_raw_visit(sio_server *io, struct text name);

/* ------------------------------------------------------------- a socket */

/* A connected socket of this node, or NULL. */
sio_socket *sio_raw_find(const sio_nsp *nsp, struct text id);
/* The owner's pointer of a socket, NULL at first; good until on_closed() has returned. */
void sio_raw_set_owned(sio_socket *s, void *owned);
void *sio_raw_owned(const sio_socket *s);
/* The Engine.IO session behind it: the same for all sockets of one client. NULL once the client is gone. */
struct eio_session *sio_raw_engine(const sio_socket *s);
struct text sio_raw_session(const sio_socket *s); /* its sid; TEXT_NONE */
struct text sio_raw_auth(const sio_socket *s);	  /* what it sent to join, JSON; {} when that was nothing */
/* socket.data as it was set; no text when there is none. */
struct sio_content sio_raw_data(const sio_socket *s);

/*
 * The answer to on_connect(). The socket is in the namespace when this returns, unless its client is on its way out,
 * then on_closed() comes. SIO_ERR_STATE: nobody asked.
 */
int sio_raw_accept(sio_socket *s);
/* CONNECT_ERROR; `data` is JSON or TEXT_NONE. The socket is gone afterwards, without on_closed(). */
int sio_raw_refuse(sio_socket *s, const char *message, struct text data);

/* Flags of all below: SIO_FLAG_VOLATILE, SIO_FLAG_NO_COMPRESS. To one socket, also while it waits for the answer. */
int sio_raw_emit(sio_socket *s, unsigned flags, const struct sio_content *event);
/*
 * The same, and asks for an acknowledgement: ask->fn is called once, unless sio_raw_forget() was: with error 0,
 * SIO_ERR_TIMEOUT (timeout_ms, 0: none) or SIO_ERR_STATE (it left); sio_raw_acked() reads it.
 */
int sio_raw_emit_ack(sio_socket *s, unsigned flags, uint32_t timeout_ms, const struct sio_content *event,
	const struct sio_asker *ask);
/* Whoever asked this socket with this `arg` is gone: nothing is called, and its answers are ignored. */
void sio_raw_forget(sio_socket *s, const void *arg);
/*
 * Acknowledges the event that the socket sent with this id. Once for each event that wants it: which ids are open is
 * the caller's to know, a second answer is sent like the first one. Stock clients ignore it.
 */
int sio_raw_ack(sio_socket *s, uint64_t id, const struct sio_content *args);
/* socket.data: one JSON value; TEXT_NONE: none any more. */
int sio_raw_set_data(sio_socket *s, const struct sio_content *data);
int sio_raw_join(sio_socket *s, const struct text *rooms, unsigned n);
void sio_raw_leave(sio_socket *s, const struct text *rooms, unsigned n);

/* Of an answer of one socket: its array and attachments; no text when there is none. */
struct sio_content sio_raw_acked(const sio_answers *answers);
/* Of the answers of many: the first argument of the i-th. */
struct sio_content sio_raw_answer(const sio_answers *answers, unsigned i);

/* --------------------------------------------------------------- targets */

/* Sockets of a namespace, on all nodes unless SIO_FLAG_LOCAL is set. Not a parent. */
struct sio_raw_to {
	sio_nsp *nsp;
	struct sio_selector who; /* no rooms: everybody */
	unsigned flags;
	uint32_t timeout_ms; /* of questions, with SIO_FLAG_TIMEOUT; else as sockeye.h says */
};

int sio_raw_cast(const struct sio_raw_to *to, const struct sio_content *event);
/* Collects the answers of all nodes: ask->fn is called once, as of sio_emit_ack(); sio_raw_answer() reads them. */
int sio_raw_cast_ack(const struct sio_raw_to *to, const struct sio_content *event, const struct sio_asker *ask);
/*
 * To this node's sockets, and each answer goes to the sink as it comes: sink->count() is called first, before this
 * returns, the rest later, sink->end() last.
 */
int sio_raw_cast_stream(
	const struct sio_raw_to *to, const struct sio_content *event, const struct sio_sink *sink, void *arg);
int sio_raw_cast_join(const struct sio_raw_to *to, const struct text *rooms, unsigned n);
int sio_raw_cast_leave(const struct sio_raw_to *to, const struct text *rooms, unsigned n);
int sio_raw_cast_disconnect(const struct sio_raw_to *to, bool close);
/*
 * The ids alone, each once, in no order: some twenty bytes of each socket, where a fetch sends its whole handshake.
 * fn as of sio_all_rooms(). SIO_ERR_ARGUMENT: there are excepted rooms, which the question between nodes cannot say.
 */
int sio_raw_ids(const struct sio_raw_to *to, sio_rooms_fn *fn, void *arg);
/* As sio_fetch(). The names of all rooms: sio_all_rooms(). */
int sio_raw_fetch(const struct sio_raw_to *to, sio_fetch_fn *fn, void *arg);

#endif
