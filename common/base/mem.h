/*
 * Allocation that does not fail: sizes are limited before they reach this
 * point, so running out of memory is the machine's end and aborts loudly.
 */
#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);		     /* uninitialised; size 0 is allowed */
void *mem_zalloc(size_t size);		     /* zeroed */
void *mem_realloc(void *old, size_t size);   /* old may be NULL */
void *mem_copy(const void *bytes, size_t n); /* heap copy of n bytes */
char *mem_text(const char *at, size_t n);    /* heap copy of n bytes plus a NUL */
void mem_free(void *at);		     /* accepts NULL */

/* Returns free memory to the operating system; takes milliseconds, so after a crowd has left, not per connection. */
void mem_give_back(void);

#endif
