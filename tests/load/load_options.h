/* The command line of sockeye-load: a scenario, URLs of servers, options. */
#ifndef TESTS_LOAD_LOAD_OPTIONS_H
#define TESTS_LOAD_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/options.h"
#include "tests/load/criteria.h"
#include "tests/load/observe.h"

#define LOAD_URLS_MAX 64
#define LOAD_PROCESSES_MAX 64
#define LOAD_HEADERS_MAX 16384 /* bytes of --header in all */

struct scenario;

enum load_transport { LOAD_WEBSOCKET, LOAD_POLLING, LOAD_UPGRADE };

struct load_options {
	const struct scenario *scenario;
	const char *urls[LOAD_URLS_MAX];
	unsigned url_count;

	uint64_t clients, processes, connect_rate, connecting, stay_ms;
	int transport; /* enum load_transport */
	char *path, *auth, *query, *headers, *ca;
	bool browser_headers, per_message_deflate, verify, reconnect, recover, randomization;
	uint64_t source_addresses;

	char *event;
	uint64_t size, in_flight, message_rate, senders, room_size, seed;
	bool binary;

	uint64_t warm_up_ms, duration_ms, settle_ms, timeout_ms, reconnection_delay_ms;

	char *server_pid, *json, *plot, *assertions;
	bool quiet, spin;

	/* parsed from the texts above */
	pid_t pids[OBSERVE_PIDS_MAX];
	unsigned pid_count;
	struct criterion criteria[CRITERIA_MAX];
	unsigned criterion_count;
};

struct option_table load_options_table(struct load_options *o);

/* Reads argv. Returns 0; 1 for --help; 2 for --version; or a negative error with one line in `error`. */
int load_options_read(struct load_options *o, int argc, char **argv, char error[OPTION_ERROR_MAX]);
void load_options_fini(struct load_options *o);

#endif
