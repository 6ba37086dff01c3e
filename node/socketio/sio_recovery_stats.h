/* Figures of connection state recovery (sio_recovery.h) for the operator. */
#ifndef NODE_SOCKETIO_SIO_RECOVERY_STATS_H
#define NODE_SOCKETIO_SIO_RECOVERY_STATS_H

#include <stdint.h>

/* How clients came back with a pid: SIO_RECOVERY_RECOVERED and SIO_RECOVERY_TAKEN_OVER succeeded. */
enum sio_recovery_result {
	SIO_RECOVERY_RECOVERED,	  /* the loss had been noticed */
	SIO_RECOVERY_TAKEN_OVER,  /* the client came back before its loss was noticed */
	SIO_RECOVERY_NO_SESSION,  /* unknown pid */
	SIO_RECOVERY_EXPIRED,	  /* after maxDisconnectionDuration */
	SIO_RECOVERY_OFFSET_GONE, /* some events after the offset are gone, or the offset is unknown */
	SIO_RECOVERY_FOREIGN, /* a session of another namespace or not trusted; or a stranger's event was missed */
	SIO_RECOVERY_TOO_BIG, /* more was missed than may be queued for a client */
	SIO_RECOVERY_NO_HUB,  /* the hub or Redis, which has the sessions, does not answer */
	SIO_RECOVERY_FAILED,  /* no memory or no room left, or the client's parser cannot carry a missed event */
	SIO_RECOVERY_RESULTS
};

/* Streams mode: why Redis has not stored a session. Its client cannot be recovered then. */
enum sio_unsaved {
	SIO_UNSAVED_OUT_OF_MEMORY, /* Redis has reached its maxmemory */
	SIO_UNSAVED_DENIED,	   /* Redis forbids the command */
	SIO_UNSAVED_REFUSED,	   /* Redis has answered with another error */
	SIO_UNSAVED_QUEUE_FULL,	   /* too many bytes wait for Redis */
	SIO_UNSAVED_TIMEOUT,	   /* Redis was away for too long */
	SIO_UNSAVED_TOO_BIG,	   /* the session is larger than SIO_STREAM_SESSION_MAX */
	SIO_UNSAVED_FAILED,	   /* no memory here, or the data cannot be written */
	SIO_UNSAVED_REASONS
};

/* Returns the name of a reason of enum sio_unsaved. */
const char *sio_recovery_unsaved_word(unsigned reason);

/* What connection state recovery has done and keeps. */
struct sio_recovery_stats {
	uint64_t results[SIO_RECOVERY_RESULTS];
	uint64_t unsaved[SIO_UNSAVED_REASONS];
	uint64_t replayed;	   /* events */
	uint64_t ended, displaced; /* sessions that were dropped after their window, and early because of a limit */
	uint64_t sessions;	   /* of clients that are away */
	uint64_t events, bytes;	   /* kept; `bytes` includes the sessions */
	uint64_t age_ms;	   /* of the oldest event */
};

#endif
