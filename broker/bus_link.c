#include "broker/bus_link.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/bus_error.h"
#include "broker/bus_login.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/tls.h"

void
bus_link_init(struct bus_link *link)
{
	link->limits = (struct conn_limits){
		.max_queue = 0, /* unlimited: the bus checks conn_queued() itself */
		.max_kept = LOOP_SCRATCH_SIZE / 2,
		.stall_ms = 2 * link->timeout_ms,
		.tls_ms = link->timeout_ms,
	};
	link->dial = NULL;
	link->conn = NULL;
	link->reader = NULL;
	link->ready = false;
	link->read = 0;
	bus_login_init(link);
}

/* ---------------------------------------------------------------- the end */

static size_t
link_orphan_on_data(struct conn *c, uint8_t *data, size_t n)
{
	(void)c;
	(void)data;
	return n;
}

static void
link_orphan_on_closed(struct conn *c, unsigned reason)
{
	(void)c;
	(void)reason;
}

static const struct conn_ops orphan_ops = {.on_data = link_orphan_on_data, .on_closed = link_orphan_on_closed};

void
bus_link_close(struct bus_link *link)
{
	dial_cancel(link->dial);
	link->dial = NULL;
	if (link->conn != NULL) {
		conn_set_owner(link->conn, &orphan_ops, NULL);
		conn_close(link->conn, REASON_FINISHED);
		link->conn = NULL;
	}
	resp_reader_free(link->reader);
	link->reader = NULL;
	bus_login_end(link);
	link->ready = false;
}

static void
link_lost(struct bus_link *link, const char *why, bool malformed)
{
	bus_link_close(link);
	link->ops->on_lost(link, why, malformed);
}

void
bus_link_fail(struct bus_link *link, const char *why)
{
	link_lost(link, why, false);
}

static void
link_become_ready(struct bus_link *link)
{
	link->ready = true;
	bus_login_keep(link);
	link->ops->on_ready(link);
}

/* ------------------------------------------------------------------ input */

static void
bus_link_on_login_reply(struct bus_link *link, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	switch (bus_login_on_reply(link, reply, why)) {
	case BUS_LOGIN_GOES_ON:
		break;
	case BUS_LOGIN_READY:
		link_become_ready(link);
		break;
	case BUS_LOGIN_REFUSED:
		link_lost(link, why, false);
		break;
	case BUS_LOGIN_MALFORMED:
		link_lost(link, why, true);
		break;
	}
}

static bool
bus_link_on_reply(void *arg, const struct resp *reply)
{
	struct bus_link *link = arg;
	const struct conn *conn = link->conn;

	if (!link->ready)
		bus_link_on_login_reply(link, reply);
	else if (!bus_login_is_renewal(link, reply))
		link->ops->on_reply(link, reply);
	return link->conn == conn; /* false if the callee has closed or replaced the connection */
}

static size_t
bus_link_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct bus_link *link = conn_owner(c);
	char why[BUS_WHY_MAX];
	int64_t taken;

	link->read += n;
	if (link->tls != NULL)
		bus_login_keep_tls(link);
	if (link->ops->on_bytes != NULL && link->ready) {
		link->ops->on_bytes(link, text_of((const char *)data, n));
		return n;
	}
	taken = resp_reader_feed(link->reader, data, n);
	if (taken >= 0)
		return (size_t)taken;
	if (taken != ERROR_CLOSED) {
		snprintf(why, sizeof why, "malformed answer from the server: %s", error_text((int)taken));
		link_lost(link, why, true);
	}
	return n;
}

static void
bus_link_on_drain(struct conn *c)
{
	struct bus_link *link = conn_owner(c);

	link->ops->on_drain(link);
}

static void
bus_link_on_closed(struct conn *c, unsigned reason)
{
	struct bus_link *link = conn_owner(c);
	char why[BUS_WHY_MAX];

	link->conn = NULL;
	if (reason == REASON_TLS_TIMEOUT)
		snprintf(why, sizeof why, "TLS handshake timed out; does that port speak TLS?");
	else if (reason == REASON_TLS)
		bus_error_write(why, "TLS failed", text_from(tls_client_failure(bus_login_tls(link))), NULL);
	else
		snprintf(why, sizeof why, "%s", names_meaning(&io_reasons, reason));
	link_lost(link, why, false);
}

static const struct conn_ops link_ops = {
	.on_data = bus_link_on_data, .on_drain = bus_link_on_drain, .on_closed = bus_link_on_closed};

/* ------------------------------------------------------------------ start */

void
bus_link_send(struct bus_link *link, unsigned count, const struct text *args)
{
	struct block *block = resp_command(count, args);

	if (block != NULL)
		conn_send(link->conn, block, 0, block->len);
	else
		conn_no_memory(link->conn); /* the connection closes, and the bus reopens it */
	block_unref(block);
}

static void
bus_link_on_dialled(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error)
{
	struct bus_link *link = arg;
	char why[BUS_ERROR_MAX];

	link->dial = NULL;
	if (fd < 0) {
		link_lost(link, error, false);
		return;
	}
	if (bus_login_read(link, why) < 0) {
		close(fd);
		link_lost(link, why, false);
		return;
	}
	link->conn = conn_new(link->loop, fd, peer, peer_len, bus_login_tls(link), &link->limits, &link_ops, link);
	conn_set_service(link->conn);
	link->reader = resp_reader_new(BUS_LINK_BULK_MAX, bus_link_on_reply, link);
	if (bus_login_begin(link))
		link_become_ready(link);
}

void
bus_link_open(struct bus_link *link)
{
	const struct bus_url *url = link->url;
	struct dial_to to = {url->host, url->port, url->path, url->hub, link->timeout_ms};

	must(link->dial == NULL && link->conn == NULL);
	link->dial = dial_start(link->loop, &to, bus_link_on_dialled, link);
}
