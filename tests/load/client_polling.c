/*
 * Long-polling over two keep-alive connections (Engine.IO protocol v4, "HTTP long-polling"). A connection that the
 * server closes while idle is opened again when it is needed.
 *
 *   GET    the handshake, then one poll after the other until the end, or until client_polling_pause()
 *   POST   the packets queued meanwhile as one payload of at most maxPayload bytes; then the next payload
 */
#include <stdio.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/engineio/eio_payload.h"
#include "tests/load/client_internal.h"
#include "tests/load/http_answer.h"
#include "tests/load/message.h"

#define BODY_MAX (64 * 1024 * 1024)		  /* bytes of the body of one answer */
#define OUTBOX_MAX (2 * MESSAGE_SIZE_MAX + 65536) /* bytes that may wait to be posted */

struct link {
	struct client *client;
	struct conn *conn; /* NULL while not open */
	struct http_answer *answer;
	bool post, busy;
	bool used;	       /* the connection has carried an answer before */
	struct buffer request; /* kept to send it again if the server has just closed an idle connection */
};

struct polling {
	char sid[CLIENT_SID_MAX + 1];
	struct link get, post;
	struct buffer outbox; /* packets, each followed by a separator */
	bool paused, finishing;
};

static void send_poll(struct client *c);
static void post(struct client *c);

static size_t on_data(struct conn *conn, uint8_t *data, size_t n);
static void on_eof(struct conn *conn);
static void on_closed(struct conn *conn, unsigned reason);
static const struct conn_ops link_ops = {.on_data = on_data, .on_eof = on_eof, .on_closed = on_closed};

/* ------------------------------------------------------------------- links */

static void
link_init(struct link *link, struct client *c, bool is_post)
{
	*link = (struct link){.client = c, .post = is_post, .answer = http_answer_new(BODY_MAX)};
	buffer_init(&link->request, OUTBOX_MAX + TARGET_HEAD_MAX);
}

static void
link_fini(struct link *link)
{
	http_answer_free(link->answer);
	buffer_fini(&link->request);
}

static void
link_send(struct link *link)
{
	link->busy = true;
	if (link->conn && (conn_dead(link->conn) || conn_finishing(link->conn)))
		return; /* on_closed sends the request on the next connection */
	if (link->conn == NULL) {
		link->used = false;
		link->conn = client_connect(link->client, &link_ops, link);
		if (link->conn == NULL)
			return;
	}
	conn_send_copy(link->conn, link->request.data, link->request.len);
}

static void
link_request(struct link *link, struct text body)
{
	struct client *c = link->client;
	char head[TARGET_HEAD_MAX];
	const char *sid = c->polling->sid[0] ? c->polling->sid : NULL;
	size_t n = target_head(
		c->target, head, link->post ? "POST" : "GET", sid, false, link->post ? (int64_t)body.n : -1);

	buffer_reset(&link->request);
	buffer_add(&link->request, head, n);
	buffer_add_text(&link->request, body);
	http_answer_reset(link->answer);
	link_send(link);
}

/* --------------------------------------------------------------------- answers */

static void
on_payload(struct client *c, struct buffer *body)
{
	struct eio_payload payload;
	struct eio_packet packet;
	int result = 1;

	eio_payload_init(&payload, body->data, body->len);
	while (result > 0 && c->state != CLIENT_ENDED) {
		result = eio_payload_next(&payload, &packet);
		if (result < 0)
			client_fail(c, LOAD_ERROR_PROTOCOL, "a payload that cannot be decoded");
		else if (result > 0 && packet.binary)
			client_on_binary(c, packet.data, packet.n);
		else if (result > 0) /* the type digit lies in front of the data */
			client_on_text(c, packet.data - 1, packet.n + 1);
	}
}

static void
check_paused(struct client *c)
{
	struct polling *p = c->polling;

	if (p->paused && !p->get.busy && !p->post.busy && c->state == CLIENT_JOINING)
		client_polling_paused(c);
}

static void
posted(struct client *c)
{
	struct polling *p = c->polling;

	if (p->outbox.len > 0 && !p->paused)
		post(c);
	else if (p->finishing)
		client_polling_close(c);
	check_paused(c);
}

static void
request_answered(struct link *link)
{
	struct client *c = link->client;
	struct buffer *body = http_answer_body(link->answer);
	unsigned status = http_answer_status(link->answer);
	int shown = body->len < 48 ? (int)body->len : 48;

	link->busy = false;
	link->used = true;
	if (!http_answer_keeps_alive(link->answer))
		conn_finish(link->conn, REASON_FINISHED);
	if (status != 200) {
		client_fail_format(c, LOAD_ERROR_HTTP, "a %s was answered %u %.*s", link->post ? "POST" : "poll",
			status, shown, shown ? (const char *)body->data : "");
		return;
	}
	if (link->post) {
		posted(c);
		return;
	}
	on_payload(c, body);
	if (c->state == CLIENT_ENDED)
		return;
	if (!c->polling->paused && !c->polling->finishing)
		send_poll(c);
	check_paused(c);
}

static size_t
on_data(struct conn *conn, uint8_t *data, size_t n)
{
	struct link *link = conn_owner(conn);
	int64_t used;

	if (!link->busy) {
		client_fail(link->client, LOAD_ERROR_PROTOCOL, "bytes on a connection without a request");
		return n;
	}
	used = http_answer_feed(link->answer, data, n);
	if (used < 0) {
		client_fail(link->client, LOAD_ERROR_HTTP, "an answer that is not HTTP or is too large");
		return n;
	}
	if (http_answer_whole(link->answer))
		request_answered(link);
	return (size_t)used;
}

static void
on_eof(struct conn *conn)
{
	struct link *link = conn_owner(conn);

	if (link->busy && http_answer_begun(link->answer) && http_answer_end(link->answer) == 0)
		request_answered(link);
	conn_close(conn, REASON_PEER_CLOSED);
}

static void
on_closed(struct conn *conn, unsigned reason)
{
	struct link *link = conn_owner(conn);
	struct client *c = link->client;

	link->conn = NULL;
	if (c->state == CLIENT_ENDED) {
		client_check_ended(c);
	} else if (c->over_ws) {
		if (client_polling_gone(c))
			client_polling_free(c);
		client_check_ended(c);
	} else if (link->busy && link->used && !http_answer_begun(link->answer)) {
		link_send(link); /* the server closed the idle connection while the request was under way */
	} else if (link->busy) {
		client_lost(c, reason, c->state != CLIENT_OPENING);
	} else if (c->state == CLIENT_LEAVING) {
		client_check_ended(c);
	}
}

/* -------------------------------------------------------------------- requests */

static void
send_poll(struct client *c)
{
	link_request(&c->polling->get, TEXT_NONE);
}

/* The longest run of whole packets that maxPayload allows, at least one. */
static size_t
outbox_part(const struct client *c)
{
	const struct buffer *outbox = &c->polling->outbox;
	size_t max = c->max_payload ? c->max_payload : SIZE_MAX, end = 0;

	while (end < outbox->len) {
		const uint8_t *separator = memchr(outbox->data + end, EIO_SEPARATOR, outbox->len - end);
		size_t next = (size_t)(separator - outbox->data) + 1;

		if (end > 0 && next - 1 > max)
			break;
		end = next;
	}
	return end;
}

static void
post(struct client *c)
{
	struct polling *p = c->polling;
	size_t n = outbox_part(c);

	link_request(&p->post, text_of((const char *)p->outbox.data, n - 1));
	buffer_drop(&p->outbox, n);
}

void
client_polling_send(struct client *c, bool binary, struct text head, struct text tail)
{
	struct polling *p = c->polling;

	if (binary) {
		uint8_t *room;

		buffer_add_byte(&p->outbox, EIO_PACKET_BASE64);
		room = buffer_room(&p->outbox, BASE64_ENCODED(tail.n));
		if (room) {
			base64_encode(tail.at, tail.n, (char *)room);
			p->outbox.len += BASE64_ENCODED(tail.n);
		}
	} else {
		buffer_add_text(&p->outbox, head);
		buffer_add_text(&p->outbox, tail);
	}
	buffer_add_byte(&p->outbox, EIO_SEPARATOR);
	if (buffer_error(&p->outbox))
		client_fail(c, LOAD_ERROR_RESET, "the server does not read what is sent to it");
	else if (!p->post.busy && !p->paused)
		post(c);
}

/* -------------------------------------------------------------------- life */

void
client_polling_open(struct client *c)
{
	struct polling *p = c->polling = mem_zalloc(sizeof *p);

	link_init(&p->get, c, false);
	link_init(&p->post, c, true);
	buffer_init(&p->outbox, OUTBOX_MAX);
	send_poll(c);
}

void
client_polling_begin(struct client *c, struct text sid)
{
	memcpy(c->polling->sid, sid.at, sid.n);
}

const char *
client_polling_sid(const struct client *c)
{
	return c->polling->sid;
}

void
client_polling_pause(struct client *c)
{
	c->polling->paused = true;
	check_paused(c);
}

void
client_polling_finish(struct client *c)
{
	struct polling *p = c->polling;

	p->finishing = true;
	client_polling_send(c, false, TEXT("1"), TEXT_NONE);
}

static void
link_finish(struct link *link)
{
	if (link->conn)
		conn_finish(link->conn, REASON_FINISHED);
}

void
client_polling_move(struct client *c)
{
	struct polling *p = c->polling;
	struct text rest = buffer_text(&p->outbox), packet;

	while (text_cut(&rest, EIO_SEPARATOR, &packet))
		client_ws_send(c, WS_TEXT, packet, TEXT_NONE); /* only a pong can wait here: the client sends nothing
								  else before it has joined */
	buffer_reset(&p->outbox);
	link_finish(&p->get);
	link_finish(&p->post);
	if (client_polling_gone(c))
		client_polling_free(c);
}

static void
link_close(struct link *link)
{
	link->busy = false;
	if (link->conn)
		conn_close(link->conn, REASON_FORCED);
}

bool
client_polling_gone(const struct client *c)
{
	return c->polling == NULL || (c->polling->get.conn == NULL && c->polling->post.conn == NULL);
}

void
client_polling_close(struct client *c)
{
	if (c->polling == NULL)
		return;
	link_close(&c->polling->get);
	link_close(&c->polling->post);
}

void
client_polling_free(struct client *c)
{
	struct polling *p = c->polling;

	if (p == NULL)
		return;
	link_fini(&p->get);
	link_fini(&p->post);
	buffer_fini(&p->outbox);
	mem_free(p);
	c->polling = NULL;
}
