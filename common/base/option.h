/*
 * One option: the forms of its name, and assigning a value to its field. For options.c and options_help.c; other
 * files include options.h. Only the headers depend on each other: the row assigned here is declared in options.h, and
 * option.c does not call options.c.
 */
#ifndef COMMON_BASE_OPTION_H
#define COMMON_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/options.h"
#include "common/base/text.h"

#define OPTION_NAME_MAX 64 /* maximum size of any form of a name, with its NUL */
#define OPTION_PREFIX "SOCKEYE_"

/*
 * Convert an API name to its flag or environment name: "maxHttpBufferSize" becomes max-http-buffer-size or
 * SOCKEYE_MAX_HTTP_BUFFER_SIZE. A run of capitals is one word: allowEIO3 becomes allow-eio3, tlsCAFile becomes
 * tls-ca-file. A name that does not fit is a faulty table (checked by must()).
 */
void option_flag_name(const char *name, char out[OPTION_NAME_MAX]);
void option_env_name(const char *name, char out[OPTION_NAME_MAX]);

/* Return true if `form` is this form of the API name. A program compares each name with all others when it starts. */
bool option_has_flag_name(const char *name, struct text form);
bool option_has_env_name(const char *name, struct text form);

/*
 * Returns the number of single-character edits between two texts, or more than `most` if a text is longer than any
 * name.
 */
unsigned option_distance(struct text a, struct text b, unsigned most);

/* Returns true and sets `*index` if `item` is one of `choices` ("a|b|c"). */
bool option_choice(const char *choices, struct text item, int *index);

/* Returns true if the row's `min` and `max` limit its value. A `max` of 0 means no limit. */
bool option_has_range(const struct option_row *row);

/*
 * Sets the field to its default without freeing anything. A default that the row itself refuses is a faulty table
 * (checked by must()).
 */
void option_default(const struct option_row *row, void *into);

/*
 * Assigns `value` to the row's field. Returns 0, or ERROR_ARGUMENT with one line in `error` (may be NULL) that begins
 * with "option " and `label`, the name as the user wrote it. On error the field is unchanged.
 */
int option_assign(const struct option_row *row, void *into, const char *label, const char *value, char *error);

/* Appends the field's value in the form that option_assign() reads. An unset text is empty. */
void option_write(const struct option_row *row, const void *into, struct buffer *out);

/* Frees the field's text. */
void option_clear(const struct option_row *row, void *into);

#endif
