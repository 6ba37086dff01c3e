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
#include "broker/wire.h"
#include "common/io/conn.h"
#include "common/io/dial.h"

struct bus_link;

/* maximum bytes of one bulk string: a message, or a part of the log that ends with one */
#define BUS_LINK_BULK_MAX ((uint64_t)WIRE_PAYLOAD_MAX + (2 << 20))

struct bus_link_ops {
	/* The link is connected and logged in. */
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
	struct bus_access *access; /* NULL: the server needs no password and no TLS */
	const struct bus_link_ops *ops;
	void *arg;
	uint64_t timeout_ms;
	bool subscribes; /* for subscriptions, where a server accepts AUTH only in RESP 3 (bus_login.h) */
	/* returns true if the next answer is a status, as the answer to AUTH is; NULL: it never is */
	bool (*expects_status)(const struct bus_link *link);
	struct conn_limits limits;
	struct dial *dial;
	struct conn *conn; /* NULL: not connected */
	struct resp_reader *reader;
	bool ready;
	uint64_t read; /* total bytes given to the reader */

	/* bus_login.c */
	struct tls_context *tls; /* of this connection until the server answers; NULL: no TLS, or access->last.tls */
	char *password;		 /* used to log in on this connection; NULL: none */
	char *renewal;		 /* password sent by an AUTH that is not answered yet; NULL: none */
	char *refused;		 /* password that the server has refused as a renewal; NULL: none */
	uint64_t retry_at;	 /* loop time */
	unsigned logins;	 /* answers to AUTH and SELECT still outstanding */
	bool greeted;		 /* HELLO has been sent */
	bool resp3;		 /* the server has accepted RESP 3 */
	bool file_is_bad;	 /* the password file cannot be read; logged once */
	struct wheel_entry watch;
};

/*
 * Initialises all fields except loop, url, access, ops, arg, timeout_ms, subscribes and expects_status, which the
 * caller sets before.
 */
void bus_link_init(struct bus_link *link);
void bus_link_open(struct bus_link *link);
void bus_link_close(struct bus_link *link);		    /* no callback follows; does nothing on a closed link */
void bus_link_fail(struct bus_link *link, const char *why); /* closes the link and calls on_lost */

/* Queues one command on a link that is ready. The arguments are copied. */
void bus_link_send(struct bus_link *link, unsigned count, const struct text *args);

#endif
