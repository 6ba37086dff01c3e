/*
 * The result of a run, as a text for people and as JSON for programs. Pure code: a filled struct in, bytes out.
 */
#ifndef TESTS_LOAD_REPORT_H
#define TESTS_LOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/options.h"
#include "tests/load/criteria.h"
#include "tests/load/histogram.h"
#include "tests/load/observe.h"
#include "tests/load/series.h"

/* Why a client or a connection failed. */
enum load_error {
	LOAD_ERROR_REFUSED,   /* nobody listens */
	LOAD_ERROR_CONNECT,   /* no route, no address, no port left */
	LOAD_ERROR_TLS,	      /* handshake or certificate */
	LOAD_ERROR_HTTP,      /* an answer other than expected, e.g. 400 with {"code":1} */
	LOAD_ERROR_PROTOCOL,  /* bytes that break WebSocket, Engine.IO or Socket.IO */
	LOAD_ERROR_REJECTED,  /* connect_error: a middleware or an unknown namespace */
	LOAD_ERROR_HANDSHAKE, /* not joined within --timeout */
	LOAD_ERROR_CLOSED,    /* the server closed or disconnected a client that had joined */
	LOAD_ERROR_RESET,     /* the connection of a client that had joined was cut */
	LOAD_ERROR_PING,      /* no ping within pingInterval + pingTimeout */
	LOAD_ERROR_COUNT
};
const char *load_error_name(enum load_error e);	 /* "refused", "connect", "tls", "http", "protocol", ... */
const char *load_error_words(enum load_error e); /* what happened, for people */

struct report {
	const char *scenario;
	const char *const *urls;
	unsigned url_count;
	const struct option_table *options; /* all of them go into the JSON, by their API names */
	double seconds;			    /* of the measured run */

	uint64_t wanted, opened, joined, left, reconnected; /* clients; joined: at the end of the run */
	double connects;				    /* joined per second while clients were coming */
	uint64_t sent, received, lost, missed, duplicated, reordered, unanswered; /* in the measured run, but for lost
										     and missed: of the whole */
	uint64_t bytes_received;
	uint64_t errors[LOAD_ERROR_COUNT];
	char first_error[256]; /* the first one in words, or "" */

	struct histogram *latency, *connect_time;
	const struct series_second *series; /* of the measured run; borrowed */
	unsigned series_count;

	bool has_server, has_memory;
	unsigned server_processes;
	const pid_t *server_pids;
	unsigned server_pid_count;
	double server_user, server_system;	      /* seconds, within the measured run */
	uint64_t memory_before, memory, memory_after; /* before the first client, with all, after the last has left */
	bool has_memory_after;
	int64_t socket_bytes; /* the kernel's, with all clients, over before */

	const double *tester_cpu; /* percent of a core, for each load process in the measured run */
	unsigned tester_count;
	char bottleneck[256]; /* why the figures are the tester's, not the server's; "" if they are not */

	const struct criterion *criteria;
	unsigned criterion_count;
};

/* Messages and deliveries a second, 0 without time. */
double report_message_rate(const struct report *r);
double report_delivery_rate(const struct report *r);
uint64_t report_errors(const struct report *r); /* of all kinds */
/* The value a criterion is about, in the criterion's base unit (criteria.h): 0, or ERROR_NOT_FOUND when this run has
 * none (no latency was measured, no server was watched). */
int report_value(const struct report *r, enum criterion_what what, double percent, double *out);
/* Sets each criterion's value and whether it holds; one without a value does not hold. True if all hold. */
bool report_judge(const struct report *r, struct criterion *criteria, unsigned n);

void report_text(const struct report *r, struct buffer *out);
void report_json(const struct report *r, struct buffer *out);

#endif
