/*
 * The head of a response: found in the bytes that arrive, read strictly, and written anew for the client. A head that
 * RFC 9112 calls invalid, or that two readers could read differently, is refused: bare CR or LF, folded lines, blanks
 * before a colon, a length together with chunks, several lengths, codings other than "chunked". Pure.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_RESPONSE_H
#define NODE_UPSTREAM_UPSTREAM_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "node/http/http_field.h"

#define UPSTREAM_HEAD_MAX (64 * 1024)
#define UPSTREAM_HEADERS_MAX 256

/* How the body ends (RFC 9112 6.3). */
enum upstream_framing { UPSTREAM_NO_BODY, UPSTREAM_LENGTH, UPSTREAM_CHUNKED, UPSTREAM_UNTIL_CLOSE };

struct upstream_response {
	int status;
	uint8_t minor;
	struct text phrase; /* may be empty */
	unsigned count;	    /* number of headers */
	enum upstream_framing framing;
	int64_t length; /* Content-Length, even if no body follows (HEAD, 304); -1: the field is missing */
	bool keep_alive;
	bool dated;	       /* has a Date field */
	int64_t keep_alive_ms; /* timeout of the Keep-Alive field; -1: the field or its timeout is missing */
};

/*
 * Finds the end of the head. `data` is all that has arrived; the first `*seen` bytes were examined before. Returns
 * the length of the head, 0 if more bytes are needed, ERROR_SYNTAX for another protocol or a line that does not end
 * with CR LF, or ERROR_TOO_BIG.
 */
int64_t upstream_head_find(const uint8_t *data, size_t n, size_t *seen);

/*
 * Reads a head that upstream_head_find() found. `headers` has room for UPSTREAM_HEADERS_MAX. `to_head`: this is the
 * response to a HEAD. Returns 0, ERROR_SYNTAX, ERROR_TOO_MANY or ERROR_UNSUPPORTED.
 */
int upstream_response_read(
	struct upstream_response *out, struct text head, struct http_header *headers, bool to_head);

/*
 * Returns how long the connection may stay idle after the response, in ms; 0: it must be closed. The time is shorter
 * than the upstream announces, and than the default of Node.js, so that the upstream rarely closes the connection
 * while the next request is on its way.
 */
uint64_t upstream_response_idle_ms(const struct upstream_response *response);

/*
 * Appends the fields that are passed on, without the fields of one hop. Returns 0 or ERROR_TOO_MANY; check
 * buffer_error() too.
 */
int upstream_response_fields(
	struct buffer *out, const struct upstream_response *response, const struct http_header *headers);

#endif
