#include "node/socketio/sio_keeper_log.h"

#include "common/base/mem.h"

struct keeper_log *
sio_keeper_log_of(struct sio_keeper *keeper, struct text nsp)
{
	struct table_node *node = table_find(&keeper->logs, nsp);
	struct keeper_log *log;

	if (node != NULL)
		return container_of(node, struct keeper_log, node);
	log = mem_zalloc(sizeof *log + nsp.n); /* names of namespaces are short */
	memcpy(log->name, nsp.at, nsp.n);
	log->log = sio_recovery_log_new(&keeper->store);
	sio_keeper_epoch(keeper->key, nsp, log->epoch);
	table_add(&keeper->logs, &log->node, text_of(log->name, nsp.n));
	return log;
}

void
sio_keeper_log_free_unused(struct sio_keeper *keeper, bool all)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&keeper->logs, &cursor)) != NULL) {
		struct keeper_log *log = container_of(node, struct keeper_log, node);

		if (!all && (log->sessions != 0 || !list_empty(&log->log->entries)))
			continue;
		/* a later log of the same namespace lacks the events of this one */
		if (keeper->hole < log->log->head)
			keeper->hole = log->log->head;
		table_remove(&keeper->logs, node);
		sio_recovery_log_free(log->log);
		mem_free(log);
	}
}
