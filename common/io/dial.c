/*
 *   state       leaves by                            to
 *   looking     the thread's answer                  connecting, or failed
 *   connecting  the socket is writable               done; the next address after an error; failed after the last
 *               its share of the time is over        the next address: one that is silent does not hide the others
 *   any         the deadline, dial_cancel()          failed, gone
 *
 * A lookup outlives its dial: the thread cannot be stopped. Whoever of the two ends last frees it.
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

#define ERROR_MAX 200 /* room for a line, with its NUL */

struct lookup {
	atomic_int parties; /* the dial and the thread */
	int event_fd;
	int result; /* of getaddrinfo() */
	struct addrinfo *all;
	char service[8];
	char host[];
};

struct dial {
	struct loop *loop;
	dial_done_fn *done;
	void *arg;
	struct lookup *lookup;
	const struct addrinfo *next; /* address to try */
	struct addrinfo unix_info;
	struct sockaddr_un unix_address;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	int fd;
	struct ev_io io; /* the lookup's event, then the socket */
	struct wheel_entry deadline;
	struct wheel_entry share; /* of the time, for one address */
	uint64_t due;		  /* when the deadline is */
	struct loop_call call;	  /* the first step, and the last */
	bool looking;
	char error[ERROR_MAX];
};

/* ----------------------------------------------------------------- lookup */

static void
lookup_release(struct lookup *u)
{
	if (atomic_fetch_sub(&u->parties, 1) > 1)
		return;
	if (u->all != NULL)
		freeaddrinfo(u->all);
	close(u->event_fd);
	mem_free(u);
}

static void *
lookup_run(void *arg)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct lookup *u = arg;
	uint64_t one = 1;

	u->result = getaddrinfo(u->host, u->service, &hints, &u->all);
	/* an eventfd takes its first number always */
	(void)!write(u->event_fd, &one, sizeof one);
	lookup_release(u);
	return NULL;
}

static struct lookup *
lookup_new(const char *host, uint16_t port)
{
	struct lookup *u = mem_zalloc(sizeof *u + strlen(host) + 1);

	memcpy(u->host, host, strlen(host) + 1);
	snprintf(u->service, sizeof u->service, "%u", port);
	atomic_init(&u->parties, 1);
	u->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return u;
}

/* 0, or an errno. */
static int
lookup_start(struct lookup *u)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int why;

	if (u->event_fd < 0)
		return errno;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&u->parties, 1);
	why = pthread_create(&thread, &attributes, lookup_run, u);
	pthread_attr_destroy(&attributes);
	if (why != 0)
		atomic_fetch_sub(&u->parties, 1);
	return why;
}

/* ------------------------------------------------------------------- dial */

static void
dial_free(struct dial *d)
{
	ev_io_stop(d->loop->ev, &d->io);
	loop_disarm(d->loop, &d->deadline);
	loop_disarm(d->loop, &d->share);
	loop_call_cancel(&d->call);
	if (d->fd >= 0)
		close(d->fd);
	if (d->lookup != NULL)
		lookup_release(d->lookup);
	mem_free(d);
}

static void
finish(struct dial *d)
{
	dial_done_fn *done = d->done;
	void *arg = d->arg;
	struct sockaddr_storage peer = d->peer;
	socklen_t peer_len = d->peer_len;
	char error[ERROR_MAX];
	int fd = d->fd;

	memcpy(error, d->error, sizeof error);
	d->fd = -1;
	dial_free(d);
	done(arg, fd, (const struct sockaddr *)&peer, peer_len, fd < 0 ? error : NULL);
}

static void
fail(struct dial *d, const char *what)
{
	snprintf(d->error, sizeof d->error, "%s", what);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	finish(d);
}

static void try_next(struct dial *d);

static void
on_connected(struct ev_loop *ev, struct ev_io *w, int events)
{
	struct dial *d = w->data;
	socklen_t len = sizeof(int);
	int why = 0;

	(void)events;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	ev_io_stop(ev, w);
	if (why == 0) {
		finish(d);
		return;
	}
	snprintf(d->error, sizeof d->error, "cannot connect: %s", strerror(why));
	close(d->fd);
	d->fd = -1;
	try_next(d);
}

/* 1: connecting; 0: connected; negative: not this address. */
static int
try_one(struct dial *d, const struct addrinfo *a)
{
	int one = 1;

	d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return -errno;
	if (a->ai_family != AF_UNIX)
		setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	memcpy(&d->peer, a->ai_addr, a->ai_addrlen);
	d->peer_len = a->ai_addrlen;
	if (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	return errno == EINPROGRESS ? 1 : -errno;
}

/* The time left, shared out evenly among `a` and those after it. */
static uint64_t
share_of(const struct dial *d, const struct addrinfo *a)
{
	uint64_t left = d->due > d->loop->now ? d->due - d->loop->now : 0, count = 0;

	for (; a != NULL; a = a->ai_next)
		count++;
	return left / count;
}

static void
try_next(struct dial *d)
{
	loop_disarm(d->loop, &d->share);
	while (d->next != NULL) {
		const struct addrinfo *a = d->next;
		int result = try_one(d, a);

		d->next = a->ai_next;
		if (result == 0) {
			finish(d);
			return;
		}
		if (result == 1) {
			ev_io_init(&d->io, on_connected, d->fd, EV_WRITE);
			d->io.data = d;
			ev_io_start(d->loop->ev, &d->io);
			if (d->next != NULL)
				loop_arm(d->loop, &d->share, share_of(d, a));
			return;
		}
		snprintf(d->error, sizeof d->error, "cannot connect: %s", strerror(-result));
		if (d->fd >= 0)
			close(d->fd);
		d->fd = -1;
	}
	finish(d);
}

static void
on_looked_up(struct ev_loop *ev, struct ev_io *w, int events)
{
	struct dial *d = w->data;

	(void)events;
	ev_io_stop(ev, w);
	d->looking = false;
	if (d->lookup->result != 0) {
		char what[ERROR_MAX];

		snprintf(what, sizeof what, "the host \"%.80s\" is unknown: %.80s", d->lookup->host,
			gai_strerror(d->lookup->result));
		fail(d, what);
		return;
	}
	d->next = d->lookup->all;
	try_next(d);
}

static void
on_late(struct wheel_entry *entry)
{
	struct dial *d = container_of(entry, struct dial, deadline);

	fail(d, d->looking ? "the name was not resolved in time" : "no answer in time");
}

static void
on_share_over(struct wheel_entry *entry)
{
	struct dial *d = container_of(entry, struct dial, share);

	ev_io_stop(d->loop->ev, &d->io);
	snprintf(d->error, sizeof d->error, "no answer in time");
	close(d->fd);
	d->fd = -1;
	try_next(d);
}

/* Numeric addresses need no thread. */
static bool
is_numeric(const char *host)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	freeaddrinfo(found);
	return true;
}

static void
on_first_step(struct loop_call *call)
{
	struct dial *d = container_of(call, struct dial, call);
	int why;

	if (d->lookup == NULL) {
		try_next(d);
		return;
	}
	if (is_numeric(d->lookup->host)) {
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

		d->lookup->result = getaddrinfo(d->lookup->host, d->lookup->service, &hints, &d->lookup->all);
		d->next = d->lookup->all;
		try_next(d);
		return;
	}
	why = lookup_start(d->lookup);
	if (why != 0) {
		fail(d, strerror(why));
		return;
	}
	d->looking = true;
	ev_io_init(&d->io, on_looked_up, d->lookup->event_fd, EV_READ);
	d->io.data = d;
	ev_io_start(d->loop->ev, &d->io);
}

static void
set_unix(struct dial *d, const struct dial_to *to)
{
	size_t n = strlen(to->path), at = to->abstract ? 1 : 0;

	d->unix_address.sun_family = AF_UNIX;
	if (n + 1 > sizeof d->unix_address.sun_path) {
		snprintf(d->error, sizeof d->error, "the path of the unix socket is too long");
		return;
	}
	memcpy(d->unix_address.sun_path + at, to->path, n);
	d->unix_info = (struct addrinfo){
		.ai_family = AF_UNIX,
		.ai_addr = (struct sockaddr *)&d->unix_address,
		.ai_addrlen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1),
	};
	d->next = &d->unix_info;
}

struct dial *
dial_start(struct loop *l, const struct dial_to *to, dial_done_fn *done, void *arg)
{
	struct dial *d = mem_zalloc(sizeof *d);

	d->loop = l;
	d->done = done;
	d->arg = arg;
	d->fd = -1;
	ev_init(&d->io, on_connected);
	wheel_entry_init(&d->deadline, on_late);
	wheel_entry_init(&d->share, on_share_over);
	loop_call_init(&d->call, on_first_step);
	if (to->host != NULL)
		d->lookup = lookup_new(to->host, to->port);
	else
		set_unix(d, to);
	d->due = l->now + to->timeout_ms;
	loop_arm(l, &d->deadline, to->timeout_ms);
	loop_defer(l, &d->call);
	return d;
}

void
dial_cancel(struct dial *d)
{
	if (d != NULL)
		dial_free(d);
}
