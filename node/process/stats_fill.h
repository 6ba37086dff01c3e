/* Writes a server's statistics to its page. Called by a timer of the worker and when the server's state changes. */
#ifndef NODE_PROCESS_STATS_FILL_H
#define NODE_PROCESS_STATS_FILL_H

#include "node/process/stats.h"

void stats_fill(struct stats_page *page, const struct sio_server *io);

#endif
