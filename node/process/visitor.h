/*
 * A Socket.IO server without clients whose broker visits the other nodes (broker_options): for whoever has something
 * to say to all sockets where no server is, or where the server of this process does not have the namespace. No node
 * counts it, and it hears nothing but the answers to its own questions.
 */
#ifndef NODE_PROCESS_VISITOR_H
#define NODE_PROCESS_VISITOR_H

#include "broker/bus_form.h"
#include "broker/broker_options.h"
#include "common/io/loop.h"
#include "node/sockeye.h"

struct visitor;

struct visitor_setup {
	const struct broker_settings *broker;
	const char *hub_name; /* NULL: none */
	uint64_t max_emit;    /* bytes of one event */
};

/*
 * By Redis, if the settings say so, else by the hub of that name; without both it reaches nobody. ERROR_ARGUMENT,
 * ERROR_TLS with one line in `error`.
 */
int visitor_new(struct visitor **out, struct loop *l, const struct visitor_setup *setup, char error[BUS_ERROR_MAX]);
/* What waits for the others is sent, for a moment: runs the loop, so not from a callback. Accepts NULL. */
void visitor_free(struct visitor *v);

sio_server *visitor_server(struct visitor *v);
const struct broker *visitor_broker(const struct visitor *v);

#endif
