/*
 * States of a listener:
 *
 *   state      event                                    next state
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

#define ERROR_MAX 256	   /* size of an error line, with its NUL */
#define LINES_PER_SECOND 1 /* limits the lines that connecting peers can cause */

struct listener {
	struct loop *loop;
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len);
	void *arg;
	uint32_t max_connections;
	struct acceptor acceptor;
	bool *freed; /* set to true by listener_free() inside on_accept */
	struct wheel_entry pause;
	struct log_limit too_many_lines;
	bool service;
	bool off; /* listener_set_accepting() */
	unsigned count;
	struct ev_io sockets[LISTENER_SOCKETS_MAX];
};

static void
listener_watch(struct listener *listener, bool on)
{
	for (unsigned i = 0; i < listener->count; i++) {
		if (on)
			ev_io_start(listener->loop->ev, &listener->sockets[i]);
		else
			ev_io_stop(listener->loop->ev, &listener->sockets[i]);
	}
}

static void
listener_on_pause_over(struct wheel_entry *entry)
{
	struct listener *listener = container_of(entry, struct listener, pause);

	listener_watch(listener, !listener->off);
}

static void
listener_pause(struct listener *listener)
{
	struct loop *l = listener->loop;

	counter_add(&l->counters, COUNT_ACCEPT_NO_FDS, 1);
	l->closed[REASON_NO_FDS] += listener->acceptor.turned_away;
	listener_watch(listener, false);
	loop_arm(l, &listener->pause, listener->acceptor.paused_till - l->now);
}

bool
listener_turns_away(struct listener *listener, int fd)
{
	struct loop *l = listener->loop;

	if (listener->max_connections == 0 || l->connections < listener->max_connections)
		return false;
	close(fd);
	l->closed[REASON_TOO_MANY]++;
	if (log_allow(&listener->too_many_lines, LINES_PER_SECOND, l->now))
		log_event(LOG_WARN, "too_many_connections", "limit", LOG_INT(listener->max_connections), NULL);
	return true;
}

static void
listener_accepted(struct listener *listener, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct loop *l = listener->loop;

	counter_add(listener->service ? &l->service_counters : &l->counters, COUNT_ACCEPTED, 1);
	if (!listener_turns_away(listener, fd))
		listener->on_accept(listener->arg, fd, peer, peer_len);
}

static void
listener_on_ready(struct ev_loop *ev, struct ev_io *watcher, int revents)
{
	struct listener *listener = watcher->data;
	bool freed = false;

	(void)ev;
	(void)revents;
	listener->freed = &freed;
	for (int i = 0; i < ACCEPTOR_AT_ONCE; i++) {
		struct sockaddr_storage peer;
		socklen_t peer_len;
		int fd = acceptor_next(&listener->acceptor, watcher->fd, listener->loop->now, &peer, &peer_len);

		if (fd == ACCEPTOR_PAUSE)
			listener_pause(listener);
		if (fd < 0)
			break;
		listener_accepted(listener, fd, (struct sockaddr *)&peer, peer_len);
		if (freed)
			return;
	}
	listener->freed = NULL;
}

static int
socket_set_flag(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/*
 * A port shared by several workers must still be refused if another program uses it, even if that program shares it
 * too. The first socket is therefore bound exclusively and opened for sharing afterwards.
 */
static int
listener_bind(int fd, const struct sockaddr *address, socklen_t len, const struct listener_options *options)
{
	if (options->join_port && socket_set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -1;
	if (bind(fd, address, len) < 0)
		return -1;
	return options->share_port && !options->join_port ? socket_set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
}

/* Returns a listening socket on `address`, or -1 with errno set. */
static int
listener_open_socket(
	const struct sockaddr *address, socklen_t len, const struct listener_options *options, bool dual_stack)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why;

	if (fd < 0)
		return -1;
	if (socket_set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
		(address->sa_family == AF_INET6 && socket_set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual_stack) < 0) ||
		/* accepted sockets inherit it, which saves a system call for each */
		socket_set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 ||
		listener_bind(fd, address, len, options) < 0 ||
		listen(fd, options->backlog > 0 ? options->backlog : INT16_MAX) < 0) {
		why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static uint16_t
socket_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

static int
listener_explain_error(int why, const struct listener_options *options, char *error)
{
	const char *host = options->host != NULL && options->host[0] != '\0' ? options->host : "*";

	if (why == EADDRINUSE)
		snprintf(error, ERROR_MAX, "port %u is in use by another program; stop it or choose another port",
			options->port);
	else if (why == EACCES)
		snprintf(error, ERROR_MAX,
			"port %u requires privileges; use a port from 1024 up, or grant CAP_NET_BIND_SERVICE",
			options->port);
	else if (why == EADDRNOTAVAIL)
		snprintf(error, ERROR_MAX,
			"\"%.100s\" is not an address of this machine; use one of its own addresses", host);
	else
		snprintf(error, ERROR_MAX, "cannot listen on \"%.100s\" port %u: %.80s", host, options->port,
			strerror(why));
	return ERROR_SYSTEM;
}

/* Opens one IPv6 socket that also accepts IPv4, or an IPv4 socket if the machine has no IPv6. */
static int
listener_open_wildcard(struct listener_set *set, const struct listener_options *options, char *error)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(options->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(options->port)};
	int fd = listener_open_socket((struct sockaddr *)&six, sizeof(six), options, true);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL || errno == EPROTONOSUPPORT))
		fd = listener_open_socket((struct sockaddr *)&four, sizeof(four), options, false);
	if (fd < 0)
		return listener_explain_error(errno, options, error);
	set->fds[set->count++] = fd;
	return 0;
}

static bool
address_is_repeated(const struct addrinfo *all, const struct addrinfo *one)
{
	for (; all != one; all = all->ai_next)
		if (all->ai_addrlen == one->ai_addrlen && memcmp(all->ai_addr, one->ai_addr, one->ai_addrlen) == 0)
			return true;
	return false;
}

/* Opens a socket for every address of the name ("localhost" is ::1 and 127.0.0.1), all on the port of the first. */
static int
listener_open_host(struct listener_set *set, const struct listener_options *options, char *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *all, *one;
	struct listener_options same = *options;
	char service[8];
	int why;

	snprintf(service, sizeof(service), "%u", options->port);
	why = getaddrinfo(options->host, service, &hints, &all);
	if (why != 0) {
		snprintf(error, ERROR_MAX,
			"cannot resolve host \"%.100s\": %.80s; use a name or address of this machine", options->host,
			gai_strerror(why));
		return ERROR_SYSTEM;
	}
	why = 0;
	for (one = all; one != NULL && set->count < LISTENER_SOCKETS_MAX; one = one->ai_next) {
		if (address_is_repeated(all, one))
			continue;
		if (one->ai_family == AF_INET6)
			((struct sockaddr_in6 *)one->ai_addr)->sin6_port = htons(same.port);
		else if (one->ai_family == AF_INET)
			((struct sockaddr_in *)one->ai_addr)->sin_port = htons(same.port);
		int fd = listener_open_socket(one->ai_addr, one->ai_addrlen, &same, false);

		if (fd >= 0) {
			set->fds[set->count++] = fd;
			same.port = socket_port(fd);
		} else if (why == 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
			why = errno;
		}
	}
	freeaddrinfo(all);
	/* a missing address family is not a failure if another one works */
	if (set->count > 0 && (why == 0 || why == EAFNOSUPPORT || why == EADDRNOTAVAIL))
		return 0;
	return listener_explain_error(why, &same, error);
}

int
listener_set_open(struct listener_set *out, const struct listener_options *options, char *error)
{
	int result;

	*out = (struct listener_set){.count = 0};
	result = options->host == NULL || options->host[0] == '\0' ? listener_open_wildcard(out, options, error)
								   : listener_open_host(out, options, error);
	if (result < 0)
		listener_set_close(out);
	return result;
}

uint16_t
listener_set_port(const struct listener_set *set)
{
	return set->count > 0 ? socket_port(set->fds[0]) : 0;
}

void
listener_set_close(struct listener_set *set)
{
	while (set->count > 0)
		close(set->fds[--set->count]);
}

/* -------------------------------------------------------- sharing among sets */

/* The sockets of one address among those that are distributed. */
struct shared_address {
	struct sockaddr_storage name;
	socklen_t len;
	unsigned count, placed;
};

/* Returns the entry of the socket's address, which is added if it is new; NULL if there are too many. */
static struct shared_address *
shared_address_of(struct shared_address all[LISTENER_SOCKETS_MAX], unsigned *known, int fd)
{
	struct shared_address own = {.len = sizeof own.name};

	if (getsockname(fd, (struct sockaddr *)&own.name, &own.len) < 0)
		return NULL;
	for (unsigned i = 0; i < *known; i++) {
		if (all[i].len == own.len && memcmp(&all[i].name, &own.name, own.len) == 0)
			return &all[i];
	}
	if (*known == LISTENER_SOCKETS_MAX)
		return NULL;
	all[*known] = own;
	return &all[(*known)++];
}

/* Takes `fd` over: closes it if the set is full. */
static bool
listener_set_add(struct listener_set *set, int fd)
{
	if (fd >= 0 && set->count < LISTENER_SOCKETS_MAX) {
		set->fds[set->count++] = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

/* The i-th socket of an address goes to set i and, if the address has fewer sockets than there are sets, to others.
 */
static bool
listener_sets_place(struct listener_set *const sets[], unsigned count, struct shared_address *address, int fd)
{
	unsigned i = address->placed++;
	bool fits = true;

	for (unsigned set = i + address->count; set < count && fits; set += address->count)
		fits = listener_set_add(sets[set], fcntl(fd, F_DUPFD_CLOEXEC, 0));
	return listener_set_add(sets[i % count], fd) && fits;
}

int
listener_sets_share(struct listener_set *const sets[], unsigned count, const int *fds, unsigned n, char *error)
{
	struct shared_address addresses[LISTENER_SOCKETS_MAX], *address;
	unsigned known = 0, left = n;
	bool fits = true;

	for (unsigned i = 0; i < n && fits; i++) {
		address = shared_address_of(addresses, &known, fds[i]);
		fits = address != NULL;
		if (fits)
			address->count++;
	}
	while (left > 0 && fits) {
		address = shared_address_of(addresses, &known, fds[n - left]);
		fits = listener_sets_place(sets, count, address, fds[n - left]);
		left--;
	}
	while (left > 0)
		close(fds[n - left--]);
	if (fits)
		return 0;
	snprintf(error, ERROR_MAX, "cannot take over %u listening sockets with %u workers; use more workers", n,
		count);
	return ERROR_TOO_MANY;
}

struct listener *
listener_start(struct loop *l, struct listener_set *set, uint32_t max_connections,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg)
{
	struct listener *listener = mem_zalloc(sizeof(*listener));

	listener->loop = l;
	listener->on_accept = on_accept;
	listener->arg = arg;
	listener->max_connections = max_connections;
	acceptor_init(&listener->acceptor);
	wheel_entry_init(&listener->pause, listener_on_pause_over);
	for (; listener->count < set->count; listener->count++) {
		struct ev_io *watcher = &listener->sockets[listener->count];

		ev_io_init(watcher, listener_on_ready, set->fds[listener->count], EV_READ);
		watcher->data = listener;
	}
	set->count = 0;
	listener_watch(listener, true);
	return listener;
}

int
listener_open(struct listener **out, struct loop *l, const struct listener_options *options,
	void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len), void *arg, char *error)
{
	struct listener_set set;
	int result = listener_set_open(&set, options, error);

	if (result == 0)
		*out = listener_start(l, &set, options->max_connections, on_accept, arg);
	return result;
}

void
listener_adopt(struct listener *listener, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	listener_accepted(listener, fd, peer, peer_len);
}

void
listener_set_service(struct listener *listener)
{
	listener->service = true;
}

void
listener_set_accepting(struct listener *listener, bool on)
{
	if (listener->off != on)
		return;
	listener->off = !on;
	if (!wheel_armed(&listener->pause))
		listener_watch(listener, on);
}

uint16_t
listener_port(const struct listener *listener)
{
	return socket_port(listener->sockets[0].fd);
}

void
listener_free(struct listener *listener)
{
	if (listener == NULL)
		return;
	if (listener->freed != NULL)
		*listener->freed = true;
	listener_watch(listener, false);
	loop_disarm(listener->loop, &listener->pause);
	for (unsigned i = 0; i < listener->count; i++) {
		loop_forget_fd(listener->loop, listener->sockets[i].fd);
		close(listener->sockets[i].fd);
	}
	acceptor_fini(&listener->acceptor);
	mem_free(listener);
}

uint64_t
listener_raise_fd_limit(void)
{
	struct rlimit now, wanted;
	rlim_t ceiling = 1048576; /* default of fs.nr_open; more is refused even to root */

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
