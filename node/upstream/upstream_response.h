/*
 * The head of a response: found in the bytes that arrive, read strictly, and written anew for the client. What RFC
 * 9112 calls invalid, or what two readers could take in two ways, is refused: bare CR or LF, folded lines, blanks
 * before a colon, a length and chunks together, several lengths, codings other than "chunked". Pure.
 */
#ifndef NODE_UPSTREAM_UPSTREAM_RESPONSE_H
#define NODE_UPSTREAM_UPSTREAM_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "node/http/http_field.h"

#define UPSTREAM_HEAD_MAX (64 * 1024)
#define UPSTREAM_HEADERS_MAX 256

/* Where the body ends, RFC 9112 6.3. */
enum upstream_framing { UPSTREAM_NO_BODY, UPSTREAM_LENGTH, UPSTREAM_CHUNKED, UPSTREAM_UNTIL_CLOSE };

struct upstream_response {
	int status;
	uint8_t minor;
	struct text phrase; /* may be empty */
	unsigned count;	    /* of the headers */
	enum upstream_framing framing;
	int64_t length; /* Content-Length, also where no body follows (HEAD, 304); -1: none */
	bool keep_alive;
	bool dated;	       /* has a Date field */
	int64_t keep_alive_ms; /* what "Keep-Alive: timeout=" promises; -1: nothing */
};

/*
 * `data` is all that has arrived, of which the first `*seen` bytes were looked at before. > 0: the head is so long;
 * 0: more is needed; ERROR_SYNTAX: another protocol, or a line that does not end with CR LF; ERROR_TOO_BIG.
 */
int64_t upstream_head_find(const uint8_t *data, size_t n, size_t *seen);

/*
 * Reads a head that upstream_head_find() found; `headers` has room for UPSTREAM_HEADERS_MAX. `to_head`: it answers a
 * HEAD. 0, ERROR_SYNTAX, ERROR_TOO_MANY or ERROR_UNSUPPORTED.
 */
int upstream_response_read(
	struct upstream_response *out, struct text head, struct http_header *headers, bool to_head);

/*
 * How long the connection may wait for another request once the response is over, in ms; 0: it is closed. Somewhat
 * shorter than the upstream promises, and than Node.js keeps it: else a request would often meet its end.
 */
uint64_t upstream_response_idle_ms(const struct upstream_response *p);

/* Appends the fields that are passed on, without those of one hop. ERROR_TOO_MANY, or 0; buffer_error() besides. */
int upstream_response_fields(
	struct buffer *out, const struct upstream_response *p, const struct http_header *headers);

#endif
