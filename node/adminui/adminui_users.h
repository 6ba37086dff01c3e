/*
 * The users who may log in to the admin UI: names with bcrypt hashes, in the format of Apache's htpasswd. The server
 * reads them at the start and on SIGHUP.
 */
#ifndef NODE_ADMINUI_ADMINUI_USERS_H
#define NODE_ADMINUI_ADMINUI_USERS_H

#include <stdbool.h>

#include "common/base/sha256.h"
#include "common/base/text.h"

#define ADMINUI_USERS_MAX 64
#define ADMINUI_USERS_ERROR_MAX 256
#define ADMINUI_NAME_MAX 64
#define ADMINUI_HASH_LENGTH 60 /* "$2b$10$", 22 characters of salt, 31 of hash */
#define ADMINUI_COST_MAX 14    /* about a second; a higher cost would let few attempts keep a core busy */

struct adminui_user {
	char name[ADMINUI_NAME_MAX + 1];
	char hash[ADMINUI_HASH_LENGTH + 1];
};

struct adminui_users {
	bool open; /* "none": everybody is admitted, without a log-in */
	unsigned count;
	struct sha256 secret; /* digest of all hashes */
	struct adminui_user at[ADMINUI_USERS_MAX];
};

/*
 * Reads the users of the options adminUiAuth and adminUiAuthFile; either may be NULL. Returns 0, or a negative error
 * with one line in `error`, which never shows a hash. It is an error if there are no users. *out is NULL on error.
 */
int adminui_users_new(
	struct adminui_users **out, const char *list, const char *file, char error[ADMINUI_USERS_ERROR_MAX]);
void adminui_users_free(struct adminui_users *users); /* accepts NULL */

/* Finds a user by name, in a time that does not depend on the names. Returns NULL if there is none. */
const struct adminui_user *adminui_users_find(const struct adminui_users *users, struct text name);

/*
 * Returns the user whose hash the password of an unknown name is compared with, so that the answer takes as long as
 * for a known name, even if the hashes have different costs. Every server with the same users chooses the same user
 * for a name. The choice depends on the hashes too, so a client cannot predict it. `users->open` must be false.
 */
const struct adminui_user *adminui_users_stand_in(const struct adminui_users *users, struct text name);

/* Returns true for a well-formed bcrypt hash ($2a$, $2b$ or $2y$) whose cost is at most ADMINUI_COST_MAX. */
bool adminui_is_hash(struct text hash);

#endif
