/*
 * A growable byte buffer with a hard maximum. Errors stick: once an append
 * did not fit, or found no memory, every later append is a no-op and buffer_error() tells, so
 * that encoders check once at their end.
 */
#ifndef COMMON_BASE_BUFFER_H
#define COMMON_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

struct buffer {
	uint8_t *data;
	size_t len;
	size_t size; /* allocated */
	size_t max;  /* never grows beyond */
	int error;   /* 0, ERROR_TOO_BIG, ERROR_MEMORY or that of buffer_fail() */
};

/* `max` bytes at most; allocates nothing yet. */
void buffer_init(struct buffer *b, size_t max);
void buffer_fini(struct buffer *b);

/* Forgets the content and the error; keeps the memory. */
void buffer_reset(struct buffer *b);

/* Makes room for n more bytes and returns where they go (not yet counted in len), NULL when
 * they do not fit or there is no memory for them. */
uint8_t *buffer_room(struct buffer *b, size_t n);

/* Append; what does not fit whole is left out whole, and from then on everything. */
void buffer_add(struct buffer *b, const void *bytes, size_t n);
void buffer_add_text(struct buffer *b, struct text t);
static inline void buffer_add_byte(struct buffer *b, uint8_t byte);
void buffer_add_number(struct buffer *b, int64_t value); /* decimal */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (memmove of the rest). */
void buffer_drop(struct buffer *b, size_t n);

/* Hands the memory to the caller (mem_free); the buffer is empty afterwards. */
uint8_t *buffer_steal(struct buffer *b, size_t *n);

static inline void
buffer_add_byte(struct buffer *b, uint8_t byte)
{
	/* `size` never exceeds `max`, so room within it is room; with an error set nothing may be added */
	if (b->len < b->size && b->error == 0)
		b->data[b->len++] = byte;
	else
		buffer_add(b, &byte, 1);
}

static inline int
buffer_error(const struct buffer *b)
{
	return b->error;
}

/* What should have been appended could not be made: `error` sticks like those of the buffer itself; 0 does nothing.
 */
static inline void
buffer_fail(struct buffer *b, int error)
{
	if (b->error == 0)
		b->error = error;
}

static inline struct text
buffer_text(const struct buffer *b)
{
	return text_of((const char *)b->data, b->len);
}

#endif
