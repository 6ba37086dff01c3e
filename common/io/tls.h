/*
 * TLS 1.2 and 1.3 (OpenSSL 3): the server side with ALPN http/1.1 and session tickets for cheap resumption, and the
 * client side with the server's certificate checked. A connection keeps what it needs of its context, which may be
 * freed before it: when certificates are read anew the connections that are there go on with the old ones.
 */
#ifndef COMMON_IO_TLS_H
#define COMMON_IO_TLS_H

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

/*
 * The client's side, to one server: its certificate must be signed by an authority in `ca_file` (PEM; NULL: the
 * system's) and made out for `host`, a name or an address. ERROR_TLS and one line in `error`.
 */
int tls_client_new(struct tls_context **out, const char *ca_file, const char *host, char error[TLS_ERROR_MAX]);
/* From now on this client takes any certificate: for testing servers with one of their own making. */
void tls_client_trust_any(struct tls_context *t);
/* Why a connection of this client was refused last, in OpenSSL's words. */
const char *tls_client_failure(const struct tls_context *t);
void tls_context_free(struct tls_context *t); /* accepts NULL */

#endif
