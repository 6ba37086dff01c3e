#include "common/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define BUFFER_FIRST 64 /* bytes of the first allocation */

static void
buffer_check(const struct buffer *b)
{
	must(b->len <= b->size && (b->data != NULL || b->size == 0));
}

void
buffer_init(struct buffer *b, size_t max)
{
	*b = (struct buffer){.max = max};
}

void
buffer_fini(struct buffer *b)
{
	buffer_check(b);
	mem_free(b->data);
	buffer_init(b, b->max);
}

void
buffer_reset(struct buffer *b)
{
	buffer_check(b);
	b->len = 0;
	b->error = 0;
}

uint8_t *
buffer_room(struct buffer *b, size_t n)
{
	uint8_t *data;
	size_t size;

	buffer_check(b);
	if (b->error)
		return NULL;
	if (b->len > b->max || n > b->max - b->len) {
		b->error = ERROR_TOO_BIG;
		return NULL;
	}
	if (b->data && n <= b->size - b->len)
		return b->data + b->len;
	size = b->size < BUFFER_FIRST / 2 ? BUFFER_FIRST : b->size > b->max / 2 ? b->max : b->size * 2;
	if (size < b->len + n)
		size = b->len + n;
	if (size > b->max)
		size = b->max;
	data = mem_try_realloc(b->data, size);
	if (!data) {
		b->error = ERROR_MEMORY;
		return NULL;
	}
	b->data = data;
	b->size = size;
	return data + b->len;
}

void
buffer_add(struct buffer *b, const void *bytes, size_t n)
{
	uint8_t *room;

	if (n == 0)
		return;
	room = n <= b->size - b->len && b->error == 0 ? b->data + b->len : buffer_room(b, n);
	if (!room)
		return;
	memcpy(room, bytes, n);
	b->len += n;
}

void
buffer_add_text(struct buffer *b, struct text t)
{
	buffer_add(b, t.at, t.n);
}

void
buffer_add_number(struct buffer *b, int64_t value)
{
	char digits[20]; /* "-9223372036854775808" */
	size_t at = sizeof digits;
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	buffer_add(b, digits + at, sizeof digits - at);
}

void
buffer_printf(struct buffer *b, const char *format, ...)
{
	char small[256], *large;
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(small, sizeof small, format, args);
	must(n >= 0);
	if ((size_t)n < sizeof small) {
		buffer_add(b, small, (size_t)n);
	} else if (buffer_room(b, (size_t)n)) {
		/* Not printed in place: the NUL that vsnprintf adds may be the byte beyond the maximum. */
		large = mem_try_alloc((size_t)n + 1);
		if (large) {
			vsnprintf(large, (size_t)n + 1, format, again);
			buffer_add(b, large, (size_t)n);
			mem_free(large);
		} else {
			b->error = ERROR_MEMORY;
		}
	}
	va_end(again);
	va_end(args);
}

void
buffer_drop(struct buffer *b, size_t n)
{
	buffer_check(b);
	must(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
}

uint8_t *
buffer_steal(struct buffer *b, size_t *n)
{
	uint8_t *data = b->data;

	buffer_check(b);
	*n = b->len;
	buffer_init(b, b->max);
	return data;
}
