#include "node/process/port.h"

#include <stdio.h>

#define KEY_MAX 320 /* a port and a host */

/* Writes the key of the sockets: a predecessor's sockets fit if they were opened with the same options. */
static void
port_key(const struct front_options *options, char key[KEY_MAX])
{
	snprintf(key, KEY_MAX, "%u@%s", (unsigned)options->port, options->host ? options->host : "");
}

int
port_inherit(const struct inherited *inherited, const struct front_options *options,
	struct listener_set *const sets[], unsigned count, char error[OPTION_ERROR_MAX])
{
	struct inherited_group *group;
	char key[KEY_MAX];
	unsigned n;
	int result;

	port_key(options, key);
	group = inherited_find(inherited, INHERITED_CLIENTS, key);
	if (!group || group->count == 0)
		return 0;
	n = group->count;
	group->count = 0;
	result = listener_sets_share(sets, count, group->fds, n, error);
	return result < 0 ? result : (int)n;
}

void
port_hand_on(const struct front_options *options, const struct listener_set *set, struct buffer *out)
{
	char key[KEY_MAX];

	port_key(options, key);
	inherited_write(out, INHERITED_CLIENTS, key, set->fds, set->count);
}
