/* Sec-WebSocket-Key and its answer, RFC 6455 4.2.2. */
#ifndef NODE_WS_WS_KEY_H
#define NODE_WS_WS_KEY_H

#include <stdbool.h>

#include "common/base/text.h"

#define WS_ACCEPT_LENGTH 28

/* True for base64 of 16 bytes: 24 characters, the last two of them padding. */
bool ws_key_valid(struct text key);

/* Sec-WebSocket-Accept for a valid key; no NUL. */
void ws_key_accept(struct text key, char out[WS_ACCEPT_LENGTH]);

#endif
