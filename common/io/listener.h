/*
 * Listening sockets. Accepts a bounded number of connections per turn; when descriptors run out it stops watching for
 * the pause of acceptor.h.
 *
 * The sockets may be opened in one process (a master, before it forks) and accepted from in another.
 */
#ifndef COMMON_IO_LISTENER_H
#define COMMON_IO_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/io/loop.h"

struct listener;

struct listener_options {
	const char *host;	  /* name or address; NULL or "": all, IPv6 and IPv4 where there is IPv6 */
	uint16_t port;		  /* 0: the kernel picks, see listener_port() */
	int backlog;		  /* 0: the system's maximum */
	bool share_port;	  /* other sets may be opened on the same port with join_port */
	bool join_port;		  /* the port is that of a set opened with share_port */
	uint32_t max_connections; /* open connections of the loop beyond which new ones are closed at once; 0: none */
};

#define LISTENER_SOCKETS_MAX 8 /* addresses of one name, IPv4 and IPv6 */
/* Listening sockets without a loop: the addresses of one host on one port. */
struct listener_set {
	int fds[LISTENER_SOCKETS_MAX]; /* close-on-exec, non-blocking */
	unsigned count;
};

/* Errors as for listener_open(); then the set is empty. */
int listener_set_open(struct listener_set *out, const struct listener_options *o, char *error);
uint16_t listener_set_port(const struct listener_set *set);
/* Closes what listener_start() has not taken. */
void listener_set_close(struct listener_set *set);

/* Accepts from the sockets of the set, which is empty afterwards. */
struct listener *listener_start(struct loop *l, struct listener_set *set, uint32_t max_connections,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg);

/*
 * Opens and starts accepting; on_accept gets an owned non-blocking fd with TCP_NODELAY. ERROR_SYSTEM, ERROR_ARGUMENT;
 * `error` (256 bytes) then holds one line such as "port 3000 is in use by another program".
 */
int listener_open(struct listener **out, struct loop *l, const struct listener_options *o,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg,
	char *error);

/* Goes on with a connection that was accepted elsewhere from a socket of the same port; owns `fd` from now on. */
void listener_adopt(struct listener *li, int fd, const struct sockaddr *peer, socklen_t peer_len);

/*
 * There are maxConnections already: `fd` is closed and counted, and this is true. For connections that come another
 * way than through the listener or listener_adopt(), which look themselves.
 */
bool listener_turns_away(struct listener *li, int fd);

/* What it accepts belongs to the server, see conn_set_service(): it is not counted as a client's. */
void listener_set_service(struct listener *li);

/* In host byte order, also where the kernel picked it. */
uint16_t listener_port(const struct listener *li);

/* Stops accepting and frees. Open connections stay. Accepts NULL. */
void listener_free(struct listener *li);

/* Raises RLIMIT_NOFILE to the hard limit (and beyond it where allowed); returns the limit now in force. */
uint64_t listener_raise_fd_limit(void);

#endif
