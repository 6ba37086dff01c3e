#include "node/process/exec_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX_TRIED 10 /* containers that share a folder may each have a master with the same pid */

/* Returns true if the directory belongs to this user alone and is still at its path. */
static bool
exec_dir_is_ours(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && opened.st_uid == geteuid() && (opened.st_mode & 077) == 0 &&
	       stat(path, &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* Makes the directory dir->path, or takes over one that a crashed master has left. */
static int
exec_dir_take(struct exec_dir *dir)
{
	bool made = mkdir(dir->path, 0700) == 0;

	if (!made && errno != EEXIST)
		return -1;
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir->fd < 0) {
		if (made)
			rmdir(dir->path);
		else
			errno = EEXIST; /* belongs to another user, or is not a directory */
		return -1;
	}
	if (flock(dir->fd, LOCK_EX | LOCK_NB) == 0 && exec_dir_is_ours(dir->fd, dir->path)) {
		unlinkat(dir->fd, EXEC_SOCKET, 0);
		return 0;
	}
	close(dir->fd);
	dir->fd = -1;
	errno = EEXIST;
	return -1;
}

static int
exec_dir_make_under(struct exec_dir *dir, const char *parent)
{
	for (unsigned i = 1; i <= NAMES_MAX_TRIED; i++) {
		char more[16] = "";
		int n;

		if (i > 1)
			snprintf(more, sizeof more, "-%u", i);
		n = snprintf(dir->path, sizeof dir->path, "%s/sockeye-%ld%s", parent, (long)getpid(), more);
		if (n < 0 || (size_t)n >= sizeof dir->path) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (exec_dir_take(dir) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int
exec_dir_make(struct exec_dir *dir)
{
	const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/run", "/tmp"};

	dir->fd = -1;
	for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
		if (!parents[i] || parents[i][0] != '/' || exec_dir_make_under(dir, parents[i]) < 0)
			continue;
		snprintf(dir->address, sizeof dir->address, "unix://%s/" EXEC_SOCKET, dir->path);
		return 0;
	}
	dir->path[0] = '\0';
	return -1;
}

void
exec_dir_unlink(const struct exec_dir *dir)
{
	char path[EXEC_SOCKET_MAX];

	if (dir->path[0] == '\0')
		return;
	snprintf(path, sizeof path, "%s/" EXEC_SOCKET, dir->path);
	unlink(path);
	rmdir(dir->path);
}

void
exec_dir_remove(struct exec_dir *dir)
{
	if (dir->fd < 0)
		return;
	exec_dir_unlink(dir);
	exec_dir_forget(dir);
	dir->path[0] = '\0';
}

void
exec_dir_forget(struct exec_dir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}
