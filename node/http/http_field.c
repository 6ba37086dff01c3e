#include "node/http/http_field.h"

#define T (HTTP_TCHAR | HTTP_VCHAR | HTTP_URI)
#define D (T | HTTP_DIGIT | HTTP_HEX)
#define H (T | HTTP_HEX)
#define V (HTTP_VCHAR | HTTP_URI)

/* clang-format off */
const uint8_t http_class[256] = {
	['\t'] = HTTP_VCHAR, [' '] = HTTP_VCHAR, ['#'] = HTTP_TCHAR | HTTP_VCHAR,
	['!'] = T, ['$'] = T, ['%'] = T, ['&'] = T, ['\''] = T, ['*'] = T, ['+'] = T, ['-'] = T, ['.'] = T,
	['^'] = T, ['_'] = T, ['`'] = T, ['|'] = T, ['~'] = T,
	['"'] = V, ['('] = V, [')'] = V, [','] = V, ['/'] = V, [':'] = V, [';'] = V, ['<'] = V, ['='] = V,
	['>'] = V, ['?'] = V, ['@'] = V, ['['] = V, ['\\'] = V, [']'] = V, ['{'] = V, ['}'] = V,
	['0'] = D, ['1'] = D, ['2'] = D, ['3'] = D, ['4'] = D, ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D,
	['A'] = H, ['B'] = H, ['C'] = H, ['D'] = H, ['E'] = H, ['F'] = H,
	['G'] = T, ['H'] = T, ['I'] = T, ['J'] = T, ['K'] = T, ['L'] = T, ['M'] = T, ['N'] = T, ['O'] = T, ['P'] = T,
	['Q'] = T, ['R'] = T, ['S'] = T, ['T'] = T, ['U'] = T, ['V'] = T, ['W'] = T, ['X'] = T, ['Y'] = T, ['Z'] = T,
	['a'] = H, ['b'] = H, ['c'] = H, ['d'] = H, ['e'] = H, ['f'] = H,
	['g'] = T, ['h'] = T, ['i'] = T, ['j'] = T, ['k'] = T, ['l'] = T, ['m'] = T, ['n'] = T, ['o'] = T, ['p'] = T,
	['q'] = T, ['r'] = T, ['s'] = T, ['t'] = T, ['u'] = T, ['v'] = T, ['w'] = T, ['x'] = T, ['y'] = T, ['z'] = T,
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
