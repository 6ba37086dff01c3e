#include "node/process/proxy_accept.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "node/process/process_tables.h"

struct waiter {
	struct list link;
	struct proxy_accept *p;
	struct ev_io io;
	struct wheel_entry deadline;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	ssize_t seen; /* bytes at the last look */
};

void
proxy_accept_init(struct proxy_accept *p)
{
	list_init(&p->waiting);
	p->count = 0;
}

/* Gives up the descriptor, which is the caller's now. */
static int
waiter_free(struct waiter *w)
{
	int fd = w->io.fd;

	ev_io_stop(w->p->loop->ev, &w->io);
	loop_disarm(w->p->loop, &w->deadline);
	list_remove(&w->link);
	w->p->count--;
	w->p->loop->connections--;
	mem_free(w);
	return fd;
}

static void
drop(struct waiter *w, unsigned reason)
{
	w->p->loop->closed[reason]++;
	close(waiter_free(w));
}

static void
go_on(struct waiter *w, const struct proxy_header *header)
{
	struct proxy_accept *p = w->p;
	struct sockaddr_storage peer = header->client_len > 0 ? header->client : w->peer;
	socklen_t peer_len = header->client_len > 0 ? header->client_len : w->peer_len;
	int one = 1, fd = waiter_free(w);

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
	p->on_accept(p->arg, fd, (const struct sockaddr *)&peer, peer_len);
}

/* The bytes are only looked at until the header is whole: what follows belongs to TLS or HTTP. */
static void
on_readable(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct waiter *w = io->data;
	struct proxy_header header;
	char bytes[PROXY_HEADER_MAX];
	ssize_t n = recv(io->fd, bytes, sizeof bytes, MSG_PEEK);
	int64_t taken;
	int more;

	(void)ev;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(w, n == 0 ? REASON_PEER_CLOSED : REASON_RESET);
		return;
	}
	taken = proxy_header_parse(&header, text_of(bytes, (size_t)n));
	if (taken < 0 || (taken == 0 && n == (ssize_t)sizeof bytes)) {
		drop(w, REASON_PROXY_HEADER);
	} else if (taken == 0 && n == w->seen) {
		drop(w, REASON_PEER_CLOSED); /* woken up without more: there will be none */
	} else if (taken == 0) {
		w->seen = n;
		more = (int)n + 1; /* wake up when there is more than now */
		setsockopt(io->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof more);
	} else if (recv(io->fd, bytes, (size_t)taken, 0) != taken) {
		drop(w, REASON_RESET);
	} else {
		go_on(w, &header);
	}
}

static void
on_late(struct wheel_entry *entry)
{
	drop(container_of(entry, struct waiter, deadline), REASON_PROXY_HEADER);
}

void
proxy_accept_add(struct proxy_accept *p, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct waiter *w;

	if (p->count >= PROXY_WAITING_MAX) {
		p->loop->closed[REASON_TOO_MANY]++;
		close(fd);
		return;
	}
	w = mem_zalloc(sizeof *w);
	w->p = p;
	memcpy(&w->peer, peer, peer_len);
	w->peer_len = peer_len;
	list_add_tail(&p->waiting, &w->link);
	p->count++;
	p->loop->connections++; /* maxConnections counts those that wait too, or they would come in beyond it */
	wheel_entry_init(&w->deadline, on_late);
	loop_arm(p->loop, &w->deadline, p->timeout_ms);
	ev_io_init(&w->io, on_readable, fd, EV_READ);
	w->io.data = w;
	ev_io_start(p->loop->ev, &w->io);
}

void
proxy_accept_stop(struct proxy_accept *p)
{
	while (!list_empty(&p->waiting))
		drop(container_of(p->waiting.next, struct waiter, link), REASON_SHUTDOWN);
}
