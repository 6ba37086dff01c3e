/*
 * The option --history: which rooms have a history, and how much of it is kept. A text such as
 * "room:*=50/1h,/chat:team-*=200" becomes a list of rules. The first rule that matches a room counts.
 *
 *   rule     [namespace:]room=count[/age]
 *   namespace  begins with "/"; "/" if it is missing
 *   room, namespace   "*" stands for any characters, "?" for one
 *   age      a number and s, m, h or d
 *
 * The room pattern "*" does not match names of 20 base64url characters, because each socket is in a room named after
 * its id.
 */
#ifndef NODE_SOCKETIO_SIO_HISTORY_RULES_H
#define NODE_SOCKETIO_SIO_HISTORY_RULES_H

#include "broker/history.h"

#define SIO_HISTORY_RULES_MAX 64
#define SIO_HISTORY_AGE_MAX (UINT64_C(366) * 24 * 3600 * 1000) /* ms */

struct sio_history_rule {
	struct text nsp, room; /* patterns, parts of `text` below */
	struct history_limits limits;
};

struct sio_history_rules {
	char *text;
	struct sio_history_rule at[SIO_HISTORY_RULES_MAX];
	unsigned count;
};

/* Returns 0, or ERROR_ARGUMENT and writes the fault and the remedy to `error` (`size` bytes). */
int sio_history_rules_parse(struct sio_history_rules *out, const char *text, char *error, size_t size);
void sio_history_rules_fini(struct sio_history_rules *rules);
/* Returns the limits for a room, or NULL if it has no history. Valid as long as the rules. */
const struct history_limits *sio_history_rules_find(
	const struct sio_history_rules *rules, struct text nsp, struct text room);

#endif
