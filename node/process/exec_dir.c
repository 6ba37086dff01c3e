#include "node/process/exec_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX_TRIED 10 /* several containers may share a folder, each with a master of the same number */

/* It is nobody else's and stands where it did. */
static bool
is_ours(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && opened.st_uid == geteuid() && (opened.st_mode & 077) == 0 &&
	       stat(path, &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* The path is short enough for a socket in it; makes or takes over that directory. */
static int
take(struct exec_dir *d)
{
	bool made = mkdir(d->path, 0700) == 0;

	if (!made && errno != EEXIST)
		return -1;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd < 0) {
		if (made)
			rmdir(d->path);
		else
			errno = EEXIST; /* somebody else's, or no directory */
		return -1;
	}
	if (flock(d->fd, LOCK_EX | LOCK_NB) == 0 && is_ours(d->fd, d->path)) {
		unlinkat(d->fd, EXEC_SOCKET, 0);
		return 0;
	}
	close(d->fd);
	d->fd = -1;
	errno = EEXIST;
	return -1;
}

static int
make_under(struct exec_dir *d, const char *parent)
{
	for (unsigned i = 1; i <= NAMES_MAX_TRIED; i++) {
		char more[16] = "";
		int n;

		if (i > 1)
			snprintf(more, sizeof more, "-%u", i);
		n = snprintf(d->path, sizeof d->path, "%s/sockeye-%ld%s", parent, (long)getpid(), more);
		if (n < 0 || (size_t)n >= sizeof d->path) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (take(d) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int
exec_dir_make(struct exec_dir *d)
{
	const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/run", "/tmp"};

	d->fd = -1;
	for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
		if (!parents[i] || parents[i][0] != '/' || make_under(d, parents[i]) < 0)
			continue;
		snprintf(d->address, sizeof d->address, "unix://%s/" EXEC_SOCKET, d->path);
		return 0;
	}
	d->path[0] = '\0';
	return -1;
}

void
exec_dir_unlink(const struct exec_dir *d)
{
	char path[EXEC_SOCKET_MAX];

	if (d->path[0] == '\0')
		return;
	snprintf(path, sizeof path, "%s/" EXEC_SOCKET, d->path);
	unlink(path);
	rmdir(d->path);
}

void
exec_dir_remove(struct exec_dir *d)
{
	if (d->fd < 0)
		return;
	exec_dir_unlink(d);
	exec_dir_forget(d);
	d->path[0] = '\0';
}

void
exec_dir_forget(struct exec_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
