#include "node/process/visitor.h"

#include <ev.h>
#include <string.h>

#include "common/base/mem.h"
#include "node/process/cluster.h"

#define FLUSH_MS 500	    /* for sending queued messages; less than the master waits for the hub process */
#define NAMESPACES_MAX 1000 /* namespaces that are kept; each takes two subscriptions */

struct visitor {
	struct loop *loop;
	struct sio_options options;
	struct sio_server *io;
	struct cluster *cluster;
};

int
visitor_new(struct visitor **out, struct loop *l, const struct visitor_setup *setup, char error[BUS_ERROR_MAX])
{
	struct visitor *visitor = mem_zalloc(sizeof *visitor);
	struct option_table table = sio_options_table(&visitor->options);
	int rc;

	*out = NULL;
	options_defaults(&table, 1);
	visitor->options.max_children = NAMESPACES_MAX;
	if (setup->history != NULL)
		visitor->options.history = mem_text(setup->history, strlen(setup->history));
	visitor->loop = l;
	visitor->io = sio_core_new(l, &visitor->options, NULL);
	sio_core_attach(visitor->io, NULL, &visitor->options, setup->max_emit, setup->max_emit);
	rc = cluster_join(&visitor->cluster, l, visitor->io, setup->broker, &setup->hub, NULL, error);
	if (rc < 0) {
		visitor_free(visitor);
		return rc;
	}
	cluster_remember(visitor->cluster, l, setup->broker, &setup->hub);
	*out = visitor;
	return 0;
}

void
visitor_free(struct visitor *visitor)
{
	struct option_table table;

	if (visitor == NULL)
		return;
	sio_core_close(visitor->io);
	if (visitor->cluster != NULL)
		cluster_leave(visitor->cluster, FLUSH_MS);
	while (!cluster_is_gone(visitor->cluster))
		ev_run(visitor->loop->ev, EVRUN_ONCE);
	sio_core_free(visitor->io);
	cluster_free(visitor->cluster);
	table = sio_options_table(&visitor->options);
	options_fini(&table, 1);
	mem_free(visitor);
}

sio_server *
visitor_server(struct visitor *visitor)
{
	return visitor->io;
}

const struct broker *
visitor_broker(const struct visitor *visitor)
{
	return cluster_broker(visitor->cluster);
}
