/* The close reasons and counters of this layer (names.h). */
#ifndef COMMON_IO_IO_TABLES_H
#define COMMON_IO_IO_TABLES_H

#include "common/base/names.h"

/*        number                      log word               what it means */
#define IO_REASON_TABLE(X)                                                                                           \
	X(REASON_NONE, "none", "still open")                                                                         \
	X(REASON_PEER_CLOSED, "peer-closed", "the peer closed the TCP connection")                                   \
	X(REASON_RESET, "reset", "reading or writing failed")                                                        \
	X(REASON_FINISHED, "finished", "the server sent all data and closed the connection")                         \
	X(REASON_TLS, "tls", "the TLS handshake or a TLS record failed")                                             \
	X(REASON_TLS_TIMEOUT, "tls-timeout", "the TLS handshake took too long")                                      \
	X(REASON_SLOW_READER, "slow-reader", "more bytes were queued for this peer than max-queue allows")           \
	X(REASON_STALLED, "stalled", "the peer accepted no bytes within the send timeout")                           \
	X(REASON_NO_FDS, "no-fds", "no file descriptors left; accepted and closed at once")                          \
	X(REASON_TOO_MANY, "too-many", "max-connections was reached")                                                \
	X(REASON_MEMORY, "memory", "among the largest users of memory when max-memory was exceeded")                 \
	X(REASON_NO_MEMORY, "no-memory", "the system was out of memory for this peer's data")                        \
	X(REASON_FORCED, "forced", "the application or the protocol layer closed the connection")                    \
	X(REASON_SHUTDOWN, "shutdown", "the server is stopping")

NAMES_DECLARE(NAMES_IO, IO_REASON_TABLE, IO_REASON_END);
extern const struct names io_reasons;

/*        number                      name of the metric     what it counts */
#define IO_COUNTER_TABLE(X)                                                                                          \
	X(COUNT_ACCEPTED, "connections_accepted", "TCP connections accepted")                                        \
	X(COUNT_ACCEPT_NO_FDS, "accept_no_fds", "times accepting paused for lack of file descriptors")               \
	X(COUNT_BYTES_IN, "bytes_received", "bytes read from clients")                                               \
	X(COUNT_BYTES_OUT, "bytes_sent", "bytes written to clients")                                                 \
	X(COUNT_READS, "reads", "read calls")                                                                        \
	X(COUNT_WRITES, "writes", "write calls")                                                                     \
	X(COUNT_MEMORY_CLOSED, "memory_closed", "connections and sessions closed because max-memory was exceeded")   \
	X(COUNT_NO_MEMORY, "no_memory", "times the system was out of memory for a client's data")

NAMES_DECLARE(NAMES_IO, IO_COUNTER_TABLE, IO_COUNTER_END);
extern const struct names io_counters;

#endif
