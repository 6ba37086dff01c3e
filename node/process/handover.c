/*
 *   state     event                                    next
 *   -         handover_request()                       leaving
 *   leaving   end of the turn, or the replies before   sent, or queued when the door is full
 *             it have left
 *   queued    the door takes messages again            sent
 *   queued    WAIT_MS over, or QUEUE_MAX there         answered 503
 *   any       the client goes away                     gone
 *
 * Sent, a plain connection is closed here, its file lives on at the sibling's; a TLS one becomes a relay.
 */
#include "node/process/handover.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "node/process/process_tables.h"
#include "node/process/relay.h"

#define MAGIC 0x736b6832
#define QUEUE_MAX 1024		 /* requests that wait for one full door */
#define WAIT_MS 2000		 /* a sibling that takes nothing for so long is stuck */
#define GUESTS_PER_TURN 64	 /* then the connections at hand get their turn */
#define DOOR_BYTES (1024 * 1024) /* asked of the kernel for each door; it may give less */
#define LINES_PER_SECOND 1

struct door {
	struct handover *handover;
	struct ev_io writable;
	struct list queue; /* struct waiting */
	unsigned count;
};

struct waiting {
	struct list link; /* door->queue once it waits there */
	struct loop_call leave;
	struct wheel_entry deadline;
	struct handover *handover;
	struct http_request *request;
	unsigned slot;
	bool queued;
};

struct handover {
	struct loop *loop;
	struct handover_setup setup;
	struct ev_io guests;
	uint8_t *message; /* room for one */
	struct log_limit lines;
	unsigned waiting;
	struct list relays; /* of services */
	struct door doors[];
};

/* --------------------------------------------------------------- the doors */

int
doors_open(struct doors *d, unsigned count)
{
	int bytes = DOOR_BYTES, ends[2], why;

	must(count <= DOORS_MAX);
	for (d->count = 0; d->count < count; d->count++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
			why = errno;
			doors_close(d);
			errno = why;
			return ERROR_SYSTEM;
		}
		setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
		d->receive[d->count] = ends[0];
		d->send[d->count] = ends[1];
	}
	return 0;
}

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
doors_keep(struct doors *d, unsigned slot)
{
	for (unsigned i = 0; i < d->count; i++) {
		if (i != slot)
			close_end(&d->receive[i]);
	}
	close_end(&d->send[slot]);
}

void
doors_shut(struct doors *d, unsigned slot)
{
	must(slot < d->count);
	close_end(&d->receive[slot]);
}

void
doors_close(struct doors *d)
{
	for (unsigned i = 0; i < d->count; i++) {
		close_end(&d->receive[i]);
		close_end(&d->send[i]);
	}
	d->count = 0;
}

/* --------------------------------------------------------------- the codec */

/* Both ends are one program on one machine: the host's own forms will do. */
struct head {
	uint32_t magic, kind, secure, peer_len, bytes;
	uint8_t peer[32];
};
_Static_assert(sizeof(struct head) == HANDOVER_HEAD, "no padding, which would be sent");
_Static_assert(sizeof(struct sockaddr_in6) <= 32, "the longest address must fit");

void
handover_write(uint8_t head[HANDOVER_HEAD], const struct handover_guest *g)
{
	struct head h = {MAGIC, g->kind, g->secure, (uint32_t)g->peer_len, (uint32_t)g->bytes.n, {0}};

	must(g->peer_len <= sizeof h.peer && g->bytes.n <= HANDOVER_BYTES_MAX);
	memcpy(h.peer, &g->peer, g->peer_len);
	memcpy(head, &h, sizeof h);
}

int
handover_read(const uint8_t *message, size_t n, struct handover_guest *g)
{
	struct head h;

	if (n < sizeof h)
		return ERROR_SYNTAX;
	memcpy(&h, message, sizeof h);
	if (h.magic != MAGIC || h.kind >= HANDOVER_KINDS || h.secure > 1 || h.peer_len > sizeof h.peer ||
		h.bytes != n - sizeof h || (h.bytes == 0 && (h.secure == 1 || h.kind != HANDOVER_REQUEST)) ||
		h.bytes > HANDOVER_BYTES_MAX)
		return ERROR_SYNTAX;
	g->kind = (enum handover_kind)h.kind;
	g->secure = h.secure == 1;
	memset(&g->peer, 0, sizeof g->peer);
	memcpy(&g->peer, h.peer, h.peer_len);
	g->peer_len = (socklen_t)h.peer_len;
	g->bytes = text_of((const char *)message + sizeof h, h.bytes);
	return 0;
}

/* ----------------------------------------------------------------- sending */

/* 0, or the errno. */
static int
send_message(int door, int fd, const struct handover_guest *g, struct text rest)
{
	uint8_t head[HANDOVER_HEAD];
	struct handover_guest whole = *g;
	struct iovec pieces[] = {{head, sizeof head}, {(void *)(uintptr_t)g->bytes.at, g->bytes.n},
		{(void *)(uintptr_t)rest.at, rest.n}};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr m = {.msg_iov = pieces,
		.msg_iovlen = rest.n > 0 ? 3 : 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t sent;

	if (g->bytes.n + rest.n > HANDOVER_BYTES_MAX)
		return EMSGSIZE;
	whole.bytes.n += rest.n;
	handover_write(head, &whole);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	do
		sent = sendmsg(door, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? errno : 0;
}

int
handover_pass(const struct doors *d, unsigned slot, int fd, const struct sockaddr_storage *peer, socklen_t peer_len)
{
	struct handover_guest g = {.peer = *peer, .peer_len = peer_len, .bytes = TEXT("")};

	return send_message(d->send[slot], fd, &g, TEXT_NONE);
}

static void
waiting_free(struct waiting *w)
{
	struct handover *h = w->handover;
	struct door *door = &h->doors[w->slot];

	loop_call_cancel(&w->leave);
	loop_disarm(h->loop, &w->deadline);
	if (w->queued) {
		list_remove(&w->link);
		if (--door->count == 0)
			ev_io_stop(h->loop->ev, &door->writable);
	}
	h->waiting--;
	mem_free(w);
}

static void
refuse(struct waiting *w, const char *why)
{
	struct handover *h = w->handover;
	struct http_request *r = w->request;

	counter_add(&h->loop->counters, COUNT_HANDOVERS_REFUSED, 1);
	if (log_allow(&h->lines, LINES_PER_SECOND, h->loop->now))
		log_event(LOG_WARN, "handover_refused", "slot", LOG_INT(w->slot), "error", LOG_STR(why), NULL);
	waiting_free(w);
	must(http_add_header(r, "Retry-After", TEXT("1")) == 0);
	http_close_after(r);
	http_reply(r, 503, "text/plain; charset=utf-8", TEXT("Service unavailable\n"), false);
}

/* The connection itself, which is closed here afterwards. 0, or the errno. */
static int
send_plain(struct waiting *w, int door, const struct handover_guest *g)
{
	struct http_request *r = w->request;
	struct conn *c = http_request_conn(r);
	int why = send_message(door, conn_fd(c), g, conn_kept(c));

	if (why != 0)
		return why;
	waiting_free(w);
	loop_forget_fd(conn_loop(c), conn_fd(c));
	http_destroy(r, REASON_HANDED_OVER);
	return 0;
}

/* One end of a socket pair goes through the door, the other is *ours. 0, or the errno. */
static int
send_pair(int door, const struct handover_guest *g, int *ours)
{
	int ends[2], why;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return errno;
	why = send_message(door, ends[1], g, TEXT_NONE);
	close(ends[1]);
	if (why != 0) {
		close(ends[0]);
		return why;
	}
	*ours = ends[0];
	return 0;
}

static int
send_relay(struct waiting *w, int door, const struct handover_guest *g)
{
	const struct conn_limits *limits = w->handover->setup.limits;
	struct http_request *r = w->request;
	int fd, why = send_pair(door, g, &fd);

	if (why != 0)
		return why;
	waiting_free(w);
	relay_start(http_leave(r), fd, limits, NULL);
	return 0;
}

/* 0: the request is gone, one way or the other. EAGAIN: the door is full. */
static int
try_to_send(struct waiting *w)
{
	struct handover *h = w->handover;
	struct conn *c = http_request_conn(w->request);
	struct handover_guest g = {.secure = conn_is_tls(c), .bytes = http_request_head(w->request)};
	int door = h->setup.doors->send[w->slot], why;

	g.peer_len = conn_peer(c, &g.peer);
	why = conn_is_movable(c) ? send_plain(w, door, &g) : send_relay(w, door, &g);
	if (why == EAGAIN || why == EWOULDBLOCK || why == ENOBUFS)
		return EAGAIN;
	if (why == 0)
		counter_add(&h->loop->counters, COUNT_HANDOVERS_SENT, 1);
	else
		refuse(w, strerror(why));
	return 0;
}

static void
on_writable(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct door *door = io->data;

	(void)ev;
	(void)events;
	while (door->count > 0 && try_to_send(list_entry(door->queue.next, struct waiting, link)) == 0)
		;
}

static void
queue(struct waiting *w)
{
	struct handover *h = w->handover;
	struct door *door = &h->doors[w->slot];

	if (door->count >= QUEUE_MAX) {
		refuse(w, "too many requests wait");
		return;
	}
	w->queued = true;
	list_add_tail(&door->queue, &w->link);
	if (door->count++ == 0)
		ev_io_start(h->loop->ev, &door->writable);
	loop_arm(h->loop, &w->deadline, WAIT_MS);
}

static void
on_deadline(struct wheel_entry *entry)
{
	refuse(container_of(entry, struct waiting, deadline), "the worker takes no requests");
}

/* The replies before it must have left: from here on the client hears the sibling. */
static void
leave(struct loop_call *call)
{
	struct waiting *w = container_of(call, struct waiting, leave);

	if (w->queued || conn_queued(http_request_conn(w->request)) > 0)
		return;
	if (w->handover->doors[w->slot].count > 0 || try_to_send(w) == EAGAIN)
		queue(w);
}

static void
on_drained(struct http_request *r, void *user)
{
	struct waiting *w = user;

	(void)r;
	loop_defer(w->handover->loop, &w->leave);
}

static void
on_abort(struct http_request *r, void *user)
{
	(void)r;
	waiting_free(user);
}

static const struct http_exchange_ops waiting_ops = {.on_complete = on_drained, .on_abort = on_abort};

void
handover_request(struct handover *h, struct http_request *r, unsigned slot)
{
	struct waiting *w = mem_zalloc(sizeof *w);

	must(slot < h->setup.doors->count && slot != h->setup.slot);
	w->handover = h;
	w->request = r;
	w->slot = slot;
	h->waiting++;
	list_init(&w->link);
	loop_call_init(&w->leave, leave);
	wheel_entry_init(&w->deadline, on_deadline);
	http_hold(r, &waiting_ops, w);
	loop_defer(h->loop, &w->leave); /* not now: the bytes behind the head are not ours before the turn's end */
}

int
handover_conn(struct handover *h, struct conn *c, unsigned slot, enum handover_kind kind, struct text bytes)
{
	struct handover_guest g = {.kind = kind, .secure = conn_is_tls(c), .bytes = bytes};
	int door = h->setup.doors->send[slot], fd, why;

	must(slot < h->setup.doors->count && slot != h->setup.slot);
	g.peer_len = conn_peer(c, &g.peer);
	if (!conn_is_movable(c)) {
		why = send_pair(door, &g, &fd);
		if (why == 0)
			relay_start(c, fd, h->setup.limits, &h->relays);
		return why;
	}
	why = send_message(door, conn_fd(c), &g, conn_kept(c));
	if (why == 0) {
		loop_forget_fd(conn_loop(c), conn_fd(c));
		conn_close(c, REASON_HANDED_OVER);
	}
	return why;
}

bool
handover_end_relays(struct handover *h)
{
	if (h == NULL)
		return true;
	relay_end_all(&h->relays);
	return list_empty(&h->relays);
}

/* --------------------------------------------------------------- receiving */

/* The descriptor of a message, or -1. There is room for one, so none is lost. */
static int
descriptor_of(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd;

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		c->cmsg_len != CMSG_LEN(sizeof fd))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* False: no message waits. */
static bool
receive(struct handover *h, int door)
{
	struct iovec room = {h->message, HANDOVER_HEAD + HANDOVER_BYTES_MAX};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct handover_guest guest;
	ssize_t n = recvmsg(door, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	guest.fd = descriptor_of(&m);
	if (guest.fd >= 0 && !(m.msg_flags & MSG_TRUNC) && handover_read(h->message, (size_t)n, &guest) == 0) {
		counter_add(&h->loop->counters, COUNT_HANDOVERS_TAKEN,
			guest.kind == HANDOVER_REQUEST && !handover_is_fresh(&guest));
		h->setup.on_guest(h->setup.arg, &guest);
		return true;
	}
	if (guest.fd >= 0)
		close(guest.fd);
	else
		counter_add(&h->loop->counters, COUNT_ACCEPT_NO_FDS, 1);
	if (log_allow(&h->lines, LINES_PER_SECOND, h->loop->now))
		log_event(LOG_WARN, "handover_lost", "error",
			LOG_STR(guest.fd < 0 ? "no descriptor is free" : "malformed"), NULL);
	return true;
}

static void
on_guests(struct ev_loop *ev, struct ev_io *io, int events)
{
	(void)ev;
	(void)events;
	for (int i = 0; i < GUESTS_PER_TURN && receive(io->data, io->fd); i++)
		;
}

struct handover *
handover_new(struct loop *l, const struct handover_setup *setup)
{
	const struct doors *d = setup->doors;
	struct handover *h = mem_zalloc(sizeof *h + d->count * sizeof h->doors[0]);

	h->loop = l;
	h->setup = *setup;
	list_init(&h->relays);
	h->message = mem_alloc(HANDOVER_HEAD + HANDOVER_BYTES_MAX);
	for (unsigned i = 0; i < d->count; i++) {
		struct door *door = &h->doors[i];

		door->handover = h;
		list_init(&door->queue);
		ev_io_init(&door->writable, on_writable, d->send[i], EV_WRITE);
		door->writable.data = door;
	}
	ev_io_init(&h->guests, on_guests, d->receive[setup->slot], EV_READ);
	h->guests.data = h;
	ev_io_start(l->ev, &h->guests);
	ev_unref(l->ev); /* it alone is no reason for a loop to go on */
	return h;
}

void
handover_free(struct handover *h)
{
	if (h == NULL)
		return;
	must(h->waiting == 0 && list_empty(&h->relays));
	ev_ref(h->loop->ev);
	ev_io_stop(h->loop->ev, &h->guests);
	mem_free(h->message);
	mem_free(h);
}
