/* The grammar of Sec-WebSocket-Extensions (RFC 6455 9.1), read in one pass: a list of extensions with parameters. */
#ifndef NODE_WS_WS_EXTENSION_H
#define NODE_WS_WS_EXTENSION_H

#include "common/base/text.h"

enum ws_extension_item {
	WS_EXTENSION_END,   /* the end of the field */
	WS_EXTENSION_NAME,  /* the next extension: `name` */
	WS_EXTENSION_PARAM, /* its next parameter: `name` and `value`, TEXT_NONE without "=" */
};

/*
 * Cuts the next item off *rest, which is initially the whole field. *name is initially TEXT_NONE. A quoted value is
 * returned without its quotes, but with the backslashes of quoted pairs. Empty list elements are skipped (RFC 9110
 * 5.6.1.2). Returns an enum ws_extension_item or ERROR_SYNTAX.
 */
int ws_extension_next(struct text *rest, struct text *name, struct text *value);

/* Returns 0 if the field is well-formed and names at least one extension, otherwise ERROR_SYNTAX. */
int ws_extension_check(struct text field);

#endif
