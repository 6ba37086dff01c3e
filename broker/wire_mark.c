#include <stdio.h>

#include "broker/wire.h"

#define HALF 16 /* digits of one number */

size_t
wire_mark_write(struct wire_mark mark, char out[WIRE_MARK_MAX])
{
	return (size_t)snprintf(out, WIRE_MARK_MAX, "%016llx%016llx", (unsigned long long)mark.origin,
		(unsigned long long)mark.number);
}

static bool
read_half(const char *at, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < HALF; i++) {
		bool digit = at[i] >= '0' && at[i] <= '9', letter = at[i] >= 'a' && at[i] <= 'f';

		if (!digit && !letter)
			return false;
		*out = *out << 4 | (uint64_t)(digit ? at[i] - '0' : at[i] - 'a' + 10);
	}
	return true;
}

struct wire_mark
wire_mark_read(struct text text)
{
	struct wire_mark mark = {0, 0};

	if (text.n != 2 * HALF || !read_half(text.at, &mark.origin) || !read_half(text.at + HALF, &mark.number))
		return (struct wire_mark){0, 0};
	return mark;
}
