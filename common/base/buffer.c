#include "common/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define BUFFER_FIRST 64 /* bytes of the first allocation */

static void
buffer_check(const struct buffer *buffer)
{
	must(buffer->len <= buffer->size && (buffer->data != NULL || buffer->size == 0));
}

void
buffer_init(struct buffer *buffer, size_t max)
{
	*buffer = (struct buffer){.max = max};
}

void
buffer_fini(struct buffer *buffer)
{
	buffer_check(buffer);
	mem_free(buffer->data);
	buffer_init(buffer, buffer->max);
}

void
buffer_reset(struct buffer *buffer)
{
	buffer_check(buffer);
	buffer->len = 0;
	buffer->error = 0;
}

uint8_t *
buffer_room(struct buffer *buffer, size_t n)
{
	uint8_t *data;
	size_t size;

	buffer_check(buffer);
	if (buffer->error)
		return NULL;
	if (buffer->len > buffer->max || n > buffer->max - buffer->len) {
		buffer->error = ERROR_TOO_BIG;
		return NULL;
	}
	if (buffer->data && n <= buffer->size - buffer->len)
		return buffer->data + buffer->len;
	size = buffer->size < BUFFER_FIRST / 2	? BUFFER_FIRST
	       : buffer->size > buffer->max / 2 ? buffer->max
						: buffer->size * 2;
	if (size < buffer->len + n)
		size = buffer->len + n;
	if (size > buffer->max)
		size = buffer->max;
	data = mem_try_realloc(buffer->data, size);
	if (!data) {
		buffer->error = ERROR_MEMORY;
		return NULL;
	}
	buffer->data = data;
	buffer->size = size;
	return data + buffer->len;
}

void
buffer_add(struct buffer *buffer, const void *bytes, size_t n)
{
	uint8_t *room;

	if (n == 0)
		return;
	room = n <= buffer->size - buffer->len && buffer->error == 0 ? buffer->data + buffer->len
								     : buffer_room(buffer, n);
	if (!room)
		return;
	memcpy(room, bytes, n);
	buffer->len += n;
}

void
buffer_add_text(struct buffer *buffer, struct text text)
{
	buffer_add(buffer, text.at, text.n);
}

void
buffer_add_number(struct buffer *buffer, int64_t value)
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
	buffer_add(buffer, digits + at, sizeof digits - at);
}

void
buffer_printf(struct buffer *buffer, const char *format, ...)
{
	char small[256], *large;
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(small, sizeof small, format, args);
	must(n >= 0);
	if ((size_t)n < sizeof small) {
		buffer_add(buffer, small, (size_t)n);
	} else if (buffer_room(buffer, (size_t)n)) {
		/* Not printed in place: the NUL of vsnprintf() may lie one byte beyond the maximum. */
		large = mem_try_alloc((size_t)n + 1);
		if (large) {
			vsnprintf(large, (size_t)n + 1, format, again);
			buffer_add(buffer, large, (size_t)n);
			mem_free(large);
		} else {
			buffer->error = ERROR_MEMORY;
		}
	}
	va_end(again);
	va_end(args);
}

void
buffer_drop(struct buffer *buffer, size_t n)
{
	buffer_check(buffer);
	must(n <= buffer->len);
	if (n == 0)
		return;
	buffer->len -= n;
	memmove(buffer->data, buffer->data + n, buffer->len);
}

uint8_t *
buffer_steal(struct buffer *buffer, size_t *n)
{
	uint8_t *data = buffer->data;

	buffer_check(buffer);
	*n = buffer->len;
	buffer_init(buffer, buffer->max);
	return data;
}
