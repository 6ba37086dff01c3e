/*
 * States of a dial:
 *
 *   state       event                                next state
 *   looking     the lookup thread answers            connecting, or failed
 *   connecting  the socket is connected              done
 *               an error, or the address's share of  connecting to the next address; failed after the last
 *               the time has passed
 *   any         the deadline; dial_cancel()          failed; freed
 *
 * Each address gets a share of the time, so that a silent address does not use up the time for the others.
 *
 * A lookup may outlive its dial, because its thread cannot be stopped. The last of the two to finish frees it.
 */
#include "common/io/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/mem.h"

#define ERROR_MAX 200 /* size of an error line, with its NUL */

struct lookup {
	atomic_int parties; /* references: the dial and the thread */
	int event_fd;
	int result; /* result of getaddrinfo() */
	struct addrinfo *all;
	char service[8];
	char host[];
};

struct dial {
	struct loop *loop;
	dial_done_fn *done;
	void *arg;
	struct lookup *lookup;
	const struct addrinfo *next; /* next address to try */
	struct addrinfo unix_info;
	struct sockaddr_un unix_address;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	int fd;
	struct ev_io io; /* watches the lookup's event, then the socket */
	struct wheel_entry deadline;
	struct wheel_entry share; /* share of the time for one address */
	uint64_t due;		  /* time of the deadline */
	struct loop_call call;	  /* for the first step */
	bool looking;
	char error[ERROR_MAX];
};

/* ----------------------------------------------------------------- lookup */

static void
lookup_release(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->parties, 1) > 1)
		return;
	if (lookup->all != NULL)
		freeaddrinfo(lookup->all);
	close(lookup->event_fd);
	mem_free(lookup);
}

static void *
lookup_run(void *arg)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct lookup *lookup = arg;
	uint64_t one = 1;

	lookup->result = getaddrinfo(lookup->host, lookup->service, &hints, &lookup->all);
	/* the first write to an eventfd cannot fail */
	(void)!write(lookup->event_fd, &one, sizeof one);
	lookup_release(lookup);
	return NULL;
}

static struct lookup *
lookup_new(const char *host, uint16_t port)
{
	struct lookup *lookup = mem_zalloc(sizeof *lookup + strlen(host) + 1);

	memcpy(lookup->host, host, strlen(host) + 1);
	snprintf(lookup->service, sizeof lookup->service, "%u", port);
	atomic_init(&lookup->parties, 1);
	lookup->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return lookup;
}

/* Returns 0 or an errno value. */
static int
lookup_start(struct lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int why;

	if (lookup->event_fd < 0)
		return errno;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&lookup->parties, 1);
	why = pthread_create(&thread, &attributes, lookup_run, lookup);
	pthread_attr_destroy(&attributes);
	if (why != 0)
		atomic_fetch_sub(&lookup->parties, 1);
	return why;
}

/* ------------------------------------------------------------------- dial */

static void
dial_free(struct dial *dial)
{
	ev_io_stop(dial->loop->ev, &dial->io);
	loop_disarm(dial->loop, &dial->deadline);
	loop_disarm(dial->loop, &dial->share);
	loop_call_cancel(&dial->call);
	if (dial->fd >= 0)
		close(dial->fd);
	if (dial->lookup != NULL)
		lookup_release(dial->lookup);
	mem_free(dial);
}

static void
dial_finish(struct dial *dial)
{
	dial_done_fn *done = dial->done;
	void *arg = dial->arg;
	struct sockaddr_storage peer = dial->peer;
	socklen_t peer_len = dial->peer_len;
	char error[ERROR_MAX];
	int fd = dial->fd;

	memcpy(error, dial->error, sizeof error);
	dial->fd = -1;
	dial_free(dial);
	done(arg, fd, (const struct sockaddr *)&peer, peer_len, fd < 0 ? error : NULL);
}

static void
dial_fail(struct dial *dial, const char *what)
{
	snprintf(dial->error, sizeof dial->error, "%s", what);
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
	dial_finish(dial);
}

static void dial_try_next(struct dial *dial);

static void
dial_on_connected(struct ev_loop *ev, struct ev_io *watcher, int events)
{
	struct dial *dial = watcher->data;
	socklen_t len = sizeof(int);
	int why = 0;

	(void)events;
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	ev_io_stop(ev, watcher);
	if (why == 0) {
		dial_finish(dial);
		return;
	}
	snprintf(dial->error, sizeof dial->error, "cannot connect: %s", strerror(why));
	close(dial->fd);
	dial->fd = -1;
	dial_try_next(dial);
}

/* Returns 1 if connecting, 0 if connected, or a negative errno if this address fails. */
static int
dial_try_address(struct dial *dial, const struct addrinfo *address)
{
	int one = 1;

	dial->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd < 0)
		return -errno;
	if (address->ai_family != AF_UNIX)
		setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	memcpy(&dial->peer, address->ai_addr, address->ai_addrlen);
	dial->peer_len = address->ai_addrlen;
	if (connect(dial->fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	return errno == EINPROGRESS ? 1 : -errno;
}

/* Returns an equal share of the remaining time for `address` and the addresses after it. */
static uint64_t
dial_share_of(const struct dial *dial, const struct addrinfo *address)
{
	uint64_t left = dial->due > dial->loop->now ? dial->due - dial->loop->now : 0, count = 0;

	for (; address != NULL; address = address->ai_next)
		count++;
	return left / count;
}

static void
dial_try_next(struct dial *dial)
{
	loop_disarm(dial->loop, &dial->share);
	while (dial->next != NULL) {
		const struct addrinfo *address = dial->next;
		int result = dial_try_address(dial, address);

		dial->next = address->ai_next;
		if (result == 0) {
			dial_finish(dial);
			return;
		}
		if (result == 1) {
			ev_io_init(&dial->io, dial_on_connected, dial->fd, EV_WRITE);
			dial->io.data = dial;
			ev_io_start(dial->loop->ev, &dial->io);
			if (dial->next != NULL)
				loop_arm(dial->loop, &dial->share, dial_share_of(dial, address));
			return;
		}
		snprintf(dial->error, sizeof dial->error, "cannot connect: %s", strerror(-result));
		if (dial->fd >= 0)
			close(dial->fd);
		dial->fd = -1;
	}
	dial_finish(dial);
}

static void
dial_on_looked_up(struct ev_loop *ev, struct ev_io *watcher, int events)
{
	struct dial *dial = watcher->data;

	(void)events;
	ev_io_stop(ev, watcher);
	dial->looking = false;
	if (dial->lookup->result != 0) {
		char what[ERROR_MAX];

		snprintf(what, sizeof what, "cannot resolve host \"%.80s\": %.80s", dial->lookup->host,
			gai_strerror(dial->lookup->result));
		dial_fail(dial, what);
		return;
	}
	dial->next = dial->lookup->all;
	dial_try_next(dial);
}

static void
dial_on_deadline(struct wheel_entry *entry)
{
	struct dial *dial = container_of(entry, struct dial, deadline);

	dial_fail(dial, dial->looking ? "timed out resolving the host name" : "timed out");
}

static void
dial_on_share_over(struct wheel_entry *entry)
{
	struct dial *dial = container_of(entry, struct dial, share);

	ev_io_stop(dial->loop->ev, &dial->io);
	snprintf(dial->error, sizeof dial->error, "timed out");
	close(dial->fd);
	dial->fd = -1;
	dial_try_next(dial);
}

/* Numeric addresses need no lookup thread. */
static bool
host_is_numeric(const char *host)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	freeaddrinfo(found);
	return true;
}

static void
dial_on_first_step(struct loop_call *call)
{
	struct dial *dial = container_of(call, struct dial, call);
	int why;

	if (dial->lookup == NULL) {
		dial_try_next(dial);
		return;
	}
	if (host_is_numeric(dial->lookup->host)) {
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

		dial->lookup->result =
			getaddrinfo(dial->lookup->host, dial->lookup->service, &hints, &dial->lookup->all);
		dial->next = dial->lookup->all;
		dial_try_next(dial);
		return;
	}
	why = lookup_start(dial->lookup);
	if (why != 0) {
		dial_fail(dial, strerror(why));
		return;
	}
	dial->looking = true;
	ev_io_init(&dial->io, dial_on_looked_up, dial->lookup->event_fd, EV_READ);
	dial->io.data = dial;
	ev_io_start(dial->loop->ev, &dial->io);
}

static void
dial_set_unix(struct dial *dial, const struct dial_to *to)
{
	size_t n = strlen(to->path), at = to->abstract ? 1 : 0;

	dial->unix_address.sun_family = AF_UNIX;
	if (n + 1 > sizeof dial->unix_address.sun_path) {
		snprintf(dial->error, sizeof dial->error, "unix socket path too long");
		return;
	}
	memcpy(dial->unix_address.sun_path + at, to->path, n);
	dial->unix_info = (struct addrinfo){
		.ai_family = AF_UNIX,
		.ai_addr = (struct sockaddr *)&dial->unix_address,
		.ai_addrlen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1),
	};
	dial->next = &dial->unix_info;
}

struct dial *
dial_start(struct loop *l, const struct dial_to *to, dial_done_fn *done, void *arg)
{
	struct dial *dial = mem_zalloc(sizeof *dial);

	dial->loop = l;
	dial->done = done;
	dial->arg = arg;
	dial->fd = -1;
	ev_init(&dial->io, dial_on_connected);
	wheel_entry_init(&dial->deadline, dial_on_deadline);
	wheel_entry_init(&dial->share, dial_on_share_over);
	loop_call_init(&dial->call, dial_on_first_step);
	if (to->host != NULL)
		dial->lookup = lookup_new(to->host, to->port);
	else
		dial_set_unix(dial, to);
	dial->due = l->now + to->timeout_ms;
	loop_arm(l, &dial->deadline, to->timeout_ms);
	loop_defer(l, &dial->call);
	return dial;
}

void
dial_cancel(struct dial *dial)
{
	if (dial != NULL)
		dial_free(dial);
}
