/*
 * Why a connection ended: one row per reason, from which the log word, the
 * counter and the documentation come. Layers above io use rows of their own;
 * io only carries the value.
 */
#ifndef COMMON_BASE_REASON_H
#define COMMON_BASE_REASON_H

/*        name                    log word                what it means */
#define REASON_TABLE(X)                                                                                              \
	X(REASON_NONE, "none", "still open")                                                                         \
	X(REASON_PEER_CLOSED, "peer-closed", "the peer closed the TCP connection")                                   \
	X(REASON_RESET, "reset", "reading or writing failed")                                                        \
	X(REASON_FINISHED, "finished", "all was sent, then closed by us in good order")                              \
	X(REASON_TLS, "tls", "the TLS handshake or a TLS record was refused")                                        \
	X(REASON_TLS_TIMEOUT, "tls-timeout", "the TLS handshake took too long")                                      \
	X(REASON_SLOW_READER, "slow-reader", "more bytes wait for this peer than max-queue allows")                  \
	X(REASON_STALLED, "stalled", "the peer took no bytes for the send timeout")                                  \
	X(REASON_HTTP_SYNTAX, "http-syntax", "not an HTTP/1.1 request")                                              \
	X(REASON_HTTP_LIMIT, "http-limit", "a request head or body over its limit")                                  \
	X(REASON_HTTP_TIMEOUT, "http-timeout", "a request head or body took too long")                               \
	X(REASON_HTTP_IDLE, "http-idle", "no further request within the keep-alive time")                            \
	X(REASON_HTTP_UNHANDLED, "http-unhandled", "an upgrade on a path nobody serves")                             \
	X(REASON_WS_PROTOCOL, "ws-protocol", "a WebSocket frame broke RFC 6455 or RFC 7692")                         \
	X(REASON_WS_UTF8, "ws-utf8", "a WebSocket text was not UTF-8")                                               \
	X(REASON_WS_TOO_BIG, "ws-too-big", "a WebSocket message over maxHttpBufferSize")                             \
	X(REASON_WS_CLOSE, "ws-close", "WebSocket close handshake")                                                  \
	X(REASON_WS_CLOSE_TIMEOUT, "ws-close-timeout", "the peer did not answer our WebSocket close")                \
	X(REASON_PARSE_ERROR, "parse-error", "an Engine.IO packet that cannot be decoded")                           \
	X(REASON_PING_TIMEOUT, "ping-timeout", "no pong within pingTimeout")                                         \
	X(REASON_UPGRADE_TIMEOUT, "upgrade-timeout", "an upgrade was begun and not completed")                       \
	X(REASON_FORCED, "forced", "the application or the protocol layer closed the session")                       \
	X(REASON_SHUTDOWN, "shutdown", "the server is stopping")                                                     \
	X(REASON_NO_FDS, "no-fds", "accepted with the last descriptor and closed at once")                           \
	X(REASON_PROXY_HEADER, "proxy-header", "no PROXY header in front, or not in time")                           \
	X(REASON_TOO_MANY, "too-many", "more connections than max-connections")                                      \
	X(REASON_HANDED_OVER, "handed-over", "a sibling worker that owns the session goes on with it")

enum reason {
#define X(name, word, meaning) name,
	REASON_TABLE(X)
#undef X
		REASON_COUNT
};

const char *reason_word(enum reason reason);	/* never NULL */
const char *reason_meaning(enum reason reason); /* never NULL */

#endif
