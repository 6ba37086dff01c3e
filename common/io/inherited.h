/*
 * Descriptors that another process has opened for this one: a service manager, or the process that this one replaces.
 * They come in groups. A group has a name, which says what the descriptors are for, and a key, which says more, such
 * as the address of listening sockets.
 *
 * A service manager passes listening sockets by the protocol of sd_listen_fds(3): $LISTEN_PID, $LISTEN_FDS and
 * $LISTEN_FDNAMES. Each of these sockets is in a group without a key: "admin" and "backend" if systemd's
 * FileDescriptorName= says so, otherwise "clients". The key of a Unix socket for backends is its address.
 *
 * A process that is replaced passes its descriptors in $UPGRADE_SOCKEYE, one line for each group:
 * "NAME KEY DESCRIPTOR...", where "*" stands for an empty key. Successive lines with the same name and key make one
 * group.
 */
#ifndef COMMON_IO_INHERITED_H
#define COMMON_IO_INHERITED_H

#include "common/base/buffer.h"
#include "common/io/listener.h"

#define INHERITED_ERROR_MAX 256
#define INHERITED_VARIABLE "UPGRADE_SOCKEYE"

/* Names of groups. */
#define INHERITED_CLIENTS "clients"
#define INHERITED_ADMIN "admin"
#define INHERITED_BACKEND "backend"

struct inherited_group {
	char *name;
	char *key;	     /* NULL: the group fits every key */
	int *fds;	     /* the descriptors that are not taken yet */
	unsigned count;	     /* number of these */
	bool of_predecessor; /* from the process that this one replaces, not from a service manager */
};

/* All groups. A zeroed struct has no groups. */
struct inherited {
	struct inherited_group *groups;
	unsigned count;
};

/*
 * Reads the variables and removes them from the environment, because they are not meant for the programs that this
 * process starts. The descriptors become close-on-exec and, if they are sockets, non-blocking. Returns 0, or
 * ERROR_SYNTAX or ERROR_SYSTEM with one line in `error`; call inherited_free() in either case.
 */
int inherited_read(struct inherited *inherited, char error[INHERITED_ERROR_MAX]);

/* Appends a group to the text for $UPGRADE_SOCKEYE. `key` contains no space; it may be "". */
void inherited_write(struct buffer *out, const char *name, const char *key, const int *fds, unsigned count);

/*
 * Keeps the descriptors that `text` names open across exec(); inherited_write() has written `text`. Called in the
 * child process.
 */
void inherited_keep_open(struct text text);

/*
 * Returns the first group of this name whose key fits, or NULL. A NULL `key` fits every group. `inherited` may be
 * NULL.
 */
struct inherited_group *inherited_find(const struct inherited *inherited, const char *name, const char *key);

/*
 * Moves the sockets of a group to `out`, which is empty. Returns true, or false if `group` is NULL or has no sockets,
 * or more than a set can hold.
 */
bool inherited_take(struct inherited_group *group, struct listener_set *out);

/*
 * Takes the first descriptor out of the group and returns it; the caller then owns it. Returns -1 if `group` is NULL
 * or empty.
 */
int inherited_take_one(struct inherited_group *group);

/*
 * Frees the groups and closes the descriptors that were not taken. Logs a line for each group of a service manager
 * that still has descriptors.
 */
void inherited_free(struct inherited *inherited);

#endif
