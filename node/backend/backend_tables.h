/* What is counted of links to backends, and why they end: the rows of this layer. */
#ifndef NODE_BACKEND_BACKEND_TABLES_H
#define NODE_BACKEND_BACKEND_TABLES_H

#include "common/base/names.h"

/*        number                        name of the metric          what it counts */
#define BACKEND_COUNTER_TABLE(X)                                                                                     \
	X(COUNT_BACKEND_BYTES_IN, "backend_bytes_in", "bytes of frames from backends")                               \
	X(COUNT_BACKEND_BYTES_OUT, "backend_bytes_out", "bytes of frames to backends")                               \
	X(COUNT_BACKEND_STALLS, "backend_window_stalls",                                                             \
		"times a backend had its window full and frames had to wait")                                        \
	X(COUNT_BACKEND_MALFORMED, "backend_malformed", "links closed because what the backend sent made no sense")  \
	X(COUNT_BACKEND_REFUSED, "backend_refused", "backends that were not let in: secret, version, limits, time")  \
	X(COUNT_BACKEND_PASSED, "backend_passed", "connections of backends given to the worker that they wanted")    \
	X(COUNT_BACKEND_PEERS, "backend_peer_messages", "messages of backends to one another")                       \
	X(COUNT_BACKEND_PEERS_DROPPED, "backend_peer_dropped", "those dropped: the receiver had its window full")    \
	X(COUNT_BACKEND_TOO_BIG, "backend_too_big", "frames that were not sent: larger than backendMaxFrame")

NAMES_DECLARE(NAMES_BACKEND, BACKEND_COUNTER_TABLE, BACKEND_COUNTER_END);
extern const struct names backend_counters;

/*        number                   word in BYE, log, metrics   why a link that was ready has ended */
#define BACKEND_LOST_TABLE(X)                                                                                        \
	X(BACKEND_LOST_CLOSED, "closed", "the connection broke: the backend died, or the network did")               \
	X(BACKEND_LOST_BYE, "bye", "the backend said good-bye")                                                      \
	X(BACKEND_LOST_TIMEOUT, "timeout", "it answered or read nothing for backendStallTimeout")                    \
	X(BACKEND_LOST_SLOW, "slow", "more waited for it than it may")                                               \
	X(BACKEND_LOST_PROTOCOL, "protocol", "what it sent made no sense")                                           \
	X(BACKEND_LOST_DUPLICATE, "duplicate", "the same instance connected again")                                  \
	X(BACKEND_LOST_FULL, "full", "its numbers are used up")                                                      \
	X(BACKEND_LOST_MEMORY, "memory", "there was no memory for a frame")                                          \
	X(BACKEND_LOST_SHUTDOWN, "shutdown", "this server ends")

enum backend_lost {
#define X(lost, word, meaning) lost,
	BACKEND_LOST_TABLE(X)
#undef X
		BACKEND_LOST_REASONS
};

const char *backend_lost_word(unsigned reason);

/* Why one that wants to become a backend is turned away: the words of BYE before WELCOME. */
#define BACKEND_REFUSAL_TABLE(X)                                                                                     \
	X(BACKEND_REFUSED_VERSION, "version", "it does not speak version 1")                                         \
	X(BACKEND_REFUSED_SECRET, "secret", "its proof of the secret is wrong or missing")                           \
	X(BACKEND_REFUSED_FULL, "full", "there are too many links, or the wanted worker takes none")                 \
	X(BACKEND_REFUSED_PROTOCOL, "protocol", "its HELLO made no sense, or its frames did a moment ago")           \
	X(BACKEND_REFUSED_TIMEOUT, "timeout", "no HELLO in time")                                                    \
	X(BACKEND_REFUSED_WORKER, "worker", "there is no such worker")                                               \
	X(BACKEND_REFUSED_SHUTDOWN, "shutdown", "this server ends")

enum backend_refusal {
#define X(refusal, word, meaning) refusal,
	BACKEND_REFUSAL_TABLE(X)
#undef X
};

const char *backend_refusal_word(enum backend_refusal reason);

#endif
