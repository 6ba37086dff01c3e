/*
 * The private directory of a master with --exec, which holds the socket at which the programs find the edge. It has
 * mode 0700 and the name sockeye-PID, under $XDG_RUNTIME_DIR, /run or /tmp, whichever works first. A lock on the
 * directory marks it as used. A directory without a lock was left by a crashed master with the same pid; it is
 * cleared and used again.
 */
#ifndef NODE_PROCESS_EXEC_DIR_H
#define NODE_PROCESS_EXEC_DIR_H

#define EXEC_SOCKET "backend.sock"
#define EXEC_SOCKET_MAX 108 /* bytes of a path for bind(), with its NUL */
#define EXEC_DIR_MAX (EXEC_SOCKET_MAX - sizeof("/" EXEC_SOCKET) + 1)
#define EXEC_ADDRESS_MAX (EXEC_SOCKET_MAX + sizeof("unix://"))

struct exec_dir {
	int fd; /* holds the lock; -1: no directory */
	char path[EXEC_DIR_MAX];
	char address[EXEC_ADDRESS_MAX]; /* unix:///run/sockeye-1/backend.sock; the edge will listen there */
};

/* Returns 0, or -1 with the errno of the last place tried. */
int exec_dir_make(struct exec_dir *dir);
/* Removes the socket and the directory, and unlocks it. */
void exec_dir_remove(struct exec_dir *dir);
/* Removes only the files, on behalf of an owner that has died. */
void exec_dir_unlink(const struct exec_dir *dir);
/* Call it in a child of fork(): closes the descriptor. */
void exec_dir_forget(struct exec_dir *dir);

#endif
