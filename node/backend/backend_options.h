/* The options of backends: rows for flags, environment variables and sio_set_option(). */
#ifndef NODE_BACKEND_BACKEND_OPTIONS_H
#define NODE_BACKEND_BACKEND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"

enum backend_fanout { BACKEND_FANOUT_DIRECT, BACKEND_FANOUT_BUS };

struct backend_options {
	char *urls;		    /* addresses, separated by commas; NULL: no backends */
	char *secret, *secret_file; /* at most one of them */
	char *ca;		    /* PEM: backends need a certificate signed by it; NULL: they need none */
	char *tls_cert, *tls_key;   /* for tls:// addresses; NULL: the server's */
	bool insecure;
	uint64_t wait;			     /* ms that a client waits for a backend */
	uint64_t orphan_queue, orphan_total; /* bytes: of one client, of all clients */
	uint64_t window, max_frame;	     /* bytes */
	uint64_t ping, stall_timeout;	     /* ms */
	uint64_t reattach_rate;		     /* clients per second */
	int fanout;			     /* enum backend_fanout */
};

/* Returns the table that fills `options`. Its rows are static. */
struct option_table backend_options_table(struct backend_options *options);

/*
 * Makes the checks that the rows cannot express: addresses that are malformed or open to everybody, and TLS without a
 * certificate. `has_cert`: the server has a certificate. Returns 0, or ERROR_ARGUMENT with one line in `error`.
 */
int backend_options_check(const struct backend_options *options, bool has_cert, char error[OPTION_ERROR_MAX]);

#endif
