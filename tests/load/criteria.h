/*
 * What --assert demands: "p99<50ms,lost=0,deliveries>=100000". Names: p<percent>, mean, min, max (of latency),
 * connect-p<percent>, connect-max; lost, missed, duplicated, reordered, unanswered, errors, sent, received, joined,
 * left (counts); messages, deliveries, connects (per second); memory, socket-memory (bytes per client); memory-after
 * (bytes over the start when all have left); cpu (percent), cpu-per-message, cpu-per-delivery (times). Relations: <
 * <= = != >= >. Times take ns, us, ms, s (ms without); bytes k and m (1024); counts and rates k and m (1000). Pure
 * code.
 */
#ifndef TESTS_LOAD_CRITERIA_H
#define TESTS_LOAD_CRITERIA_H

#include <stdbool.h>

#define CRITERIA_MAX 32
#define CRITERION_TEXT_MAX 64
#define CRITERIA_ERROR_MAX 512

enum criterion_what {
	CRITERION_LATENCY, /* of `percent`; ns */
	CRITERION_LATENCY_MEAN,
	CRITERION_LATENCY_MIN,
	CRITERION_LATENCY_MAX,
	CRITERION_CONNECT, /* of `percent`; ns */
	CRITERION_CONNECT_MAX,
	CRITERION_LOST,
	CRITERION_MISSED,
	CRITERION_DUPLICATED,
	CRITERION_REORDERED,
	CRITERION_UNANSWERED,
	CRITERION_ERRORS,
	CRITERION_SENT,
	CRITERION_RECEIVED,
	CRITERION_JOINED,
	CRITERION_LEFT,
	CRITERION_MESSAGES, /* per second */
	CRITERION_DELIVERIES,
	CRITERION_CONNECTS,
	CRITERION_MEMORY, /* bytes per client */
	CRITERION_SOCKET_MEMORY,
	CRITERION_MEMORY_AFTER,	   /* bytes */
	CRITERION_CPU,		   /* percent of a core */
	CRITERION_CPU_PER_MESSAGE, /* ns */
	CRITERION_CPU_PER_DELIVERY,
};

enum criterion_relation { CRITERION_LT, CRITERION_LE, CRITERION_EQ, CRITERION_NE, CRITERION_GE, CRITERION_GT };

struct criterion {
	char text[CRITERION_TEXT_MAX]; /* as the user wrote it */
	enum criterion_what what;
	enum criterion_relation relation;
	double percent; /* of a percentile */
	double bound;	/* base unit: ns, bytes, percent, counts */

	bool has_value, holds; /* set by report_judge() */
	double value;
};

/* In what a criterion's bound and value are counted. */
enum criterion_kind {
	CRITERION_KIND_TIME,  /* ns */
	CRITERION_KIND_BYTES, /* bytes */
	CRITERION_KIND_COUNT, /* pieces, or pieces per second */
	CRITERION_KIND_PERCENT,
};

/* How many were read into `out`, or ERROR_ARGUMENT with one line in `error`: which part, what is wrong, what is
 * allowed. */
int criteria_parse(const char *text, struct criterion out[CRITERIA_MAX], char error[CRITERIA_ERROR_MAX]);
enum criterion_kind criterion_kind(enum criterion_what what);
bool criterion_compare(enum criterion_relation relation, double value, double bound);

#endif
