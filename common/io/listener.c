/*
 *   state      leaves by                                to
 *   accepting  EMFILE, ENFILE, ENOBUFS, ENOMEM          pausing, after closing the waiting peers
 *   pausing    the pause of the acceptor is over        accepting
 */
#include "common/io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/acceptor.h"
#include "common/io/log.h"

#define ERROR_MAX 256	   /* room for a line, with its NUL */
#define LINES_PER_SECOND 1 /* whoever knocks too often shall not fill the log */

struct listener {
	struct loop *loop;
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len);
	void *arg;
	uint32_t max_connections;
	struct acceptor acceptor;
	bool *freed; /* set by listener_free() inside on_accept */
	struct wheel_entry pause;
	struct log_limit too_many_lines;
	bool service;
	unsigned count;
	struct ev_io sockets[LISTENER_SOCKETS_MAX];
};

static void
watch(struct listener *li, bool on)
{
	for (unsigned i = 0; i < li->count; i++) {
		if (on)
			ev_io_start(li->loop->ev, &li->sockets[i]);
		else
			ev_io_stop(li->loop->ev, &li->sockets[i]);
	}
}

static void
on_pause_over(struct wheel_entry *entry)
{
	watch(container_of(entry, struct listener, pause), true);
}

static void
pause_accepting(struct listener *li)
{
	struct loop *l = li->loop;

	counter_add(&l->counters, COUNT_ACCEPT_NO_FDS, 1);
	l->closed[REASON_NO_FDS] += li->acceptor.turned_away;
	watch(li, false);
	loop_arm(l, &li->pause, li->acceptor.paused_till - l->now);
}

bool
listener_turns_away(struct listener *li, int fd)
{
	struct loop *l = li->loop;

	if (li->max_connections == 0 || l->connections < li->max_connections)
		return false;
	close(fd);
	l->closed[REASON_TOO_MANY]++;
	if (log_allow(&li->too_many_lines, LINES_PER_SECOND, l->now))
		log_event(LOG_WARN, "too_many_connections", "limit", LOG_INT(li->max_connections), NULL);
	return true;
}

static void
accepted(struct listener *li, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct loop *l = li->loop;

	counter_add(li->service ? &l->service_counters : &l->counters, COUNT_ACCEPTED, 1);
	if (!listener_turns_away(li, fd))
		li->on_accept(li->arg, fd, peer, peer_len);
}

static void
on_ready(struct ev_loop *ev, struct ev_io *w, int revents)
{
	struct listener *li = w->data;
	bool freed = false;

	(void)ev;
	(void)revents;
	li->freed = &freed;
	for (int i = 0; i < ACCEPTOR_AT_ONCE; i++) {
		struct sockaddr_storage peer;
		socklen_t peer_len;
		int fd = acceptor_next(&li->acceptor, w->fd, li->loop->now, &peer, &peer_len);

		if (fd == ACCEPTOR_PAUSE)
			pause_accepting(li);
		if (fd < 0)
			break;
		accepted(li, fd, (struct sockaddr *)&peer, peer_len);
		if (freed)
			return;
	}
	li->freed = NULL;
}

static int
set_flag(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/*
 * A port shared by the sockets of several workers must still be refused when another program has it, even one that
 * shares too: so the first socket is bound alone, and opened to the others afterwards.
 */
static int
bind_socket(int fd, const struct sockaddr *address, socklen_t len, const struct listener_options *o)
{
	if (o->join_port && set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -1;
	if (bind(fd, address, len) < 0)
		return -1;
	return o->share_port && !o->join_port ? set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
}

/* A listening socket on `address`, or -1 with errno. */
static int
open_socket(const struct sockaddr *address, socklen_t len, const struct listener_options *o, bool dual_stack)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why;

	if (fd < 0)
		return -1;
	if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
		(address->sa_family == AF_INET6 && set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual_stack) < 0) ||
		/* accepted sockets inherit it: one system call less for each */
		set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 || bind_socket(fd, address, len, o) < 0 ||
		listen(fd, o->backlog > 0 ? o->backlog : INT16_MAX) < 0) {
		why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

static int
explain(int why, const struct listener_options *o, char *error)
{
	const char *host = o->host != NULL && o->host[0] != '\0' ? o->host : "*";

	if (why == EADDRINUSE)
		snprintf(error, ERROR_MAX, "port %u is in use by another program; stop it or choose another port",
			o->port);
	else if (why == EACCES)
		snprintf(error, ERROR_MAX,
			"port %u needs privileges; choose one from 1024 up, or grant CAP_NET_BIND_SERVICE", o->port);
	else if (why == EADDRNOTAVAIL)
		snprintf(error, ERROR_MAX, "\"%.100s\" is not an address of this machine; choose one of its own",
			host);
	else
		snprintf(
			error, ERROR_MAX, "cannot listen on \"%.100s\" port %u: %.80s", host, o->port, strerror(why));
	return ERROR_SYSTEM;
}

/* One IPv6 socket that takes IPv4 too; IPv4 alone where the machine has no IPv6. */
static int
open_all(struct listener_set *set, const struct listener_options *o, char *error)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(o->port)};
	int fd = open_socket((struct sockaddr *)&six, sizeof(six), o, true);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL || errno == EPROTONOSUPPORT))
		fd = open_socket((struct sockaddr *)&four, sizeof(four), o, false);
	if (fd < 0)
		return explain(errno, o, error);
	set->fds[set->count++] = fd;
	return 0;
}

static bool
is_repeated(const struct addrinfo *all, const struct addrinfo *one)
{
	for (; all != one; all = all->ai_next)
		if (all->ai_addrlen == one->ai_addrlen && memcmp(all->ai_addr, one->ai_addr, one->ai_addrlen) == 0)
			return true;
	return false;
}

/* Every address of the name ("localhost" is ::1 and 127.0.0.1), all on the port of the first. */
static int
open_host(struct listener_set *set, const struct listener_options *o, char *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *all, *one;
	struct listener_options same = *o;
	char service[8];
	int why;

	snprintf(service, sizeof(service), "%u", o->port);
	why = getaddrinfo(o->host, service, &hints, &all);
	if (why != 0) {
		snprintf(error, ERROR_MAX,
			"host \"%.100s\" is unknown: %.80s; give a name or address of this machine", o->host,
			gai_strerror(why));
		return ERROR_ARGUMENT;
	}
	why = 0;
	for (one = all; one != NULL && set->count < LISTENER_SOCKETS_MAX; one = one->ai_next) {
		if (is_repeated(all, one))
			continue;
		if (one->ai_family == AF_INET6)
			((struct sockaddr_in6 *)one->ai_addr)->sin6_port = htons(same.port);
		else if (one->ai_family == AF_INET)
			((struct sockaddr_in *)one->ai_addr)->sin_port = htons(same.port);
		int fd = open_socket(one->ai_addr, one->ai_addrlen, &same, false);

		if (fd >= 0) {
			set->fds[set->count++] = fd;
			same.port = port_of(fd);
		} else if (why == 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
			why = errno;
		}
	}
	freeaddrinfo(all);
	/* an address family that this machine lacks is no failure as long as another one serves */
	if (set->count > 0 && (why == 0 || why == EAFNOSUPPORT || why == EADDRNOTAVAIL))
		return 0;
	return explain(why, &same, error);
}

int
listener_set_open(struct listener_set *out, const struct listener_options *o, char *error)
{
	int result;

	*out = (struct listener_set){.count = 0};
	result = o->host == NULL || o->host[0] == '\0' ? open_all(out, o, error) : open_host(out, o, error);
	if (result < 0)
		listener_set_close(out);
	return result;
}

uint16_t
listener_set_port(const struct listener_set *set)
{
	return set->count > 0 ? port_of(set->fds[0]) : 0;
}

void
listener_set_close(struct listener_set *set)
{
	while (set->count > 0)
		close(set->fds[--set->count]);
}

struct listener *
listener_start(struct loop *l, struct listener_set *set, uint32_t max_connections,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg)
{
	struct listener *li = mem_zalloc(sizeof(*li));

	li->loop = l;
	li->on_accept = on_accept;
	li->arg = arg;
	li->max_connections = max_connections;
	acceptor_init(&li->acceptor);
	wheel_entry_init(&li->pause, on_pause_over);
	for (; li->count < set->count; li->count++) {
		struct ev_io *w = &li->sockets[li->count];

		ev_io_init(w, on_ready, set->fds[li->count], EV_READ);
		w->data = li;
	}
	set->count = 0;
	watch(li, true);
	return li;
}

int
listener_open(struct listener **out, struct loop *l, const struct listener_options *o,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg, char *error)
{
	struct listener_set set;
	int result = listener_set_open(&set, o, error);

	if (result == 0)
		*out = listener_start(l, &set, o->max_connections, on_accept, arg);
	return result;
}

void
listener_adopt(struct listener *li, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	accepted(li, fd, peer, peer_len);
}

void
listener_set_service(struct listener *li)
{
	li->service = true;
}

uint16_t
listener_port(const struct listener *li)
{
	return port_of(li->sockets[0].fd);
}

void
listener_free(struct listener *li)
{
	if (li == NULL)
		return;
	if (li->freed != NULL)
		*li->freed = true;
	watch(li, false);
	loop_disarm(li->loop, &li->pause);
	for (unsigned i = 0; i < li->count; i++) {
		loop_forget_fd(li->loop, li->sockets[i].fd);
		close(li->sockets[i].fd);
	}
	acceptor_fini(&li->acceptor);
	mem_free(li);
}

uint64_t
listener_raise_fd_limit(void)
{
	struct rlimit now, wanted;
	rlim_t ceiling = 1048576; /* fs.nr_open's default: more is refused even to root */

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return 0;
	wanted = now;
	if (wanted.rlim_max < ceiling)
		wanted.rlim_max = ceiling;
	wanted.rlim_cur = wanted.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return wanted.rlim_cur;
	wanted = now;
	wanted.rlim_cur = now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return wanted.rlim_cur;
	return now.rlim_cur;
}
