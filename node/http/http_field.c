#include "node/http/http_field.h"

#include "common/base/must.h"
#include "node/http/http.h"

#define T (HTTP_TCHAR | HTTP_VCHAR | HTTP_URI)
#define N (T | HTTP_NAME)
#define D (N | HTTP_DIGIT)
#define V (HTTP_VCHAR | HTTP_URI)

/* clang-format off */
const uint8_t http_class[256] = {
	['\t'] = HTTP_VCHAR, [' '] = HTTP_VCHAR, ['#'] = HTTP_TCHAR | HTTP_VCHAR,
	['!'] = T, ['$'] = T, ['%'] = T, ['&'] = T, ['\''] = T, ['*'] = T, ['+'] = T, ['-'] = N, ['.'] = N,
	['^'] = T, ['_'] = N, ['`'] = T, ['|'] = T, ['~'] = N,
	['"'] = V, ['('] = V, [')'] = V, [','] = V, ['/'] = V, [':'] = V, [';'] = V, ['<'] = V, ['='] = V,
	['>'] = V, ['?'] = V, ['@'] = V, ['['] = V, ['\\'] = V, [']'] = V, ['{'] = V, ['}'] = V,
	['0'] = D, ['1'] = D, ['2'] = D, ['3'] = D, ['4'] = D, ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D,
	['A'] = N, ['B'] = N, ['C'] = N, ['D'] = N, ['E'] = N, ['F'] = N,
	['G'] = N, ['H'] = N, ['I'] = N, ['J'] = N, ['K'] = N, ['L'] = N, ['M'] = N, ['N'] = N, ['O'] = N, ['P'] = N,
	['Q'] = N, ['R'] = N, ['S'] = N, ['T'] = N, ['U'] = N, ['V'] = N, ['W'] = N, ['X'] = N, ['Y'] = N, ['Z'] = N,
	['a'] = N, ['b'] = N, ['c'] = N, ['d'] = N, ['e'] = N, ['f'] = N,
	['g'] = N, ['h'] = N, ['i'] = N, ['j'] = N, ['k'] = N, ['l'] = N, ['m'] = N, ['n'] = N, ['o'] = N, ['p'] = N,
	['q'] = N, ['r'] = N, ['s'] = N, ['t'] = N, ['u'] = N, ['v'] = N, ['w'] = N, ['x'] = N, ['y'] = N, ['z'] = N,
	[0x80 ... 0xff] = HTTP_VCHAR,
};
/* clang-format on */

bool
http_all(struct text t, unsigned class)
{
	for (size_t i = 0; i < t.n; i++)
		if (!http_is((uint8_t)t.at[i], class))
			return false;
	return t.n > 0;
}

bool
http_list_has(struct text list, struct text token)
{
	struct text part;

	while (text_cut(&list, ',', &part))
		if (text_is_nocase(text_trim(part), token))
			return true;
	return false;
}

struct text
http_field_joint(struct text name)
{
	static const char *const single[] = {"age", "authorization", "content-length", "content-type", "etag",
		"expires", "from", "host", "if-modified-since", "if-unmodified-since", "last-modified", "location",
		"max-forwards", "proxy-authorization", "referer", "retry-after", "server", "user-agent"};

	for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
		if (text_is_nocase(name, text_from(single[i])))
			return TEXT_NONE;
	return text_is_nocase(name, TEXT("cookie")) ? TEXT("; ") : TEXT(", ");
}

/* -------------------------------------------------------- fields of a request */

struct text
http_header_find(const struct http_request *r, struct text name)
{
	for (unsigned i = 0; i < r->header_count; i++)
		if (text_is_nocase(r->headers[i].name, name))
			return r->headers[i].value;
	return TEXT_NONE;
}

struct text
http_header_list(const struct http_request *r, const char *name, struct buffer *joined)
{
	struct text wanted = text_from(name), first = TEXT_NONE;
	size_t room = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < r->header_count; i++) {
		if (!text_is_nocase(r->headers[i].name, wanted))
			continue;
		if (count++ == 0)
			first = r->headers[i].value;
		room += r->headers[i].value.n + 1;
	}
	buffer_init(joined, room);
	if (count < 2)
		return first;
	for (unsigned i = 0; i < r->header_count; i++) {
		if (!text_is_nocase(r->headers[i].name, wanted))
			continue;
		buffer_add_text(joined, r->headers[i].value);
		buffer_add_byte(joined, ',');
	}
	return buffer_error(joined) ? TEXT_NONE : buffer_text(joined);
}

bool
http_header_lists(const struct http_request *r, struct text name, struct text token)
{
	for (unsigned i = 0; i < r->header_count; i++)
		if (text_is_nocase(r->headers[i].name, name) && http_list_has(r->headers[i].value, token))
			return true;
	return false;
}
