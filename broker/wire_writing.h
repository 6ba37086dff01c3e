/* Functions that the writers of all forms share. */
#ifndef BROKER_WIRE_WRITING_H
#define BROKER_WIRE_WRITING_H

#include "broker/wire.h"

/* Appends a JSON array of names. If `both` is true, names that look like whole numbers are added as numbers too. */
void wire_add_names(struct buffer *out, const struct text *items, unsigned n, bool both);

#endif
