#include "node/process/visitor.h"

#include <ev.h>

#include "common/base/mem.h"
#include "node/process/cluster.h"

#define FLUSH_MS 500	    /* for the last words to the nodes; less than a hub process has */
#define NAMESPACES_MAX 1000 /* that are remembered; each has two subscriptions */

struct visitor {
	struct loop *loop;
	struct sio_options options;
	struct sio_server *io;
	struct cluster *cluster;
};

int
visitor_new(struct visitor **out, struct loop *l, const struct visitor_setup *setup, char error[BUS_ERROR_MAX])
{
	struct visitor *v = mem_zalloc(sizeof *v);
	struct option_table table = sio_options_table(&v->options);
	int rc;

	*out = NULL;
	options_defaults(&table, 1);
	v->options.max_children = NAMESPACES_MAX;
	v->loop = l;
	v->io = sio_core_new(l, &v->options, NULL);
	sio_core_attach(v->io, NULL, &v->options, setup->max_emit, setup->max_emit);
	rc = cluster_join(&v->cluster, l, v->io, setup->broker, setup->hub_name, true, error);
	if (rc < 0) {
		visitor_free(v);
		return rc;
	}
	*out = v;
	return 0;
}

void
visitor_free(struct visitor *v)
{
	struct option_table table;

	if (v == NULL)
		return;
	sio_core_close(v->io);
	if (v->cluster != NULL)
		cluster_leave(v->cluster, FLUSH_MS);
	while (!cluster_is_gone(v->cluster))
		ev_run(v->loop->ev, EVRUN_ONCE);
	sio_core_free(v->io);
	cluster_free(v->cluster);
	table = sio_options_table(&v->options);
	options_fini(&table, 1);
	mem_free(v);
}

sio_server *
visitor_server(struct visitor *v)
{
	return v->io;
}

const struct broker *
visitor_broker(const struct visitor *v)
{
	return cluster_broker(v->cluster);
}
