/*
 * Session ids that route themselves: 2 characters name the node, 2 the worker, 16 are random (96 bits). The
 * alphabet is base64url, so a load balancer may take the place out of the `sid` query parameter. Pure code.
 */
#ifndef NODE_ENGINEIO_EIO_SID_H
#define NODE_ENGINEIO_EIO_SID_H

#include "common/base/text.h"

#define EIO_SID_PLACE_MAX 4095 /* two characters of six bits */

/* Writes EIO_SID_LENGTH characters, no NUL. `node` and `worker` are 0..EIO_SID_PLACE_MAX (must). */
void eio_sid_make(char *out, unsigned node, unsigned worker);

/* Reads the place back. 0, or ERROR_SYNTAX if this cannot be a sid (length, alphabet). */
int eio_sid_parse(struct text sid, unsigned *node, unsigned *worker);

#endif
