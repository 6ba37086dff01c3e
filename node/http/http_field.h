/*
 * Field names, field values and their characters (RFC 9110 section 5). Pure. http.h includes this file to show fields
 * to handlers, while http_field.c includes http.h to find fields in a request.
 */
#ifndef NODE_HTTP_HTTP_FIELD_H
#define NODE_HTTP_HTTP_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

struct http_header {
	struct text name;  /* as sent */
	struct text value; /* without surrounding blanks */
};

/* Character classes; http_class[byte] is the set of classes of a byte. */
enum {
	HTTP_TCHAR = 1, /* token characters, RFC 9110 5.6.2 */
	HTTP_VCHAR = 2, /* allowed in a field value: TAB, blank, visible ASCII, bytes of 0x80 and above */
	HTTP_URI = 4,	/* allowed in a request target: visible ASCII except "#" */
	HTTP_DIGIT = 8,
	HTTP_NAME = 16, /* unreserved in a URI (RFC 3986 2.3) and allowed in a host name: letters, digits, "-._~" */
};
extern const uint8_t http_class[256];

static inline bool
http_is(uint8_t byte, unsigned classes)
{
	return (http_class[byte] & classes) != 0;
}

/*
 * Returns the bit of a field name of `n` bytes (not 0) in a set of names, such as http_request.absent. The case does
 * not matter. Two names may share a bit; the usual ones that a server asks for do not.
 */
static inline uint64_t
http_name_bit(char first, size_t n)
{
	return UINT64_C(1) << ((n * 13 + ((unsigned char)first | 0x20)) & 63);
}

/* Returns true if the text is not empty and all its bytes belong to the class. */
bool http_all(struct text t, unsigned class);

/* Returns true if the comma-separated list contains the token (case ignored). */
bool http_list_has(struct text list, struct text token);

/*
 * Returns the separator that joins the values of repeated fields of one name, as in Node.js: "; " for cookies (RFC
 * 9113 8.2.3), otherwise ", ". TEXT_NONE: only the first value counts. Node.js keeps Set-Cookie as an array; here its
 * values are joined with commas, too.
 */
struct text http_field_joint(struct text name);

#endif
