/*
 * A Socket.IO server without clients whose broker visits the other nodes (struct broker_options). The HTTP API sends
 * through a visitor if this process has no server, or if its server lacks the namespace. Other nodes do not count the
 * visitor as a node, and it receives only the answers to its own questions.
 */
#ifndef NODE_PROCESS_VISITOR_H
#define NODE_PROCESS_VISITOR_H

#include "broker/bus_form.h"
#include "broker/broker_options.h"
#include "common/io/loop.h"
#include "node/process/cluster.h"
#include "node/sockeye.h"

struct visitor;

struct visitor_setup {
	const struct broker_settings *broker;
	struct cluster_hub hub;
	uint64_t max_emit; /* bytes of one event */
	const char
		*history; /* the option: what the visitor emits is in the history of rooms; NULL: no room has one */
};

/*
 * Connects through Redis if the settings say so, else through the hub; without both it reaches no node.
 * Returns 0, or ERROR_ARGUMENT or ERROR_TLS with one line in `error`.
 */
int visitor_new(struct visitor **out, struct loop *l, const struct visitor_setup *setup, char error[BUS_ERROR_MAX]);
/* Sends queued messages, for a short time. Runs the loop, so it must not be called from a callback. Accepts NULL. */
void visitor_free(struct visitor *visitor);

sio_server *visitor_server(struct visitor *visitor);
const struct broker *visitor_broker(const struct visitor *visitor);

#endif
