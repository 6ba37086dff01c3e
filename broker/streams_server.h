/* The server that a reader or a writer of streams connects to. Both follow a change at their next connect. */
#ifndef BROKER_STREAMS_SERVER_H
#define BROKER_STREAMS_SERVER_H

#include "broker/bus_link.h"

struct streams_server {
	struct bus *bus;	   /* the server that this bus uses; NULL: the one of `url` */
	const struct bus_url *url; /* without a bus: the server in use */
	struct bus_access *access; /* without a bus */
};

static inline void
streams_server_init_link(const struct streams_server *from, struct loop *l, uint64_t timeout_ms,
	struct bus_link *link, const struct bus_link_ops *ops, void *arg)
{
	if (from->bus != NULL) {
		bus_init_side_link(from->bus, link, ops, arg);
		link->subscribes = false;
		return;
	}
	*link = (struct bus_link){.loop = l,
		.url = from->url,
		.access = from->access,
		.ops = ops,
		.arg = arg,
		.timeout_ms = timeout_ms};
	bus_link_init(link);
}

#endif
