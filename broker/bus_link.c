#include "broker/bus_link.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/bus_error.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/secret_file.h"
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
	link->tls = NULL;
	link->password = NULL;
	link->conn = NULL;
	link->reader = NULL;
	link->logins = 0;
	link->ready = false;
	link->read = 0;
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
	tls_context_free(link->tls);
	link->tls = NULL;
	secret_free(link->password);
	link->password = NULL;
	link->ready = false;
}

static void
link_lost(struct bus_link *link, const char *why, bool malformed)
{
	bus_link_close(link);
	link->ops->on_lost(link, why, malformed);
}

/* ------------------------------------------------------------------ input */

static bool
link_on_reply(void *arg, const struct resp *reply)
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
		bus_error_write(why, "login refused", reply->text, link->password);
		link_lost(link, why, false);
	} else {
		link_lost(link, "unexpected answer to the login", true);
	}
	return link->conn == conn; /* false if the callee has closed or replaced the connection */
}

static size_t
link_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct bus_link *link = conn_owner(c);
	char why[BUS_WHY_MAX];
	int64_t taken;

	link->read += n;
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
link_on_drain(struct conn *c)
{
	struct bus_link *link = conn_owner(c);

	link->ops->on_drain(link);
}

static void
link_on_closed(struct conn *c, unsigned reason)
{
	struct bus_link *link = conn_owner(c);
	char why[BUS_WHY_MAX];

	link->conn = NULL;
	if (reason == REASON_TLS_TIMEOUT)
		snprintf(why, sizeof why, "TLS handshake timed out; does that port speak TLS?");
	else if (reason == REASON_TLS)
		bus_error_write(why, "TLS failed", text_from(tls_client_failure(link->tls)), NULL);
	else
		snprintf(why, sizeof why, "%s", names_meaning(&io_reasons, reason));
	link_lost(link, why, false);
}

static const struct conn_ops link_ops = {
	.on_data = link_on_data, .on_drain = link_on_drain, .on_closed = link_on_closed};

/* ------------------------------------------------------------------ start */

void
bus_link_send(struct bus_link *link, unsigned count, const struct text *args)
{
	struct block *block = resp_command(count, args);

	if (block != NULL)
		conn_send(link->conn, block, 0, block->len);
	else
		conn_no_memory(link->conn); /* the connection closes, and the bus makes it anew */
	block_unref(block);
}

/* Sets the password to that of the file, as it is now, or to that of the URL. */
static int
link_read_password(struct bus_link *link, char *error)
{
	const char *file = link->access != NULL ? link->access->password_file : NULL;
	const char *password = link->url->password;

	if (file != NULL)
		return secret_file_read(&link->password, file, error);
	link->password = password != NULL ? mem_text(password, strlen(password)) : NULL;
	return 0;
}

/* Reads the certificates and the password that this connection uses. */
static int
link_read_files(struct bus_link *link, char error[BUS_ERROR_MAX])
{
	int rc = 0;

	_Static_assert(BUS_ERROR_MAX >= SECRET_FILE_ERROR_MAX, "an error of the password file must fit");
	if (link->url->tls)
		rc = bus_access_tls(link->access, link->url->host, &link->tls, error);
	return rc == 0 ? link_read_password(link, error) : rc;
}

static void
link_login(struct bus_link *link)
{
	const struct bus_url *url = link->url;
	char number[16];

	if (link->password != NULL && url->user != NULL) {
		struct text auth[] = {TEXT("AUTH"), text_from(url->user), text_from(link->password)};

		bus_link_send(link, 3, auth);
		link->logins++;
	} else if (link->password != NULL) {
		struct text auth[] = {TEXT("AUTH"), text_from(link->password)};

		bus_link_send(link, 2, auth);
		link->logins++;
	}
	if (url->db != 0) {
		struct text select[] = {TEXT("SELECT"), TEXT_NONE};

		snprintf(number, sizeof number, "%u", url->db);
		select[1] = text_from(number);
		bus_link_send(link, 2, select);
		link->logins++;
	}
}

static void
link_on_dialled(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error)
{
	struct bus_link *link = arg;
	char why[BUS_ERROR_MAX];

	link->dial = NULL;
	if (fd < 0) {
		link_lost(link, error, false);
		return;
	}
	if (link_read_files(link, why) < 0) {
		close(fd);
		link_lost(link, why, false);
		return;
	}
	link->conn = conn_new(link->loop, fd, peer, peer_len, link->tls, &link->limits, &link_ops, link);
	conn_set_service(link->conn);
	link->reader = resp_reader_new(WIRE_PAYLOAD_MAX, link_on_reply, link);
	link->logins = 0;
	link_login(link);
	if (link->logins == 0) {
		link->ready = true;
		link->ops->on_ready(link);
	}
}

void
bus_link_open(struct bus_link *link)
{
	const struct bus_url *url = link->url;
	struct dial_to to = {url->host, url->port, url->path, url->hub, link->timeout_ms};

	must(link->dial == NULL && link->conn == NULL);
	link->dial = dial_start(link->loop, &to, link_on_dialled, link);
}
