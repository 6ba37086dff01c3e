/* Content codings: which one a client takes (RFC 9110 12.5.3). Pure. */
#ifndef NODE_HTTP_HTTP_CODING_H
#define NODE_HTTP_HTTP_CODING_H

#include "common/base/text.h"

enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_DEFLATE };

/* The one with the highest weight in the Accept-Encoding field; of equals the first named. */
enum http_coding http_coding_choose(struct text accept);

/* The weight that the field gives to one coding ("br"), in thousandths; 0: not wanted. "*" counts. */
unsigned http_coding_weight(struct text accept, struct text coding);

#endif
