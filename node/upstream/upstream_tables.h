/* The reasons why connections of this layer end, and its counters (names.h). */
#ifndef NODE_UPSTREAM_UPSTREAM_TABLES_H
#define NODE_UPSTREAM_UPSTREAM_TABLES_H

#include "common/base/names.h"

/*        number                      log word               what it means */
#define UPSTREAM_REASON_TABLE(X)                                                                                     \
	X(REASON_UPSTREAM_CUT, "upstream-cut", "the upstream closed the connection in the middle of its response")   \
	X(REASON_UPSTREAM_TIMEOUT, "upstream-timeout", "the upstream stopped sending in the middle of its response") \
	X(REASON_UPSTREAM_DONE, "upstream-done", "a connection to the upstream is no longer needed")                 \
	X(REASON_UPSTREAM_IDLE, "upstream-idle",                                                                     \
		"no byte passed through an upgraded connection for an hour, or for 10 s after one side had ended")

NAMES_DECLARE(NAMES_UPSTREAM, UPSTREAM_REASON_TABLE, UPSTREAM_REASON_END);
extern const struct names upstream_reasons;

/*        number                      name of the metric     what it counts */
#define UPSTREAM_COUNTER_TABLE(X)                                                                                    \
	X(COUNT_UPSTREAM_REQUESTS, "upstream_requests", "requests passed on to the upstream")                        \
	X(COUNT_UPSTREAM_ENDED, "upstream_ended",                                                                    \
		"requests to the upstream that are over, including their upgraded connections")                      \
	X(COUNT_UPSTREAM_CONNECTS, "upstream_connects", "connections made to the upstream")                          \
	X(COUNT_UPSTREAM_REUSED, "upstream_reused", "requests sent on a connection that was already open")           \
	X(COUNT_UPSTREAM_RETRIES, "upstream_retries",                                                                \
		"requests sent again because the upstream had just closed the connection")                           \
	X(COUNT_UPSTREAM_UNREACHABLE, "upstream_unreachable", "attempts to connect to the upstream that failed")     \
	X(COUNT_UPSTREAM_BAD, "upstream_bad",                                                                        \
		"requests answered with 502: no connection, closed without a response, or an invalid response")      \
	X(COUNT_UPSTREAM_TIMEOUTS, "upstream_timeouts", "requests that ended because the upstream was too slow")     \
	X(COUNT_UPSTREAM_BUSY, "upstream_busy",                                                                      \
		"requests answered with 503 because no upstream or no connection was free")                          \
	X(COUNT_UPSTREAM_CUT, "upstream_cut", "responses that the upstream broke off")                               \
	X(COUNT_UPSTREAM_ABORTED, "upstream_aborted", "requests whose client left before the end")                   \
	X(COUNT_UPSTREAM_TUNNELS, "upstream_tunnels", "connections upgraded to another protocol (WebSocket)")        \
	X(COUNT_UPSTREAM_BYTES_IN, "upstream_bytes_received", "bytes read from the upstream")                        \
	X(COUNT_UPSTREAM_BYTES_OUT, "upstream_bytes_sent", "bytes sent to the upstream")

NAMES_DECLARE(NAMES_UPSTREAM, UPSTREAM_COUNTER_TABLE, UPSTREAM_COUNTER_END);
extern const struct names upstream_counters;

#endif
