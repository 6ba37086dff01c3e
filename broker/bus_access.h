/*
 * How a bus authenticates itself and verifies its server. The files are read again at each connect, so a renewed
 * certificate or password takes effect with the next connection.
 */
#ifndef BROKER_BUS_ACCESS_H
#define BROKER_BUS_ACCESS_H

#include <stdbool.h>

struct bus_url;
struct tls_context;

/* NULL: not set. */
struct bus_access {
	const char *ca_file;	       /* PEM: authorities that verify the server; NULL: the system's */
	const char *cert_file;	       /* PEM: client certificate */
	const char *key_file;	       /* PEM: its key */
	const char *password_file;     /* password of the server, instead of one in the URL */
	const char *sentinel_password; /* password of the sentinels */
	bool insecure;		       /* any certificate is accepted */
};

/* Returns a heap copy, strings included. */
struct bus_access *bus_access_copy(const struct bus_access *access);
void bus_access_free(struct bus_access *access); /* accepts NULL */

/*
 * Checks the options against each other and against `url`. Returns 0, or ERROR_ARGUMENT with one line of text in
 * `error` (BUS_ERROR_MAX bytes).
 */
int bus_access_check(const struct bus_access *access, const struct bus_url *url, char *error);

/*
 * Reads every file once, because a missing file at the start is a mistake. Later the bus retries until the file is
 * back. Returns 0, or ERROR_ARGUMENT, ERROR_SYSTEM or ERROR_TLS with one line of text in `error` (BUS_ERROR_MAX
 * bytes).
 */
int bus_access_check_files(const struct bus_access *access, const struct bus_url *url, char *error);

/*
 * Creates the TLS context for a connection to `host`, which the caller frees. Returns 0, or ERROR_TLS with one line
 * of text in `error` (BUS_ERROR_MAX bytes).
 */
int bus_access_tls(const struct bus_access *access, const char *host, struct tls_context **out, char *error);

#endif
