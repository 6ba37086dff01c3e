/*
 * One option: the forms of its name, and reading a value into its field.
 * For options.c and options_help.c; others include options.h. The two go in a circle by their headers alone: the row
 * that is read here is declared in options.h, and option.c calls nothing of options.c.
 */
#ifndef COMMON_BASE_OPTION_H
#define COMMON_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/options.h"
#include "common/base/text.h"

#define OPTION_NAME_MAX 64 /* any form of a name, with its NUL */
#define OPTION_PREFIX "SOCKEYE_"

/*
 * "maxHttpBufferSize" gives max-http-buffer-size and SOCKEYE_MAX_HTTP_BUFFER_SIZE. A run of capitals is one word:
 * allowEIO3 gives allow-eio3, tlsCAFile gives tls-ca-file. A name that does not fit is a broken table (must).
 */
void option_flag_name(const char *name, char out[OPTION_NAME_MAX]);
void option_env_name(const char *name, char out[OPTION_NAME_MAX]);

/* How many single-character edits lead from a to b; more than `most` for texts that are longer than names. */
unsigned option_distance(struct text a, struct text b, unsigned most);

/* True if `item` is one of `choices` ("a|b|c"); *index tells which. */
bool option_choice(const char *choices, struct text item, int *index);

/* True if the row's `min` and `max` limit its value; a `max` of 0 is no limit. */
bool option_has_range(const struct option_row *row);

/* The field at its default. Frees nothing; a default that the row itself refuses is a broken table (must). */
void option_default(const struct option_row *row, void *into);

/*
 * Reads `value` into the row's field: 0, or ERROR_ARGUMENT and a line in `error` (may be NULL) that begins with
 * `label`, the name as the user wrote it. The field is as before after an error.
 */
int option_assign(const struct option_row *row, void *into, const char *label, const char *value, char *error);

/* Frees the field's text. */
void option_clear(const struct option_row *row, void *into);

#endif
