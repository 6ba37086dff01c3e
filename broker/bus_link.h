/*
 * One connection of a bus: dialled, logged in, its answers read. Whatever ends it is told once by on_lost, after
 * which it can be opened again.
 */
#ifndef BROKER_BUS_LINK_H
#define BROKER_BUS_LINK_H

#include "broker/bus.h"
#include "broker/bus_url.h"
#include "broker/resp.h"
#include "common/io/conn.h"
#include "common/io/dial.h"

struct bus_link;

struct bus_link_ops {
	void (*on_ready)(struct bus_link *link);
	/* An answer after the login. */
	void (*on_reply)(struct bus_link *link, const struct resp *reply);
	void (*on_drain)(struct bus_link *link);
	/* The link is closed already. `why`: a few words for the log; `malformed`: the server's bytes made no sense.
	 */
	void (*on_lost)(struct bus_link *link, const char *why, bool malformed);
};

struct bus_link {
	struct loop *loop;
	const struct bus_url *url;
	struct tls_context *tls; /* NULL: plain */
	const struct bus_link_ops *ops;
	void *arg;
	uint64_t timeout_ms;
	struct conn_limits limits;
	struct dial *dial;
	struct conn *conn; /* NULL: not connected */
	struct resp_reader *reader;
	unsigned logins; /* answers to AUTH and SELECT still to come */
	bool ready;
	uint64_t read; /* bytes given to the reader, ever */
};

/* All but loop, url, tls, ops, arg and timeout_ms is set here. */
void bus_link_init(struct bus_link *link);
void bus_link_open(struct bus_link *link);
void bus_link_close(struct bus_link *link); /* nothing is called any more; harmless when closed */

/* Queues one command, copied, of a link that is ready. */
void bus_link_send(struct bus_link *link, unsigned count, const struct text *args);

#endif
