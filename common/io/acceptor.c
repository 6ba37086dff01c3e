#include "common/io/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 1000
#define LINES_PER_SECOND 1

static int
acceptor_open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void
acceptor_init(struct acceptor *acceptor)
{
	*acceptor = (struct acceptor){.reserve_fd = acceptor_open_reserve(), .pause_ms = PAUSE_MIN_MS};
}

void
acceptor_fini(struct acceptor *acceptor)
{
	if (acceptor->reserve_fd >= 0)
		close(acceptor->reserve_fd);
	acceptor->reserve_fd = -1;
}

/* Errors caused by the peer or its network (accept(2)); the next connection may succeed. */
static bool
is_peer_error(int why)
{
	return why == EINTR || why == ECONNABORTED || why == EPROTO || why == ENETDOWN || why == ENOPROTOOPT ||
	       why == EHOSTDOWN || why == ENONET || why == EHOSTUNREACH || why == EOPNOTSUPP || why == ENETUNREACH ||
	       why == EPERM;
}

/* Returns a descriptor, or -1 with errno set if the failure is not a peer's. */
static int
acceptor_accept(int listening, struct sockaddr *peer, socklen_t *peer_len)
{
	socklen_t room = peer_len != NULL ? *peer_len : 0;
	int fd = -1;

	for (int i = 0; i < ACCEPTOR_AT_ONCE; i++) {
		if (peer_len != NULL)
			*peer_len = room;
		fd = accept4(listening, peer, peer_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0 || !is_peer_error(errno))
			return fd;
	}
	errno = EAGAIN; /* the socket stays readable, so the caller will try again */
	return -1;
}

static uint32_t
acceptor_turn_away(struct acceptor *acceptor, int listening)
{
	uint32_t n;
	int fd;

	acceptor_fini(acceptor);
	for (n = 0; n < ACCEPTOR_AT_ONCE && (fd = acceptor_accept(listening, NULL, NULL)) >= 0; n++)
		close(fd);
	acceptor->reserve_fd = acceptor_open_reserve();
	return n;
}

int
acceptor_next(
	struct acceptor *acceptor, int listening, uint64_t now, struct sockaddr_storage *peer, socklen_t *peer_len)
{
	int fd, why;

	if (acceptor->reserve_fd < 0)
		acceptor->reserve_fd = acceptor_open_reserve();
	*peer_len = sizeof *peer;
	fd = acceptor_accept(listening, (struct sockaddr *)peer, peer_len);
	if (fd >= 0) {
		acceptor->pause_ms = PAUSE_MIN_MS;
		return fd;
	}
	why = errno;
	if (why == EAGAIN || why == EWOULDBLOCK)
		return ACCEPTOR_NOBODY;
	acceptor->turned_away = why == EMFILE || why == ENFILE ? acceptor_turn_away(acceptor, listening) : 0;
	acceptor->paused_till = now + acceptor->pause_ms;
	if (log_allow(&acceptor->lines, LINES_PER_SECOND, now))
		log_event(LOG_WARN, "accept_paused", "error", LOG_STR(strerror(why)), "turned_away",
			LOG_INT(acceptor->turned_away), "pause_ms", LOG_INT(acceptor->pause_ms), NULL);
	acceptor->pause_ms = acceptor->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : acceptor->pause_ms * 2;
	return ACCEPTOR_PAUSE;
}
