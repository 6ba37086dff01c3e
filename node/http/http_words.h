/*
 * The fixed words of HTTP: reason phrases, media types by file name, and dates (RFC 9110 5.6.7), independent of
 * locale and time zone. Pure.
 */
#ifndef NODE_HTTP_HTTP_WORDS_H
#define NODE_HTTP_HTTP_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

/*
 * Returns the standard reason phrase (RFC 9110 section 15 and the IANA registry), "Unknown" for a code without one.
 */
const char *http_status_phrase(int status);

struct http_mime {
	const char *extension;
	const char *type;
	bool text; /* worth compressing */
};

/*
 * Returns the media type for a file name's extension (case ignored), application/octet-stream if it is unknown. Never
 * NULL.
 */
const struct http_mime *http_mime_of(struct text file_name);

#define HTTP_DATE_LENGTH 29

/*
 * Writes "Sun, 06 Nov 1994 08:49:37 GMT": exactly HTTP_DATE_LENGTH characters and a NUL. A year outside 0 to 9999 is
 * clamped.
 */
void http_date_write(int64_t seconds, char out[HTTP_DATE_LENGTH + 1]);

/*
 * Reads a date in the format of http_date_write() or in one of the two obsolete formats. Returns 0 or ERROR_SYNTAX.
 * `now` decides the century of a two-digit year.
 */
int http_date_read(struct text t, int64_t now, int64_t *seconds);

#endif
