/* The result of a run, as text for people and as JSON for programs. Pure code: a filled struct in, bytes out. */
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
	LOAD_ERROR_REFUSED,   /* nothing listens on the port */
	LOAD_ERROR_CONNECT,   /* no route, no address, or no free port */
	LOAD_ERROR_TLS,	      /* handshake or certificate */
	LOAD_ERROR_HTTP,      /* an unexpected answer, e.g. 400 with {"code":1} */
	LOAD_ERROR_PROTOCOL,  /* bytes that violate WebSocket, Engine.IO or Socket.IO */
	LOAD_ERROR_REJECTED,  /* connect_error: refused by a middleware, or an unknown namespace */
	LOAD_ERROR_HANDSHAKE, /* did not join within --timeout */
	LOAD_ERROR_CLOSED,    /* the server closed or disconnected a joined client */
	LOAD_ERROR_RESET,     /* the connection of a joined client was cut */
	LOAD_ERROR_PING,      /* no ping within pingInterval + pingTimeout */
	LOAD_ERROR_COUNT
};
const char *load_error_name(enum load_error error);  /* "refused", "connect", "tls", "http", "protocol", ... */
const char *load_error_words(enum load_error error); /* a description for people */

struct report {
	const char *scenario;
	const char *const *urls;
	unsigned url_count;
	const struct option_table *options; /* the JSON lists all of them by their API names */
	double seconds;			    /* of the measured run */

	uint64_t wanted, opened, joined, left, reconnected; /* numbers of clients; joined: at the end of the run */
	bool recovers;					    /* with --recover: the members below */
	uint64_t recovered, not_recovered;		    /* clients that came back after a loss */
	uint64_t replayed;	     /* messages that they received before they had joined again */
	double recovery_seconds;     /* from the first loss to the last return */
	struct histogram *away_time; /* from the loss of a client to its return */
	double connects;	     /* clients that joined per second while clients were connecting */
	uint64_t sent, received, lost, missed, duplicated, reordered,
		unanswered; /* in the measured run, except lost and missed: in the whole run */
	uint64_t bytes_received;
	uint64_t errors[LOAD_ERROR_COUNT];
	char first_error[256]; /* description of the first one, or "" */

	struct histogram *latency, *connect_time;
	const struct series_second *series; /* of the measured run; borrowed */
	unsigned series_count;

	bool has_server, has_memory;
	unsigned server_processes;
	const pid_t *server_pids;
	unsigned server_pid_count;
	double server_user, server_system;	      /* seconds, within the measured run */
	uint64_t memory_before, memory, memory_after; /* before the first client; with all; after all have left */
	bool has_memory_after;
	int64_t socket_bytes; /* growth of the kernel's socket memory with all clients */

	const double *tester_cpu; /* percent of a core for each load process, in the measured run */
	unsigned tester_count;
	char bottleneck[256]; /* why the tester, not the server, limited the figures; "" if it did not */

	const struct criterion *criteria;
	unsigned criterion_count;
};

/* Messages and deliveries per second; 0 if no time was measured. */
double report_message_rate(const struct report *r);
double report_delivery_rate(const struct report *r);
uint64_t report_errors(const struct report *r); /* of all kinds */
/*
 * The value that a criterion compares, in the criterion's base unit (criteria.h). Returns 0, or ERROR_NOT_FOUND if
 * this run does not have the value (no latency was measured, or no server was watched).
 */
int report_value(const struct report *r, enum criterion_what what, double percent, double *out);
/* Sets each criterion's value and whether it holds; a criterion without a value does not hold. True if all hold. */
bool report_judge(const struct report *r, struct criterion *criteria, unsigned n);

void report_text(const struct report *r, struct buffer *out);
void report_json(const struct report *r, struct buffer *out);

#endif
