/*
 * One connection of a bus. It dials the server, logs in and reads answers. When the connection ends for any reason,
 * on_lost is called once; the link can then be opened again.
 */
#ifndef BROKER_BUS_LINK_H
#define BROKER_BUS_LINK_H

#include "broker/bus.h"
#include "broker/bus_access.h"
#include "broker/bus_url.h"
#include "broker/resp.h"
#include "common/io/conn.h"
#include "common/io/dial.h"

struct bus_link;

struct bus_link_ops {
	void (*on_ready)(struct bus_link *link);
	/* An answer that came after the login. */
	void (*on_reply)(struct bus_link *link, const struct resp *reply);
	void (*on_drain)(struct bus_link *link);
	/*
	 * The link has been closed. `why` is a short text for the log; `malformed` is true if the server's bytes
	 * could not be parsed.
	 */
	void (*on_lost)(struct bus_link *link, const char *why, bool malformed);
	/* If set, it gets all bytes that come after the login, and on_reply is not called. */
	void (*on_bytes)(struct bus_link *link, struct text bytes);
};

struct bus_link {
	struct loop *loop;
	const struct bus_url *url;
	const struct bus_access *access; /* NULL: the server needs no password and no TLS */
	const struct bus_link_ops *ops;
	void *arg;
	uint64_t timeout_ms;
	struct conn_limits limits;
	struct dial *dial;
	struct tls_context *tls; /* of this connection; NULL: no TLS */
	struct conn *conn;	 /* NULL: not connected */
	struct resp_reader *reader;
	char *password;	 /* used to log in on this connection; NULL: none */
	unsigned logins; /* answers to AUTH and SELECT still outstanding */
	bool ready;
	uint64_t read; /* total bytes given to the reader */
};

/* Initialises all fields except loop, url, access, ops, arg and timeout_ms, which the caller sets before. */
void bus_link_init(struct bus_link *link);
void bus_link_open(struct bus_link *link);
void bus_link_close(struct bus_link *link); /* no callback follows; does nothing on a closed link */

/* Queues one command on a link that is ready. The arguments are copied. */
void bus_link_send(struct bus_link *link, unsigned count, const struct text *args);

#endif
