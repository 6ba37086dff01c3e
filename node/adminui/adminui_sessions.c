#include "node/adminui/adminui_sessions.h"

#include <stdio.h>
#include <string.h>

void
adminui_sessions_add(struct adminui_sessions *sessions, const struct sha256 *digest, const char *user, uint64_t now)
{
	struct adminui_session *oldest = &sessions->at[0];

	for (unsigned i = 1; i < ADMINUI_SESSIONS_MAX; i++) {
		if (sessions->at[i].until < oldest->until)
			oldest = &sessions->at[i];
	}
	oldest->digest = *digest;
	oldest->until = now + ADMINUI_SESSION_MS;
	snprintf(oldest->user, sizeof oldest->user, "%s", user);
}

const char *
adminui_sessions_find(const struct adminui_sessions *sessions, struct text id, uint64_t now)
{
	struct sha256 given = sha256_of(id, TEXT_NONE);
	const char *user = NULL;

	for (unsigned i = 0; i < ADMINUI_SESSIONS_MAX; i++) {
		const struct adminui_session *session = &sessions->at[i];

		if (session->until > now && sha256_same(&session->digest, &given))
			user = session->user;
	}
	return user;
}

void
adminui_sessions_end(struct adminui_sessions *sessions, const char *user)
{
	for (unsigned i = 0; i < ADMINUI_SESSIONS_MAX; i++) {
		if (strcmp(sessions->at[i].user, user) == 0)
			sessions->at[i] = (struct adminui_session){.until = 0};
	}
}
