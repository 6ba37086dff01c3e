/* Functions that the writers of all forms share. Those that pack append MessagePack. */
#ifndef BROKER_WIRE_WRITING_H
#define BROKER_WIRE_WRITING_H

#include "broker/wire.h"

/* Appends a JSON array of names. If `both` is true, names that look like whole numbers are added as numbers too. */
void wire_add_names(struct buffer *out, const struct text *items, unsigned n, bool both);

void wire_pack_text(struct buffer *out, struct text text);
/* Packs {rooms, except, flags}. */
void wire_pack_opts(struct buffer *out, const struct wire_target *to);
/* Packs the event array. */
void wire_pack_event(struct buffer *out, const struct wire_outgoing *event);

#endif
