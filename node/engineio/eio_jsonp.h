/*
 * JSONP, the form of long-polling for browsers and pages that cannot use XMLHttpRequest across origins. A poll is a
 * script element whose reply calls the page's function ___eio[index] with the payload as a string. A POST is an HTML
 * form with the payload in its field "d". Pure code.
 *
 * The number `j` in the query of a handshake asks for JSONP and gives the index, which all replies of the session
 * use.
 */
#ifndef NODE_ENGINEIO_EIO_JSONP_H
#define NODE_ENGINEIO_EIO_JSONP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/text.h"

struct eio_jsonp {
	bool on;	/* the session uses JSONP */
	uint32_t index; /* of the page's function */
};

/*
 * Reads `j` from the query of a handshake and fills `out`. Returns 0, or ERROR_SYNTAX if `j` is not a decimal
 * number of 32 bits. The number becomes a part of a script, so nothing else is accepted.
 */
int eio_jsonp_parse(struct text query, struct eio_jsonp *out);

/*
 * Returns the script that passes the payload, which is valid UTF-8, to the page's function. Returns NULL if memory
 * runs out. Besides what JSON escapes, the string has no line separators (U+2028, U+2029), which older browsers take
 * for the end of a line, and no "</", which would end a script element that contains it.
 */
struct block *eio_jsonp_encode(uint32_t index, struct text payload);

/*
 * Replaces a form (application/x-www-form-urlencoded) by the payload in its field "d". Returns the payload's length.
 * ERROR_SYNTAX: there is no such field, or more than one, or a percent sign without two hexadecimal digits.
 *
 * Some browsers change line feeds in a form, so the client writes a line feed as a backslash and "n", and adds a
 * backslash to a backslash and "n" that were in the payload before.
 */
int64_t eio_jsonp_decode(uint8_t *form, size_t n);

#endif
