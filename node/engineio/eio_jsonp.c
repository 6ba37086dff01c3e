#include "node/engineio/eio_jsonp.h"

#include <stdio.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/must.h"
#include "node/http/http_query.h"

#define DIGITS_MAX 10 /* of UINT32_MAX */
#define HEAD_MAX 32   /* room for "___eio[", 10 digits, "](" and a quote */
#define FOOT "\");"

int
eio_jsonp_parse(struct text query, struct eio_jsonp *out)
{
	char digits[DIGITS_MAX + 1];
	int n = http_query_get(query, "j", digits, sizeof(digits));
	uint64_t index;

	*out = (struct eio_jsonp){0};
	if (n == ERROR_NOT_FOUND)
		return 0;
	if (n <= 0 || text_number(text_of(digits, (size_t)n), UINT32_MAX, &index) < 0)
		return ERROR_SYNTAX;
	*out = (struct eio_jsonp){.on = true, .index = (uint32_t)index};
	return 0;
}

/*
 * Writes the escape of the first character of a text that is not empty. Returns the length of the escape and sets
 * *used to the number of bytes that it replaces. Returns 0 if the character needs no escape.
 */
static size_t
jsonp_escape(struct text text, char out[6], size_t *used)
{
	uint8_t byte = (uint8_t)text.at[0];

	*used = 1;
	if (byte < 0x20 || byte == '"' || byte == '\\')
		return json_escape_byte(byte, out);
	if (text_starts(text, TEXT("</"))) {
		*used = 2;
		memcpy(out, "<\\/", 3);
		return 3;
	}
	if (text_starts(text, TEXT("\xe2\x80\xa8")) || text_starts(text, TEXT("\xe2\x80\xa9"))) {
		*used = 3;
		memcpy(out, text.at[2] == '\xa8' ? "\\u2028" : "\\u2029", 6);
		return 6;
	}
	return 0;
}

/* Returns true for a byte that jsonp_escape() never escapes. */
static inline bool
is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte != '"' && byte != '\\' && byte != '<' && byte != 0xe2;
}

/* Writes the payload as the inside of a string literal. Returns its length. With `out` NULL, it is only counted. */
static size_t
jsonp_write(struct text payload, uint8_t *out)
{
	size_t at = 0, written = 0;

	while (at < payload.n) {
		char escape[6];
		size_t run = at, used, n;

		while (run < payload.n && is_plain((uint8_t)payload.at[run]))
			run++;
		n = run - at;
		if (out != NULL && n > 0)
			memcpy(out + written, payload.at + at, n);
		written += n;
		at = run;
		if (at == payload.n)
			break;
		n = jsonp_escape(text_of(payload.at + at, payload.n - at), escape, &used);
		if (out != NULL)
			memcpy(out + written, n > 0 ? escape : payload.at + at, n > 0 ? n : used);
		written += n > 0 ? n : used;
		at += used;
	}
	return written;
}

struct block *
eio_jsonp_encode(uint32_t index, struct text payload)
{
	size_t foot = sizeof(FOOT) - 1, head, inside = jsonp_write(payload, NULL);
	char text[HEAD_MAX];
	struct block *block;

	head = (size_t)snprintf(text, sizeof(text), "___eio[%u](\"", (unsigned)index);
	must(head < sizeof(text));
	block = inside < UINT32_MAX - head - foot ? block_try_new(head + inside + foot) : NULL;
	if (block == NULL)
		return NULL;
	memcpy(block->data, text, head);
	must(jsonp_write(payload, block->data + head) == inside);
	memcpy(block->data + head + inside, FOOT, foot);
	return block;
}

/* Finds the only field "d". Returns its raw value, or TEXT_NONE. */
static struct text
form_find_payload(struct text form)
{
	struct text key, value, found = TEXT_NONE;

	while (http_query_next(&form, &key, &value)) {
		if (!text_is(key, TEXT("d")))
			continue;
		if (found.at != NULL)
			return TEXT_NONE;
		found = value;
	}
	return found;
}

/* Decodes plus signs and percent signs. `out` may overlap `raw` if it begins before. Returns the length or an error.
 */
static int64_t
decode_escapes(struct text raw, uint8_t *out)
{
	size_t n = 0;

	for (size_t at = 0; at < raw.n; at++) {
		int byte = (uint8_t)raw.at[at];

		if (byte == '+') {
			byte = ' ';
		} else if (byte == '%') {
			byte = ascii_percent(text_of(raw.at + at, raw.n - at));
			if (byte < 0)
				return ERROR_SYNTAX;
			at += 2;
		}
		out[n++] = (uint8_t)byte;
	}
	return (int64_t)n;
}

/* Decodes the client's escapes of line feeds, in place. Returns the length. */
static size_t
decode_line_feeds(uint8_t *text, size_t n)
{
	size_t backslashes = 0, written = 0; /* backslashes before this byte */

	for (size_t at = 0; at < n; at++) {
		uint8_t byte = text[at];

		if (byte == 'n' && backslashes > 0) {
			written--; /* the backslash that was added or, if there is only one, the escape's own */
			if (backslashes == 1)
				byte = '\n';
		}
		backslashes = byte == '\\' ? backslashes + 1 : 0;
		text[written++] = byte;
	}
	return written;
}

int64_t
eio_jsonp_decode(uint8_t *form, size_t n)
{
	struct text raw = form_find_payload(text_of((const char *)form, n));
	int64_t length = raw.at != NULL ? decode_escapes(raw, form) : ERROR_SYNTAX;

	return length < 0 ? length : (int64_t)decode_line_feeds(form, (size_t)length);
}
