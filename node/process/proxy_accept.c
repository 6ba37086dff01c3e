#include "node/process/proxy_accept.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "node/process/process_tables.h"

struct waiter {
	struct list link;
	struct proxy_accept *owner;
	struct ev_io io;
	struct wheel_entry deadline;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	ssize_t seen; /* bytes available at the last look */
};

void
proxy_accept_init(struct proxy_accept *proxied)
{
	list_init(&proxied->waiting);
	proxied->count = 0;
}

/* Returns the descriptor, which the caller owns from now on. */
static int
waiter_free(struct waiter *waiter)
{
	int fd = waiter->io.fd;

	ev_io_stop(waiter->owner->loop->ev, &waiter->io);
	loop_disarm(waiter->owner->loop, &waiter->deadline);
	list_remove(&waiter->link);
	waiter->owner->count--;
	waiter->owner->loop->connections--;
	mem_free(waiter);
	return fd;
}

static void
waiter_drop(struct waiter *waiter, unsigned reason)
{
	waiter->owner->loop->closed[reason]++;
	close(waiter_free(waiter));
}

static void
waiter_accept(struct waiter *waiter, const struct proxy_header *header)
{
	struct proxy_accept *proxied = waiter->owner;
	struct sockaddr_storage peer = header->client_len > 0 ? header->client : waiter->peer;
	socklen_t peer_len = header->client_len > 0 ? header->client_len : waiter->peer_len;
	int one = 1, fd = waiter_free(waiter);

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
	proxied->on_accept(proxied->arg, fd, (const struct sockaddr *)&peer, peer_len);
}

/* Peeks at the bytes until the header is complete, because the bytes after the header belong to TLS or HTTP. */
static void
waiter_on_readable(struct ev_loop *ev, struct ev_io *io, int events)
{
	struct waiter *waiter = io->data;
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
		waiter_drop(waiter, n == 0 ? REASON_PEER_CLOSED : REASON_RESET);
		return;
	}
	taken = proxy_header_parse(&header, text_of(bytes, (size_t)n));
	if (taken < 0 || (taken == 0 && n == (ssize_t)sizeof bytes)) {
		waiter_drop(waiter, REASON_PROXY_HEADER);
	} else if (taken == 0 && n == waiter->seen) {
		waiter_drop(
			waiter, REASON_PEER_CLOSED); /* readable without new bytes: the peer has finished sending */
	} else if (taken == 0) {
		waiter->seen = n;
		more = (int)n + 1; /* wake up only for new bytes */
		setsockopt(io->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof more);
	} else if (recv(io->fd, bytes, (size_t)taken, 0) != taken) {
		waiter_drop(waiter, REASON_RESET);
	} else {
		waiter_accept(waiter, &header);
	}
}

static void
waiter_on_timeout(struct wheel_entry *entry)
{
	waiter_drop(container_of(entry, struct waiter, deadline), REASON_PROXY_HEADER);
}

void
proxy_accept_add(struct proxy_accept *proxied, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct waiter *waiter;

	if (proxied->count >= PROXY_WAITING_MAX) {
		proxied->loop->closed[REASON_TOO_MANY]++;
		close(fd);
		return;
	}
	waiter = mem_zalloc(sizeof *waiter);
	waiter->owner = proxied;
	memcpy(&waiter->peer, peer, peer_len);
	waiter->peer_len = peer_len;
	list_add_tail(&proxied->waiting, &waiter->link);
	proxied->count++;
	proxied->loop->connections++; /* counted in maxConnections, which accepting it later must not exceed */
	wheel_entry_init(&waiter->deadline, waiter_on_timeout);
	loop_arm(proxied->loop, &waiter->deadline, proxied->timeout_ms);
	ev_io_init(&waiter->io, waiter_on_readable, fd, EV_READ);
	waiter->io.data = waiter;
	ev_io_start(proxied->loop->ev, &waiter->io);
}

void
proxy_accept_stop(struct proxy_accept *proxied)
{
	while (!list_empty(&proxied->waiting))
		waiter_drop(container_of(proxied->waiting.next, struct waiter, link), REASON_SHUTDOWN);
}
