/* What the TLS stream takes from a context. Private to common/io. */
#ifndef COMMON_IO_TLS_INTERNAL_H
#define COMMON_IO_TLS_INTERNAL_H

#include "common/io/tls.h"

struct ssl_ctx_st;
struct ssl_st;

/* The OpenSSL context, which counts its own users. */
struct ssl_ctx_st *tls_context_ssl(struct tls_context *t);

/* The server's name that a client asks for; NULL: no client, "": a client of an address, which is not named. */
const char *tls_context_server_name(const struct tls_context *t);

/* A connection failed: notes the reason in a client's context, if that is still there. */
void tls_context_failed(struct ssl_st *ssl, const char *reason);

#endif
