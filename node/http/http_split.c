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
skip_class(struct cursor *c, unsigned class)
{
	while (c->at < c->end && http_is(*c->at, class))
		c->at++;
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
skip_token(struct cursor *c)
{
	for (; c->end - c->at >= 8; c->at += 8) {
		uint64_t stops = bytes_outside_names(next_eight(c->at));

		if (stops != 0) {
			c->at += first_mark(stops);
			break;
		}
	}
	skip_class(c, HTTP_TCHAR);
}

/* Moves to the first byte that HTTP_URI does not contain. */
static void
skip_target(struct cursor *c)
{
	for (; c->end - c->at >= 8; c->at += 8) {
		uint64_t word = next_eight(c->at);
		uint64_t stops = bytes_below(word, 0x21) | bytes_equal(word, '#') | bytes_equal(word, 0x7f) |
				 (word & HIGH_BITS);

		if (stops != 0) {
			c->at += first_mark(stops);
			return;
		}
	}
	skip_class(c, HTTP_URI);
}

/* Moves to the first byte that HTTP_VCHAR does not contain, or to a TAB before it. */
static void
skip_value(struct cursor *c)
{
	for (; c->end - c->at >= 8; c->at += 8) {
		uint64_t word = next_eight(c->at), stops = bytes_below(word, 0x20) | bytes_equal(word, 0x7f);

		if (stops != 0) {
			c->at += first_mark(stops);
			return;
		}
	}
	skip_class(c, HTTP_VCHAR);
}

static bool
is_blank(uint8_t byte)
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
split_version(struct cursor *c, struct http_split *split)
{
	static const char shape[] = " HTTP/1.";
	const size_t before = sizeof(shape) - 1;

	if ((size_t)(c->end - c->at) < before + 3 || memcmp(c->at, shape, before) != 0 ||
		!http_is(c->at[before], HTTP_DIGIT) || c->at[before + 1] != '\r' || c->at[before + 2] != '\n')
		return false;
	split->minor = c->at[before] != '0';
	c->at += before + 3;
	return true;
}

/* Reads the method, the target, the version and the end of the line. */
static bool
split_request_line(struct cursor *c, struct http_split *split)
{
	const uint8_t *from = c->at;

	skip_token(c);
	split->method = text_between(from, c->at);
	if (split->method.n == 0 || split->method.n > HTTP_METHOD_MAX || c->at == c->end || *c->at != ' ')
		return false;
	from = ++c->at;
	skip_target(c);
	split->target = text_between(from, c->at);
	return split->target.n > 0 && split_version(c, split);
}

/* Reads one field line with its end. Blanks around the value are removed. */
static bool
split_field(struct cursor *c, struct http_header *header)
{
	const uint8_t *from = c->at, *to;

	skip_token(c);
	header->name = text_between(from, c->at);
	if (header->name.n == 0 || c->at == c->end || *c->at != ':')
		return false;
	c->at++;
	while (c->at < c->end && is_blank(*c->at))
		c->at++;
	from = c->at;
	skip_value(c);
	while (c->at < c->end && *c->at == '\t') {
		c->at++;
		skip_value(c);
	}
	to = c->at;
	while (to > from && is_blank(to[-1]))
		to--;
	header->value = text_between(from, to);
	if (c->end - c->at < 2 || c->at[0] != '\r' || c->at[1] != '\n')
		return false;
	c->at += 2;
	return true;
}

size_t
http_split(const uint8_t *data, size_t n, size_t max_head, unsigned max_fields, struct http_header *headers,
	struct http_split *split)
{
	struct cursor c = {data, data + (n < max_head ? n : max_head)};

	split->count = 0;
	split->names = 0;
	if (!split_request_line(&c, split))
		return 0;
	while (c.at < c.end && *c.at != '\r') {
		struct http_header *header = &headers[split->count];

		if (split->count == max_fields || !split_field(&c, header))
			return 0;
		split->names |= http_name_bit(header->name.at[0], header->name.n);
		split->count++;
	}
	if (c.end - c.at < 2 || c.at[1] != '\n')
		return 0;
	return (size_t)(c.at + 2 - data);
}
