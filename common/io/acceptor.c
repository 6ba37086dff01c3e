#include "common/io/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 1000
#define LINES_PER_SECOND 1

static int
open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void
acceptor_init(struct acceptor *a)
{
	*a = (struct acceptor){.reserve_fd = open_reserve(), .pause_ms = PAUSE_MIN_MS};
}

void
acceptor_fini(struct acceptor *a)
{
	if (a->reserve_fd >= 0)
		close(a->reserve_fd);
	a->reserve_fd = -1;
}

/* These belong to the peer or its network, not to us (accept(2)): the next one may do. */
static bool
is_of_peer(int why)
{
	return why == EINTR || why == ECONNABORTED || why == EPROTO || why == ENETDOWN || why == ENOPROTOOPT ||
	       why == EHOSTDOWN || why == ENONET || why == EHOSTUNREACH || why == EOPNOTSUPP || why == ENETUNREACH ||
	       why == EPERM;
}

/* A descriptor; or -1 with errno, where the failure is not a peer's. */
static int
accept_one(int listening, struct sockaddr *peer, socklen_t *peer_len)
{
	socklen_t room = peer_len != NULL ? *peer_len : 0;
	int fd = -1;

	for (int i = 0; i < ACCEPTOR_AT_ONCE; i++) {
		if (peer_len != NULL)
			*peer_len = room;
		fd = accept4(listening, peer, peer_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0 || !is_of_peer(errno))
			return fd;
	}
	errno = EAGAIN; /* it stays readable, so the caller comes again */
	return -1;
}

static uint32_t
turn_away(struct acceptor *a, int listening)
{
	uint32_t n;
	int fd;

	acceptor_fini(a);
	for (n = 0; n < ACCEPTOR_AT_ONCE && (fd = accept_one(listening, NULL, NULL)) >= 0; n++)
		close(fd);
	a->reserve_fd = open_reserve();
	return n;
}

int
acceptor_next(struct acceptor *a, int listening, uint64_t now, struct sockaddr_storage *peer, socklen_t *peer_len)
{
	int fd, why;

	if (a->reserve_fd < 0)
		a->reserve_fd = open_reserve();
	*peer_len = sizeof *peer;
	fd = accept_one(listening, (struct sockaddr *)peer, peer_len);
	if (fd >= 0) {
		a->pause_ms = PAUSE_MIN_MS;
		return fd;
	}
	why = errno;
	if (why == EAGAIN || why == EWOULDBLOCK)
		return ACCEPTOR_NOBODY;
	a->turned_away = why == EMFILE || why == ENFILE ? turn_away(a, listening) : 0;
	a->paused_till = now + a->pause_ms;
	if (log_allow(&a->lines, LINES_PER_SECOND, now))
		log_event(LOG_WARN, "accept_paused", "error", LOG_STR(strerror(why)), "turned_away",
			LOG_INT(a->turned_away), "pause_ms", LOG_INT(a->pause_ms), NULL);
	a->pause_ms = a->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : a->pause_ms * 2;
	return ACCEPTOR_PAUSE;
}
