/* The close reasons and counters of this layer (names.h). */
#ifndef NODE_ENGINEIO_EIO_TABLES_H
#define NODE_ENGINEIO_EIO_TABLES_H

#include "common/base/names.h"

/*        number                      log word               meaning */
#define EIO_REASON_TABLE(X)                                                                                          \
	X(REASON_PARSE_ERROR, "parse-error", "an Engine.IO packet that cannot be decoded")                           \
	X(REASON_PING_TIMEOUT, "ping-timeout", "no pong within pingTimeout; with Engine.IO 3, no ping in time")      \
	X(REASON_UPGRADE_TIMEOUT, "upgrade-timeout", "an upgrade was not completed in time")

NAMES_DECLARE(NAMES_EIO, EIO_REASON_TABLE, EIO_REASON_END);
extern const struct names eio_reasons;

/*        number                      name of the metric     meaning */
#define EIO_COUNTER_TABLE(X)                                                                                         \
	X(COUNT_EIO_OPENED, "sessions_opened", "Engine.IO sessions opened")                                          \
	X(COUNT_EIO_CLOSED, "sessions_closed", "Engine.IO sessions closed")                                          \
	X(COUNT_EIO_UPGRADED, "sessions_upgraded", "sessions that moved from polling to WebSocket")                  \
	X(COUNT_EIO_REFUSED, "handshakes_refused", "Engine.IO requests answered with an error code")                 \
	X(COUNT_EIO_UNCLAIMED, "upgrades_unclaimed",                                                                 \
		"upgrade requests on a path that is not served, answered with 404")

NAMES_DECLARE(NAMES_EIO, EIO_COUNTER_TABLE, EIO_COUNTER_END);
extern const struct names eio_counters;

#endif
