/*
 * The history of rooms in the hub, for the workers of a machine without Redis (history.h). Executes the commands of
 * Redis streams that history_link.c sends on a table in memory:
 *
 *   XADD key MAXLEN count * d payload        the id
 *   PEXPIRE key ms, PERSIST key              1
 *   XRANGE key low high COUNT n              entries, as Redis answers them
 *   XREVRANGE key high low COUNT n           the same, newest first
 *   XDEL key id, DEL key                     the number of removed entries or keys
 *
 * Unlike in Redis, PEXPIRE sets the age limit of each entry.
 */
#ifndef BROKER_HUB_HISTORY_H
#define BROKER_HUB_HISTORY_H

#include "broker/history_table.h"
#include "broker/hub_command.h"
#include "common/io/conn.h"

struct hub_history {
	struct history_table table;
	struct loop *loop;
	struct wheel_entry timer; /* drops entries that are too old */
};

void hub_history_init(struct hub_history *history, struct loop *l, uint64_t max_bytes);
void hub_history_fini(struct hub_history *history);
/*
 * Runs a command and answers it. Returns 0. After an error, sends no answer: ERROR_NOT_FOUND (another command),
 * ERROR_ARGUMENT or ERROR_MEMORY.
 */
int hub_history_run(struct hub_history *history, struct conn *worker, const struct hub_command *command);

#endif
