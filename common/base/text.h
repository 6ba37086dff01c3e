/*
 * A slice of bytes that somebody else owns: pointer and length, no NUL.
 * Passed by value; lives as long as what it points into.
 */
#ifndef COMMON_BASE_TEXT_H
#define COMMON_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	const char *at;
	size_t n;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})
#define TEXT_NONE ((struct text){NULL, 0})

static inline struct text
text_of(const char *at, size_t n)
{
	return (struct text){at, n};
}

static inline struct text
text_from(const char *nul_terminated)
{
	return (struct text){nul_terminated, strlen(nul_terminated)};
}

static inline bool
text_is(struct text a, struct text b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

/* For text_is_nocase(): n bytes each, not none. */
bool text_same_nocase(const char *a, const char *b, size_t n);

/* ASCII case ignored (header names, tokens); no locale. Most names differ in length or in the first letter already.
 */
static inline bool
text_is_nocase(struct text a, struct text b)
{
	return a.n == b.n &&
	       (a.n == 0 || (((*a.at ^ *b.at) & ~('a' - 'A')) == 0 && text_same_nocase(a.at, b.at, a.n)));
}

bool text_starts(struct text whole, struct text prefix);
bool text_ends(struct text whole, struct text suffix);
bool text_has(struct text whole, struct text part);

/* Without leading and trailing space and TAB. */
struct text text_trim(struct text t);

/*
 * Cuts the part up to the first `separator` off `*rest` into `*part`.
 * Returns false when nothing is left. "a,,b" gives "a", "", "b"; "a," gives
 * only "a", so where an empty last part matters, test text_ends() first.
 */
bool text_cut(struct text *rest, char separator, struct text *part);

/* Whole `t` as a decimal number 0..max: 0 and *value, or ERROR_SYNTAX / ERROR_TOO_BIG. Digits only. */
int text_number(struct text t, uint64_t max, uint64_t *value);

#endif
