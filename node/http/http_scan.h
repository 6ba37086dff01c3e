/*
 * A strict check of a request head that arrives in pieces of any size. It finds the end of the head, looks at each
 * byte once, and refuses input that lenient parsers interpret differently (RFC 9112 sections 2.2, 3, 5, 11.2): bare
 * CR or LF, NUL and other control characters, folded lines, blanks around field names, empty names. Pure: bytes in,
 * verdict out.
 */
#ifndef NODE_HTTP_HTTP_SCAN_H
#define NODE_HTTP_HTTP_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* The number of empty lines before a request line that are skipped (RFC 9112 2.2). */
#define HTTP_EMPTY_LINES_MAX 4

struct http_scan {
	/* read by the caller */
	size_t len;	 /* bytes of the head so far, without the empty lines before it */
	unsigned fields; /* field lines begun */
	uint16_t status; /* the status to answer after a negative result */

	uint8_t state;
	uint8_t skipped; /* empty lines skipped */
	uint8_t at;	 /* position in the version, or length of the method */
	uint8_t major;
};

/* Initialises a scan. A zeroed struct is initialised already. */
void http_scan_init(struct http_scan *scan);

/*
 * Feeds a piece. Returns the number of its bytes up to the end of the head, or 0 if all `n` bytes belong to the head
 * or to empty lines before it (scan->len is then still 0) and more input is needed. ERROR_SYNTAX, ERROR_TOO_BIG,
 * ERROR_TOO_MANY or ERROR_UNSUPPORTED: scan->status is the status to answer.
 */
int64_t http_scan_feed(struct http_scan *scan, const uint8_t *data, size_t n, size_t max_head, unsigned max_fields);

#endif
