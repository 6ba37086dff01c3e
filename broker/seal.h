/*
 * A seal authenticates messages between the nodes of a cluster that share a secret. Each message ends with a tag
 * computed over its channel and its bytes. Without the secret, a third party with access to the bus cannot forge
 * messages, but it can replay messages that were sent before.
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

/*
 * A tag whose bytes are added over several turns, because a message may be many megabytes long. `secret` chooses the
 * seal's own secret or the second one that it accepts. seal_pass_new() returns NULL if there is no second secret.
 * seal_pass_end() writes the tag, and seal_pass_matches() compares the tag with a received one. After either, the
 * pass can only be freed.
 */
enum seal_secret { SEAL_OWN, SEAL_ACCEPTED };
struct seal_pass;
struct seal_pass *seal_pass_new(const struct seal *seal, enum seal_secret secret, struct text channel);
void seal_pass_update(struct seal_pass *pass, struct text bytes);
void seal_pass_end(struct seal_pass *pass, uint8_t tag[SEAL_TAG]);
bool seal_pass_matches(struct seal_pass *pass, const uint8_t tag[SEAL_TAG]);
void seal_pass_free(struct seal_pass *pass); /* NULL is accepted */

#endif
