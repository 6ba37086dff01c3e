/* What is counted of the clients behind backends: rows beside those of the links (backend_tables.h). */
#ifndef NODE_BACKEND_BACKEND_CLIENT_TABLES_H
#define NODE_BACKEND_BACKEND_CLIENT_TABLES_H

#include "common/base/names.h"

/*        number                        name of the metric          what it counts */
#define BACKEND_CLIENT_TABLE(X)                                                                                      \
	X(COUNT_BACKEND_REATTACHED, "backend_reattached", "sockets that another backend has taken over")             \
	X(COUNT_BACKEND_UNAVAILABLE, "backend_unavailable",                                                          \
		"clients that got \"Service unavailable\" because no backend came within backendWait")               \
	X(COUNT_BACKEND_ORPHANS_FULL, "backend_orphans_full",                                                        \
		"clients closed because more of their events waited for a backend than may")                         \
	X(COUNT_BACKEND_ORPHANS_LATE, "backend_orphans_late",                                                        \
		"clients closed because they were without a backend for longer than backendWait")                    \
	X(COUNT_BACKEND_SENT_AWAY, "backend_sent_away", "clients closed because their backend wanted it so")         \
	X(COUNT_BACKEND_HELD, "backend_events_held", "events that had to wait for a backend")                        \
	X(COUNT_BACKEND_PAUSES, "backend_pauses",                                                                    \
		"times a client was not read because its backend could not follow")                                  \
	X(COUNT_BACKEND_DROPPED_EVENTS, "backend_dropped_events",                                                    \
		"events that waited for a backend and were dropped")                                                 \
	X(COUNT_BACKEND_DROPPED_ACKS, "backend_dropped_acks",                                                        \
		"answers of clients that were dropped: the backend was gone, or too much waited for it")             \
	X(COUNT_BACKEND_DROPPED_FRAMES, "backend_dropped_frames",                                                    \
		"frames of backends whose content could not be carried out")                                         \
	X(COUNT_BACKEND_REQUESTS_LATE, "backend_requests_late",                                                      \
		"handshakes answered 503 because no backend answered in time")                                       \
	X(COUNT_BACKEND_ERRORS_UNSENT, "backend_errors_unsent",                                                      \
		"refused requests that backends were not told of: more than 100 a second")

NAMES_DECLARE(NAMES_ATTACH, BACKEND_CLIENT_TABLE, BACKEND_CLIENT_END);
extern const struct names backend_client_counters;

#endif
