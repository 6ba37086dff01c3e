/*
 * Stores the sessions of lost clients in Redis, and removes those whose windows have ended (sio_expiry.h), in the
 * classic mode. Each loss has a random name, by which a script recognizes the session that this worker has stored.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_EXPIRY_H
#define NODE_SOCKETIO_SIO_VAULT_EXPIRY_H

#include "node/socketio/sio_expiry.h"
#include "node/socketio/sio_vault_state.h"

extern const struct sio_expiry_peer sio_vault_expiry_peer;

/* The socket of the session has left, and its client may return. */
void sio_vault_store(struct sio_vault *vault, const struct sio_recovery_session *session);
/*
 * The same for a claimed session: its socket has left before the missed events reached it. VAULT_READ may have given
 * the session to this worker.
 */
void sio_vault_store_replayed(
	struct sio_vault *vault, const struct sio_recovery_session *session, struct text claim, uint64_t number);

#endif
