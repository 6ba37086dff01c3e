/*
 * A slice of bytes owned by someone else: pointer and length, without a NUL. It is passed by value and is valid as
 * long as the bytes it points to.
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

/* Compares `n` bytes each; `n` must not be 0. For text_is_nocase(). */
bool text_same_nocase(const char *a, const char *b, size_t n);

/*
 * Compares without regard to ASCII case, for header names and tokens; independent of the locale. Most names differ in
 * length or in the first letter, so these are compared first.
 */
static inline bool
text_is_nocase(struct text a, struct text b)
{
	return a.n == b.n &&
	       (a.n == 0 || (((*a.at ^ *b.at) & ~('a' - 'A')) == 0 && text_same_nocase(a.at, b.at, a.n)));
}

/* Return true if `whole` begins with, ends with or contains the other text. Every text contains the empty text. */
bool text_starts(struct text whole, struct text prefix);
bool text_ends(struct text whole, struct text suffix);
bool text_has(struct text whole, struct text part);

/* Removes leading and trailing spaces and TABs. */
struct text text_trim(struct text text);

/*
 * Moves the part up to the first `separator` from `*rest` to `*part`. Returns false if `*rest` is empty. "a,,b"
 * yields "a", "" and "b"; "a," yields only "a". A caller to whom an empty last part matters checks text_ends() first.
 */
bool text_cut(struct text *rest, char separator, struct text *part);

/* Reads a whole text as a decimal number from 0 to `max`; digits only. Returns 0, ERROR_SYNTAX or ERROR_TOO_BIG. */
int text_number(struct text text, uint64_t max, uint64_t *value);

#endif
