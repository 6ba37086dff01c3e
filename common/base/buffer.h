/*
 * A growable byte buffer with a hard maximum. Errors are sticky: if an append does not fit or memory is short, every
 * later append does nothing and buffer_error() returns the error. An encoder therefore checks once, at its end.
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
	size_t size; /* allocated bytes */
	size_t max;  /* maximum of `size` */
	int error;   /* 0, ERROR_TOO_BIG, ERROR_MEMORY, or the error given to buffer_fail() */
};

/* Initialises an empty buffer of at most `max` bytes. Nothing is allocated yet. */
void buffer_init(struct buffer *buffer, size_t max);
void buffer_fini(struct buffer *buffer); /* frees the memory */

/* Removes the content and the error; keeps the memory. */
void buffer_reset(struct buffer *buffer);

/*
 * Makes room for `n` more bytes and returns a pointer to it. `len` does not change. Returns NULL if the bytes do not
 * fit or memory is short.
 */
uint8_t *buffer_room(struct buffer *buffer, size_t n);

/* Append. Data that does not fit is omitted entirely, and so is everything after it. */
void buffer_add(struct buffer *buffer, const void *bytes, size_t n);
void buffer_add_text(struct buffer *buffer, struct text text);
static inline void buffer_add_byte(struct buffer *buffer, uint8_t byte);
void buffer_add_number(struct buffer *buffer, int64_t value); /* as decimal text */
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Removes the first `n` bytes and moves the rest forward. */
void buffer_drop(struct buffer *buffer, size_t n);

/* Returns the memory, which the caller releases with mem_free(). The buffer is empty afterwards. */
uint8_t *buffer_steal(struct buffer *buffer, size_t *n);

static inline void
buffer_add_byte(struct buffer *buffer, uint8_t byte)
{
	/* `size` never exceeds `max`, so spare memory may be used; after an error nothing may be added */
	if (buffer->len < buffer->size && buffer->error == 0)
		buffer->data[buffer->len++] = byte;
	else
		buffer_add(buffer, &byte, 1);
}

static inline int
buffer_error(const struct buffer *buffer)
{
	return buffer->error;
}

/*
 * Records that the data to append could not be produced. `error` sticks like the buffer's own errors; 0 does nothing.
 */
static inline void
buffer_fail(struct buffer *buffer, int error)
{
	if (buffer->error == 0)
		buffer->error = error;
}

static inline struct text
buffer_text(const struct buffer *buffer)
{
	return text_of((const char *)buffer->data, buffer->len);
}

#endif
