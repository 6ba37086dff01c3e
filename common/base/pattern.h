/*
 * Regular expressions (PCRE2) that the operator or the application wrote and that a peer's text is matched against.
 * They are compiled to machine code where the kernel allows it, and each match is bounded: the text is the peer's
 * choice.
 */
#ifndef COMMON_BASE_PATTERN_H
#define COMMON_BASE_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

struct pattern;

enum {
	PATTERN_WHOLE = 1,   /* the whole text has to match, not a part of it */
	PATTERN_NOCASE = 2,  /* "i" behind a regular expression in slashes */
	PATTERN_LINES = 4,   /* "m": ^ and $ at each line */
	PATTERN_DOT_ALL = 8, /* "s" */
};

#define PATTERN_ERROR_MAX 192

/* NULL with a line in `error` (PATTERN_ERROR_MAX bytes) that says what is wrong with it, and where. */
struct pattern *pattern_new(struct text expression, unsigned flags, char *error);
void pattern_free(struct pattern *p); /* accepts NULL */

/* False too for a text that takes more steps than a match may have, and for one that is not UTF-8. */
bool pattern_matches(const struct pattern *p, struct text t);

#endif
