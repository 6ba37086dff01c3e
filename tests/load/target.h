/*
 * A server to load: its address, read from a URL as the stock client reads it (http, https, ws or wss; a path is the
 * namespace), looked up once, and the heads of the requests that its clients send.
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
	char *url;  /* as given */
	char *host; /* without brackets */
	uint16_t port;
	char *nsp;     /* "/" or "/name" */
	bool loopback; /* 127.0.0.0/8: source addresses may vary */
	struct sockaddr_storage address;
	socklen_t address_len;
	struct tls_context *tls; /* NULL: plain */

	char *request;		       /* " <path>?EIO=4[&query]" with a place for the rest of the query behind */
	char *fields;		       /* "Host: ...\r\n" and the fields of all requests */
	struct block *upgrade;	       /* the head that opens a WebSocket without a session */
	char *upgrade_fields;	       /* more of them for an upgrade to WebSocket */
	char accept[WS_ACCEPT_LENGTH]; /* the Sec-WebSocket-Accept that answers our key (RFC 6455 4.2.2); no NUL */
	struct block *connect;	       /* the CONNECT packet, with Engine.IO's type: "40[/nsp,][auth]" */
};

/* Looks the name up, which may take time. 0, or an error of enum error with one clear line. */
int target_init(struct target *t, const char *url, const struct load_options *o, char error[TARGET_ERROR_MAX]);
void target_fini(struct target *t);

/*
 * Writes a request's head. `method` "GET" or "POST"; `sid` may be NULL; `websocket`: an upgrade; `body`: its length,
 * -1 for none. Returns the length, 0 if TARGET_HEAD_MAX is too little.
 */
size_t target_head(const struct target *t, char out[TARGET_HEAD_MAX], const char *method, const char *sid,
	bool websocket, int64_t body);

/* Opens a socket that is connecting, from source address number `source` (0: the usual one). A descriptor, or -errno.
 */
int target_connect(const struct target *t, unsigned source);

#endif
