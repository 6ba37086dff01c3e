/* Writes a server's numbers to its page: for a timer of the worker, and where its state changes. */
#ifndef NODE_PROCESS_STATS_FILL_H
#define NODE_PROCESS_STATS_FILL_H

#include "node/process/stats.h"

void stats_fill(struct stats_page *page, const struct sio_server *io);

#endif
