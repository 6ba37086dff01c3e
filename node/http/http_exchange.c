/* One request and its reply: what a handler may do with it, and the replies that are made piece by piece. */
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/http/http_exchange.h"

#define DROP_MAX 65536	   /* an unread body up to this is read to keep the connection */
#define STREAM_PIECE 65536 /* of a reply that is made piece by piece */

struct http_exchange *
http_exchange_new(struct http_conn *h)
{
	struct http_exchange *x = mem_zalloc(sizeof(*x));

	x->r.conn = h;
	buffer_init(&x->head, h->server->limits->max_head);
	buffer_init(&x->added, HTTP_ADDED_MAX);
	http_scan_init(&x->scan);
	h->x = x;
	return x;
}

void
http_exchange_free(struct http_exchange *x)
{
	conn_hold(x->r.conn->c, 0);
	x->r.conn->x = NULL;
	buffer_fini(&x->head);
	buffer_fini(&x->added);
	mem_free(x->headers);
	mem_free(x);
}

void
http_exchange_account(const struct http_exchange *x)
{
	conn_hold(x->r.conn->c,
		sizeof(*x) + x->head.size + x->added.size + x->r.header_count * sizeof(x->headers[0]) + x->held);
}

void
http_request_holds(struct http_request *r, size_t bytes)
{
	struct http_exchange *x = http_exchange_of(r);

	x->held = bytes;
	http_exchange_account(x);
}

void
http_exchange_abort(struct http_exchange *x)
{
	x->state = HTTP_END_STATE;
	if (x->ops && x->ops->on_abort)
		x->ops->on_abort(&x->r, x->user);
}

/* -------------------------------------------------------- after a reply */

bool
http_exchange_closes(const struct http_exchange *x)
{
	if (!x->r.keep_alive || x->r.conn->server->closing || x->expecting)
		return true;
	if (x->state == HTTP_HOLD_STATE)
		return x->r.has_body;
	return x->state == HTTP_BODY_STATE && (x->r.chunked || x->body.remaining > DROP_MAX);
}

void
http_exchange_over(struct http_exchange *x)
{
	struct http_conn *h = x->r.conn;

	if (x->close || conn_dead(h->c)) {
		conn_finish(h->c, REASON_FINISHED);
		http_exchange_free(x);
	} else if (x->state == HTTP_BODY_STATE) {
		x->state = HTTP_DROP_STATE;
		if (x->paused)
			http_exchange_read_on(x);
	} else
		http_conn_idle(h);
}

void
http_destroy(struct http_request *r, unsigned reason)
{
	struct http_exchange *x = http_exchange_of(r);

	must(http_exchange_pending(x));
	conn_close(r->conn->c, reason);
	http_exchange_free(x);
}

/* ------------------------------------------------------ what handlers ask for */

void
http_wait(struct http_request *r, const struct http_exchange_ops *ops, void *user, uint64_t max_body)
{
	struct http_exchange *x = http_exchange_of(r);

	must(http_exchange_pending(x) && ops);
	x->ops = ops;
	x->user = user;
	if (max_body)
		x->max_body = max_body;
	http_exchange_account(x);
}

void
http_hold(struct http_request *r, const struct http_exchange_ops *ops, void *user)
{
	struct http_exchange *x = http_exchange_of(r);

	must(http_exchange_pending(x) && r->conn->busy && ops);
	x->ops = ops;
	x->user = user;
	x->state = HTTP_HOLD_STATE;
	http_exchange_account(x);
	conn_set_deadline(r->conn->c, 0, NULL);
}

struct conn *
http_leave(struct http_request *r)
{
	struct conn *c = r->conn->c;

	must(http_exchange_of(r)->state == HTTP_HOLD_STATE && !r->conn->busy);
	http_conn_leave(r->conn);
	return c;
}

struct conn *
http_request_conn(const struct http_request *r)
{
	return r->conn->c;
}

struct text
http_request_head(const struct http_request *r)
{
	return buffer_text(&http_exchange_of((struct http_request *)r)->head);
}

/* -------------------------------------------------- replies piece by piece */

/* `done` is the handler's; it may free what `user` points to, nothing of ours. */
void
http_stream_end(struct http_exchange *x)
{
	struct http_stream stream = x->stream;

	x->state = HTTP_END_STATE;
	if (stream.done)
		stream.done(stream.user);
}

void
http_exchange_stream(struct http_exchange *x, struct http_stream stream)
{
	x->state = HTTP_STREAM_STATE;
	x->stream = stream;
	conn_set_deadline(x->r.conn->c, 0, NULL);
}

/* One piece; the next one when it has left. */
void
http_stream_pull(struct http_conn *h)
{
	struct http_exchange *x = h->x;
	uint64_t left = x->stream.remaining;
	size_t room = left < STREAM_PIECE ? (size_t)left : STREAM_PIECE;

	if (room) {
		struct block *piece = block_try_new(room);
		int64_t n;

		if (!piece) {
			conn_no_memory(h->c);
			return;
		}
		n = x->stream.pull(x->stream.user, piece->data, room);

		must(n <= (int64_t)room);
		if (n > 0) {
			piece->len = (uint32_t)n;
			conn_send(h->c, piece, 0, (size_t)n);
			x->stream.remaining -= (uint64_t)n;
		} else
			conn_close(h->c, REASON_RESET);
		block_unref(piece);
	}
	if (conn_dead(h->c) || x->stream.remaining)
		return;
	http_stream_end(x);
	http_exchange_over(x);
}
