/*
 * Where backends dial: the addresses of --backend, and the listening sockets behind them. Whoever starts first opens
 * them, before it forks; they outlive each worker, and all workers accept from the same sockets.
 */
#ifndef NODE_BACKEND_BACKEND_ADDRESS_H
#define NODE_BACKEND_BACKEND_ADDRESS_H

#include <stdint.h>

#include "common/base/options.h"
#include "common/base/text.h"
#include "common/io/listener.h"
#include "common/io/unix_socket.h"

#define BACKEND_ADDRESSES_MAX 8 /* that can be given; --exec adds one */
#define BACKEND_HOST_MAX 256

enum backend_address_kind { BACKEND_ADDRESS_UNIX, BACKEND_ADDRESS_TLS, BACKEND_ADDRESS_TCP };

struct backend_address {
	enum backend_address_kind kind;
	uint16_t port;
	char at[BACKEND_HOST_MAX]; /* the path of a unix socket; a host, "" for all addresses of the machine */
};

/* unix:///path, tls://host:port, tcp://host:port, [::1] for IPv6. ERROR_ARGUMENT with one line in `error`. */
int backend_address_parse(struct text url, struct backend_address *out, char error[OPTION_ERROR_MAX]);

struct backend_addresses {
	unsigned count;
	struct backend_opened {
		struct backend_address address;
		struct listener_set sockets;
		struct unix_socket file; /* of a unix socket */
	} list[BACKEND_ADDRESSES_MAX + 1];
};

/*
 * Opens all of `urls`, which may be NULL: none. ERROR_ARGUMENT, ERROR_SYSTEM with one line in `error`; then nothing
 * is open. Logs each.
 */
int backend_addresses_open(struct backend_addresses *out, const char *urls, char error[OPTION_ERROR_MAX]);

/* Closes the sockets; the addresses stay those of the processes that share them. */
void backend_addresses_close(struct backend_addresses *a);
/* The same by the one who opened them, when all have done with them: the files of unix sockets go. */
void backend_addresses_remove(struct backend_addresses *a);

#endif
