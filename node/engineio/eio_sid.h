/*
 * Session ids that route themselves: 2 characters name the node, 2 the worker, and 16 are random (96 bits). The
 * alphabet is base64url, so that a load balancer can read node and worker from the `sid` query parameter. Pure code.
 */
#ifndef NODE_ENGINEIO_EIO_SID_H
#define NODE_ENGINEIO_EIO_SID_H

#include "common/base/text.h"

#define EIO_SID_PLACE_MAX 4095 /* two characters of six bits each */
#define EIO_SID_REST_LENGTH 16 /* characters after node and worker */

/* Writes EIO_SID_LENGTH characters without a NUL. Aborts if `node` or `worker` exceeds EIO_SID_PLACE_MAX. */
void eio_sid_make(char *out, unsigned node, unsigned worker);

/*
 * As eio_sid_make(), with `rest` instead of the random characters. Returns 0, or ERROR_SYNTAX if `rest` has another
 * length than EIO_SID_REST_LENGTH or a character outside base64url.
 */
int eio_sid_make_of(char *out, unsigned node, unsigned worker, struct text rest);

/* Reads node and worker. Returns 0, or ERROR_SYNTAX if the length or alphabet is not that of a sid. */
int eio_sid_parse(struct text sid, unsigned *node, unsigned *worker);

#endif
