/* Sec-WebSocket-Key and Sec-WebSocket-Accept, RFC 6455 4.2.2. */
#ifndef NODE_WS_WS_KEY_H
#define NODE_WS_WS_KEY_H

#include <stdbool.h>

#include "common/base/text.h"

#define WS_ACCEPT_LENGTH 28

/* Returns true if the key is the base64 of 16 bytes: 24 characters, the last two of them padding. */
bool ws_key_valid(struct text key);

/* Computes Sec-WebSocket-Accept for a valid key. No NUL is added. */
void ws_key_accept(struct text key, char out[WS_ACCEPT_LENGTH]);

#endif
