/* Dates as HTTP writes them (RFC 9110 5.6.7), independent of locale and time zone. Pure. */
#ifndef NODE_HTTP_HTTP_DATE_H
#define NODE_HTTP_HTTP_DATE_H

#include <stdint.h>

#include "common/base/text.h"

#define HTTP_DATE_LENGTH 29

/* "Sun, 06 Nov 1994 08:49:37 GMT"; exactly HTTP_DATE_LENGTH characters and a NUL. Years 0 to 9999, others are
 * clamped. */
void http_date_write(int64_t seconds, char out[HTTP_DATE_LENGTH + 1]);

/* Reads that form and the two obsolete ones. 0 or ERROR_SYNTAX. `now` decides the century of two-digit years. */
int http_date_read(struct text t, int64_t now, int64_t *seconds);

#endif
