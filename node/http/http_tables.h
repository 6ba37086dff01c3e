/* The close reasons and counters of this layer (names.h). */
#ifndef NODE_HTTP_HTTP_TABLES_H
#define NODE_HTTP_HTTP_TABLES_H

#include "common/base/names.h"

/*        number                      log word               meaning */
#define HTTP_REASON_TABLE(X)                                                                                         \
	X(REASON_HTTP_SYNTAX, "http-syntax", "not an HTTP/1.1 request")                                              \
	X(REASON_HTTP_LIMIT, "http-limit", "a request head or body exceeded its limit")                              \
	X(REASON_HTTP_TIMEOUT, "http-timeout", "a request head or body took too long")                               \
	X(REASON_HTTP_IDLE, "http-idle", "no further request within the keep-alive time")

NAMES_DECLARE(NAMES_HTTP, HTTP_REASON_TABLE, HTTP_REASON_END);
extern const struct names http_reasons;

/*        number                      name of the metric     meaning */
#define HTTP_COUNTER_TABLE(X)                                                                                        \
	X(COUNT_HTTP_REQUESTS, "http_requests", "HTTP requests whose head was complete")                             \
	X(COUNT_HTTP_REFUSED, "http_refused", "HTTP requests refused by the parser or a limit")

NAMES_DECLARE(NAMES_HTTP, HTTP_COUNTER_TABLE, HTTP_COUNTER_END);
extern const struct names http_counters;

#endif
