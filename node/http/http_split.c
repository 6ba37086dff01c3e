#include "node/http/http_split.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))
#define HIGH_BITS EACH_BYTE(0x80)

/* The bytes that are not read yet. */
struct cursor {
	const uint8_t *at, *end;
};

/* Returns the next eight bytes; the first one is in the lowest bits. */
static uint64_t
next_eight(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/*
 * bytes_below() and bytes_equal() return marks: the highest bit of each byte that meets the condition is set. Only
 * the lowest mark is reliable, because a byte that meets the condition can change the marks above its own.
 */
static uint64_t
bytes_below(uint64_t word, uint8_t limit)
{
	return (word - EACH_BYTE(limit)) & ~word & HIGH_BITS;
}

static uint64_t
bytes_equal(uint64_t word, uint8_t byte)
{
	return bytes_below(word ^ EACH_BYTE(byte), 1);
}

/* Returns the position of the byte with the lowest mark. */
static unsigned
first_mark(uint64_t marks)
{
	return (unsigned)__builtin_ctzll(marks) / 8;
}

/* Moves to the first byte outside of a class. */
static void
skip_class(struct cursor *cursor, unsigned class)
{
	while (cursor->at < cursor->end && http_is(*cursor->at, class))
		cursor->at++;
}

/* Returns marks of all bytes except letters and "-". Each mark is exact. */
static uint64_t
bytes_outside_names(uint64_t word)
{
	uint64_t low = word & ~HIGH_BITS, folded = low | EACH_BYTE(0x20), dash = low ^ EACH_BYTE('-');
	/* no sum exceeds its byte; the high bits mark bytes from "a" on, bytes above "z", and bytes other than "-" */
	uint64_t from_a = folded + EACH_BYTE(0x80 - 'a'), above_z = folded + EACH_BYTE(0x7f - 'z');
	uint64_t not_dash = dash + EACH_BYTE(0x7f);

	return ((~(from_a & ~above_z) & not_dash) | word) & HIGH_BITS;
}

/* Moves to the first byte that HTTP_TCHAR does not contain. Most tokens are letters. */
static void
skip_token(struct cursor *cursor)
{
	for (; cursor->end - cursor->at >= 8; cursor->at += 8) {
		uint64_t stops = bytes_outside_names(next_eight(cursor->at));

		if (stops != 0) {
			cursor->at += first_mark(stops);
			break;
		}
	}
	skip_class(cursor, HTTP_TCHAR);
}

/* Moves to the first byte that HTTP_URI does not contain. */
static void
skip_target(struct cursor *cursor)
{
	for (; cursor->end - cursor->at >= 8; cursor->at += 8) {
		uint64_t word = next_eight(cursor->at);
		uint64_t stops = bytes_below(word, 0x21) | bytes_equal(word, '#') | bytes_equal(word, 0x7f) |
				 (word & HIGH_BITS);

		if (stops != 0) {
			cursor->at += first_mark(stops);
			return;
		}
	}
	skip_class(cursor, HTTP_URI);
}

/* Moves to the first byte that HTTP_VCHAR does not contain, or to a TAB before it. */
static void
skip_value(struct cursor *cursor)
{
	for (; cursor->end - cursor->at >= 8; cursor->at += 8) {
		uint64_t word = next_eight(cursor->at), stops = bytes_below(word, 0x20) | bytes_equal(word, 0x7f);

		if (stops != 0) {
			cursor->at += first_mark(stops);
			return;
		}
	}
	skip_class(cursor, HTTP_VCHAR);
}

static bool
split_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static struct text
text_between(const uint8_t *from, const uint8_t *to)
{
	return text_of((const char *)from, (size_t)(to - from));
}

/* Reads " HTTP/1.x" and the end of the line. */
static bool
split_version(struct cursor *cursor, struct http_split *split)
{
	static const char shape[] = " HTTP/1.";
	const size_t before = sizeof(shape) - 1;

	if ((size_t)(cursor->end - cursor->at) < before + 3 || memcmp(cursor->at, shape, before) != 0 ||
		!http_is(cursor->at[before], HTTP_DIGIT) || cursor->at[before + 1] != '\r' ||
		cursor->at[before + 2] != '\n')
		return false;
	split->minor = cursor->at[before] != '0';
	cursor->at += before + 3;
	return true;
}

/* Reads the method, the target, the version and the end of the line. */
static bool
split_request_line(struct cursor *cursor, struct http_split *split)
{
	const uint8_t *from = cursor->at;

	skip_token(cursor);
	split->method = text_between(from, cursor->at);
	if (split->method.n == 0 || split->method.n > HTTP_METHOD_MAX || cursor->at == cursor->end ||
		*cursor->at != ' ')
		return false;
	from = ++cursor->at;
	skip_target(cursor);
	split->target = text_between(from, cursor->at);
	return split->target.n > 0 && split_version(cursor, split);
}

/* Reads one field line with its end. Blanks around the value are removed. */
static bool
split_field(struct cursor *cursor, struct http_header *header)
{
	const uint8_t *from = cursor->at, *to;

	skip_token(cursor);
	header->name = text_between(from, cursor->at);
	if (header->name.n == 0 || cursor->at == cursor->end || *cursor->at != ':')
		return false;
	cursor->at++;
	while (cursor->at < cursor->end && split_is_blank(*cursor->at))
		cursor->at++;
	from = cursor->at;
	skip_value(cursor);
	while (cursor->at < cursor->end && *cursor->at == '\t') {
		cursor->at++;
		skip_value(cursor);
	}
	to = cursor->at;
	while (to > from && split_is_blank(to[-1]))
		to--;
	header->value = text_between(from, to);
	if (cursor->end - cursor->at < 2 || cursor->at[0] != '\r' || cursor->at[1] != '\n')
		return false;
	cursor->at += 2;
	return true;
}

size_t
http_split(const uint8_t *data, size_t n, size_t max_head, unsigned max_fields, struct http_header *headers,
	struct http_split *split)
{
	struct cursor cursor = {data, data + (n < max_head ? n : max_head)};

	split->count = 0;
	split->names = 0;
	if (!split_request_line(&cursor, split))
		return 0;
	while (cursor.at < cursor.end && *cursor.at != '\r') {
		struct http_header *header = &headers[split->count];

		if (split->count == max_fields || !split_field(&cursor, header))
			return 0;
		split->names |= http_name_bit(header->name.at[0], header->name.n);
		split->count++;
	}
	if (cursor.end - cursor.at < 2 || cursor.at[1] != '\n')
		return 0;
	return (size_t)(cursor.at + 2 - data);
}
