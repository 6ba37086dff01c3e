#include "node/upstream/upstream_failure.h"

#include "node/upstream/upstream_tables.h"

const struct upstream_failure_row upstream_failures[UPSTREAM_FAILURES] = {
	[UPSTREAM_UNREACHABLE] = {"cannot connect", 502, COUNT_UPSTREAM_BAD,
		"Bad gateway: the application server cannot be reached\n"},
	[UPSTREAM_CONNECT_TIMEOUT] = {"no connection in time", 504, COUNT_UPSTREAM_TIMEOUTS,
		"Gateway timeout: the application server cannot be reached\n"},
	[UPSTREAM_CLOSED] = {"connection closed before the response", 502, COUNT_UPSTREAM_BAD,
		"Bad gateway: the application server closed the connection without a response\n"},
	[UPSTREAM_NONSENSE] = {"invalid response", 502, COUNT_UPSTREAM_BAD,
		"Bad gateway: the application server sent an invalid response\n"},
	[UPSTREAM_TIMEOUT] = {"no response in time", 504, COUNT_UPSTREAM_TIMEOUTS,
		"Gateway timeout: the application server did not respond in time\n"},
	[UPSTREAM_BUSY] = {"no connection is free", 503, COUNT_UPSTREAM_BUSY,
		"Service unavailable: too many requests for the application server\n"},
	[UPSTREAM_NONE] = {"no application server is available", 503, COUNT_UPSTREAM_BUSY,
		"Service unavailable: no application server is available\n"},
};
