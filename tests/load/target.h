/*
 * A server under load: its address, parsed from a URL as the stock client does (http, https, ws or wss; the path is
 * the namespace) and resolved once, and the request heads that its clients send.
 */
#ifndef TESTS_LOAD_TARGET_H
#define TESTS_LOAD_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/block.h"
#include "common/base/text.h"
#include "node/ws/ws_key.h"

struct load_options;
struct tls_context;

#define TARGET_ERROR_MAX 256
#define TARGET_NSP_MAX 512
#define TARGET_HEAD_MAX 32768

struct target {
	char *url;  /* as the user gave it */
	char *host; /* without brackets */
	uint16_t port;
	char *nsp;     /* "/" or "/name" */
	bool loopback; /* 127.0.0.0/8: clients may use various source addresses */
	struct sockaddr_storage address;
	socklen_t address_len;
	struct tls_context *tls; /* NULL without TLS */

	char *request;		       /* " <path>?EIO=4[&query]"; more of the query may be appended */
	char *fields;		       /* the Host line and the other fields that all requests share */
	struct block *upgrade;	       /* the request head that opens a WebSocket without a session */
	char *upgrade_fields;	       /* the further fields of an upgrade to WebSocket */
	char accept[WS_ACCEPT_LENGTH]; /* the Sec-WebSocket-Accept for our key (RFC 6455 4.2.2); no NUL */
	struct block *connect;	       /* the CONNECT packet after Engine.IO's type: "40[/nsp,][auth]" */
	size_t connect_auth;	       /* where its auth begins */
};

/* Resolves the host, which may block. Returns 0, or a negative error of enum error with one line in `error`. */
int target_init(struct target *t, const char *url, const struct load_options *o, char error[TARGET_ERROR_MAX]);
void target_fini(struct target *t);

/*
 * Writes the head of a request. `method`: "GET" or "POST"; `sid` may be NULL; `websocket`: the request is an upgrade;
 * `body`: length of the body, -1 if there is none. Returns the length of the head, or 0 if TARGET_HEAD_MAX is too
 * small.
 */
size_t target_head(const struct target *t, char out[TARGET_HEAD_MAX], const char *method, const char *sid,
	bool websocket, int64_t body);

/*
 * Opens a socket that is connecting, from source address number `source` (0: the default one). Returns a descriptor,
 * or -errno.
 */
int target_connect(const struct target *t, unsigned source);

#endif
