/*
 * A listening socket with a name in the file system. A file that a dead process has left is replaced; one at which
 * somebody listens, or that is not a socket, is an error.
 */
#ifndef COMMON_IO_UNIX_SOCKET_H
#define COMMON_IO_UNIX_SOCKET_H

#include <sys/types.h>

#include "common/io/listener.h"

#define UNIX_SOCKET_PATH_MAX 107 /* bytes, unix(7) */

struct unix_socket {
	char path[UNIX_SOCKET_PATH_MAX + 1];
	dev_t device; /* which file is ours */
	ino_t inode;
};

/* `out` holds the socket alone, non-blocking and close-on-exec. ERROR_SYSTEM, ERROR_EXISTS with one line of at most
 * 256 bytes in `error`. Sets the process's umask for a moment: for a process without threads. */
int unix_socket_open(struct unix_socket *file, struct listener_set *out, const char *path, mode_t mode, char *error);

/* Removes the file, unless another one has taken its place. Harmless for one that was never opened, and again. */
void unix_socket_remove(struct unix_socket *file);

#endif
