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

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* As query_is_plain(), for eight bytes at once. */
static bool
eight_are_plain(const char *at)
{
	uint64_t word, percent, plus;

	memcpy(&word, at, sizeof(word));
	percent = word ^ EACH_BYTE('%');
	plus = word ^ EACH_BYTE('+');
	/* a byte of 0 borrows from the bit above it; a byte of 128 and above has that bit */
	return (((word - EACH_BYTE(1)) | (percent - EACH_BYTE(1)) | (plus - EACH_BYTE(1)) | word) &
		       EACH_BYTE(0x80)) == 0;
}

static size_t
plain_end(struct text raw, size_t at)
{
	while (raw.n - at >= sizeof(uint64_t) && eight_are_plain(raw.at + at))
		at += sizeof(uint64_t);
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

/* If the pair has the key, sets *raw to its value. */
static void
find_in_pair(struct text pair, struct text key, struct text *raw)
{
	const char *mark = memchr(pair.at, '=', pair.n);
	struct text raw_key = mark ? text_of(pair.at, (size_t)(mark - pair.at)) : pair;

	if (key_is(raw_key, key))
		*raw = mark ? text_of(mark + 1, pair.n - raw_key.n - 1) : text_of(pair.at + pair.n, 0);
}

/* Returns true if the pair has the key, written without escapes as usual. */
static bool
pair_starts(struct text pair, struct text key)
{
	return pair.n > key.n && pair.at[key.n] == '=' && memcmp(pair.at, key.at, key.n) == 0;
}

/* The first byte rules out most keys. `plain`: the keys have no byte that stands for another one in a query. */
static void
query_find(struct text query, const struct text keys[], unsigned n, struct text raw[], bool plain)
{
	const char *at = query.at, *end = query.at + query.n;

	for (unsigned i = 0; i < n; i++)
		raw[i] = TEXT_NONE;
	while (at < end) {
		const char *next = memchr(at, '&', (size_t)(end - at));
		struct text pair = text_of(at, (size_t)((next ? next : end) - at));
		bool first_plain = query_is_plain(*at);

		at = next ? next + 1 : end;
		for (unsigned i = 0; i < n && pair.n > 0; i++) {
			if (first_plain && keys[i].n > 0 && *pair.at != *keys[i].at)
				continue;
			if (plain && pair_starts(pair, keys[i]))
				raw[i] = text_of(pair.at + keys[i].n + 1, pair.n - keys[i].n - 1);
			else
				find_in_pair(pair, keys[i], &raw[i]);
		}
	}
}

void
http_query_find(struct text query, const struct text keys[], unsigned n, struct text raw[])
{
	query_find(query, keys, n, raw, true);
}

int
http_query_value(struct text raw, char *out, size_t out_size)
{
	int64_t n;
	bool nul;

	if (!raw.at)
		return ERROR_NOT_FOUND;
	if (!out_size)
		return ERROR_TOO_BIG;
	if (raw.n < out_size && raw.n <= INT32_MAX && plain_end(raw, 0) == raw.n) { /* as most values are */
		memcpy(out, raw.at, raw.n);
		out[raw.n] = '\0';
		return (int)raw.n;
	}
	n = query_decode(raw, out, out_size - 1 < INT32_MAX ? out_size - 1 : INT32_MAX, &nul);
	if (n < 0)
		return (int)n;
	if (nul)
		return ERROR_SYNTAX;
	out[n] = '\0';
	return (int)n;
}

int
http_query_get(struct text query, const char *key, char *out, size_t out_size)
{
	struct text wanted = text_from(key), raw;

	query_find(query, &wanted, 1, &raw, plain_end(wanted, 0) == wanted.n);
	return http_query_value(raw, out, out_size);
}
