/*
 * Field names, values and the characters they may have (RFC 9110 section 5).
 * Pure. http.h and this file go in a circle by their headers alone: http.h shows fields to handlers, and http_field.c
 * also finds them in its request.
 */
#ifndef NODE_HTTP_HTTP_FIELD_H
#define NODE_HTTP_HTTP_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

struct http_header {
	struct text name;  /* as sent */
	struct text value; /* trimmed */
};

/* Classes of a byte; http_class[byte] is a set of them. */
enum {
	HTTP_TCHAR = 1, /* token characters, RFC 9110 5.6.2 */
	HTTP_VCHAR = 2, /* allowed in a field value: TAB, blank, visible ASCII, 0x80 and above */
	HTTP_URI = 4,	/* allowed in a request target: visible ASCII but "#" */
	HTTP_DIGIT = 8,
	HTTP_NAME = 16, /* unreserved in a URI: letters, digits, "-._~" (RFC 3986 2.3), so also in a host's name */
};
extern const uint8_t http_class[256];

static inline bool
http_is(uint8_t byte, unsigned classes)
{
	return (http_class[byte] & classes) != 0;
}

/* At least one byte, and all of them of the class. */
bool http_all(struct text t, unsigned class);

/* True if the comma-separated list holds the token (case ignored). */
bool http_list_has(struct text list, struct text token);

/*
 * What stands between the values of repeated fields of one name where they become one text, as in Node.js: ", ", but
 * "; " for cookies (RFC 9113 8.2.3). TEXT_NONE: the first value alone counts. (Set-Cookie is a list there; as one
 * text it has commas.)
 */
struct text http_field_joint(struct text name);

#endif
