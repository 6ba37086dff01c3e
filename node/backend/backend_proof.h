/* How a backend shows that it knows the secret: HMAC-SHA256 over the nonce of CHALLENGE and its own name. */
#ifndef NODE_BACKEND_BACKEND_PROOF_H
#define NODE_BACKEND_BACKEND_PROOF_H

#include <stdbool.h>

#include "common/base/text.h"

#define BACKEND_NONCE 64 /* hex digits */
#define BACKEND_PROOF 64 /* hex digits */

/* A fresh one, no NUL. */
void backend_nonce(char out[BACKEND_NONCE]);
void backend_proof(struct text secret, struct text nonce, struct text instance, char out[BACKEND_PROOF]);
/* In a time that does not depend on where they differ. */
bool backend_proof_is(struct text secret, struct text nonce, struct text instance, struct text proof);

#endif
