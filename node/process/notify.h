/*
 * Tells systemd, or another supervisor that speaks the protocol of sd_notify(3), what the server does. The protocol
 * is one datagram of "NAME=value" lines to the Unix socket that $NOTIFY_SOCKET names. Without that variable, or with
 * NULL for `notify`, the functions below do nothing.
 *
 * The process that the supervisor started sends the messages: the master, or a single worker. A message about a state
 * waits for up to two seconds while the supervisor's queue is full. If it is lost nevertheless, the log says so.
 */
#ifndef NODE_PROCESS_NOTIFY_H
#define NODE_PROCESS_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define NOTIFY_STATUS_MAX 256 /* bytes of a status line; a longer one is cut */

struct notify {
	struct sockaddr_un address;
	socklen_t address_len; /* 0: there is no supervisor */
	uint64_t alive_every;  /* ms between two notify_alive(), half the supervisor's limit; 0: it sets no limit */
};

/*
 * Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID and removes them from the environment, as programs that this
 * process starts must not speak for it.
 */
void notify_init(struct notify *notify);

/* The server accepts clients: after its start, or after notify_reloading(). `status` is for people. */
void notify_ready(const struct notify *notify, const char *status);

/* The server reads its files again. notify_ready() must follow. */
void notify_reloading(const struct notify *notify);

/* The server stops, and may take `within_ms` for that, even if this is longer than the supervisor's own limit. */
void notify_stopping(const struct notify *notify, uint64_t within_ms, const char *status);

/* Tells the supervisor that the process `pid` serves from now on and sends the messages in place of this one. */
void notify_main_pid(const struct notify *notify, pid_t pid);

/* Restores the variables that notify_init() has removed, for a program that serves in place of this one. */
void notify_export(const struct notify *notify);

/* The event loop turns. The supervisor ends a process that does not say so in time. */
void notify_alive(const struct notify *notify);

#endif
