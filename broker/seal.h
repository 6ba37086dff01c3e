/*
 * A secret that the nodes of a cluster share: each message ends with a tag that only they can make, over its channel
 * and its bytes. Whoever else may publish can then forge nothing; a message that was sent once he can send again.
 */
#ifndef BROKER_SEAL_H
#define BROKER_SEAL_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define SEAL_TAG 16 /* bytes: HMAC-SHA256, the first half */

struct seal;

struct seal *seal_new(struct text secret); /* copied; never NULL */
void seal_free(struct seal *s);		   /* accepts NULL */

/* Appends the tag to a message. */
void seal_add(struct seal *s, struct text channel, struct buffer *message);
/* Takes the tag off. False: there is none, or another one. */
bool seal_take(struct seal *s, struct text channel, struct text *message);

#endif
