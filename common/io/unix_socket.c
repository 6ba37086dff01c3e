#include "common/io/unix_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"

#define ERROR_MAX 256

static int
unix_socket_new(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int
unix_socket_bind(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before = umask(0777 & ~mode); /* the file never exists with another mode */
	int result = bind(fd, (const struct sockaddr *)address, sizeof *address);

	umask(before);
	return result;
}

/* Returns true if no process listens on this socket, so its creator has ended. */
static bool
unix_socket_is_stale(const struct sockaddr_un *address)
{
	struct stat found;
	int fd, result, why;

	if (lstat(address->sun_path, &found) < 0 || !S_ISSOCK(found.st_mode))
		return false;
	fd = unix_socket_new();
	if (fd < 0)
		return false;
	result = connect(fd, (const struct sockaddr *)address, sizeof *address);
	why = errno;
	close(fd);
	return result < 0 && why == ECONNREFUSED;
}

static int
unix_socket_explain_error(const char *path, char *error)
{
	int why = errno;
	struct stat found;

	if (why != EADDRINUSE)
		snprintf(error, ERROR_MAX, "cannot listen at \"%.107s\": %.80s", path, strerror(why));
	else if (lstat(path, &found) == 0 && !S_ISSOCK(found.st_mode))
		snprintf(error, ERROR_MAX, "\"%.107s\" exists and is not a socket; choose another path", path);
	else
		snprintf(error, ERROR_MAX, "another program listens at \"%.107s\"; stop it or choose another path",
			path);
	return why == EADDRINUSE ? ERROR_EXISTS : ERROR_SYSTEM;
}

int
unix_socket_open(struct unix_socket *file, struct listener_set *out, const char *path, mode_t mode, char *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat made;
	int fd, result;

	*out = (struct listener_set){.count = 0};
	memset(file, 0, sizeof *file);
	if (strlen(path) > UNIX_SOCKET_PATH_MAX) {
		errno = ENAMETOOLONG;
		return unix_socket_explain_error(path, error);
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = unix_socket_new();
	if (fd < 0)
		return unix_socket_explain_error(path, error);
	result = unix_socket_bind(fd, &address, mode);
	if (result < 0 && errno == EADDRINUSE) {
		if (unix_socket_is_stale(&address))
			unlink(path);
		result = unix_socket_bind(fd, &address, mode);
	}
	if (result < 0 || listen(fd, SOMAXCONN) < 0 || lstat(path, &made) < 0) {
		result = unix_socket_explain_error(path, error);
		close(fd);
		return result;
	}
	memcpy(file->path, path, strlen(path));
	file->device = made.st_dev;
	file->inode = made.st_ino;
	out->fds[out->count++] = fd;
	return 0;
}

void
unix_socket_adopt(struct unix_socket *file, const char *path)
{
	struct stat found;

	memset(file, 0, sizeof *file);
	if (strlen(path) > UNIX_SOCKET_PATH_MAX || lstat(path, &found) < 0 || !S_ISSOCK(found.st_mode))
		return;
	memcpy(file->path, path, strlen(path));
	file->device = found.st_dev;
	file->inode = found.st_ino;
}

void
unix_socket_remove(struct unix_socket *file)
{
	struct stat found;

	if (file->path[0] != '\0' && lstat(file->path, &found) == 0 && found.st_dev == file->device &&
		found.st_ino == file->inode)
		unlink(file->path);
	file->path[0] = '\0';
}
