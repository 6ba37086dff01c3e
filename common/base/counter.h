/*
 * What a loop counts: one row per counter, from which names and help of the
 * metrics come. Plain increments, no atomics: a loop has one thread.
 */
#ifndef COMMON_BASE_COUNTER_H
#define COMMON_BASE_COUNTER_H

#include <stdint.h>

/*        name                        metric name                  help */
#define COUNTER_TABLE(X)                                                                                             \
	X(COUNT_ACCEPTED, "connections_accepted", "TCP connections accepted")                                        \
	X(COUNT_ACCEPT_NO_FDS, "accept_no_fds", "times accepting stopped for lack of descriptors")                   \
	X(COUNT_BYTES_IN, "bytes_received", "bytes read from clients")                                               \
	X(COUNT_BYTES_OUT, "bytes_sent", "bytes written to clients")                                                 \
	X(COUNT_READS, "reads", "read calls")                                                                        \
	X(COUNT_WRITES, "writes", "write calls")                                                                     \
	X(COUNT_HTTP_REQUESTS, "http_requests", "HTTP requests whose head was complete")                             \
	X(COUNT_HTTP_REFUSED, "http_refused", "HTTP requests refused by the parser or a limit")                      \
	X(COUNT_WS_OPENED, "websockets_opened", "WebSocket handshakes completed")                                    \
	X(COUNT_EIO_OPENED, "sessions_opened", "Engine.IO sessions opened")                                          \
	X(COUNT_EIO_CLOSED, "sessions_closed", "Engine.IO sessions closed")                                          \
	X(COUNT_EIO_UPGRADED, "sessions_upgraded", "sessions that moved from polling to WebSocket")                  \
	X(COUNT_EIO_REFUSED, "handshakes_refused", "Engine.IO requests answered with an error code")                 \
	X(COUNT_PACKETS_IN, "packets_received", "Socket.IO packets received")                                        \
	X(COUNT_PACKETS_OUT, "packets_sent", "Socket.IO packets sent, one per receiver")                             \
	X(COUNT_VOLATILE_DROPPED, "volatile_dropped", "volatile packets dropped because the transport was busy")     \
	X(COUNT_DECODE_ERRORS, "decode_errors", "Socket.IO packets that could not be decoded")                       \
	X(COUNT_CLUSTER_REFUSED, "cluster_refused", "events of other nodes that may not be delivered")               \
	X(COUNT_HANDOVERS_SENT, "handovers_sent", "requests handed to the worker that owns their session")           \
	X(COUNT_HANDOVERS_TAKEN, "handovers_taken", "requests taken over from a sibling worker")                     \
	X(COUNT_HANDOVERS_REFUSED, "handovers_refused", "requests answered 503 as the owning worker takes no more")  \
	X(COUNT_RELAYS_OPENED, "relays_opened", "TLS connections relayed to the worker that owns their session")     \
	X(COUNT_RELAYS_CLOSED, "relays_closed", "relayed TLS connections that have ended")                           \
	X(COUNT_RELAY_BYTES, "relay_bytes", "bytes relayed between TLS clients and sibling workers, both ways")

enum counter {
#define X(name, metric, help) name,
	COUNTER_TABLE(X)
#undef X
		COUNTER_COUNT
};

struct counters {
	uint64_t value[COUNTER_COUNT];
};

static inline void
counter_add(struct counters *c, enum counter which, uint64_t n)
{
	c->value[which] += n;
}

const char *counter_name(enum counter which);
const char *counter_help(enum counter which);

#endif
