/* Figures of the history of rooms (sio_history.h) for the operator. */
#ifndef NODE_SOCKETIO_SIO_HISTORY_STATS_H
#define NODE_SOCKETIO_SIO_HISTORY_STATS_H

#include <stdint.h>

struct sio_history_stats {
	uint64_t stored;		/* entries stored by this server */
	uint64_t dropped;		/* events that were not stored: too large, or the store did not take them */
	uint64_t displaced;		/* entries in this process that were dropped because of historyMaxBytes */
	uint64_t reads;			/* reads, joins with history included */
	uint64_t failed;		/* reads that failed */
	uint64_t sent;			/* entries sent to sockets that joined */
	uint64_t repeats;		/* copies of events that were dropped because the socket had received them */
	uint64_t malformed;		/* entries in the store that could not be read */
	uint64_t entries, bytes, rooms; /* kept in this process */
};

#endif
