/*
 * The log-ins that this server accepts again: a client that reconnects sends the session id it was given instead of
 * its password. The servers of a cluster tell each other about new sessions, so that a client may reconnect at any of
 * them. They keep and send only the hash of an id. A session ends ADMINUI_SESSION_MS after its log-in. Of more than
 * ADMINUI_SESSIONS_MAX, the oldest ends early. Pure: the caller supplies the time.
 */
#ifndef NODE_ADMINUI_ADMINUI_SESSIONS_H
#define NODE_ADMINUI_ADMINUI_SESSIONS_H

#include <stdint.h>

#include "common/base/sha256.h"
#include "node/adminui/adminui_users.h"

#define ADMINUI_SESSIONS_MAX 256
#define ADMINUI_SESSION_MS (24 * 3600 * UINT64_C(1000))
#define ADMINUI_SESSION_ID 22 /* characters of 6 random bits each */

struct adminui_session {
	struct sha256 digest;
	uint64_t until; /* ms; 0: unused */
	char user[ADMINUI_NAME_MAX + 1];
};

/* Zeroed: there are no sessions. */
struct adminui_sessions {
	struct adminui_session at[ADMINUI_SESSIONS_MAX];
};

/*
 * Remembers a session that begins at `now`, in ms. `digest` is the hash of its id. A `user` beyond ADMINUI_NAME_MAX
 * bytes is cut.
 */
void adminui_sessions_add(
	struct adminui_sessions *sessions, const struct sha256 *digest, const char *user, uint64_t now);
/* Returns the name of the session's user, or NULL if there is no such session. Takes a constant time. */
const char *adminui_sessions_find(const struct adminui_sessions *sessions, struct text id, uint64_t now);

/* Ends all sessions of a user. */
void adminui_sessions_end(struct adminui_sessions *sessions, const char *user);

#endif
