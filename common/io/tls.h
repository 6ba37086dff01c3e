/*
 * TLS 1.2 and 1.3 (OpenSSL 3): the server side with ALPN http/1.1 and session tickets for cheap resumption, and the
 * client side with the server's certificate checked. A connection keeps what it needs of its context, which may be
 * freed before it: when certificates are read anew the connections that are there go on with the old ones.
 */
#ifndef COMMON_IO_TLS_H
#define COMMON_IO_TLS_H

#include <stdbool.h>
#include <stdint.h>

struct tls_context;

#define TLS_TICKET_KEYS 80 /* bytes */

struct tls_options {
	const char *cert_file;	 /* PEM, leaf first, then intermediates */
	const char *key_file;	 /* PEM */
	const char *ciphers;	 /* TLS 1.2 cipher list; NULL: OpenSSL's default without weak ones */
	const char *min_version; /* "1.2" (default) or "1.3" */
	/* TLS_TICKET_KEYS random bytes: sessions are resumed by every context that has the same; NULL: by this one */
	const uint8_t *ticket_keys;
	/* PEM: clients must show a certificate that one of these has signed; NULL: they are not asked */
	const char *client_ca_file;
};

#define TLS_ERROR_MAX 512

/* Reads and checks both files (also that they belong together). On failure ERROR_TLS and one clear line in `error`.
 */
int tls_context_new(struct tls_context **out, const struct tls_options *o, char error[TLS_ERROR_MAX]);

/* How a client connects to one server. */
struct tls_client_options {
	const char *host;    /* name or address of the server: its certificate must be made out for it */
	const char *ca_file; /* PEM: an authority in it must have signed the certificate; NULL: one of the system's */
	const char
		*cert_file; /* PEM, leaf first, then intermediates: what this client shows if asked; NULL: nothing */
	const char *key_file; /* PEM: the key of cert_file */
	bool insecure;	      /* any certificate is accepted */
};

/* Reads and checks the files. On failure ERROR_TLS and one clear line in `error`. */
int tls_client_new(struct tls_context **out, const struct tls_client_options *o, char error[TLS_ERROR_MAX]);
/* Why a connection of this client was refused last, in OpenSSL's words. */
const char *tls_client_failure(const struct tls_context *t);
void tls_context_free(struct tls_context *t); /* accepts NULL */

#endif
