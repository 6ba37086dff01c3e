/* The close reasons and counters of this layer (names.h). */
#ifndef NODE_PROCESS_PROCESS_TABLES_H
#define NODE_PROCESS_PROCESS_TABLES_H

#include "common/base/names.h"

/*        number                      log word               meaning */
#define PROCESS_REASON_TABLE(X)                                                                                      \
	X(REASON_PROXY_HEADER, "proxy-header", "the PROXY header is missing, malformed or late")                     \
	X(REASON_HANDED_OVER, "handed-over", "handed over to the sibling worker that owns the session")

NAMES_DECLARE(NAMES_PROCESS, PROCESS_REASON_TABLE, PROCESS_REASON_END);
extern const struct names process_reasons;

/*        number                      name of the metric     help */
#define PROCESS_COUNTER_TABLE(X)                                                                                     \
	X(COUNT_HANDOVERS_SENT, "handovers_sent", "requests handed to the worker that owns their session")           \
	X(COUNT_HANDOVERS_TAKEN, "handovers_taken", "requests taken over from a sibling worker")                     \
	X(COUNT_HANDOVERS_REFUSED, "handovers_refused",                                                              \
		"requests answered 503 because the owning worker accepts no more")                                   \
	X(COUNT_RELAYS_OPENED, "relays_opened", "TLS connections relayed to the worker that owns their session")     \
	X(COUNT_RELAYS_CLOSED, "relays_closed", "relayed TLS connections that have ended")                           \
	X(COUNT_RELAY_BYTES, "relay_bytes", "bytes relayed between TLS clients and sibling workers, both ways")

NAMES_DECLARE(NAMES_PROCESS, PROCESS_COUNTER_TABLE, PROCESS_COUNTER_END);
extern const struct names process_counters;

#endif
