/*
 * A listening unix socket with a name in the file system. The file of a dead process is replaced. It is an error if
 * another process listens on it or if it is not a socket.
 */
#ifndef COMMON_IO_UNIX_SOCKET_H
#define COMMON_IO_UNIX_SOCKET_H

#include <sys/types.h>

#include "common/io/listener.h"

#define UNIX_SOCKET_PATH_MAX 107 /* maximum bytes, see unix(7) */

struct unix_socket {
	char path[UNIX_SOCKET_PATH_MAX + 1];
	dev_t device; /* identify the file that this process created */
	ino_t inode;
};

/*
 * Opens the socket. `out` receives the one socket, non-blocking and close-on-exec. Returns 0, or ERROR_SYSTEM or
 * ERROR_EXISTS with one line of at most 256 bytes in `error`. It changes the process's umask for a moment, so the
 * process must have no other threads.
 */
int unix_socket_open(struct unix_socket *file, struct listener_set *out, const char *path, mode_t mode, char *error);

/* The socket at `path` was opened by another process, which leaves the file to this one. */
void unix_socket_adopt(struct unix_socket *file, const char *path);

/*
 * Removes the file unless another one has taken its place. Does nothing if the socket was never opened or is removed
 * already.
 */
void unix_socket_remove(struct unix_socket *file);

#endif
