#include "common/io/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/io/log.h"

#define FIRST_FD 3    /* first descriptor from a service manager: SD_LISTEN_FDS_START */
#define FDS_MAX 65536 /* maximum value of $LISTEN_FDS */

/* Adds a group. `name` and `key` are copied; with TEXT_NONE as the key, the group has no key. */
static struct inherited_group *
inherited_add(struct inherited *inherited, struct text name, struct text key)
{
	struct inherited_group *group;

	inherited->groups = mem_realloc(inherited->groups, (inherited->count + 1) * sizeof inherited->groups[0]);
	group = &inherited->groups[inherited->count++];
	*group = (struct inherited_group){
		.name = mem_text(name.at, name.n), .key = key.at ? mem_text(key.at, key.n) : NULL};
	return group;
}

/* Adds a descriptor to a group and sets its flags. Returns 0 or ERROR_SYSTEM. */
static int
group_add_fd(struct inherited_group *group, int fd)
{
	struct stat about;
	int on = 1;

	if (fstat(fd, &about) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
		(S_ISSOCK(about.st_mode) && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0))
		return ERROR_SYSTEM;
	/* as listener.c does; has no effect on other descriptors */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	group->fds = mem_realloc(group->fds, (group->count + 1) * sizeof group->fds[0]);
	group->fds[group->count++] = fd;
	return 0;
}

/* ------------------------------------------------------- a service manager */

/* Writes unix:///path if the socket has a name in the file system, else "". */
static void
socket_unix_address(int fd, char out[sizeof(struct sockaddr_un) + 16])
{
	struct sockaddr_un address;
	socklen_t len = sizeof address;

	memset(&address, 0, sizeof address);
	out[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.sun_family == AF_UNIX &&
		address.sun_path[0] == '/')
		snprintf(out, sizeof address + 16, "unix://%.*s", (int)sizeof address.sun_path, address.sun_path);
}

/* Returns true for a listening stream socket. */
static bool
socket_listens(int fd)
{
	int listens = 0, type = 0;
	socklen_t len = sizeof listens;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/*
 * Returns the group for a socket of a service manager. All sockets for clients share one group, because the server
 * listens on all of them. Each socket for backends has a group of its own, which is found by its address.
 */
static struct inherited_group *
listened_group(struct inherited *inherited, struct text name, int fd)
{
	char address[sizeof(struct sockaddr_un) + 16];
	struct inherited_group *group;

	if (text_is(name, TEXT(INHERITED_BACKEND))) {
		socket_unix_address(fd, address);
		return inherited_add(inherited, name, address[0] ? text_from(address) : TEXT_NONE);
	}
	if (!text_is(name, TEXT(INHERITED_ADMIN)))
		name = TEXT(INHERITED_CLIENTS);
	for (group = inherited->groups; group < inherited->groups + inherited->count; group++) {
		if (text_is(name, text_from(group->name)))
			return group;
	}
	return inherited_add(inherited, name, TEXT_NONE);
}

static int
inherited_read_listened(struct inherited *inherited, char error[INHERITED_ERROR_MAX])
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	struct text rest = names ? text_from(names) : TEXT(""), name;
	uint64_t number, count;

	if (!pid || !fds || text_number(text_from(pid), INT32_MAX, &number) < 0 || number != (uint64_t)getpid())
		return 0; /* the variables are missing, or meant for another process */
	if (text_number(text_from(fds), FDS_MAX, &count) < 0) {
		snprintf(error, INHERITED_ERROR_MAX, "LISTEN_FDS=%.100s is not a number of sockets", fds);
		return ERROR_SYNTAX;
	}
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)count; fd++) {
		if (!text_cut(&rest, ':', &name))
			name = TEXT("");
		if (!socket_listens(fd) || group_add_fd(listened_group(inherited, name, fd), fd) < 0) {
			snprintf(error, INHERITED_ERROR_MAX,
				"descriptor %d of LISTEN_FDS is not a listening stream socket; check the socket unit",
				fd);
			return ERROR_SYSTEM;
		}
	}
	return 0;
}

/* --------------------------------------------------------- the predecessor */

/* Returns the group of a line: the last group if it has this name and key, otherwise a new group. */
static struct inherited_group *
inherited_group_of(struct inherited *inherited, struct text name, struct text key)
{
	struct inherited_group *group = inherited->count > 0 ? &inherited->groups[inherited->count - 1] : NULL;

	if (group && group->of_predecessor && text_is(name, text_from(group->name)) &&
		text_is(key, text_from(group->key)))
		return group;
	group = inherited_add(inherited, name, key);
	group->of_predecessor = true;
	return group;
}

static int
inherited_read_line(struct inherited *inherited, struct text line)
{
	struct text name, key, number;
	struct inherited_group *group;
	uint64_t fd;

	if (!text_cut(&line, ' ', &name) || !text_cut(&line, ' ', &key))
		return ERROR_SYNTAX;
	group = inherited_group_of(inherited, name, text_is(key, TEXT("*")) ? TEXT("") : key);
	while (text_cut(&line, ' ', &number)) {
		if (text_number(number, INT32_MAX, &fd) < 0)
			return ERROR_SYNTAX;
		if (group_add_fd(group, (int)fd) < 0)
			return ERROR_SYSTEM;
	}
	return 0;
}

static int
inherited_read_predecessor(struct inherited *inherited, char error[INHERITED_ERROR_MAX])
{
	const char *value = getenv(INHERITED_VARIABLE);
	struct text rest = value ? text_from(value) : TEXT(""), line;

	while (text_cut(&rest, '\n', &line)) {
		int result = inherited_read_line(inherited, line);

		if (result < 0) {
			snprintf(error, INHERITED_ERROR_MAX,
				INHERITED_VARIABLE ": %s; only a server that SIGUSR2 upgrades sets this variable",
				result == ERROR_SYNTAX ? error_text(result) : strerror(errno));
			return result;
		}
	}
	return 0;
}

void
inherited_write(struct buffer *out, const char *name, const char *key, const int *fds, unsigned count)
{
	buffer_printf(out, "%s %s", name, key[0] ? key : "*");
	for (unsigned i = 0; i < count; i++)
		buffer_printf(out, " %d", fds[i]);
	buffer_add_byte(out, '\n');
}

void
inherited_keep_open(struct text text)
{
	struct text line, part;
	uint64_t fd;

	while (text_cut(&text, '\n', &line)) {
		text_cut(&line, ' ', &part);
		text_cut(&line, ' ', &part);
		while (text_cut(&line, ' ', &part)) {
			if (text_number(part, INT32_MAX, &fd) == 0)
				fcntl((int)fd, F_SETFD, 0);
		}
	}
}

/* -------------------------------------------------------------------- both */

int
inherited_read(struct inherited *inherited, char error[INHERITED_ERROR_MAX])
{
	int result;

	*inherited = (struct inherited){.count = 0};
	result = inherited_read_listened(inherited, error);
	if (result == 0)
		result = inherited_read_predecessor(inherited, error);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv(INHERITED_VARIABLE);
	return result;
}

struct inherited_group *
inherited_find(const struct inherited *inherited, const char *name, const char *key)
{
	for (unsigned i = 0; inherited && i < inherited->count; i++) {
		struct inherited_group *group = &inherited->groups[i];

		if (strcmp(group->name, name) == 0 && (!key || !group->key || strcmp(group->key, key) == 0))
			return group;
	}
	return NULL;
}

bool
inherited_take(struct inherited_group *group, struct listener_set *out)
{
	if (!group || group->count == 0 || group->count > LISTENER_SOCKETS_MAX)
		return false;
	memcpy(out->fds, group->fds, group->count * sizeof group->fds[0]);
	out->count = group->count;
	group->count = 0;
	return true;
}

int
inherited_take_one(struct inherited_group *group)
{
	int fd;

	if (!group || group->count == 0)
		return -1;
	fd = group->fds[0];
	memmove(group->fds, group->fds + 1, --group->count * sizeof group->fds[0]);
	return fd;
}

void
inherited_free(struct inherited *inherited)
{
	for (unsigned i = 0; i < inherited->count; i++) {
		struct inherited_group *group = &inherited->groups[i];

		if (group->count > 0 && !group->of_predecessor)
			log_event(LOG_WARN, "inherited", "error",
				LOG_STR("no option uses the sockets that the service manager has opened"), "name",
				LOG_STR(group->name), "sockets", LOG_INT(group->count), NULL);
		while (group->count > 0)
			close(group->fds[--group->count]);
		mem_free(group->fds);
		mem_free(group->name);
		mem_free(group->key);
	}
	mem_free(inherited->groups);
	*inherited = (struct inherited){.count = 0};
}
