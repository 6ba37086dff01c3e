#include "node/http/http_query.h"

#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/utf8.h"

/*
 * Returns true for an ASCII character that is decoded to itself, as most are. Returns false for NUL, because callers
 * must notice it.
 */
static inline bool
query_is_plain(char byte)
{
	return (signed char)byte > 0 && byte != '%' && byte != '+';
}

static size_t
plain_end(struct text raw, size_t at)
{
	while (at < raw.n && query_is_plain(raw.at[at]))
		at++;
	return at;
}

/* Returns the percent-decoded byte at *at and advances *at. */
static uint8_t
next_byte(struct text raw, size_t *at)
{
	size_t i = (*at)++;
	int escaped = ascii_percent(text_of(raw.at + i, raw.n - i));

	if (escaped >= 0) {
		*at = i + 3;
		return (uint8_t)escaped;
	}
	return (uint8_t)(raw.at[i] == '+' ? ' ' : raw.at[i]);
}

/*
 * Decodes one character, at most 4 bytes, into `character` and advances *at. Returns its length. Invalid UTF-8
 * becomes one U+FFFD for the longest prefix of a character, or "?" if that prefix is shorter than U+FFFD. The result
 * is therefore never longer than the input and may overwrite it.
 */
static size_t
next_character(struct text raw, size_t *at, char character[4])
{
	struct utf8_state state = {0};
	size_t begin = *at, n = 0;

	while (*at < raw.n) {
		size_t before = *at;
		uint8_t byte = next_byte(raw, at);

		if (!utf8_feed(&state, &byte, 1)) {
			if (n)
				*at = before;
			break;
		}
		character[n++] = (char)byte;
		if (utf8_done(&state))
			return n;
	}
	if (*at - begin < 3) {
		character[0] = '?';
		return 1;
	}
	memcpy(character, "\xef\xbf\xbd", 3);
	return 3;
}

/* Sets *nul if the result contains a NUL. */
static int64_t
query_decode(struct text raw, char *out, size_t size, bool *nul)
{
	size_t n = 0, at = 0;

	*nul = false;
	while (at < raw.n) {
		char character[4];
		size_t length;

		if (query_is_plain(raw.at[at])) {
			size_t end = plain_end(raw, at), run = end - at;

			if (size - n < run)
				return ERROR_TOO_BIG;
			memmove(out + n, raw.at + at, run);
			n += run;
			at = end;
			continue;
		}
		length = next_character(raw, &at, character);
		if (size - n < length)
			return ERROR_TOO_BIG;
		*nul |= character[0] == '\0';
		memcpy(out + n, character, length);
		n += length;
	}
	return (int64_t)n;
}

size_t
http_query_decode(struct text raw, char *out)
{
	bool nul;

	return (size_t)query_decode(raw, out, raw.n, &nul);
}

bool
http_query_next(struct text *rest, struct text *raw_key, struct text *raw_value)
{
	struct text pair;

	while (text_cut(rest, '&', &pair)) {
		const char *mark;

		if (!pair.n)
			continue;
		mark = memchr(pair.at, '=', pair.n);
		*raw_key = mark ? text_of(pair.at, (size_t)(mark - pair.at)) : pair;
		*raw_value = mark ? text_of(mark + 1, pair.n - raw_key->n - 1) : text_of(pair.at + pair.n, 0);
		return true;
	}
	return false;
}

/* Returns true if the raw key decodes to `key`. Decodes and compares in one pass. */
static bool
key_is(struct text raw, struct text key)
{
	size_t n = 0, at = 0;

	while (at < raw.n) {
		char character[4];
		size_t length;

		if (query_is_plain(raw.at[at])) {
			if (n == key.n || raw.at[at++] != key.at[n++])
				return false;
			continue;
		}
		length = next_character(raw, &at, character);
		if (key.n - n < length || memcmp(key.at + n, character, length) != 0)
			return false;
		n += length;
	}
	return n == key.n;
}

/*
 * Returns true if the pair's key is `key`, written without escapes as usual. Otherwise key_is() must decode it.
 */
static bool
key_is_verbatim(struct text pair, struct text key)
{
	return pair.n >= key.n && memcmp(pair.at, key.at, key.n) == 0 && (pair.n == key.n || pair.at[key.n] == '=') &&
	       plain_end(key, 0) == key.n;
}

/* Returns the raw value of the last pair with that key, or TEXT_NONE. */
static struct text
find_last(struct text query, struct text key)
{
	const char *at = query.at, *end = query.at + query.n;
	struct text last = TEXT_NONE;

	while (at < end) {
		const char *next = memchr(at, '&', (size_t)(end - at));
		struct text pair = text_of(at, (size_t)((next ? next : end) - at)), raw_key = pair;
		const char *mark;

		at = next ? next + 1 : end;
		if (pair.n == 0 || (key.n > 0 && query_is_plain(*pair.at) && *pair.at != *key.at))
			continue; /* the first byte rules out most keys */
		if (key_is_verbatim(pair, key)) {
			last = pair.n > key.n ? text_of(pair.at + key.n + 1, pair.n - key.n - 1)
					      : text_of(pair.at + pair.n, 0);
			continue;
		}
		mark = memchr(pair.at, '=', pair.n);
		if (mark)
			raw_key.n = (size_t)(mark - pair.at);
		if (key_is(raw_key, key))
			last = mark ? text_of(mark + 1, pair.n - raw_key.n - 1) : text_of(pair.at + pair.n, 0);
	}
	return last;
}

int
http_query_get(struct text query, const char *key, char *out, size_t out_size)
{
	struct text last = find_last(query, text_from(key));
	int64_t n;
	bool nul;

	if (!last.at)
		return ERROR_NOT_FOUND;
	if (!out_size)
		return ERROR_TOO_BIG;
	n = query_decode(last, out, out_size - 1 < INT32_MAX ? out_size - 1 : INT32_MAX, &nul);
	if (n < 0)
		return (int)n;
	if (nul)
		return ERROR_SYNTAX;
	out[n] = '\0';
	return (int)n;
}
