/*
 * A seal authenticates messages between the nodes of a cluster that share a secret. Each message ends with a tag
 * computed over its channel and its bytes. Without the secret, a third party with access to the bus cannot forge
 * messages; it can replay messages that were sent before.
 */
#ifndef BROKER_SEAL_H
#define BROKER_SEAL_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define SEAL_TAG 16 /* bytes of a tag: the first half of HMAC-SHA256 */

struct seal;

struct seal *seal_new(struct text secret); /* the secret is copied; never returns NULL */
void seal_free(struct seal *seal);	   /* NULL is accepted */
/*
 * Accepts messages that were sealed with a second secret as well, which is copied. While a cluster changes its
 * secret, some nodes seal with the old one and others with the new one. At most once per seal.
 */
void seal_accept(struct seal *seal, struct text secret);

/* Appends the tag to a message. */
void seal_add(struct seal *seal, struct text channel, struct buffer *message);
/* Checks the tag and removes it. Returns false if the tag is missing or wrong. */
bool seal_take(struct seal *seal, struct text channel, struct text *message);

#endif
