/* The close reasons and counters of this layer (names.h). */
#ifndef NODE_WS_WS_TABLES_H
#define NODE_WS_WS_TABLES_H

#include "common/base/names.h"

/*        number                      log word               meaning */
#define WS_REASON_TABLE(X)                                                                                           \
	X(REASON_WS_PROTOCOL, "ws-protocol", "a WebSocket frame violated RFC 6455 or RFC 7692")                      \
	X(REASON_WS_UTF8, "ws-utf8", "a WebSocket text message was not valid UTF-8")                                 \
	X(REASON_WS_TOO_BIG, "ws-too-big", "a WebSocket message exceeded maxHttpBufferSize or maxFragments")         \
	X(REASON_WS_CLOSE, "ws-close", "WebSocket close handshake")                                                  \
	X(REASON_WS_CLOSE_TIMEOUT, "ws-close-timeout", "the peer did not answer the WebSocket close")

NAMES_DECLARE(NAMES_WS, WS_REASON_TABLE, WS_REASON_END);
extern const struct names ws_reasons;

/*        number                      name of the metric     meaning */
#define WS_COUNTER_TABLE(X) X(COUNT_WS_OPENED, "websockets_opened", "WebSocket handshakes completed")

NAMES_DECLARE(NAMES_WS, WS_COUNTER_TABLE, WS_COUNTER_END);
extern const struct names ws_counters;

#endif
