/* Counters for the clients behind backends. backend_tables.h has the counters of the links. */
#ifndef NODE_BACKEND_BACKEND_CLIENT_TABLES_H
#define NODE_BACKEND_BACKEND_CLIENT_TABLES_H

#include "common/base/names.h"

/*        number                        name of the metric          what it counts */
#define BACKEND_CLIENT_TABLE(X)                                                                                      \
	X(COUNT_BACKEND_REATTACHED, "backend_reattached", "sockets that another backend took over")                  \
	X(COUNT_BACKEND_UNAVAILABLE, "backend_unavailable",                                                          \
		"clients refused with \"Service unavailable\" because no backend came within backendWait")           \
	X(COUNT_BACKEND_ORPHANS_FULL, "backend_orphans_full",                                                        \
		"clients closed because too many bytes of their events waited for a backend")                        \
	X(COUNT_BACKEND_ORPHANS_LATE, "backend_orphans_late",                                                        \
		"clients closed because they had no backend for longer than backendWait")                            \
	X(COUNT_BACKEND_SENT_AWAY, "backend_sent_away",                                                              \
		"clients closed because their lost backend had asked for it (onBackendLoss)")                        \
	X(COUNT_BACKEND_HELD, "backend_events_held", "events that had to wait for a backend")                        \
	X(COUNT_BACKEND_PAUSES, "backend_pauses",                                                                    \
		"times reading from a client paused because its backend was too slow")                               \
	X(COUNT_BACKEND_DROPPED_EVENTS, "backend_dropped_events", "events dropped while they waited for a backend")  \
	X(COUNT_BACKEND_DROPPED_ACKS, "backend_dropped_acks",                                                        \
		"acknowledgements of clients dropped because too many bytes waited for the backend")                 \
	X(COUNT_BACKEND_DROPPED_PRESENCE, "backend_dropped_presence",                                                \
		"changes of presence not reported because too many bytes waited for the backend")                    \
	X(COUNT_BACKEND_DROPPED_FRAMES, "backend_dropped_frames",                                                    \
		"frames of backends that could not be carried out")                                                  \
	X(COUNT_BACKEND_REQUESTS_LATE, "backend_requests_late",                                                      \
		"handshakes answered with 503 because no backend answered in time")                                  \
	X(COUNT_BACKEND_ERRORS_UNSENT, "backend_errors_unsent",                                                      \
		"refused requests not reported to backends because there were more than 100 a second")

NAMES_DECLARE(NAMES_ATTACH, BACKEND_CLIENT_TABLE, BACKEND_CLIENT_END);
extern const struct names backend_client_counters;

#endif
