/* Reads the answers of an HTTP/1.1 server, one after the other, from bytes that arrive in pieces of any size. */
#ifndef TESTS_LOAD_HTTP_ANSWER_H
#define TESTS_LOAD_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"

struct http_answer;

/* A reader that accepts bodies of at most `max_body` bytes. */
struct http_answer *http_answer_new(size_t max_body);
void http_answer_free(struct http_answer *a); /* accepts NULL */

/*
 * Reads the next bytes. Returns the number of bytes used, which is less than `n` only if an answer is now complete.
 * Errors: ERROR_SYNTAX; ERROR_TOO_BIG for a head above 64 KiB or a body above its limit.
 */
int64_t http_answer_feed(struct http_answer *a, const void *bytes, size_t n);
/* The server has closed its direction: 0 if that completes the answer, otherwise ERROR_CLOSED. */
int http_answer_end(struct http_answer *a);

bool http_answer_begun(const struct http_answer *a);
/* True when an answer is complete. A 101 is complete with its head. */
bool http_answer_whole(const struct http_answer *a);
unsigned http_answer_status(const struct http_answer *a);
bool http_answer_keeps_alive(const struct http_answer *a);
/* Sec-WebSocket-Accept, or TEXT_NONE. */
struct text http_answer_accept(const struct http_answer *a);
/* Sec-WebSocket-Extensions, or TEXT_NONE. An answer to the only offer of a client is shorter than 128 bytes. */
struct text http_answer_extensions(const struct http_answer *a);
/* The caller may change the body. */
struct buffer *http_answer_body(struct http_answer *a);
/* Prepares for the next answer. */
void http_answer_reset(struct http_answer *a);

#endif
