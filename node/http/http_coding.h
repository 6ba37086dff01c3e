/*
 * Content codings: which one a client takes (RFC 9110 12.5.3; pure), and the compressed forms of static files, so
 * that each file is compressed once and not for each request.
 */
#ifndef NODE_HTTP_HTTP_CODING_H
#define NODE_HTTP_HTTP_CODING_H

#include <stdbool.h>

#include "common/base/block.h"
#include "common/base/text.h"

enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_DEFLATE };

/* The one with the highest weight in the Accept-Encoding field; of equals the first named. */
enum http_coding http_coding_choose(struct text accept);

/* The weight that the field gives to one coding ("br"), in thousandths; 0: not wanted. "*" counts. */
unsigned http_coding_weight(struct text accept, struct text coding);

/*
 * The compressed forms: making one keeps the loop busy for milliseconds, and asking for it costs a client 60 bytes.
 * The least recently used ones leave first.
 */
#define HTTP_PACKED_BYTES_MAX (8 * 1024 * 1024) /* per loop; a public directory is smaller, compressed */
#define HTTP_PACKED_COUNT_MAX 256		/* it is searched from one end to the other */

struct http_packed;

struct http_packed *http_packed_new(void);
void http_packed_free(struct http_packed *p); /* accepts NULL */

/* True if the form with that entity tag is known; *out is then a reference for the caller, or NULL: it is not smaller
 * than the file. */
bool http_packed_find(struct http_packed *p, struct text tag, struct block **out);

/*
 * Compresses, and remembers it under the tag if `keep` (not yet known). Returns a reference for the caller, or NULL
 * if it does not become smaller.
 */
struct block *http_packed_make(
	struct http_packed *p, struct text tag, enum http_coding coding, struct text plain, bool keep);

#endif
