/*
 * The addresses of --backend and their listening sockets. The first process opens them before it forks. They outlive
 * each worker; all workers accept from the same sockets.
 */
#ifndef NODE_BACKEND_BACKEND_ADDRESS_H
#define NODE_BACKEND_BACKEND_ADDRESS_H

#include <stdint.h>

#include "common/base/options.h"
#include "common/base/text.h"
#include "common/io/inherited.h"
#include "common/io/listener.h"
#include "common/io/unix_socket.h"

#define BACKEND_ADDRESSES_MAX 8			       /* that the options may name */
#define BACKEND_OPENED_MAX (BACKEND_ADDRESSES_MAX + 1) /* --exec adds one */
#define BACKEND_HOST_MAX 256

#define BACKEND_URL_MAX (BACKEND_HOST_MAX + 16)

enum backend_address_kind { BACKEND_ADDRESS_UNIX, BACKEND_ADDRESS_TLS, BACKEND_ADDRESS_TCP };

struct backend_address {
	enum backend_address_kind kind;
	uint16_t port;
	char at[BACKEND_HOST_MAX]; /* path of a unix socket, or host; "" for all addresses of the machine */
};

/*
 * Reads unix:///path, tls://host:port or tcp://host:port; an IPv6 host is in brackets: [::1]. Returns 0, or
 * ERROR_ARGUMENT with one line in `error`.
 */
int backend_address_parse(struct text url, struct backend_address *out, char error[OPTION_ERROR_MAX]);

struct backend_addresses {
	unsigned count;
	struct backend_opened {
		struct backend_address address;
		char url[BACKEND_URL_MAX];
		struct listener_set sockets;
		struct unix_socket file; /* for a unix socket */
	} list[BACKEND_OPENED_MAX];
};

/*
 * Opens all addresses of `urls`, a list separated by commas; NULL means an empty list. The caller makes sure that
 * there are at most BACKEND_OPENED_MAX. Sockets for these addresses that were inherited are taken over; `inherited`
 * may be NULL. Logs each address. Returns 0, or ERROR_ARGUMENT or ERROR_SYSTEM with one line in `error` and nothing
 * open.
 */
int backend_addresses_open(struct backend_addresses *out, const char *urls, const struct inherited *inherited,
	char error[OPTION_ERROR_MAX]);
/* Appends the addresses to the text for the program that replaces this one, see inherited.h. */
void backend_addresses_hand_on(const struct backend_addresses *addresses, struct buffer *out);

/* Closes the sockets in this process only. Other processes that share them go on listening. */
void backend_addresses_close(struct backend_addresses *addresses);
/* From now on, the files of unix sockets belong to another process. */
void backend_addresses_disown(struct backend_addresses *addresses);
/*
 * Closes the sockets and removes the files of unix sockets. Only the process that opened them calls this, when all
 * other processes have closed theirs.
 */
void backend_addresses_remove(struct backend_addresses *addresses);

#endif
