/*
 * The grammar of Sec-WebSocket-Extensions (RFC 6455 9.1), read in one pass:
 * a list of extensions, each with parameters.
 */
#ifndef NODE_WS_WS_EXTENSION_H
#define NODE_WS_WS_EXTENSION_H

#include "common/base/text.h"

enum ws_extension_item {
	WS_EXTENSION_END,   /* nothing is left */
	WS_EXTENSION_NAME,  /* the next extension: `name` */
	WS_EXTENSION_PARAM, /* the next parameter of it: `name`, and `value` (TEXT_NONE without "=") */
};

/*
 * Cuts the next item off `*rest`, which starts as the whole field; `*name` starts as TEXT_NONE. A quoted value comes
 * without its quotes, but with the backslashes of quoted pairs. Empty list elements are skipped (RFC 9110 5.6.1.2).
 * Returns an enum ws_extension_item or ERROR_SYNTAX.
 */
int ws_extension_next(struct text *rest, struct text *name, struct text *value);

/* 0 if the whole field keeps to the grammar and names at least one extension, else ERROR_SYNTAX. */
int ws_extension_check(struct text field);

#endif
