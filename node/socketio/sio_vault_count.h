/*
 * Counts the servers for claims at a Redis Cluster, where the script of a claim sees only the subscribers of one
 * member. One count serves all claims that the script has taken before the count began. sio_vault_claim.c asks for a
 * count, and its function sio_vault_counted() gets the result.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_COUNT_H
#define NODE_SOCKETIO_SIO_VAULT_COUNT_H

#include "node/socketio/sio_vault_ask.h"

/*
 * Begins a count for a claim that the script has answered with `found`, which is copied to ask->found. When the count
 * is over, sio_vault_counted() is called from the loop. Returns false if the script has counted all servers itself.
 * Returns true without a count, after a pause has begun, if there is no memory.
 */
bool sio_vault_count(struct vault_ask *ask, struct text found);
/* Ends the count under way. */
void sio_vault_end_count(struct sio_vault *vault);

/* sio_vault_claim.c: the servers of the cluster have been counted for this claim. Negative: they could not be. */
void sio_vault_counted(struct vault_ask *ask, int64_t servers);

#endif
