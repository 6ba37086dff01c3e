/* The proof that a backend knows the secret: HMAC-SHA256 over the nonce of CHALLENGE and the instance's name. */
#ifndef NODE_BACKEND_BACKEND_PROOF_H
#define NODE_BACKEND_BACKEND_PROOF_H

#include <stdbool.h>

#include "common/base/text.h"

#define BACKEND_NONCE 64 /* hex digits */
#define BACKEND_PROOF 64 /* hex digits */

/* Makes a new nonce, without a NUL. */
void backend_nonce(char out[BACKEND_NONCE]);
/* Writes the proof for this nonce, without a NUL. */
void backend_proof(struct text secret, struct text nonce, struct text instance, char out[BACKEND_PROOF]);
/* Returns true if the proof is right. Compares in constant time. */
bool backend_proof_is(struct text secret, struct text nonce, struct text instance, struct text proof);

#endif
