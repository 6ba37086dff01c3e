/*
 * TLS 1.2 and 1.3 by OpenSSL 3. The server side has ALPN http/1.1 and session tickets for cheap resumption; the
 * client side verifies the server's certificate. A connection holds references to the parts it needs, so a context
 * may be freed before its connections: after certificates are reloaded, existing connections continue with the old
 * ones.
 */
#ifndef COMMON_IO_TLS_H
#define COMMON_IO_TLS_H

#include <stdbool.h>
#include <stdint.h>

struct tls_context;

#define TLS_TICKET_KEYS 80 /* bytes of `ticket_keys` */

struct tls_options {
	const char *cert_file;	 /* PEM: the leaf first, then the intermediates */
	const char *key_file;	 /* PEM */
	const char *ciphers;	 /* TLS 1.2 cipher list; NULL: ECDHE with AES-GCM or ChaCha20 */
	const char *min_version; /* "1.2" (default) or "1.3" */
	/*
	 * TLS_TICKET_KEYS random bytes; every context with the same bytes can resume a session. NULL: only this
	 * context can
	 */
	const uint8_t *ticket_keys;
	/* PEM: clients must present a certificate signed by one of these; NULL: clients are not asked */
	const char *client_ca_file;
};

#define TLS_ERROR_MAX 512

/*
 * Reads and checks both files, and that the key belongs to the certificate. Returns 0, or ERROR_TLS with one line in
 * `error`.
 */
int tls_context_new(struct tls_context **out, const struct tls_options *options, char error[TLS_ERROR_MAX]);

/* How a client connects to one server. */
struct tls_client_options {
	const char *host;    /* name or address of the server, for which its certificate must be issued */
	const char *ca_file; /* PEM: authorities, one of which must have signed the certificate; NULL: the system's */
	const char *cert_file; /* PEM: certificate shown if the server asks, leaf first; NULL: no certificate */
	const char *key_file;  /* PEM: the key of cert_file */
	bool insecure;	       /* accept any certificate */
};

/* Creates the client side. Reads and checks the files. Returns 0, or ERROR_TLS with one line in `error`. */
int tls_client_new(struct tls_context **out, const struct tls_client_options *options, char error[TLS_ERROR_MAX]);
/* Returns the reason for the last failed connection of this client, in OpenSSL's words. */
const char *tls_client_failure(const struct tls_context *context);
void tls_context_free(struct tls_context *context); /* accepts NULL */

#endif
