/*
 * The inherited listening sockets for clients. They come from a service manager, or from the program that this
 * program replaces.
 */
#ifndef NODE_PROCESS_PORT_H
#define NODE_PROCESS_PORT_H

#include "common/io/inherited.h"
#include "node/process/process_options.h"

/*
 * Moves the inherited sockets to the empty sets of `count` workers. Returns the number of sockets; 0 if no socket
 * fits the options; or ERROR_TOO_MANY with one line in `error`. The caller closes the sets in every case.
 */
int port_inherit(const struct inherited *inherited, const struct front_options *options,
	struct listener_set *const sets[], unsigned count, char error[OPTION_ERROR_MAX]);

/* Appends the sockets of one worker to the text for the program that replaces this one, see inherited.h. */
void port_hand_on(const struct front_options *options, const struct listener_set *set, struct buffer *out);

#endif
