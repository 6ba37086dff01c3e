/*
 * The assertions of --assert: "p99<50ms,lost=0,deliveries>=100000". Pure code.
 *
 * Names: p<percent>, mean, min, max (latency); connect-p<percent>, connect-max; away-p<percent>, away-max; lost,
 * missed, duplicated, reordered, unanswered, errors, sent, received, joined, left, recovered, not-recovered (counts);
 * messages, deliveries, connects (per second); memory, socket-memory (bytes per client); memory-after (bytes by which
 * memory exceeds its start after all clients have left); cpu (percent of a core); cpu-per-message, cpu-per-delivery
 * (times).
 *
 * Relations: < <= = != >= >.
 *
 * Units: ns, us, ms, s for times (default ms); k and m (1024) for bytes; k and m (1000) for counts and rates.
 */
#ifndef TESTS_LOAD_CRITERIA_H
#define TESTS_LOAD_CRITERIA_H

#include <stdbool.h>

#define CRITERIA_MAX 32
#define CRITERION_TEXT_MAX 64
#define CRITERIA_ERROR_MAX 512

enum criterion_what {
	CRITERION_LATENCY, /* `percent` applies; ns */
	CRITERION_LATENCY_MEAN,
	CRITERION_LATENCY_MIN,
	CRITERION_LATENCY_MAX,
	CRITERION_CONNECT, /* `percent` applies; ns */
	CRITERION_CONNECT_MAX,
	CRITERION_AWAY, /* `percent` applies; ns */
	CRITERION_AWAY_MAX,
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
	CRITERION_RECOVERED,
	CRITERION_NOT_RECOVERED,
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
	char text[CRITERION_TEXT_MAX]; /* the user's text */
	enum criterion_what what;
	enum criterion_relation relation;
	double percent; /* of a percentile */
	double bound;	/* in the base unit of the kind: ns, bytes, percent, count */

	bool has_value, holds; /* report_judge() sets both */
	double value;
};

/* The unit of a criterion's bound and value. */
enum criterion_kind {
	CRITERION_KIND_TIME,  /* ns */
	CRITERION_KIND_BYTES, /* bytes */
	CRITERION_KIND_COUNT, /* a count, or a count per second */
	CRITERION_KIND_PERCENT,
};

/*
 * Parses `text` into `out`. Returns the number of criteria, or ERROR_ARGUMENT with one line in `error` that names the
 * faulty part and what is allowed there.
 */
int criteria_parse(const char *text, struct criterion out[CRITERIA_MAX], char error[CRITERIA_ERROR_MAX]);
enum criterion_kind criterion_kind(enum criterion_what what);
bool criterion_compare(enum criterion_relation relation, double value, double bound);

#endif
