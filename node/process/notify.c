#include "node/process/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/io/log.h"

#define MESSAGE_MAX (NOTIFY_STATUS_MAX + 128)
#define STATE_WAIT_MS 2000 /* for room in the supervisor's queue */
#define PAUSE_MS 100

/* Returns the value of a variable that is a whole number greater than 0, else 0. */
static uint64_t
notify_number(const char *name)
{
	const char *value = getenv(name);
	uint64_t number;

	return value && text_number(text_from(value), UINT64_MAX, &number) == 0 ? number : 0;
}

/* A name that begins with "@" is one of the abstract namespace, which Linux writes with a leading NUL. */
static void
notify_set_address(struct notify *notify, const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (n < 2 || n >= sizeof notify->address.sun_path || (name[0] != '/' && name[0] != '@'))
		return;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, name, n);
	if (name[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

void
notify_init(struct notify *notify)
{
	uint64_t limit_us = notify_number("WATCHDOG_USEC"), pid = notify_number("WATCHDOG_PID");

	memset(notify, 0, sizeof *notify);
	notify_set_address(notify, getenv("NOTIFY_SOCKET"));
	if (notify->address_len > 0 && limit_us > 0 && (pid == 0 || pid == (uint64_t)getpid()))
		notify->alive_every = limit_us > 2000 ? limit_us / 2000 : 1;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/*
 * Sends the message. Waits up to `wait_ms` while the supervisor's queue is full. Returns false if the message is
 * lost.
 */
static bool
notify_send_to(int fd, const struct notify *notify, const char *message, int wait_ms)
{
	struct pollfd room = {fd, POLLOUT, 0};

	if (connect(fd, (const struct sockaddr *)&notify->address, notify->address_len) < 0)
		return false;
	for (int waited = 0;; waited += PAUSE_MS) {
		if (send(fd, message, strlen(message), MSG_NOSIGNAL) >= 0)
			return true;
		if ((errno != EAGAIN && errno != ENOBUFS && errno != EINTR) || waited >= wait_ms)
			return false;
		poll(&room, 1, PAUSE_MS);
	}
}

/*
 * Messages are rare, so each gets a new socket, and children have no socket to close. The supervisor acts upon a
 * state, so a message about a state waits for room in the queue, but only briefly, because the event loop stands
 * still meanwhile.
 */
static void
notify_send(const struct notify *notify, const char *message, int wait_ms)
{
	int fd;

	if (!notify || notify->address_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (!notify_send_to(fd, notify, message, wait_ms) && wait_ms > 0)
		log_event(LOG_WARN, "notify", "error", LOG_STR(strerror(errno)), "lost",
			LOG_TEXT(text_of(message, strcspn(message, "\n"))), NULL);
	close(fd);
}

void
notify_ready(const struct notify *notify, const char *status)
{
	char message[MESSAGE_MAX];

	snprintf(message, sizeof message, "READY=1\nSTATUS=%.*s", NOTIFY_STATUS_MAX, status);
	notify_send(notify, message, STATE_WAIT_MS);
}

void
notify_reloading(const struct notify *notify)
{
	char message[MESSAGE_MAX];
	struct timespec now;

	/* systemd compares the time with that of its request, which Type=notify-reload needs */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	notify_send(notify, message, STATE_WAIT_MS);
}

void
notify_stopping(const struct notify *notify, uint64_t within_ms, const char *status)
{
	char message[MESSAGE_MAX];

	snprintf(message, sizeof message, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\nSTATUS=%.*s",
		within_ms * 1000, NOTIFY_STATUS_MAX, status);
	notify_send(notify, message, STATE_WAIT_MS);
}

void
notify_main_pid(const struct notify *notify, pid_t pid)
{
	char message[MESSAGE_MAX];

	snprintf(message, sizeof message, "MAINPID=%ld", (long)pid);
	notify_send(notify, message, STATE_WAIT_MS);
}

void
notify_export(const struct notify *notify)
{
	char name[sizeof notify->address.sun_path + 1], limit[32];

	if (!notify || notify->address_len == 0)
		return;
	snprintf(name, sizeof name, "%s%s", notify->address.sun_path[0] ? "" : "@",
		notify->address.sun_path + (notify->address.sun_path[0] ? 0 : 1));
	setenv("NOTIFY_SOCKET", name, 1);
	snprintf(limit, sizeof limit, "%" PRIu64, notify->alive_every * 2000);
	if (notify->alive_every > 0)
		setenv("WATCHDOG_USEC", limit, 1);
}

void
notify_alive(const struct notify *notify)
{
	notify_send(notify, "WATCHDOG=1", 0); /* the next one follows soon */
}
