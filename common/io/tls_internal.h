/* What the TLS stream needs of a context. Private to common/io. */
#ifndef COMMON_IO_TLS_INTERNAL_H
#define COMMON_IO_TLS_INTERNAL_H

#include "common/io/tls.h"

struct ssl_ctx_st;
struct ssl_st;

/* Returns the OpenSSL context, which is reference-counted. */
struct ssl_ctx_st *tls_context_ssl(struct tls_context *context);

/*
 * Returns the server name that a client sends (SNI); NULL: not a client; "": a client that connects to an address,
 * which is not sent.
 */
const char *tls_context_server_name(const struct tls_context *context);

/* Stores the reason of a failed connection in the client's context, if it still exists. */
void tls_context_failed(struct ssl_st *ssl, const char *reason);

#endif
