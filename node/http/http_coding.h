/*
 * Content codings: the choice of a coding that the client accepts (RFC 9110 12.5.3; pure), and a cache of the
 * compressed forms of static files, so that a file is not compressed again for each request.
 */
#ifndef NODE_HTTP_HTTP_CODING_H
#define NODE_HTTP_HTTP_CODING_H

#include <stdbool.h>

#include "common/base/block.h"
#include "common/base/text.h"

enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_DEFLATE };

/* Returns the coding with the highest weight in the Accept-Encoding field; if both have it, the one named first. */
enum http_coding http_coding_choose(struct text accept);

/* Returns the weight that the field gives to one coding ("br"), in thousandths; 0: not accepted. "*" counts. */
unsigned http_coding_weight(struct text accept, struct text coding);

/*
 * A cache of compressed files. Without it, a request of 60 bytes would keep the loop busy for the milliseconds that
 * compressing a file takes. The least recently used files are evicted first.
 */
#define HTTP_PACKED_BYTES_MAX                                                                                        \
	(8 * 1024 * 1024)	  /* per loop; the compressed files of a public directory are usually fewer */
#define HTTP_PACKED_COUNT_MAX 256 /* low, because a look-up walks the whole list */

struct http_packed;

struct http_packed *http_packed_new(void);
void http_packed_free(struct http_packed *packed); /* accepts NULL */

/*
 * Looks up the compressed file with that entity tag. If it is cached, returns true and sets *out to a reference for
 * the caller, or to NULL if compression does not make the file smaller.
 */
bool http_packed_find(struct http_packed *packed, struct text tag, struct block **out);

/*
 * Compresses `plain` and, if `keep` is true, caches the result under `tag`, which must not be cached yet. Returns a
 * reference for the caller, or NULL if compression does not make the file smaller.
 */
struct block *http_packed_make(
	struct http_packed *packed, struct text tag, enum http_coding coding, struct text plain, bool keep);

#endif
