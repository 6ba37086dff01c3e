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

/* What connection state recovery has done and keeps. */
struct sio_recovery_stats {
	uint64_t results[SIO_RECOVERY_RESULTS];
	uint64_t replayed;	   /* events */
	uint64_t ended, displaced; /* sessions that were dropped after their window, and early because of a limit */
	uint64_t sessions;	   /* of clients that are away */
	uint64_t events, bytes;	   /* kept; `bytes` includes the sessions */
	uint64_t age_ms;	   /* of the oldest event */
};

#endif
