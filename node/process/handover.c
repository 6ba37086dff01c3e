/*
 *   state     event                                    next
 *   -         handover_request()                       leaving
 *   leaving   end of the turn, or earlier replies      sent, or queued if the door is full
 *             have been sent
 *   queued    the door accepts messages again          sent
 *   queued    WAIT_MS over, or QUEUE_MAX reached       answered 503
 *   any       the client goes away                     gone
 *
 * After sending, a plain connection is closed here, while its open file lives on at the sibling; a TLS connection
 * becomes a relay.
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
#define QUEUE_MAX 1024		 /* requests that may wait for one full door */
#define WAIT_MS 2000		 /* a sibling that takes nothing for this long is stuck */
#define GUESTS_PER_TURN 64	 /* limit per turn, so that existing connections are served too */
#define DOOR_BYTES (1024 * 1024) /* buffer requested for each door; the kernel may give less */
#define LINES_PER_SECOND 1

struct door {
	struct handover *handover;
	struct ev_io writable;
	struct list queue; /* struct waiting */
	unsigned count;
};

struct waiting {
	struct list link; /* in door->queue while queued */
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
	struct ev_io strays; /* watches for requests from the program that this one replaces */
	uint8_t *message;    /* buffer for one message */
	struct log_limit lines;
	unsigned waiting;
	struct list relays; /* of backends' links */
	struct door doors[];
};

/* --------------------------------------------------------------- the doors */

static int
door_open(int *receive, int *send)
{
	int bytes = DOOR_BYTES, ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return ERROR_SYSTEM;
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	*receive = ends[0];
	*send = ends[1];
	return 0;
}

int
doors_open(struct doors *doors, unsigned count)
{
	int why;

	must(count <= DOORS_MAX);
	*doors = (struct doors){.successor_send = -1, .successor_receive = -1, .strays = -1};
	while (doors->count < count && door_open(&doors->receive[doors->count], &doors->send[doors->count]) == 0)
		doors->count++;
	if (doors->count == count && door_open(&doors->successor_receive, &doors->successor_send) == 0)
		return 0;
	why = errno;
	doors_close(doors);
	errno = why;
	return ERROR_SYSTEM;
}

static void
door_close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
doors_take_old(struct doors *doors, unsigned first, const int *fds, unsigned count, int strays)
{
	must(count <= DOORS_MAX && doors->old_count == 0);
	doors->old_first = first;
	doors->old_count = count;
	doors->first = first < DOORS_MAX ? DOORS_MAX : 0;
	doors->strays = strays;
	memcpy(doors->send + doors->count, fds, count * sizeof fds[0]);
}

int
doors_find(const struct doors *doors, unsigned number)
{
	if (number >= doors->first && number - doors->first < doors->count)
		return (int)(number - doors->first);
	if (number >= doors->old_first && number - doors->old_first < doors->old_count)
		return (int)(doors->count + number - doors->old_first);
	return -1;
}

unsigned
doors_successor(const struct doors *doors)
{
	return doors->count + doors->old_count;
}

static int
doors_send_end(const struct doors *doors, unsigned index)
{
	return index == doors_successor(doors) ? doors->successor_send : doors->send[index];
}

void
doors_keep(struct doors *doors, unsigned slot)
{
	for (unsigned i = 0; i < doors->count; i++) {
		if (i != slot)
			door_close_end(&doors->receive[i]);
	}
	door_close_end(&doors->send[slot]);
	door_close_end(&doors->successor_receive);
}

void
doors_shut(struct doors *doors, unsigned slot)
{
	must(slot < doors->count);
	door_close_end(&doors->receive[slot]);
}

void
doors_close(struct doors *doors)
{
	for (unsigned i = 0; i < doors->count; i++)
		door_close_end(&doors->receive[i]);
	for (unsigned i = 0; i < doors->count + doors->old_count; i++)
		door_close_end(&doors->send[i]);
	door_close_end(&doors->successor_receive);
	door_close_end(&doors->successor_send);
	door_close_end(&doors->strays);
	doors->count = doors->old_count = 0;
}

/* --------------------------------------------------------------- the codec */

/*
 * The head of a message. Sender and receiver are on the same machine, so it has the host's byte order. A change of
 * the head needs a new DOORS_FORMAT.
 */
struct head {
	uint32_t magic, kind, secure, peer_len, bytes;
	uint8_t peer[32];
};
_Static_assert(sizeof(struct head) == HANDOVER_HEAD, "the struct is sent, so it must have no padding");
_Static_assert(sizeof(struct sockaddr_in6) <= 32, "the longest address must fit");

void
handover_write(uint8_t head[HANDOVER_HEAD], const struct handover_guest *guest)
{
	struct head header = {
		MAGIC, guest->kind, guest->secure, (uint32_t)guest->peer_len, (uint32_t)guest->bytes.n, {0}};

	must(guest->peer_len <= sizeof header.peer && guest->bytes.n <= HANDOVER_BYTES_MAX);
	memcpy(header.peer, &guest->peer, guest->peer_len);
	memcpy(head, &header, sizeof header);
}

int
handover_read(const uint8_t *message, size_t n, struct handover_guest *guest)
{
	struct head header;

	if (n < sizeof header)
		return ERROR_SYNTAX;
	memcpy(&header, message, sizeof header);
	if (header.magic != MAGIC || header.kind >= HANDOVER_KINDS || header.secure > 1 ||
		header.peer_len > sizeof header.peer || header.bytes != n - sizeof header ||
		(header.bytes == 0 && (header.secure == 1 || header.kind != HANDOVER_REQUEST)) ||
		header.bytes > HANDOVER_BYTES_MAX)
		return ERROR_SYNTAX;
	guest->kind = (enum handover_kind)header.kind;
	guest->secure = header.secure == 1;
	memset(&guest->peer, 0, sizeof guest->peer);
	memcpy(&guest->peer, header.peer, header.peer_len);
	guest->peer_len = (socklen_t)header.peer_len;
	guest->bytes = text_of((const char *)message + sizeof header, header.bytes);
	return 0;
}

/* ----------------------------------------------------------------- sending */

/* Returns 0 or an errno. */
static int
door_send(int door, int fd, const struct handover_guest *guest, struct text rest)
{
	uint8_t head[HANDOVER_HEAD];
	struct handover_guest whole = *guest;
	struct iovec pieces[] = {{head, sizeof head}, {(void *)(uintptr_t)guest->bytes.at, guest->bytes.n},
		{(void *)(uintptr_t)rest.at, rest.n}};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr message = {.msg_iov = pieces,
		.msg_iovlen = rest.n > 0 ? 3 : 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	if (guest->bytes.n + rest.n > HANDOVER_BYTES_MAX)
		return EMSGSIZE;
	whole.bytes.n += rest.n;
	handover_write(head, &whole);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
	do
		sent = sendmsg(door, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? errno : 0;
}

int
handover_pass(
	const struct doors *doors, unsigned slot, int fd, const struct sockaddr_storage *peer, socklen_t peer_len)
{
	struct handover_guest guest = {.peer = *peer, .peer_len = peer_len, .bytes = TEXT("")};

	return door_send(doors->send[slot], fd, &guest, TEXT_NONE);
}

static void
waiting_free(struct waiting *waiting)
{
	struct handover *handover = waiting->handover;
	struct door *door = &handover->doors[waiting->slot];

	loop_call_cancel(&waiting->leave);
	loop_disarm(handover->loop, &waiting->deadline);
	if (waiting->queued) {
		list_remove(&waiting->link);
		if (--door->count == 0)
			ev_io_stop(handover->loop->ev, &door->writable);
	}
	handover->waiting--;
	mem_free(waiting);
}

static void
waiting_refuse(struct waiting *waiting, const char *why)
{
	struct handover *handover = waiting->handover;
	struct http_request *request = waiting->request;

	counter_add(&handover->loop->counters, COUNT_HANDOVERS_REFUSED, 1);
	if (log_allow(&handover->lines, LINES_PER_SECOND, handover->loop->now))
		log_event(LOG_WARN, "handover_refused", "slot", LOG_INT(waiting->slot), "error", LOG_STR(why), NULL);
	waiting_free(waiting);
	must(http_add_header(request, "Retry-After", TEXT("1")) == 0);
	http_close_after(request);
	http_reply(request, 503, "text/plain; charset=utf-8", TEXT("Service unavailable\n"), false);
}

/* Sends the client's own descriptor, then closes the connection here. Returns 0 or an errno. */
static int
waiting_send_plain(struct waiting *waiting, int door, const struct handover_guest *guest)
{
	struct http_request *request = waiting->request;
	struct conn *c = http_request_conn(request);
	int why = door_send(door, conn_fd(c), guest, conn_kept(c));

	if (why != 0)
		return why;
	waiting_free(waiting);
	loop_forget_fd(conn_loop(c), conn_fd(c));
	http_destroy(request, REASON_HANDED_OVER);
	return 0;
}

/* Sends one end of a new socket pair and returns the other in *ours. Returns 0 or an errno. */
static int
door_send_pair(int door, const struct handover_guest *guest, int *ours)
{
	int ends[2], why;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return errno;
	why = door_send(door, ends[1], guest, TEXT_NONE);
	close(ends[1]);
	if (why != 0) {
		close(ends[0]);
		return why;
	}
	*ours = ends[0];
	return 0;
}

static int
waiting_send_relay(struct waiting *waiting, int door, const struct handover_guest *guest)
{
	const struct conn_limits *limits = waiting->handover->setup.limits;
	struct http_request *request = waiting->request;
	int fd, why = door_send_pair(door, guest, &fd);

	if (why != 0)
		return why;
	waiting_free(waiting);
	relay_start(http_leave(request), fd, limits, NULL);
	return 0;
}

/* Returns 0 if the request was sent or refused, so that `waiting` is gone; EAGAIN if the door is full. */
static int
waiting_try_to_send(struct waiting *waiting)
{
	struct handover *handover = waiting->handover;
	struct conn *c = http_request_conn(waiting->request);
	struct handover_guest guest = {.secure = conn_is_tls(c), .bytes = http_request_head(waiting->request)};
	int door = doors_send_end(handover->setup.doors, waiting->slot), why;

	guest.peer_len = conn_peer(c, &guest.peer);
	why = conn_is_movable(c) ? waiting_send_plain(waiting, door, &guest)
				 : waiting_send_relay(waiting, door, &guest);
	if (why == EAGAIN || why == EWOULDBLOCK || why == ENOBUFS)
		return EAGAIN;
	if (why == 0)
		counter_add(&handover->loop->counters, COUNT_HANDOVERS_SENT, 1);
	else
		waiting_refuse(waiting, strerror(why));
	return 0;
}

static void
door_on_writable(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct door *door = io->data;

	(void)ev;
	(void)events;
	while (door->count > 0 && waiting_try_to_send(list_entry(door->queue.next, struct waiting, link)) == 0)
		;
}

static void
waiting_queue(struct waiting *waiting)
{
	struct handover *handover = waiting->handover;
	struct door *door = &handover->doors[waiting->slot];

	if (door->count >= QUEUE_MAX) {
		waiting_refuse(waiting, "too many requests are waiting for this worker");
		return;
	}
	waiting->queued = true;
	list_add_tail(&door->queue, &waiting->link);
	if (door->count++ == 0)
		ev_io_start(handover->loop->ev, &door->writable);
	loop_arm(handover->loop, &waiting->deadline, WAIT_MS);
}

static void
waiting_on_deadline(struct wheel_entry *entry)
{
	waiting_refuse(container_of(entry, struct waiting, deadline), "the worker did not take the request in time");
}

/* Sends the request when all earlier replies have left, because from then on the sibling talks to the client. */
static void
waiting_leave(struct loop_call *call)
{
	struct waiting *waiting = container_of(call, struct waiting, leave);

	if (waiting->queued || conn_queued(http_request_conn(waiting->request)) > 0)
		return;
	if (waiting->handover->doors[waiting->slot].count > 0 || waiting_try_to_send(waiting) == EAGAIN)
		waiting_queue(waiting);
}

static void
waiting_on_drained(struct http_request *request, void *user)
{
	struct waiting *waiting = user;

	(void)request;
	loop_defer(waiting->handover->loop, &waiting->leave);
}

static void
waiting_on_abort(struct http_request *request, void *user)
{
	(void)request;
	waiting_free(user);
}

static const struct http_exchange_ops waiting_ops = {.on_complete = waiting_on_drained, .on_abort = waiting_on_abort};

void
handover_request(struct handover *handover, struct http_request *request, unsigned index)
{
	struct waiting *waiting = mem_zalloc(sizeof *waiting);

	must(index <= doors_successor(handover->setup.doors) && index != handover->setup.slot);
	waiting->handover = handover;
	waiting->request = request;
	waiting->slot = index;
	handover->waiting++;
	list_init(&waiting->link);
	loop_call_init(&waiting->leave, waiting_leave);
	wheel_entry_init(&waiting->deadline, waiting_on_deadline);
	http_hold(request, &waiting_ops, waiting);
	loop_defer(handover->loop,
		&waiting->leave); /* not now: bytes after the head are available only at the end of the turn */
}

int
handover_conn(struct handover *handover, struct conn *c, unsigned slot, enum handover_kind kind, struct text bytes)
{
	struct handover_guest guest = {.kind = kind, .secure = conn_is_tls(c), .bytes = bytes};
	int door = handover->setup.doors->send[slot], fd, why;

	must(slot < handover->setup.doors->count && slot != handover->setup.slot);
	guest.peer_len = conn_peer(c, &guest.peer);
	if (!conn_is_movable(c)) {
		why = door_send_pair(door, &guest, &fd);
		if (why == 0)
			relay_start(c, fd, handover->setup.limits, &handover->relays);
		return why;
	}
	why = door_send(door, conn_fd(c), &guest, conn_kept(c));
	if (why == 0) {
		loop_forget_fd(conn_loop(c), conn_fd(c));
		conn_close(c, REASON_HANDED_OVER);
	}
	return why;
}

bool
handover_end_relays(struct handover *handover)
{
	if (handover == NULL)
		return true;
	relay_end_all(&handover->relays);
	return list_empty(&handover->relays);
}

/* --------------------------------------------------------------- receiving */

/* Returns the descriptor of a message, or -1. The control buffer has room for the one that a message carries. */
static int
message_descriptor(struct msghdr *message)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
	int fd;

	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
		cmsg->cmsg_len != CMSG_LEN(sizeof fd))
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
	return fd;
}

static void
handover_unwatch(struct handover *handover, struct ev_io *watcher)
{
	if (!ev_is_active(watcher))
		return;
	ev_ref(handover->loop->ev);
	ev_io_stop(handover->loop->ev, watcher);
}

/* Returns false if no message waits. */
static bool
handover_receive(struct handover *handover, struct ev_io *door)
{
	struct iovec room = {handover->message, HANDOVER_HEAD + HANDOVER_BYTES_MAX};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct handover_guest guest;
	ssize_t n = recvmsg(door->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n == 0) /* all senders have ended, so the program that this one replaces is gone */
		handover_unwatch(handover, door);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	guest.fd = message_descriptor(&message);
	if (guest.fd >= 0 && !(message.msg_flags & MSG_TRUNC) &&
		handover_read(handover->message, (size_t)n, &guest) == 0) {
		counter_add(&handover->loop->counters, COUNT_HANDOVERS_TAKEN,
			guest.kind == HANDOVER_REQUEST && !handover_is_fresh(&guest));
		handover->setup.on_guest(handover->setup.arg, &guest);
		return true;
	}
	if (guest.fd >= 0)
		close(guest.fd);
	else
		counter_add(&handover->loop->counters, COUNT_ACCEPT_NO_FDS, 1);
	if (log_allow(&handover->lines, LINES_PER_SECOND, handover->loop->now))
		log_event(LOG_WARN, "handover_lost", "error",
			LOG_STR(guest.fd < 0 ? "no descriptor received: the limit of open files is reached"
					     : "malformed message"),
			NULL);
	return true;
}

static void
handover_on_guests(struct ev_loop *ev, struct ev_io *io, int events)
{
	(void)ev;
	(void)events;
	for (int i = 0; i < GUESTS_PER_TURN && handover_receive(io->data, io); i++)
		;
}

/* Watches a door. The watcher alone must not keep the loop running. */
static void
handover_watch(struct handover *handover, struct ev_io *watcher, int door)
{
	ev_io_init(watcher, handover_on_guests, door, EV_READ);
	watcher->data = handover;
	if (door < 0)
		return;
	ev_io_start(handover->loop->ev, watcher);
	ev_unref(handover->loop->ev);
}

struct handover *
handover_new(struct loop *l, const struct handover_setup *setup)
{
	const struct doors *doors = setup->doors;
	unsigned all = doors_successor(doors) + 1;
	struct handover *handover = mem_zalloc(sizeof *handover + all * sizeof handover->doors[0]);

	handover->loop = l;
	handover->setup = *setup;
	list_init(&handover->relays);
	handover->message = mem_alloc(HANDOVER_HEAD + HANDOVER_BYTES_MAX);
	for (unsigned i = 0; i < all; i++) {
		struct door *door = &handover->doors[i];

		door->handover = handover;
		list_init(&door->queue);
		ev_io_init(&door->writable, door_on_writable, doors_send_end(doors, i), EV_WRITE);
		door->writable.data = door;
	}
	handover_watch(handover, &handover->guests, doors->receive[setup->slot]);
	handover_watch(handover, &handover->strays, doors->strays);
	return handover;
}

void
handover_free(struct handover *handover)
{
	if (handover == NULL)
		return;
	must(handover->waiting == 0 && list_empty(&handover->relays));
	handover_unwatch(handover, &handover->guests);
	handover_unwatch(handover, &handover->strays);
	mem_free(handover->message);
	mem_free(handover);
}
