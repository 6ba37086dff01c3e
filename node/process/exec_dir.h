/*
 * The private directory of a master with --exec, for the socket at which its programs find the edge: mode 0700, named
 * sockeye-PID, under $XDG_RUNTIME_DIR, /run or /tmp, the first of these that takes it. A lock on the directory tells
 * one in use from one that a crashed master of the same number has left, which is cleared and used again.
 */
#ifndef NODE_PROCESS_EXEC_DIR_H
#define NODE_PROCESS_EXEC_DIR_H

#define EXEC_SOCKET "backend.sock"
#define EXEC_SOCKET_MAX 108 /* bytes of a path that bind() takes, with its NUL */
#define EXEC_DIR_MAX (EXEC_SOCKET_MAX - sizeof("/" EXEC_SOCKET) + 1)
#define EXEC_ADDRESS_MAX (EXEC_SOCKET_MAX + sizeof("unix://"))

struct exec_dir {
	int fd; /* holds the lock; -1: there is no directory */
	char path[EXEC_DIR_MAX];
	char address[EXEC_ADDRESS_MAX]; /* unix:///run/sockeye-1/backend.sock; nothing listens there yet */
};

/* 0, or -1 with errno: of the last place that was tried. */
int exec_dir_make(struct exec_dir *d);
/* Removes the socket and the directory; the lock goes, too. */
void exec_dir_remove(struct exec_dir *d);
/* The same on behalf of a dead owner: only what is on the disk. */
void exec_dir_unlink(const struct exec_dir *d);
/* For a child of fork(): lets go of the descriptor. */
void exec_dir_forget(struct exec_dir *d);

#endif
