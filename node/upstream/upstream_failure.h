/* The failures of an exchange: the word for the log, the status and body for the client, and the counter. */
#ifndef NODE_UPSTREAM_UPSTREAM_FAILURE_H
#define NODE_UPSTREAM_UPSTREAM_FAILURE_H

enum upstream_failure {
	UPSTREAM_UNREACHABLE,
	UPSTREAM_CONNECT_TIMEOUT,
	UPSTREAM_CLOSED,
	UPSTREAM_NONSENSE,
	UPSTREAM_TIMEOUT,
	UPSTREAM_BUSY,
	UPSTREAM_NONE,
	UPSTREAM_FAILURES
};

struct upstream_failure_row {
	const char *word;
	int status;
	unsigned counter;
	const char *body;
};

extern const struct upstream_failure_row upstream_failures[UPSTREAM_FAILURES];

#endif
