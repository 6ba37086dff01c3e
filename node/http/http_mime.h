/* File name extensions and their media types. Pure. */
#ifndef NODE_HTTP_HTTP_MIME_H
#define NODE_HTTP_HTTP_MIME_H

#include <stdbool.h>

#include "common/base/text.h"

struct http_mime {
	const char *extension;
	const char *type;
	bool text; /* worth compressing */
};

/* Never NULL; application/octet-stream for what is not in the table. Case ignored. */
const struct http_mime *http_mime_of(struct text file_name);

#endif
