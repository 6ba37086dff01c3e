/* The counters of links to backends, and the reasons why links end. */
#ifndef NODE_BACKEND_BACKEND_TABLES_H
#define NODE_BACKEND_BACKEND_TABLES_H

#include "common/base/names.h"

/*        number                        name of the metric          what it counts */
#define BACKEND_COUNTER_TABLE(X)                                                                                     \
	X(COUNT_BACKEND_BYTES_IN, "backend_bytes_in", "bytes of frames from backends")                               \
	X(COUNT_BACKEND_BYTES_OUT, "backend_bytes_out", "bytes of frames to backends")                               \
	X(COUNT_BACKEND_STALLS, "backend_window_stalls",                                                             \
		"times the window of a backend was full and frames had to wait")                                     \
	X(COUNT_BACKEND_MALFORMED, "backend_malformed", "links closed because a backend sent a malformed frame")     \
	X(COUNT_BACKEND_REFUSED, "backend_refused",                                                                  \
		"backends refused before they became ready: secret, version, limits, time")                          \
	X(COUNT_BACKEND_PASSED, "backend_passed", "connections of backends passed to the worker that they named")    \
	X(COUNT_BACKEND_PEERS, "backend_peer_messages", "messages between backends")                                 \
	X(COUNT_BACKEND_PEERS_DROPPED, "backend_peer_dropped",                                                       \
		"messages between backends dropped because the window of the receiver was full")                     \
	X(COUNT_BACKEND_TOO_BIG, "backend_too_big", "frames not sent because they were larger than backendMaxFrame")

NAMES_DECLARE(NAMES_BACKEND, BACKEND_COUNTER_TABLE, BACKEND_COUNTER_END);
extern const struct names backend_counters;

/*        number                   word in BYE, log, metrics   why a link that was ready has ended */
#define BACKEND_LOST_TABLE(X)                                                                                        \
	X(BACKEND_LOST_CLOSED, "closed", "the connection broke: the backend or the network failed")                  \
	X(BACKEND_LOST_BYE, "bye", "the backend sent BYE")                                                           \
	X(BACKEND_LOST_TIMEOUT, "timeout", "the backend answered or read nothing for backendStallTimeout")           \
	X(BACKEND_LOST_SLOW, "slow", "too many bytes waited for the backend")                                        \
	X(BACKEND_LOST_PROTOCOL, "protocol", "the backend sent a malformed frame")                                   \
	X(BACKEND_LOST_DUPLICATE, "duplicate", "the same instance connected again")                                  \
	X(BACKEND_LOST_FULL, "full", "the handles of the link, or the groups of the worker, are used up")            \
	X(BACKEND_LOST_MEMORY, "memory", "there was no memory for a frame")                                          \
	X(BACKEND_LOST_SHUTDOWN, "shutdown", "this server is shutting down")

enum backend_lost {
#define X(lost, word, meaning) lost,
	BACKEND_LOST_TABLE(X)
#undef X
		BACKEND_LOST_REASONS
};

/* Returns the word of a reason. */
const char *backend_lost_word(unsigned reason);

/* Why a connection does not become a link: the words of BYE before WELCOME. */
#define BACKEND_REFUSAL_TABLE(X)                                                                                     \
	X(BACKEND_REFUSED_VERSION, "version", "the backend does not speak version 1")                                \
	X(BACKEND_REFUSED_SECRET, "secret", "the proof of the secret is wrong or missing")                           \
	X(BACKEND_REFUSED_FULL, "full", "there are too many links, or the named worker cannot take the connection")  \
	X(BACKEND_REFUSED_PROTOCOL, "protocol",                                                                      \
		"HELLO is malformed, or the instance sent a malformed frame shortly before")                         \
	X(BACKEND_REFUSED_TIMEOUT, "timeout", "HELLO did not come in time")                                          \
	X(BACKEND_REFUSED_WORKER, "worker", "HELLO names a worker that does not exist")                              \
	X(BACKEND_REFUSED_SHUTDOWN, "shutdown", "this server is shutting down")

enum backend_refusal {
#define X(refusal, word, meaning) refusal,
	BACKEND_REFUSAL_TABLE(X)
#undef X
};

/* Returns the word of a reason. */
const char *backend_refusal_word(enum backend_refusal reason);

#endif
