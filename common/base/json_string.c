/* Functions for JSON strings: unescaping, comparing without a copy, and escaping. */
#include "common/base/json.h"

#include "common/base/ascii.h"
#include "common/base/json_scan.h"
#include "common/base/utf8.h"

static unsigned
json_hex4(const char *at)
{
	unsigned value = 0;

	for (unsigned i = 0; i < 4; i++)
		value = value << 4 | (unsigned)ascii_hex_value(at[i]);
	return value;
}

/*
 * Decodes the escape at `*at` (its backslash) in a checked string to UTF-8 in `out`, moves `*at` past it and returns
 * the length. A surrogate pair is one character; a lone surrogate becomes U+FFFD.
 */
static unsigned
json_unescape(const char **at, const char *end, uint8_t out[4])
{
	unsigned c = (uint8_t)(*at)[1], low;

	*at += 2;
	switch (c) {
	case 'b':
		c = '\b';
		break;
	case 'f':
		c = '\f';
		break;
	case 'n':
		c = '\n';
		break;
	case 'r':
		c = '\r';
		break;
	case 't':
		c = '\t';
		break;
	case 'u':
		c = json_hex4(*at);
		*at += 4;
		if ((c & 0xfc00) == 0xd800 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' &&
			((low = json_hex4(*at + 2)) & 0xfc00) == 0xdc00) {
			c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
			*at += 6;
		}
		break;
	default: /* a quote, a backslash or a slash stands for itself */
		break;
	}
	return utf8_encode(c, out);
}

size_t
json_string_decode(struct text string, char *out)
{
	const char *at = string.at + 1, *end = string.at + string.n - 1;
	char *to = out;

	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		size_t n = (size_t)((escape ? escape : end) - at);
		uint8_t c[4];
		unsigned length;

		memcpy(to, at, n);
		to += n;
		at += n;
		if (!escape)
			break;
		length = json_unescape(&at, end, c);
		memcpy(to, c, length);
		to += length;
	}
	return (size_t)(to - out);
}

size_t
json_string_decode_name(struct text string, char *out)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t n = json_string_decode(string, out), nuls = 0, to;

	if (n == 0 || memchr(out, '\0', n) == NULL)
		return n;
	for (size_t i = 0; i < n; i++)
		nuls += out[i] == '\0';
	to = n + 2 * nuls; /* each NUL was written as six characters, so the output still fits */
	for (size_t i = n; i-- > 0;) {
		to -= out[i] == '\0' ? 3 : 1;
		if (out[i] == '\0')
			memcpy(out + to, replacement, 3);
		else
			out[to] = out[i];
	}
	return n + 2 * nuls;
}

size_t
json_string_length(struct text string)
{
	const char *at = string.at + 1, *end = string.at + string.n - 1, *escape;
	size_t length = 0;

	while ((escape = memchr(at, '\\', (size_t)(end - at)))) {
		uint8_t c[4];

		length += (size_t)(escape - at);
		at = escape;
		length += json_unescape(&at, end, c);
	}
	return length + (size_t)(end - at);
}

bool
json_string_is(struct text string, struct text plain)
{
	const char *at = string.at + 1, *end = string.at + string.n - 1, *want = plain.at, *stop = plain.at + plain.n;

	if (string.n - 2 < plain.n) /* a string is never longer than its escaped form */
		return false;
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		size_t n = (size_t)((escape ? escape : end) - at);
		uint8_t c[4];

		if ((size_t)(stop - want) < n || memcmp(at, want, n) != 0)
			return false;
		want += n;
		at += n;
		if (!escape)
			break;
		n = json_unescape(&at, end, c);
		if ((size_t)(stop - want) < n || memcmp(c, want, n) != 0)
			return false;
		want += n;
	}
	return want == stop;
}

/*
 * Returns the number of valid bytes of the UTF-8 sequence at `at`, at least 1, and sets `*whole` if it is complete.
 */
static size_t
json_sequence_length(const char *at, const char *end, bool *whole)
{
	struct utf8_state state = {0};
	size_t n = 0;

	*whole = false;
	while (at + n < end && utf8_feed(&state, at + n, 1)) {
		n++;
		if (utf8_done(&state)) {
			*whole = true;
			return n;
		}
	}
	return n ? n : 1;
}

size_t
json_escape_byte(uint8_t c, char out[6])
{
	size_t n = 2;

	out[0] = '\\';
	switch (c) {
	case '"':
	case '\\':
		out[1] = (char)c;
		break;
	case '\b':
		out[1] = 'b';
		break;
	case '\f':
		out[1] = 'f';
		break;
	case '\n':
		out[1] = 'n';
		break;
	case '\r':
		out[1] = 'r';
		break;
	case '\t':
		out[1] = 't';
		break;
	default:
		memcpy(out + 1, "u00", 3);
		out[4] = ascii_hex_digits[c >> 4];
		out[5] = ascii_hex_digits[c & 15];
		n = 6;
	}
	return n;
}

bool
json_write_string(struct buffer *out, struct text string)
{
	const char *at = string.at, *end = string.at + string.n, *copied = string.at;
	bool valid = true;
	uint8_t *room;

	at = json_plain(at, end);
	if (at == end) { /* the usual case: nothing to escape or to check */
		room = string.n + 2 <= out->size - out->len && out->error == 0 ? out->data + out->len
									       : buffer_room(out, string.n + 2);
		if (room == NULL)
			return true;
		*room++ = '"';
		if (string.n > 0)
			memcpy(room, string.at, string.n);
		room[string.n] = '"';
		out->len += string.n + 2;
		return true;
	}
	buffer_add_byte(out, '"');
	while (at < end) {
		char escape[6];
		bool whole;
		size_t n;

		at = json_plain(at, end);
		if (at == end)
			break;
		if ((uint8_t)*at >= 0x80) {
			n = json_sequence_length(at, end, &whole);
			if (!whole) {
				buffer_add(out, copied, (size_t)(at - copied));
				buffer_add_text(out, TEXT("\xef\xbf\xbd"));
				copied = at + n;
				valid = false;
			}
			at += n;
			continue;
		}
		buffer_add(out, copied, (size_t)(at - copied));
		buffer_add(out, escape, json_escape_byte((uint8_t)*at, escape));
		copied = ++at;
	}
	buffer_add(out, copied, (size_t)(end - copied));
	buffer_add_byte(out, '"');
	return valid;
}
