/*
 * How a bus authenticates itself and verifies its server. The files are read again at each connect, so a renewed
 * certificate takes effect with the next connection. A renewed password takes effect on live connections
 * (bus_login.h).
 */
#ifndef BROKER_BUS_ACCESS_H
#define BROKER_BUS_ACCESS_H

#include <stdbool.h>

struct bus_url;
struct tls_context;

/* What the last successful login used. The next connect uses it if a file is bad then (bus_login.h). */
struct bus_access_last {
	struct tls_context *tls;
	char *tls_host;
	char *password;
};

/* Options that are NULL are not set. */
struct bus_access {
	const char *ca_file;	       /* PEM: authorities that verify the server; NULL: the system's */
	const char *cert_file;	       /* PEM: client certificate */
	const char *key_file;	       /* PEM: its key */
	const char *password_file;     /* password of the server, instead of one in the URL */
	const char *sentinel_password; /* password of the sentinels */
	bool insecure;		       /* any certificate is accepted */
	struct bus_access_last last;   /* private to bus_login.c */
};

/* Returns a heap copy, strings included, without `last`. */
struct bus_access *bus_access_copy(const struct bus_access *access);
void bus_access_free(struct bus_access *access); /* accepts NULL */

/* Sets `last`. Ownership of `tls` passes; the texts are copied. */
void bus_access_keep_tls(struct bus_access *access, struct tls_context *tls, const char *host);
void bus_access_keep_password(struct bus_access *access, const char *password);
void bus_access_forget(struct bus_access *access); /* frees `last` */

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
