#include "broker/bus_link.h"

#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/must.h"
#include "common/io/tls.h"

void
bus_link_init(struct bus_link *link)
{
	link->limits = (struct conn_limits){
		.max_queue = 0, /* the bus looks at conn_queued() itself */
		.max_kept = LOOP_SCRATCH_SIZE / 2,
		.stall_ms = 2 * link->timeout_ms,
		.tls_ms = link->timeout_ms,
	};
	link->dial = NULL;
	link->conn = NULL;
	link->reader = NULL;
	link->logins = 0;
	link->ready = false;
	link->read = 0;
}

/* ---------------------------------------------------------------- the end */

static size_t
orphan_data(struct conn *c, uint8_t *data, size_t n)
{
	(void)c;
	(void)data;
	return n;
}

static void
orphan_closed(struct conn *c, unsigned reason)
{
	(void)c;
	(void)reason;
}

static const struct conn_ops orphan_ops = {.on_data = orphan_data, .on_closed = orphan_closed};

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
	link->ready = false;
}

static void
lose(struct bus_link *link, const char *why, bool malformed)
{
	bus_link_close(link);
	link->ops->on_lost(link, why, malformed);
}

/* ------------------------------------------------------------------ input */

static bool
on_reply(void *arg, const struct resp *reply)
{
	struct bus_link *link = arg;
	const struct conn *conn = link->conn;
	char why[BUS_WHY_MAX];

	if (link->logins == 0) {
		link->ops->on_reply(link, reply);
	} else if (reply->type == RESP_STATUS) {
		if (--link->logins == 0) {
			link->ready = true;
			link->ops->on_ready(link);
		}
	} else if (reply->type == RESP_ERROR) {
		bus_error_write(why, "login refused", reply->text, link->url->password);
		lose(link, why, false);
	} else {
		lose(link, "a strange answer to the login", true);
	}
	return link->conn == conn; /* it may be another one by now, or none */
}

static size_t
on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct bus_link *link = conn_owner(c);
	int64_t taken = resp_reader_feed(link->reader, data, n);
	char why[BUS_WHY_MAX];

	link->read += n;
	if (taken >= 0)
		return (size_t)taken;
	if (taken != ERROR_CLOSED) {
		snprintf(why, sizeof why, "the server's bytes make no sense: %s", error_text((int)taken));
		lose(link, why, true);
	}
	return n;
}

static void
on_drain(struct conn *c)
{
	struct bus_link *link = conn_owner(c);

	link->ops->on_drain(link);
}

static void
on_closed(struct conn *c, unsigned reason)
{
	struct bus_link *link = conn_owner(c);
	char why[BUS_WHY_MAX];

	link->conn = NULL;
	if (reason == REASON_TLS_TIMEOUT)
		snprintf(why, sizeof why, "no answer to TLS in time; does that port speak TLS?");
	else if (reason == REASON_TLS)
		bus_error_write(why, "TLS refused", text_from(tls_client_failure(link->tls)), NULL);
	else
		snprintf(why, sizeof why, "%s", names_meaning(&io_reasons, reason));
	lose(link, why, false);
}

static const struct conn_ops link_ops = {.on_data = on_data, .on_drain = on_drain, .on_closed = on_closed};

/* ------------------------------------------------------------------ start */

void
bus_link_send(struct bus_link *link, unsigned count, const struct text *args)
{
	struct block *block = resp_command(count, args);

	if (block != NULL)
		conn_send(link->conn, block, 0, block->len);
	else
		conn_no_memory(link->conn); /* the link is lost, and made anew */
	block_unref(block);
}

static void
login(struct bus_link *link)
{
	const struct bus_url *u = link->url;
	char number[16];

	if (u->password != NULL && u->user != NULL) {
		struct text auth[] = {TEXT("AUTH"), text_from(u->user), text_from(u->password)};

		bus_link_send(link, 3, auth);
		link->logins++;
	} else if (u->password != NULL) {
		struct text auth[] = {TEXT("AUTH"), text_from(u->password)};

		bus_link_send(link, 2, auth);
		link->logins++;
	}
	if (u->db != 0) {
		struct text select[] = {TEXT("SELECT"), TEXT_NONE};

		snprintf(number, sizeof number, "%u", u->db);
		select[1] = text_from(number);
		bus_link_send(link, 2, select);
		link->logins++;
	}
}

static void
on_dialled(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error)
{
	struct bus_link *link = arg;

	link->dial = NULL;
	if (fd < 0) {
		lose(link, error, false);
		return;
	}
	link->conn = conn_new(link->loop, fd, peer, peer_len, link->tls, &link->limits, &link_ops, link);
	conn_set_service(link->conn);
	link->reader = resp_reader_new(WIRE_PAYLOAD_MAX, on_reply, link);
	link->logins = 0;
	login(link);
	if (link->logins == 0) {
		link->ready = true;
		link->ops->on_ready(link);
	}
}

void
bus_link_open(struct bus_link *link)
{
	const struct bus_url *u = link->url;
	struct dial_to to = {u->host, u->port, u->path, u->hub, link->timeout_ms};

	must(link->dial == NULL && link->conn == NULL);
	link->dial = dial_start(link->loop, &to, on_dialled, link);
}
