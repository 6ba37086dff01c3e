/*
 * Connection state recovery: a client that lost its connection comes back with the same id, rooms and data, and gets
 * the events that it missed. The exchange with the client is that of socket.io 4.6, option connectionStateRecovery.
 *
 *   how it came to the state  state      ends by
 *   made at CONNECT           live       the socket leaves for a recoverable reason: stored; for another: freed
 *   stored                    stored     a client claims it: claimed; the window ends, or a limit: freed
 *   claimed                   claimed    CONNECT is sent: live; the new socket leaves before that: stored
 *
 * A session belongs to one namespace and is found by its pid, a secret of the client. The events of a namespace are
 * in its log (sio_recovery_log.h). A single worker keeps all of this in its memory. With several workers, the hub or
 * Redis keeps the events and the sessions of lost clients (sio_keep.h, sio_stream.h). A namespace with an owner that
 * does not ask for recovery (sio_owner.h) has none. Clients of protocol revision 4 keep no pid, so they are not
 * recovered. If io->recovery is NULL, the option is off, and no function of this file is called.
 */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_H
#define NODE_SOCKETIO_SIO_RECOVERY_H

#include "node/socketio/sio_recovery_record.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_socket.h"

/* Turns recording on, with the options of the server. Called before the first session is made. */
struct sio_recovery *sio_recovery_new(struct sio_server *io);
/* Requires that all sockets are gone. Accepts NULL. */
void sio_recovery_free(struct sio_recovery *recovery);

/*
 * Fills in this process's figures. With several workers, those of the log and the sessions stay 0; the keeper has
 * its own (sio_keeper_stats()).
 */
void sio_recovery_stats(const struct sio_recovery *recovery, struct sio_recovery_stats *out);

/*
 * Handles the members `pid` and `offset` of the auth of a CONNECT. Returns false if `pid` is missing, or if the
 * client uses protocol revision 4. Otherwise calls `then`: at once, or with several workers when the hub or Redis
 * has answered, unless the client has left by then. `then` gets the auth without the two members, and the session
 * that the new socket continues, or NULL. A failed claim is counted here; a successful one is counted when the
 * socket connects. If another socket still has the session, that socket is closed and its listeners run.
 */
bool sio_recovery_claim(struct sio_client *c, struct sio_nsp *nsp, struct text auth, sio_recovery_then *then);
/* Gives a claimed session back, because no socket could be made for it. */
void sio_recovery_unclaim(struct sio_recovery_session *session);
/*
 * Gives the new, waiting socket the id, the rooms and the data of the session. Returns false if the socket cannot
 * join one of the rooms, or if it is unknown what it has got with histories; then the session has ended and the
 * socket continues as a new one.
 */
bool sio_recovery_attach(struct sio_socket *s, struct sio_recovery_session *session);
/*
 * One worker: a waiting socket is about to connect. Sends the events that its claimed session missed, if it has one.
 * If the log no longer contains all of them, the socket continues as a new one, with a new id. Closes the client if
 * the events cannot be sent to it. Calls up only to listeners of rooms.
 */
void sio_recovery_replay(struct sio_socket *s);
/* A waiting socket connects. Makes its claimed session live, or gives it a new session. */
void sio_recovery_enter(struct sio_socket *s);

/*
 * The client of `old` is back before its loss was noticed. Closes `old` as if the loss had been noticed. `c` is the
 * new client, or NULL if it is at another worker.
 */
void sio_recovery_end_ghost(const struct sio_client *c, struct sio_socket *old);
/* Ends the claimed session of a waiting socket, here and at the peer. The socket continues as a new one. */
void sio_recovery_reject(struct sio_socket *s);
/* Ends the session of a waiting socket, which continues as a new one. Counts `result`. */
void sio_recovery_give_up(struct sio_socket *s, enum sio_recovery_result result);
/*
 * Sends a missed event, with its offset. Returns false if memory is short, if the client's parser cannot carry the
 * event, or if the client's queue is full.
 */
bool sio_recovery_send(struct sio_socket *s, struct text json, const struct attachments *attachments, bool compress);
#endif
