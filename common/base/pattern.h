/*
 * Regular expressions (PCRE2) that the operator or the application writes and that are matched against text from
 * peers. They are compiled to machine code if the kernel allows it. Each match is limited in steps, since the peer
 * chooses the text.
 */
#ifndef COMMON_BASE_PATTERN_H
#define COMMON_BASE_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

struct pattern;

enum {
	PATTERN_WHOLE = 1,   /* the whole text must match */
	PATTERN_NOCASE = 2,  /* flag "i" of a regular expression: ignore case */
	PATTERN_LINES = 4,   /* flag "m": ^ and $ match at each line */
	PATTERN_DOT_ALL = 8, /* flag "s": . matches line ends too */
};

#define PATTERN_ERROR_MAX 192

/*
 * Compiles an expression. Returns NULL with one line in `error` (PATTERN_ERROR_MAX bytes) that states the problem and
 * its position.
 */
struct pattern *pattern_new(struct text expression, unsigned flags, char *error);
void pattern_free(struct pattern *pattern); /* NULL is accepted */

/* Returns true if the text matches. A text that exceeds the limit of steps or is not valid UTF-8 does not match. */
bool pattern_matches(const struct pattern *pattern, struct text text);

#endif
