/*
 * Listening sockets. A listener accepts a limited number of connections per turn. If descriptors run out, it stops
 * watching its sockets for the pause of acceptor.h.
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
	const char *host; /* name or address; NULL or "": all addresses, IPv6 (if available) and IPv4 */
	uint16_t port;	  /* 0: chosen by the kernel, see listener_port() */
	int backlog;	  /* 0: the system's maximum */
	bool share_port;  /* other sets may join this port by join_port */
	bool join_port;	  /* join the port of a set opened with share_port */
	/* open connections of the loop above which new ones are closed at once; 0: no limit */
	uint32_t max_connections;
};

/*
 * Maximum sockets of a set. A host name has only a few addresses, but after an upgrade to fewer workers, one worker
 * may have to accept from the sockets of several.
 */
#define LISTENER_SOCKETS_MAX 32
/* Listening sockets without a loop: all addresses of one host on one port. */
struct listener_set {
	int fds[LISTENER_SOCKETS_MAX]; /* close-on-exec and non-blocking */
	unsigned count;
};

/* Opens the sockets. On error, the set is empty; the errors are those of listener_open(). */
int listener_set_open(struct listener_set *out, const struct listener_options *options, char *error);
/* Returns the port in host byte order, or 0 for an empty set. */
uint16_t listener_set_port(const struct listener_set *set);
/* Closes the sockets that listener_start() has not taken. */
void listener_set_close(struct listener_set *set);

/*
 * Distributes listening sockets, which it takes over, among `count` empty sets, so that each set has a socket of
 * every address. If there are fewer sockets of an address than sets, several sets share one. Returns 0, or
 * ERROR_TOO_MANY with one line in `error`; the caller closes the sets in either case.
 */
int listener_sets_share(struct listener_set *const sets[], unsigned count, const int *fds, unsigned n, char *error);

/* Starts to accept from the sockets of the set, which is empty afterwards. */
struct listener *listener_start(struct loop *l, struct listener_set *set, uint32_t max_connections,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg);

/*
 * Opens the sockets and starts to accept. on_accept receives an owned, non-blocking descriptor with TCP_NODELAY.
 * Returns 0, or ERROR_SYSTEM with one line in `error` (256 bytes), such as "port 3000 is in use by another
 * program".
 */
int listener_open(struct listener **out, struct loop *l, const struct listener_options *options,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg,
	char *error);

/*
 * Continues with a connection that was accepted elsewhere from a socket of the same port. The listener then owns
 * `fd`.
 */
void listener_adopt(struct listener *listener, int fd, const struct sockaddr *peer, socklen_t peer_len);

/*
 * If maxConnections is reached, closes `fd`, counts it and returns true. For connections that did not come
 * through the listener or listener_adopt(), which check the limit themselves.
 */
bool listener_turns_away(struct listener *listener, int fd);

/* Marks the listener's connections as services (see conn_set_service()); they are not counted as clients. */
void listener_set_service(struct listener *listener);

/*
 * Switches accepting on or off. It is on at first. While it is off, connections wait in the queue of the port until
 * accepting is on again, or until another process accepts them from the same sockets.
 */
void listener_set_accepting(struct listener *listener, bool on);

/* Returns the port in host byte order, even if the kernel chose it. */
uint16_t listener_port(const struct listener *listener);

/* Stops accepting and frees the listener. Accepted connections stay open. NULL is accepted. */
void listener_free(struct listener *listener);

/* Raises RLIMIT_NOFILE to the hard limit, or beyond it if permitted. Returns the limit in force. */
uint64_t listener_raise_fd_limit(void);

#endif
