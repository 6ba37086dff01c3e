/*
 * The strict look at a request head before the parser sees it: finds its end in
 * pieces of any size, each byte once, and refuses what lenient parsers read
 * differently from one another (RFC 9112 sections 2.2, 3, 5, 11.2): bare CR or LF,
 * NUL and other controls, folded lines, blanks around field names, empty names.
 * Pure: bytes in, verdict out.
 */
#ifndef NODE_HTTP_HTTP_SCAN_H
#define NODE_HTTP_HTTP_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* Empty lines before a request line that are skipped (RFC 9112 2.2). */
#define HTTP_EMPTY_LINES_MAX 4

struct http_scan {
	/* read by the caller */
	size_t len;	 /* bytes of the head so far, empty lines before it not counted */
	unsigned fields; /* field lines begun */
	uint16_t status; /* what to answer after a negative result */

	uint8_t state;
	uint8_t skipped; /* empty lines */
	uint8_t at;	 /* position within the version, or length of the method */
	uint8_t major;
};

/* A zeroed struct is ready; this makes one so. */
void http_scan_init(struct http_scan *s);

/*
 * Feeds a piece. > 0: the head ends after so many bytes of it; 0: all n bytes belong to the head (or to empty lines
 * before it, then s->len is still 0), more is needed; < 0: ERROR_SYNTAX, ERROR_TOO_BIG, ERROR_TOO_MANY or
 * ERROR_UNSUPPORTED, and s->status is set.
 */
int64_t http_scan_feed(struct http_scan *s, const uint8_t *data, size_t n, size_t max_head, unsigned max_fields);

#endif
